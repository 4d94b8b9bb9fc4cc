"""Observed predictions of chosen predictors, some genes at a time, from memory or from a store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.evaluation.matrices import LongTable, PredictorMatrices
from pgxeval.evaluation.measured import MeasuredExpression
from pgxeval.tables.batches import BatchedPredictions
from pgxeval.tables.predictions import Predictions

GENES_PER_BATCH = 1024


@attrs.frozen(kw_only=True, eq=False)
class GeneBatch:
    """Observed predictions of some genes.

    Parameters
    ----------
    genes
        int64 (n_genes,): rows of the target.
    matrices
        Predictor -> its predictions of these genes; a predictor without any of them is missing.
    """

    genes: npt.NDArray[np.int64]
    matrices: Mapping[str, PredictorMatrices]


def gene_batches(
    predictions: Predictions | BatchedPredictions, target: MeasuredExpression, names: Sequence[str]
) -> Iterator[GeneBatch]:
    """Go through the observed predictions (replicate 0), some genes at a time.

    A store yields the genes of every predictor in the same order, so only the batches under way are in memory. With
    other sources, genes wait until all predictors have reached them.

    Parameters
    ----------
    predictions
        A predictions table, or predictions that are read in batches.
    target
        Measured expression; genes and individuals that it lacks are dropped.
    names
        Predictors.
    """
    tables = _of_memory(predictions, names) if isinstance(predictions, Predictions) else _of_store(predictions, names)
    for table in tables:
        long = LongTable(table, target.gene_ids, target.individuals, 1)
        genes = long.present("gene_id")
        if len(genes) and len(long.present("individual")):
            yield GeneBatch(genes=genes, matrices={name: long.matrices(name) for name in long.predictors})


def first_folds(
    predictions: Predictions | BatchedPredictions, target: MeasuredExpression, kinds: Mapping[str, str]
) -> npt.NDArray[np.int16] | None:
    """Return the folds within which zero-shot predictors are judged, or None; see `LongTable.common_folds`.

    Parameters
    ----------
    predictions, target
        As for `gene_batches`.
    kinds
        Predictor -> ``"zero-shot"``, ``"crossfit"`` or ``"prequential"``, in the order of the predictions.
    """
    folded = [name for name, kind in kinds.items() if kind != "zero-shot"]
    if not folded:
        return None
    if isinstance(predictions, Predictions):
        table = predictions.table[(predictions.table["predictor"] == folded[0]) & (predictions.table["replicate"] == 0)]
    else:
        table = next(iter(predictions.batches(folded[0])))
    return LongTable(table, target.gene_ids, target.individuals, 1).common_folds()


def _of_memory(predictions: Predictions, names: Sequence[str]) -> Iterator[pd.DataFrame]:
    table = predictions.table
    predictor = table["predictor"].astype("category").cat
    mask = np.isin(predictor.codes.to_numpy(), predictor.categories.get_indexer(pd.Index(list(names))))
    mask &= table["replicate"].to_numpy() == 0
    genes = table["gene_id"].astype("category").cat.codes.to_numpy()
    for start in range(0, int(genes.max(initial=-1)) + 1, GENES_PER_BATCH):
        rows = mask & (genes >= start) & (genes < start + GENES_PER_BATCH)
        if rows.any():
            yield table[rows]


def _of_store(predictions: BatchedPredictions, names: Sequence[str]) -> Iterator[pd.DataFrame]:
    batches = {name: predictions.batches(name) for name in names}
    waiting: dict[str, dict[str, pd.DataFrame]] = {}
    while batches:
        read: dict[str, pd.DataFrame] = {}
        for name in list(batches):
            table = next(batches[name], None)
            if table is None:
                del batches[name]
            else:
                # as objects, because pandas warns of categories beside a column without any
                read[name] = table[table["replicate"] == 0].astype({"reason": object})
        genes = [frozenset(table["gene_id"].unique()) for table in read.values()]
        if not waiting and len(read) == len(names) and len(set(genes)) == 1:
            yield pd.concat(read.values(), ignore_index=True)
            continue
        for name, table in read.items():
            for gene, rows in table.groupby(table["gene_id"].astype(str), sort=False):
                waiting.setdefault(str(gene), {})[name] = rows
        complete = [gene for gene, parts in waiting.items() if len(parts) == len(names)]
        yield from _taken(waiting, complete)
    yield from _taken(waiting, list(waiting))


def _taken(waiting: dict[str, dict[str, pd.DataFrame]], genes: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Take genes out of those that wait."""
    for start in range(0, len(genes), GENES_PER_BATCH):
        batch = genes[start : start + GENES_PER_BATCH]
        yield pd.concat([rows for gene in batch for rows in waiting.pop(gene).values()], ignore_index=True)
