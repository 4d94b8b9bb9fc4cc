"""plan: what a run would take, before it begins."""

from __future__ import annotations

import math
import os
import resource
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import attrs
import pandas as pd

from pgxeval.errors import PgxevalError, SettingError
from pgxeval.prediction.identity import identify_runs
from pgxeval.prediction.pairing import Method
from pgxeval.prediction.progress import clock
from pgxeval.prediction.request import Folds, Request
from pgxeval.prediction.store import PredictionStore
from pgxeval.prediction.timing import time_fits, time_passes, time_predictions
from pgxeval.prediction.workers import count_workers
from pgxeval.predictors.protocol import Predictor, TrainablePredictor
from pgxeval.predictors.sequence import SequencePredictor
from pgxeval.view import Column, TableView
from pgxeval.wording import count, counted

if TYPE_CHECKING:
    from pgxeval.cohort.cohort import Cohort

# per row: 18 bytes as a result, 27 in the table; about 10 in a Parquet file
_MEMORY_BYTES, _DISK_BYTES = 45, 10
_NOT_TIMED = "not timed"


@attrs.frozen(kw_only=True, eq=False, repr=False)
class RunPlan:
    """What a run would take.

    Parameters
    ----------
    predictors : pandas.DataFrame
        One row per predictor: predictor; genes; stored, number of those that are finished in the store, which take no
        time, fits, passes or disk; fits, number of models to train (0 without training); passes, number of
        sequences to pass through a model or to pay a service for, without those in the score cache; cached, number of
        those in it; seconds, on all workers together, NaN if it cannot be estimated; memory_bytes, for its predictions
        without a store; disk_bytes, for its predictions in a store; basis, what the time is estimated from, or why
        there is none.
    what
        The run, in one line.
    workers
        Number of worker processes.
    worker_bytes
        Memory of one process [bytes]: the largest that this process has used so far, with the cohort and the genes that
        were timed.
    """

    predictors: pd.DataFrame
    what: str
    workers: int
    worker_bytes: int

    @property
    def seconds(self) -> float:
        """Time of all predictors [s]; NaN if one of them cannot be estimated."""
        return float(self.predictors["seconds"].sum(skipna=False))

    @property
    def memory_bytes(self) -> int:
        """Memory of all processes and of the predictions without a store [bytes]."""
        return self.workers * self.worker_bytes + int(self.predictors["memory_bytes"].sum())

    @property
    def disk_bytes(self) -> int:
        """Size of the predictions in a store [bytes]."""
        return int(self.predictors["disk_bytes"].sum())

    def show(self) -> TableView:
        """Return the plan as a table for reading."""
        table = self.predictors
        time = "unknown" if math.isnan(self.seconds) else f"about {clock(self.seconds)}"
        processes = counted(self.workers, "worker")
        return TableView(
            title=f"In all {time} on {processes}, {_size(self.memory_bytes)} of memory",
            columns=(
                Column(title="Predictor", cells=table["predictor"], numeric=False),
                *(
                    Column(title=title, cells=map(count, table[name]))
                    for name, title in (
                        ("stored", "Genes\nfinished"),
                        ("fits", "Fits"),
                        ("passes", "Model passes"),
                        ("cached", "In the cache"),
                    )
                    if table[name].any()
                ),
                Column(title="Time", cells=["unknown" if math.isnan(s) else clock(s) for s in table["seconds"]]),
                Column(title="Predictions\nin memory", cells=map(_size, table["memory_bytes"])),
                Column(title="in a store", cells=map(_size, table["disk_bytes"])),
                Column(title="Estimated from", cells=table["basis"], numeric=False),
            ),
            legend=(
                f"{self.what}.",
                "Trained predictors are timed one by one; those with equal cis variants read and select them once and "
                "take less together.",
                f"Memory: {processes} with {_size(self.worker_bytes)} each, and the predictions. With store= these are "
                "on disk.",
            ),
            table=table,
        )

    def __repr__(self) -> str:
        return self.show().to_text()

    def _repr_html_(self) -> str:
        return self.show().to_html()


