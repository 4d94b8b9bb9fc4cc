"""Two predictors of a study compared at every gene-tissue pair, in batches of genes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import attrs
import numpy as np
import pandas as pd

from pgxeval.cohort import Cohort
from pgxeval.evaluation import Evaluation, MeasuredExpression, compare_genes, flips
from pgxeval.evaluation.resampling import benjamini_hochberg
from pgxeval.prediction import StoredPredictions
from pgxeval.tables import Predictions

GENES_PER_BATCH = 500
_SHOWN = 5
_COUNTS = ("genes", "both_clear", "one_clear", "neither_clear", "expected_by_chance")
FLIPS = ("predictor_a", "predictor_b", "right", *_COUNTS, "names")
"""Columns of the flips table: two rows per pair of predictors."""


def observed_batches(
    stored: StoredPredictions, gene_ids: tuple[str, ...], genes_per_batch: int = GENES_PER_BATCH
) -> Iterator[tuple[list[str], Predictions]]:
    """Go through stored predictions of all predictors, some genes at a time, without permuted replicates.

    Yields
    ------
    tuple
        Identifiers of the genes, and their predictions.
    """
    known = frozenset(stored.gene_ids)
    present = [gene_id for gene_id in gene_ids if gene_id in known]
    for first in range(0, len(present), genes_per_batch):
        part = present[first : first + genes_per_batch]
        table = stored.of_genes(part).table
        yield part, Predictions.from_table(table[table["replicate"] == 0].reset_index(drop=True), stored.settings)


def compare_pairs(
    evaluation: Evaluation, cohorts: Mapping[str, Cohort], predictions: Mapping[str, StoredPredictions]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare every two predictors at every gene-tissue pair at which both were run.

    Parameters
    ----------
    evaluation
        Evaluation of all tissues.
    cohorts, predictions
        Tissue -> cohort, and tissue -> predictions.

    Returns
    -------
    comparison : pandas.DataFrame
        predictor_a, predictor_b, tissue, and the columns of `pgxeval.evaluation.compare_genes`. q_value is Benjamini
        and Hochberg's over the gene-tissue pairs of two predictors.
    flips : pandas.DataFrame
        Columns `FLIPS`; see `pgxeval.evaluation.flips`.
    """
    names = list(dict.fromkeys(evaluation.per_gene["predictor"].astype(str)))
    found: dict[tuple[str, str], list[pd.DataFrame]] = {pair: [] for pair in itertools.combinations(names, 2)}
    turned: dict[tuple[str, str], list[pd.DataFrame]] = {pair: [] for pair in found}
    for tissue, cohort in cohorts.items():
        target = MeasuredExpression.of(cohort)
        of_tissue = evaluation.per_gene[evaluation.per_gene["tissue"].astype(str) == tissue]
        for gene_ids, batch in observed_batches(predictions[tissue], cohort.gene_ids):
            rows = of_tissue[of_tissue["gene_id"].astype(str).isin(gene_ids)]
            for a, b in itertools.combinations(names, 2):
                both = [rows["predictor"].astype(str) == name for name in (a, b)]
                asked = set.intersection(*(_asked(batch, name) for name in (a, b)))
                part = rows[(both[0] | both[1]) & rows["gene_id"].astype(str).isin(asked)]
                if part.empty:
                    continue
                here = attrs.evolve(evaluation, per_gene=part, target=target, predictions=batch)
                found[a, b].append(compare_genes(here, a, b).assign(tissue=tissue))
                turned[a, b].append(_named(flips(here, a, b), tissue if len(cohorts) > 1 else ""))
    level = float(evaluation.settings["level"])
    compared = [_joined(parts, level).assign(predictor_a=a, predictor_b=b) for (a, b), parts in found.items() if parts]
    flipped = [_added(parts).assign(predictor_a=a, predictor_b=b) for (a, b), parts in turned.items() if parts]
    return _in_front(compared, ["predictor_a", "predictor_b", "tissue"]), _in_front(flipped, [*FLIPS])


def _named(table: pd.DataFrame, tissue: str) -> pd.DataFrame:
    if not tissue:
        return table
    names = [", ".join(f"{name} ({tissue})" for name in str(cell).split(", ") if name) for cell in table["names"]]
    return table.assign(names=names)


def _asked(batch: Predictions, predictor: str) -> set[str]:
    rows = batch.table.loc[(batch.table["predictor"] == predictor).to_numpy(), "gene_id"]
    return set(rows.astype(str).unique())


def _joined(parts: list[pd.DataFrame], level: float) -> pd.DataFrame:
    table = pd.concat(parts, ignore_index=True)
    q_value = benjamini_hochberg(table["p_value"].to_numpy(dtype=np.float64))
    with np.errstate(invalid="ignore"):
        better = np.where(q_value < level, np.where(table["difference"] > 0, "a", "b"), "")
    return table.assign(q_value=q_value, better=better)


def _added(parts: list[pd.DataFrame]) -> pd.DataFrame:
    table = pd.concat(parts, ignore_index=True)
    sums = table.groupby("right", sort=False)[list(_COUNTS)].sum()
    names = table.groupby("right", sort=False)["names"].agg(
        lambda column: ", ".join([name for cell in column for name in str(cell).split(", ") if name][:_SHOWN])
    )
    return sums.join(names).reset_index()


def _in_front(tables: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    if not tables:
        return pd.DataFrame(columns=columns)
    table = pd.concat(tables, ignore_index=True)
    return table[[*columns, *(name for name in table.columns if name not in columns)]]
