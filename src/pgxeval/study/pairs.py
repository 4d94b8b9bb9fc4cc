"""Two predictors of a study compared at every gene-tissue pair."""

from __future__ import annotations

import pandas as pd

from pgxeval.evaluation import Evaluation
from pgxeval.evaluation.flips import count_flips
from pgxeval.evaluation.gene_comparison import Method, compare_pairs

_KEYS = ["predictor_a", "predictor_b"]
FLIPS = (*_KEYS, "right", "genes", "both_clear", "one_clear", "neither_clear", "expected_by_chance", "names")
"""Columns of the flips table: two rows per pair of predictors."""


def compare_in_tissues(
    evaluation: Evaluation, *, method: Method = "intervals", samples: int = 1000, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare every two predictors at every gene-tissue pair at which both were run.

    Parameters
    ----------
    evaluation
        Evaluation of all tissues, with the values of individuals.
    method, samples, seed
        As for `pgxeval.evaluation.compare_genes`.

    Returns
    -------
    pairs : pandas.DataFrame
        The table of `pgxeval.evaluation.compare_pairs`.
    flips : pandas.DataFrame
        Columns `FLIPS`; see `pgxeval.evaluation.flips`.
    """
    pairs = compare_pairs(evaluation, method=method, samples=samples, seed=seed)
    turned = [
        count_flips(evaluation, rows, str(a), str(b)).assign(predictor_a=str(a), predictor_b=str(b))
        for (a, b), rows in pairs.groupby(_KEYS, sort=False)
    ]
    if not turned:
        return pairs, pd.DataFrame(columns=list(FLIPS))
    return pairs, pd.concat(turned, ignore_index=True)[list(FLIPS)]
