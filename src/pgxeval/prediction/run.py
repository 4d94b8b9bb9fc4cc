"""predict_cohort: from a cohort and predictors to the predictions table."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Literal, overload

import attrs

from pgxeval.errors import SettingError
from pgxeval.names import known_names
from pgxeval.prediction.crossfit import CrossFitter
from pgxeval.prediction.identity import identify_runs
from pgxeval.prediction.ledger import InMemory, Keeper, Ledger
from pgxeval.prediction.pairing import Method, fold_factors, make_pairing
from pgxeval.prediction.progress import RunProgress
from pgxeval.prediction.request import Folds, Request
from pgxeval.prediction.rows import UsedSettings, predictions_table
from pgxeval.prediction.store import PredictionStore
from pgxeval.prediction.stored import StoredPredictions
from pgxeval.prediction.stored_run import StoredRun
from pgxeval.prediction.tasks import CrossFitTask, OnError, PredictTask, Task, Unit
from pgxeval.prediction.together import predict_together
from pgxeval.prediction.workers import Workers, count_workers
from pgxeval.predictors.protocol import Predictor, PredictsGenes, TrainablePredictor, Travels
from pgxeval.provenance import describe, versions
from pgxeval.tables.predictions import Predictions

if TYPE_CHECKING:
    from pgxeval.cohort.cohort import Cohort
    from pgxeval.genome.intervals import Gene


@overload
def predict_cohort(
    cohort: Cohort,
    predictors: Sequence[Predictor | TrainablePredictor | str],
    *,
    folds: Folds = ...,
    seed: int = ...,
    replicates: int | Literal["quick"] | None = ...,
    method: Method = ...,
    genes: slice | Sequence[str] | None = ...,
    workers: int | None = ...,
    executor: Executor | None = ...,
    progress: bool = ...,
    store: None = ...,
    on_error: OnError = ...,
    retry_failed: bool = ...,
) -> Predictions: ...


@overload
def predict_cohort(
    cohort: Cohort,
    predictors: Sequence[Predictor | TrainablePredictor | str],
    *,
    folds: Folds = ...,
    seed: int = ...,
    replicates: int | Literal["quick"] | None = ...,
    method: Method = ...,
    genes: slice | Sequence[str] | None = ...,
    workers: int | None = ...,
    executor: Executor | None = ...,
    progress: bool = ...,
    store: str | os.PathLike[str] | PredictionStore,
    on_error: OnError = ...,
    retry_failed: bool = ...,
) -> StoredPredictions: ...


def predict_cohort(
    cohort: Cohort,
    predictors: Sequence[Predictor | TrainablePredictor | str],
    *,
    folds: Folds = 5,
    seed: int = 0,
    replicates: int | Literal["quick"] | None = None,
    method: Method = "crossfit",
    genes: slice | Sequence[str] | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: bool = True,
    store: str | os.PathLike[str] | PredictionStore | None = None,
    on_error: OnError = "nan",
    retry_failed: bool = True,
) -> Predictions | StoredPredictions:
    """Run predictors over a cohort; trainable ones are cross-fitted, on identical folds and variants.

    Parameters
    ----------
    cohort
        Individuals, genes, expression and genomes.
    predictors
        Objects that fulfil `Predictor` (run as they are) or `TrainablePredictor` (cross-fitted), with different
        names; or names of `available_predictors`, such as ``"elastic_net"``, for one with its default settings.
    folds
        Outer folds, at least 2. The fold of an individual depends only on the seed and its name, so fold sizes are
        only approximately equal. ``"leave-one-group-out"``: each stratum of the cohort (`Cohort.strata`, such as a
        population) is a fold, so that everyone is predicted by models trained in the other strata.
    seed
        The only source of randomness: the same seed gives the same bytes for any order of individuals, genes and
        predictors, any executor and any number of workers.
    replicates
        Number of times that the whole procedure is repeated on jointly permuted expression: the reference for
        every share, odds ratio and p-value of a cross-fitted predictor. Default: `default_replicates` of the number
        of genes of the cohort, 5 to 20; 0 with ``method="prequential"``. A replicate takes about 0.6 of the time of
        the observed run. With one replicate no interval of a difference to the reference is given. ``"quick"``, for
        trying things: 2 to 5 replicates, with p-values that are correspondingly coarse.
    method
        ``"crossfit"``, or ``"prequential"`` (trained on earlier folds only), whose p-values need no replicates.
    genes
        Genes to predict, as a slice of the cohort's genes or by identifier; None for all. Slices of an array job
        together give the bytes of a single run, see `Predictions.concat` and `store`.
    workers
        Worker processes on this machine; None or -1 for all cores that this process may use. 1 computes in this
        process. With `executor`, the number of its workers, if known. Trained predictors run in the workers. A
        zero-shot predictor runs in this process, because it may hold a device or a connection, unless `executor` is
        given or it has an attribute ``travels`` that is True (see `Travels`). A predictor that crashes its process ends
        the run in this process; in a worker it costs the gene, and the run continues.
    executor
        Any `concurrent.futures.Executor`, such as Dask's ``client.get_executor()`` or ``MPIPoolExecutor()``. All
        predictors that can be pickled go there. Of those with `predict_genes`, such as sequence models, only those that
        declare so do (see `Travels`): each worker loads the model once. Models that hold a connection or the only copy
        of their weights remain in this process.
    progress
        Whether to show, if the session is interactive, one line that states what the run will do and one bar. The
        line and the time estimated after the first gene are also logged, at level INFO. See `pgxeval.plan` for an
        estimate before the run.
    store
        Folder of a `PredictionStore` in which each gene is kept as soon as it completes. A further run takes from it
        what fits and computes the rest, and any number of runs may share it at the same time.
    on_error
        ``"nan"``: a gene at which a predictor fails gets NaN with the reason, and the run continues; see
        `Predictions.failures`. ``"raise"``: the first failure ends the run.
    retry_failed
        Whether genes that failed in an earlier run with this store are tried again.

    Returns
    -------
    Predictions or StoredPredictions
        One row per (predictor, gene, individual, replicate), with settings requested and used. With `store` a handle
        that reads the rows when they are needed.

    Raises
    ------
    SettingError
        If an argument is out of range, two predictors share a name, or an object is not a predictor; with a store,
        if a predictor has parts that cannot be described, and no `settings`.
    UnknownNameError
        If a gene is not in the cohort, or no predictor has this name.
    GenotypeError
        If a trainable predictor found no usable variant at any gene.
    RemoteServiceError
        If a hosted service cannot be used; completed work is kept.
    InputFileError
        If the store cannot be written.
    PgxevalError
        If a predictor failed at every gene, or, with ``on_error="raise"``, at one; if a predictor cannot be sent to
        worker processes.

    Notes
    -----
    In replicate ``b >= 1`` the row of an individual holds a prediction made from the genotypes of another
    individual, its partner in a joint permutation of all individuals (expression and covariates stay together), so
    that every row is compared with the measured expression of its ``individual``.
    """
    given: object = cohort
    if not hasattr(given, "individuals") or not hasattr(given, "genes"):
        raise SettingError(f"expected a Cohort, such as Cohort.from_files returns, got a {type(given).__name__}")
    request = Request.of(cohort, predictors, folds=folds, seed=seed, replicates=replicates, method=method, genes=genes)
    if on_error not in ("nan", "raise"):
        raise SettingError(f'on_error must be "nan" or "raise", got {on_error!r}')
    if executor is not None and not isinstance(executor, Executor):
        raise SettingError(f"executor must be a concurrent.futures.Executor, got {type(executor).__name__}")
    where = Workers(
        number=count_workers(workers) if executor is None or workers is not None else None,
        executor=executor,
        on_error=on_error,
    )
    opened = None if store is None else (store if isinstance(store, PredictionStore) else PredictionStore(store))
    recorded = _record(cohort, request)
    runs = _open_runs(cohort, request, recorded, opened)
    ledger = Ledger(runs=runs, on_error=on_error, order={gene.gene_id: row for row, gene in enumerate(cohort.genes)})
    done = ledger.count_done(request.genes)
    try:
        with RunProgress(str(request), len(request.genes) * len(request.predictors), done, show=progress) as bar:
            if request.trainable:
                bar.begin(known_names([predictor.name for predictor in request.trainable], 3))
                _cross_fit(cohort, request, where, ledger, bar, retry_failed=retry_failed)
            for zero_shot in request.ready:
                bar.begin(zero_shot.name)
                _predict(
                    zero_shot,
                    cohort,
                    request.genes,
                    where,
                    ledger=ledger,
                    bar=bar,
                    retry_failed=retry_failed,
                    progress=progress,
                )
    finally:
        ledger.close()
    if genes is None:  # a slice of an array job may hold nothing but genes that fail
        together = {predictor.name for predictor in request.ready if isinstance(predictor, PredictsGenes)}
        ledger.check({predictor.name for predictor in request.trainable}, together=together)
    gene_ids = [gene.gene_id for gene in request.genes]
    if opened is not None:
        return StoredPredictions([run for run in runs.values() if isinstance(run, StoredRun)], gene_ids)
    return _collect([run for run in runs.values() if isinstance(run, InMemory)], recorded, gene_ids, cohort)


def _record(cohort: Cohort, request: Request) -> dict[str, dict[str, Any]]:
    """Return the settings that are stored with the predictions of each predictor."""
    trained = {predictor.name for predictor in request.trainable}
    return {
        predictor.name: {
            "folds": request.recorded_folds,
            "seed": request.seed,
            "replicates": request.replicates,
            "individuals": len(cohort.individuals),
            "covariates": [] if cohort.covariates is None else [str(name) for name in cohort.covariates.columns],
            "groups": None if cohort.groups is None else len(set(cohort.groups)),
            "strata": None if cohort.strata is None else len(set(cohort.strata)),
            "versions": versions(),
            "cross_fitting": request.method if predictor.name in trained else None,
            "asked": describe(predictor),
        }
        for predictor in request.predictors
    }


def _open_runs(
    cohort: Cohort, request: Request, recorded: Mapping[str, Mapping[str, Any]], store: PredictionStore | None
) -> dict[str, Keeper]:
    """Return where the results of each predictor go; everything is identified before the first gene is computed."""
    if store is None:
        return {
            name: InMemory(predictor=name, n_replicates=number, n_individuals=len(cohort.individuals))
            for name, number in request.table_replicates.items()
        }
    identities = identify_runs(cohort, request)
    return {identity.predictor: store.open_run(identity, dict(recorded[identity.predictor])) for identity in identities}


def _collect(
    runs: Sequence[InMemory], recorded: Mapping[str, Mapping[str, Any]], gene_ids: Sequence[str], cohort: Cohort
) -> Predictions:
    settings = {}
    for run in runs:
        used = UsedSettings()
        for gene_id in gene_ids:
            for one in run.results[gene_id].used:
                used.add(one)
        settings[run.predictor] = {**recorded[run.predictor], "genes": len(gene_ids), "used": used.summary()}
    results = [result for run in runs for result in run.results.values()]
    table = predictions_table(results, [run.predictor for run in runs], gene_ids, cohort.individuals)
    return Predictions.from_table(table, settings)


def make_fitter(cohort: Cohort, request: Request) -> CrossFitter:
    """Return what cross-fits the trainable predictors of a run."""
    factors = None
    if cohort.expression_factors:
        pairings = [
            make_pairing(
                cohort.individuals,
                cohort.groups,
                cohort.strata,
                request.folds,
                request.seed,
                replicate,
                request.fold_labels,
            )
            for replicate in range(request.replicates + 1)
        ]
        factors = fold_factors(
            cohort.expression,
            cohort.fixed_covariates,
            cohort.expression_factors,
            pairings=pairings,
            folds=request.folds,
            method=request.method,
        )
    return CrossFitter(
        genome=cohort.genome,
        individuals=cohort.individuals,
        covariates=cohort.fixed_covariates,
        factors=factors,
        predictors=request.trainable,
        folds=request.folds,
        seed=request.seed,
        method=request.method,
        groups=cohort.groups,
        strata=cohort.strata,
        fold_labels=request.fold_labels,
    )


def _cross_fit(
    cohort: Cohort, request: Request, where: Workers, ledger: Ledger, bar: RunProgress, *, retry_failed: bool
) -> None:
    """Run the predictors that need training, together."""
    names = [predictor.name for predictor in request.trainable]
    task = CrossFitTask(
        fitter=make_fitter(cohort, request),
        replicates=request.replicates,
        on_error=ledger.on_error,
        steps=bar.count_steps(request.folds * (request.replicates + 1), len(names)),
    )
    _compute(where, task, ledger.units(cohort, request.genes, names, retry_failed=retry_failed), ledger, bar)


def _compute(where: Workers, task: Task, units: Iterator[Unit], ledger: Ledger, bar: RunProgress) -> None:
    names = known_names([*ledger.runs], 5)
    with contextlib.closing(where.run(task, units, f"the predictors ({names})")) as outcomes:
        for _, outcome in outcomes:
            ledger.take(outcome)
            bar.advance(results=len(outcome.results), failures=len(outcome.failures))


def _predict(
    predictor: Predictor,
    cohort: Cohort,
    genes: Sequence[Gene],
    where: Workers,
    *,
    ledger: Ledger,
    bar: RunProgress,
    retry_failed: bool,
    progress: bool,
) -> None:
    """Run a predictor that needs no training."""
    task = PredictTask(
        predictor=predictor, genome=cohort.genome, individuals=tuple(cohort.individuals), on_error=ledger.on_error
    )
    units = ledger.units(cohort, genes, [predictor.name], retry_failed=retry_failed, trained=False)
    if isinstance(predictor, PredictsGenes) and not _sent(predictor, where):
        lacking = {unit.gene.gene_id for unit in units}
        due = [gene for gene in genes if gene.gene_id in lacking]
        together = predict_together(predictor, task, due, ledger, progress=progress)
        # closed at once on Ctrl-C, because a traceback that is kept would keep its threads at work
        with contextlib.closing(together) as outcomes:
            for outcome in outcomes:
                ledger.take(outcome)
                bar.advance(results=len(outcome.results), failures=len(outcome.failures))
        return
    # an unknown predictor may hold a device or a connection: it stays unless it declares more
    here = where if where.executor is not None or _travels(predictor) else attrs.evolve(where, number=1)
    _compute(here, task, units, ledger, bar)


def _sent(predictor: Predictor, where: Workers) -> bool:
    """Tell whether a predictor of many genes goes to the workers."""
    return where.has_processes and _travels(predictor)


def _travels(predictor: Predictor) -> bool:
    return isinstance(predictor, Travels) and predictor.travels