def plan(
    cohort: Cohort,
    predictors: Sequence[Predictor | TrainablePredictor | str],
    *,
    folds: Folds = 5,
    seed: int = 0,
    replicates: int | Literal["quick"] | None = None,
    method: Method = "crossfit",
    genes: slice | Sequence[str] | None = None,
    workers: int | None = None,
    store: str | os.PathLike[str] | PredictionStore | None = None,
    timed_genes: int = 3,
) -> RunPlan:
    """Estimate what `predict_cohort` with the same arguments would take: time, memory, model passes and disk.

    Parameters
    ----------
    cohort, predictors, folds, seed, replicates, method, genes, workers
        As for `predict_cohort`.
    store
        As for `predict_cohort`: genes that are finished in it are subtracted; those that failed are tried again and
        count. The folder is not made.
    timed_genes
        Number of genes that are timed on this machine for each predictor; 0 counts only.

    Returns
    -------
    RunPlan
        Prints as a small table.

    Raises
    ------
    SettingError, UnknownNameError
        As for `predict_cohort`.

    Notes
    -----
    A trained predictor is timed in the first fold of a few genes with few, medium and many variants, after a first fit
    that is not counted, on at most 500 individuals. Time is taken to be linear in the numbers of variants and
    individuals. Passes of a sequence model are counted exactly (`SequencePredictor.plan`), and one batch of a model on
    this machine is timed; a remote model is never called, and its time follows from its quota. Any other predictor is
    timed on a few genes.

    Examples
    --------
    >>> from pgxeval.simulation import simulate_cohort_in_memory
    >>> cohort, _ = simulate_cohort_in_memory(individuals=40, genes=4, window_bp=20_000)
    >>> plan(cohort, ["elastic_net"], replicates=10, timed_genes=0).predictors[["predictor", "genes", "fits"]]
         predictor  genes  fits
    0  elastic_net      4   220
    """
    request = Request.of(cohort, predictors, folds=folds, seed=seed, replicates=replicates, method=method, genes=genes)
    if type(timed_genes) is not int or timed_genes < 0:
        raise SettingError(f"timed_genes must be a whole number, 0 or more, got {timed_genes!r}")
    number = count_workers(workers)
    finished = _finished(cohort, request, store)
    rows = []
    for predictor in request.predictors:
        due = tuple(gene for gene in request.genes if gene.gene_id not in finished[predictor.name])
        open_request = attrs.evolve(request, genes=due)
        if not due:
            estimate = _Estimate(seconds=0.0, basis="all genes are in the store")
        elif isinstance(predictor, TrainablePredictor):
            estimate = _trained(cohort, open_request, predictor, number, timed_genes)
        elif isinstance(predictor, SequencePredictor):
            estimate = _sequence(cohort, open_request, predictor, timed_genes)
        else:
            estimate = _other(cohort, open_request, predictor, timed_genes)
        gene_rows = request.n_individuals * request.table_replicates[predictor.name]
        rows.append(
            {
                "predictor": predictor.name,
                "genes": len(request.genes),
                "stored": len(request.genes) - len(due),
                "fits": estimate.fits,
                "passes": estimate.passes,
                "cached": estimate.cached,
                "seconds": estimate.seconds,
                "memory_bytes": _MEMORY_BYTES * gene_rows * len(request.genes),
                "disk_bytes": _DISK_BYTES * gene_rows * len(due),
                "basis": estimate.basis,
            }
        )
    return RunPlan(predictors=pd.DataFrame(rows), what=str(request), workers=number, worker_bytes=_peak_bytes())


def _finished(
    cohort: Cohort, request: Request, store: str | os.PathLike[str] | PredictionStore | None
) -> dict[str, frozenset[str]]:
    """Return the genes of each predictor that are finished in a store."""
    if store is None:
        return {predictor.name: frozenset() for predictor in request.predictors}
    opened = store if isinstance(store, PredictionStore) else PredictionStore(store)
    return {identity.predictor: opened.done(identity) for identity in identify_runs(cohort, request)}


@attrs.frozen(kw_only=True)
class _Estimate:
    """What one predictor takes."""

    seconds: float
    basis: str
    fits: int = 0
    passes: int = 0
    cached: int = 0


def _trained(
    cohort: Cohort, request: Request, predictor: TrainablePredictor, workers: int, timed_genes: int
) -> _Estimate:
    fitted_folds = request.folds - (request.method == "prequential")
    n_genes, samples = len(request.genes), request.replicates + 1
    seconds, basis = math.nan, _NOT_TIMED
    if timed_genes:
        try:
            times = time_fits(cohort, request, predictor, timed_genes)
        except PgxevalError as error:
            basis = f"failed: {error}"
        else:
            seconds = math.ceil(n_genes / workers) * times.per_gene(fitted_folds, request.replicates)
            variants = f", {times.n_variants:,.0f} variants per gene" if times.n_variants else ""
            basis = f"{counted(times.n_genes, 'gene')} timed{variants}"
    return _Estimate(seconds=seconds, basis=basis, fits=n_genes * fitted_folds * samples)


def _sequence(cohort: Cohort, request: Request, predictor: SequencePredictor, timed_genes: int) -> _Estimate:
    chosen = cohort.subset(genes=[gene.gene_id for gene in request.genes])
    passes = predictor.plan(chosen, progress=False)
    if not passes.calls:
        seconds, basis = 0.0, "all scores are in the cache" if passes.cached else "no gene can be read"
    elif not math.isnan(passes.minutes):
        seconds, basis = 60 * passes.minutes, f"quota of {passes.calls_per_minute:,.0f} per minute"
    elif predictor.options.remote:
        seconds, basis = math.nan, "the quota is unknown"
    elif timed_genes:
        seconds, basis = passes.calls * time_passes(predictor), "one batch timed"
    else:
        seconds, basis = math.nan, _NOT_TIMED
    return _Estimate(seconds=seconds, basis=basis, passes=passes.calls, cached=passes.cached)


def _other(cohort: Cohort, request: Request, predictor: Predictor, timed_genes: int) -> _Estimate:
    if not timed_genes:
        return _Estimate(seconds=math.nan, basis=_NOT_TIMED)
    try:
        seconds = time_predictions(cohort, request, predictor, timed_genes)
    except PgxevalError as error:
        return _Estimate(seconds=math.nan, basis=f"failed: {error}")
    number = min(timed_genes, len(request.genes))
    return _Estimate(seconds=seconds * len(request.genes), basis=f"{counted(number, 'gene')} timed")


def _peak_bytes() -> int:
    """Return the largest memory that this process has used."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _size(n_bytes: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= size:
            return f"{n_bytes / size:.3g} {unit}"
    return f"{n_bytes / 1e3:.0f} kB"
