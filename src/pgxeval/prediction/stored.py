"""StoredPredictions: predictions in a store, read when they are needed."""

from __future__ import annotations

import html
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from pgxeval.errors import SettingError, UnknownNameError
from pgxeval.names import match_versions, near_genes
from pgxeval.prediction.rows import UsedSettings, predictions_table
from pgxeval.prediction.stored_run import StoredRun
from pgxeval.tables.predictions import Predictions, failures_table

GENES_PER_BATCH = 256


class StoredPredictions:
    """The predictions of a run in a store: as `pgxeval.Predictions`, but read gene batch by gene batch.

    Parameters
    ----------
    runs
        One run per predictor, in the order of the predictors.
    gene_ids
        Genes, in the order of the rows; those without a result are absent.

    Raises
    ------
    SettingError
        If two runs have the same predictor, or not the same individuals.
    """

    def __init__(self, runs: Sequence[StoredRun], gene_ids: Sequence[str]) -> None:
        self._runs = {run.predictor: run for run in runs}
        if len(self._runs) < len(runs):
            raise SettingError("stored predictions need one run per predictor; choose runs by their identifiers")
        if len({run.individuals for run in runs}) > 1:
            raise SettingError("the runs of these predictors have different individuals; read them one by one")
        self.gene_ids = tuple(gene_ids)

    @property
    def predictors(self) -> tuple[str, ...]:
        """Names of the predictors."""
        return tuple(self._runs)

    @property
    def individuals(self) -> tuple[str, ...]:
        """Names of the individuals, in the order of the rows of a gene."""
        return next(iter(self._runs.values())).individuals

    @property
    def replicates(self) -> int:
        """Number of permuted replicates."""
        return max(run.n_replicates for run in self._runs.values()) - 1

    @cached_property
    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """Predictor -> settings requested and used, versions, cross-fitting, seed."""
        settings: dict[str, dict[str, Any]] = {}
        for name, run in self._runs.items():
            used = UsedSettings()
            for one in run.used(self.gene_ids):
                used.add(one)
            settings[name] = {**run.recorded, "genes": len(self.gene_ids), "used": used.summary()}
        return settings

    @property
    def failures(self) -> pd.DataFrame:
        """One row per predictor and gene that failed: predictor, gene_id, reason."""
        return failures_table(
            (name, gene_id, run.failures[gene_id])
            for name, run in self._runs.items()
            for gene_id in self.gene_ids
            if gene_id in run.failures
        )

    def batches(self, predictor: str, genes_per_batch: int = GENES_PER_BATCH) -> Iterator[pd.DataFrame]:
        """Go through the rows of one predictor, some genes at a time.

        Parameters
        ----------
        predictor
            Name of the predictor.
        genes_per_batch
            Largest number of genes per table.

        Yields
        ------
        pandas.DataFrame
            A part of the predictions table: all rows of some genes.

        Raises
        ------
        UnknownNameError
            If the predictor is unknown.
        """
        if predictor not in self._runs:
            raise UnknownNameError(f"predictor {predictor} is not in the store; it has {', '.join(self._runs)}")
        run = self._runs[predictor]
        waiting = []
        for result in run.results(self.gene_ids):
            waiting.append(result)
            if len(waiting) == genes_per_batch:
                yield predictions_table(waiting, self.predictors, self.gene_ids, self.individuals)
                waiting = []
        if waiting:
            yield predictions_table(waiting, self.predictors, self.gene_ids, self.individuals)

    def rows_of(self, gene_id: str) -> pd.DataFrame:
        """Return all rows of one gene.

        Raises
        ------
        UnknownNameError
            If it has none, under this or another Ensembl version.
        """
        name = gene_id if gene_id in self.gene_ids else match_versions([gene_id], self.gene_ids).get(gene_id)
        results = [] if name is None else [result for run in self._runs.values() for result in run.results([name])]
        if name is None or not results:
            raise UnknownNameError(f"gene {gene_id} is not in the store{near_genes(str(gene_id), self.gene_ids)}")
        return predictions_table(results, self.predictors, [name], self.individuals)

    def of_genes(self, gene_ids: Sequence[str]) -> StoredPredictions:
        """Return the predictions of some genes, in the order of `gene_ids`."""
        genes = frozenset(self.gene_ids)
        return StoredPredictions([*self._runs.values()], [gene_id for gene_id in gene_ids if gene_id in genes])

    @property
    def runs(self) -> dict[str, str]:
        """Predictor -> identifier of its run in the store."""
        return {name: run.run for name, run in self._runs.items()}

    def load(self) -> Predictions:
        """Read everything into memory."""
        results = [result for run in self._runs.values() for result in run.results(self.gene_ids)]
        table = predictions_table(results, self.predictors, self.gene_ids, self.individuals)
        return Predictions.from_table(table, self.settings)

    @property
    def table(self) -> pd.DataFrame:
        """The predictions table; it is read into memory at each access."""
        return self.load().table

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write everything as one file; see `pgxeval.Predictions.write`."""
        return self.load().write(path)

    def __repr__(self) -> str:
        return (
            f"StoredPredictions({len(self.gene_ids):,} genes, {', '.join(self.predictors)}, "
            f"{self.replicates} permuted replicate(s), {len(self.failures)} failed)"
        )

    def _repr_html_(self) -> str:
        return f"<p><b>{html.escape(repr(self))}</b></p>"
