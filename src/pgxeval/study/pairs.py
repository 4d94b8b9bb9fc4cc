"""Two predictors of a study compared at every gene-tissue pair."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import attrs
import numpy as np
import pandas as pd

from pgxeval.cohort import Cohort
from pgxeval.evaluation import Evaluation, MeasuredExpression, flips
from pgxeval.evaluation.gene_comparison import Method, compare_pairs
from pgxeval.evaluation.resampling import benjamini_hochberg
from pgxeval.prediction import StoredPredictions

_SHOWN = 5
_COUNTS = ("genes", "both_clear", "one_clear", "neither_clear", "expected_by_chance")
_KEYS = ["predictor_a", "predictor_b"]
FLIPS = ("predictor_a", "predictor_b", "right", *_COUNTS, "names")
"""Columns of the flips table: two rows per pair of predictors."""


def compare_in_tissues(
    evaluation: Evaluation,
    cohorts: Mapping[str, Cohort],
    predictions: Mapping[str, StoredPredictions],
    *,
    method: Method = "intervals",
    samples: int = 1000,
    seed: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare every two predictors at every gene-tissue pair at which both were run.

    Parameters
    ----------
    evaluation
        Evaluation of all tissues.
    cohorts, predictions
        Tissue -> cohort, and tissue -> predictions.
    method, samples, seed
        As for `pgxeval.evaluation.compare_genes`.

    Returns
    -------
    pairs : pandas.DataFrame
        predictor_a, predictor_b, tissue, and the columns of `pgxeval.evaluation.compare_genes`. With the method
        ``"intervals"`` q_value is Benjamini and Hochberg's over the gene-tissue pairs of two predictors.
    flips : pandas.DataFrame
        Columns `FLIPS`; see `pgxeval.evaluation.flips`.
    """
    order = list(dict.fromkeys(evaluation.per_gene["predictor"].astype(str)))
    compared: list[pd.DataFrame] = []
    turned: list[pd.DataFrame] = []
    for tissue, here in _by_tissue(evaluation, cohorts, predictions):
        names = [name for name in order if name in predictions[tissue].predictors]
        both = list(itertools.combinations(names, 2))
        if both:
            table = compare_pairs(here, both, method=method, samples=samples, seed=seed)
            compared.append(table.assign(tissue=tissue))
        label = tissue if len(cohorts) > 1 else ""
        turned += [_named(flips(here, a, b), label).assign(predictor_a=a, predictor_b=b) for a, b in both]
    level = float(evaluation.settings["level"]) if method == "intervals" else None
    ranks = {pair: place for place, pair in enumerate(itertools.combinations(order, 2))}
    return _joined(compared, ranks, level), _added(turned, ranks)


def _by_tissue(
    evaluation: Evaluation, cohorts: Mapping[str, Cohort], predictions: Mapping[str, StoredPredictions]
) -> Iterator[tuple[str, Evaluation]]:
    """Go through the tissues, each as an evaluation with its predictions."""
    for tissue, cohort in cohorts.items():
        rows = evaluation.per_gene[evaluation.per_gene["tissue"].astype(str) == tissue]
        target = MeasuredExpression.of(cohort)
        yield tissue, attrs.evolve(evaluation, per_gene=rows, target=target, predictions=predictions[tissue])


def _joined(tables: list[pd.DataFrame], ranks: Mapping[tuple[str, str], int], level: float | None) -> pd.DataFrame:
    if not tables:
        return pd.DataFrame(columns=[*_KEYS, "tissue"])
    table = pd.concat(tables, ignore_index=True)
    parts = dict(list(table.groupby(_KEYS, sort=False)))
    ordered = [parts[pair] for pair in ranks if pair in parts]
    if level is not None:
        ordered = [_over_tissues(part, level) for part in ordered]
    table = pd.concat(ordered, ignore_index=True)
    front = [*_KEYS, "tissue"]
    return table[[*front, *(name for name in table.columns if name not in front)]]


def _over_tissues(part: pd.DataFrame, level: float) -> pd.DataFrame:
    q_value = benjamini_hochberg(part["p_value"].to_numpy(dtype=np.float64))
    with np.errstate(invalid="ignore"):
        better = np.where(q_value < level, np.where(part["difference"] > 0, "a", "b"), "")
    return part.assign(q_value=q_value, better=better)


def _named(table: pd.DataFrame, tissue: str) -> pd.DataFrame:
    if not tissue:
        return table
    names = [", ".join(f"{name} ({tissue})" for name in str(cell).split(", ") if name) for cell in table["names"]]
    return table.assign(names=names)


def _added(tables: list[pd.DataFrame], ranks: Mapping[tuple[str, str], int]) -> pd.DataFrame:
    if not tables:
        return pd.DataFrame(columns=list(FLIPS))
    groups = pd.concat(tables, ignore_index=True).groupby([*_KEYS, "right"], sort=False)
    names = groups["names"].agg(
        lambda column: ", ".join([name for cell in column for name in str(cell).split(", ") if name][:_SHOWN])
    )
    table = groups[list(_COUNTS)].sum().join(names).reset_index()
    place = [ranks[a, b] for a, b in zip(table["predictor_a"], table["predictor_b"], strict=True)]
    return table.iloc[np.argsort(place, kind="stable")].reset_index(drop=True)[list(FLIPS)]
