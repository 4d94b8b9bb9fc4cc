"""BatchedTable: predictions that are read some genes at a time, laid out one predictor after the other."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.evaluation.matrices import NO_FOLD, LongTable, PredictorMatrices, Unit
from pgxeval.tables.batches import BatchedPredictions


@attrs.define(kw_only=True, eq=False)
class _Seen:
    """Names that the rows of one predictor hold."""

    genes: set[int] = attrs.field(factory=set)
    individuals: set[int] = attrs.field(factory=set)
    unknown: dict[str, dict[str, None]] = attrs.field(factory=lambda: {"gene_id": {}, "individual": {}})
    replicates: set[int] = attrs.field(factory=set)
    n_people: int = 0
    folds: npt.NDArray[np.int16] | None = None
    one_assignment: bool = True


class BatchedTable:
    """As `LongTable`, for predictions in a store: only some genes of one predictor are in memory.

    Parameters
    ----------
    predictions
        Predictions that are read in batches of genes.
    gene_ids, individuals
        Of the target.
    """

    def __init__(
        self,
        predictions: BatchedPredictions,
        gene_ids: tuple[str, ...],
        individuals: tuple[str, ...],
    ) -> None:
        self._predictions = predictions
        self.gene_ids, self.individuals = gene_ids, individuals
        self._seen = {name: self._look(name) for name in predictions.predictors}

    @property
    def n_rows(self) -> int:
        """Number of genes with rows, over predictors: 0 if there is nothing to judge."""
        return sum(len(seen.genes) + len(seen.unknown["gene_id"]) for seen in self._seen.values())

    @property
    def predictors(self) -> tuple[str, ...]:
        """Names of the predictors with rows."""
        return tuple(name for name, seen in self._seen.items() if seen.n_people)

    def unknown(self, key: str) -> list[str]:
        """Return genes or individuals that the target lacks; see `LongTable.unknown`."""
        return [*dict.fromkeys(name for seen in self._seen.values() for name in seen.unknown[key])]

    def present(self, key: str) -> npt.NDArray[np.int64]:
        """Return the sorted target positions of genes or individuals; see `LongTable.present`."""
        codes: set[int] = set()
        for seen in self._seen.values():
            codes |= seen.genes if key == "gene_id" else seen.individuals
        return np.array(sorted(codes), dtype=np.int64)

    def people(self, predictor: str) -> tuple[npt.NDArray[np.bool_], int]:
        """Return which individuals have rows of the predictor; see `LongTable.people`."""
        seen = self._seen[predictor]
        presence = np.zeros(len(self.individuals), dtype=bool)
        presence[sorted(seen.individuals)] = True
        return presence, seen.n_people

    def common_folds(self) -> npt.NDArray[np.int16] | None:
        """Return the folds of the first cross-fitted predictor; see `LongTable.common_folds`."""
        for seen in self._seen.values():
            if seen.folds is not None:
                return seen.folds if seen.one_assignment else None
        return None

    def is_folded(self, predictor: str) -> bool:
        """Tell whether the predictor is cross-fitted."""
        return self._seen[predictor].folds is not None

    def replicates(self, predictor: str) -> tuple[int, ...]:
        """Return the numbers of the replicates of a predictor, ascending."""
        return tuple(sorted(self._seen[predictor].replicates))

    def units(self) -> Iterator[Unit]:
        """Yield one batch of one predictor at a time; see `LongTable.units`."""
        for predictor in self.predictors:
            for batch in self._predictions.batches(predictor):
                yield functools.partial(self._unit, predictor, batch)

    def _unit(self, predictor: str, batch: pd.DataFrame) -> Iterator[PredictorMatrices]:
        table = self._laid_out(batch)
        if predictor in table.predictors:
            matrices = table.matrices(
                predictor, replicates=self.replicates(predictor), folded=self.is_folded(predictor)
            )
            if matrices.genes.size:
                yield matrices

    def _tables(self, predictor: str) -> Iterator[LongTable]:
        for batch in self._predictions.batches(predictor):
            yield self._laid_out(batch)

    def _laid_out(self, batch: pd.DataFrame) -> LongTable:
        return LongTable(batch, self.gene_ids, self.individuals, 1)

    def _look(self, predictor: str) -> _Seen:
        seen = _Seen()
        for table in self._tables(predictor):
            seen.genes |= set(table.present("gene_id").tolist())
            seen.individuals |= set(table.present("individual").tolist())
            for key in ("gene_id", "individual"):
                seen.unknown[key] |= dict.fromkeys(table.unknown(key))
            if predictor in table.predictors:
                seen.replicates |= set(table.replicates(predictor))
            seen.n_people = max(seen.n_people, table.people(predictor)[1])
            if not table.is_folded(predictor):
                continue
            folds = table.common_folds()
            if folds is None or (seen.folds is not None and not np.array_equal(folds, seen.folds)):
                seen.one_assignment = False
            seen.folds = folds if seen.folds is None else seen.folds
            if seen.folds is None:
                seen.folds = np.full(len(self.individuals), NO_FOLD, dtype=np.int16)
        return seen
