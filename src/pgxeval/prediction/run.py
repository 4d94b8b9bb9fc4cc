"""predict_cohort: from a cohort and predictors to the predictions table."""

from __future__ import annotations

import contextlib
import logging
import math
import os
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Protocol, overload

import attrs
import numpy as np

from pgxeval.errors import GenotypeError, PgxevalError, SettingError, TableError
from pgxeval.names import first_duplicate, known_names
from pgxeval.prediction.crossfit import CrossFitter, Method
from pgxeval.prediction.digest import digest
from pgxeval.prediction.identity import RunIdentity, identify_run
from pgxeval.prediction.progress import RunProgress
from pgxeval.prediction.results import GeneResult
from pgxeval.prediction.rows import UsedSettings, predictions_table
from pgxeval.prediction.store import PredictionStore
from pgxeval.prediction.stored import StoredPredictions
from pgxeval.prediction.stored_run import StoredRun
from pgxeval.prediction.tasks import (
    CrossFitTask,
    Failure,
    OnError,
    Outcome,
    PredictTask,
    Task,
    Unit,
    concerns_all_genes,
)
from pgxeval.prediction.workers import Workers, count_workers
from pgxeval.predictors.protocol import Predictor, PredictsGenes, TrainablePredictor
from pgxeval.provenance import describe, versions
from pgxeval.tables.predictions import Predictions

if TYPE_CHECKING:
    from pgxeval.cohort.cohort import Cohort
    from pgxeval.genome.intervals import Gene

NULL_DRAWS = 1000
FEWEST_REPLICATES, MOST_REPLICATES = 5, 20
_log = logging.getLogger(__name__)


def default_replicates(n_genes: int) -> int:
    """Return the default number of permuted replicates: about 1,000 null genes, but from 5 to 20 replicates.

    Five are needed because the genes of a replicate share one permutation. With fewer, the interval of the difference
    to the permuted reference covers less than its level, however many genes there are
    (``validation/reference_noise.md``). With fewer than 50 genes, 20 replicates give fewer than 1,000 null genes, and
    p-values below about ``10 / (1 + replicates * genes)`` rest on an extrapolated tail.

    Examples
    --------
    >>> default_replicates(8), default_replicates(60), default_replicates(428), default_replicates(20_000)
    (20, 17, 5, 5)
    """
    return min(max(math.ceil(NULL_DRAWS / n_genes), FEWEST_REPLICATES), MOST_REPLICATES)


@overload
def predict_cohort(
    cohort: Cohort,
    predictors: Sequence[Predictor | TrainablePredictor],
    *,
    folds: int = ...,
    seed: int = ...,
    replicates: int | None = ...,
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
    predictors: Sequence[Predictor | TrainablePredictor],
    *,
    folds: int = ...,
    seed: int = ...,
    replicates: int | None = ...,
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
    predictors: Sequence[Predictor | TrainablePredictor],
    *,
    folds: int = 5,
    seed: int = 0,
    replicates: int | None = None,
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
        names.
    folds
        Outer folds, at least 2. The fold of an individual depends only on the seed and its name, so fold sizes are
        only approximately equal.
    seed
        The only source of randomness: the same seed gives the same bytes for any order of individuals, genes and
        predictors, any executor and any number of workers.
    replicates
        Number of times that the whole procedure is repeated on jointly permuted expression: the reference for
        every share, odds ratio and p-value of a cross-fitted predictor. Default: `default_replicates` of the number
        of genes of the cohort, 5 to 20; 0 with ``method="prequential"``. A replicate takes about 0.6 of the time of
        the observed run. With one replicate no interval of a difference to the reference is given.
    method
        ``"crossfit"``, or ``"prequential"`` (trained on earlier folds only), whose p-values need no replicates.
    genes
        Genes to predict, as a slice of the cohort's genes or by identifier; None for all. Slices of an array job
        together give the bytes of a single run, see `Predictions.concat` and `store`.
    workers
        Worker processes on this machine; None or -1 for all cores that this process may use. 1 computes in this
        process. With `executor`, the number of its workers, if known.
    executor
        Any `concurrent.futures.Executor`, such as Dask's ``client.get_executor()`` or ``MPIPoolExecutor()``. All
        predictors that can be pickled go there, but those with `predict_genes`, which share work between genes
        or hold a connection or a device, remain in this process.
    progress
        Whether to show one progress bar over the run, if the session is interactive.
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
        If a gene is not in the cohort.
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
    trainable, ready = _sort_predictors(predictors)
    trained = {predictor.name for predictor in trainable}
    replicates = _check_settings(
        cohort, folds=folds, method=method, replicates=replicates, on_error=on_error, trainable=bool(trainable)
    )
    chosen = _choose_genes(cohort, genes)
    if executor is not None and not isinstance(executor, Executor):
        raise SettingError(f"executor must be a concurrent.futures.Executor, got {type(executor).__name__}")
    where = Workers(
        number=count_workers(workers) if executor is None or workers is not None else None,
        executor=executor,
        on_error=on_error,
    )
    cross_fitting: dict[str, Any] = {
        "method": method,
        "folds": folds,
        "seed": seed,
        "groups": None if cohort.groups is None else digest([*cohort.groups]),
        "strata": None if cohort.strata is None else digest([*cohort.strata]),
    }
    recorded = {
        predictor.name: {
            "folds": folds,
            "seed": seed,
            "replicates": replicates,
            "individuals": len(cohort.individuals),
            "covariates": [] if cohort.covariates is None else [str(name) for name in cohort.covariates.columns],
            "groups": None if cohort.groups is None else len(set(cohort.groups)),
            "strata": None if cohort.strata is None else len(set(cohort.strata)),
            "versions": versions(),
            "cross_fitting": method if predictor.name in trained else None,
            "asked": describe(predictor),
        }
        for predictor in predictors
    }
    runs: dict[str, _Keeper] = {}
    identities: dict[str, RunIdentity] = {}
    if store is not None:  # everything is identified before the first gene is computed
        for predictor in predictors:
            identities[predictor.name] = identify_run(
                cohort,
                predictor,
                cross_fitting=cross_fitting if predictor.name in trained else None,
                n_replicates=replicates + 1 if predictor.name in trained else 1,
            )
    opened = None if store is None else (store if isinstance(store, PredictionStore) else PredictionStore(store))
    for predictor in predictors:
        runs[predictor.name] = (
            _InMemory(
                predictor=predictor.name,
                n_replicates=replicates + 1 if predictor.name in trained else 1,
                n_individuals=len(cohort.individuals),
            )
            if opened is None
            else opened.open_run(identities[predictor.name], recorded[predictor.name])
        )
    ledger = _Ledger(runs=runs, on_error=on_error, order={gene.gene_id: row for row, gene in enumerate(cohort.genes)})
    try:
        with RunProgress(len(chosen) * len(predictors), ledger.count_done(chosen), show=progress) as bar:
            if trainable:
                fitter = CrossFitter(
                    genome=cohort.genome,
                    individuals=cohort.individuals,
                    covariates=None if cohort.covariates is None else cohort.covariates.to_numpy(dtype=np.float64),
                    predictors=trainable,
                    folds=folds,
                    seed=seed,
                    method=method,
                    groups=cohort.groups,
                    strata=cohort.strata,
                )
                bar.begin("cross-fitting")
                task = CrossFitTask(fitter=fitter, replicates=replicates, on_error=on_error)
                units = ledger.units(cohort, chosen, [one.name for one in trainable], retry_failed=retry_failed)
                _compute(where, task, units, ledger, bar)
            for zero_shot in ready:
                bar.begin(zero_shot.name)
                _predict(
                    zero_shot,
                    cohort,
                    chosen,
                    where,
                    ledger=ledger,
                    bar=bar,
                    retry_failed=retry_failed,
                    progress=progress,
                )
    finally:
        ledger.close()
    if genes is None:  # a slice of an array job may hold nothing but genes that fail
        ledger.check(trained)
    gene_ids = [gene.gene_id for gene in chosen]
    if opened is not None:
        return StoredPredictions([run for run in runs.values() if isinstance(run, StoredRun)], gene_ids)
    results = [result for run in runs.values() if isinstance(run, _InMemory) for result in run.results.values()]
    settings = {}
    for name, run in runs.items():
        used = UsedSettings()
        for gene_id in gene_ids:
            for one in run.results[gene_id].used if isinstance(run, _InMemory) else ():
                used.add(one)
        settings[name] = {**recorded[name], "genes": len(gene_ids), "used": used.summary()}
    table = predictions_table(results, [predictor.name for predictor in predictors], gene_ids, cohort.individuals)
    return Predictions.from_table(table, settings)


def _check_settings(
    cohort: Cohort, *, folds: int, method: Method, replicates: int | None, on_error: OnError, trainable: bool
) -> int:
    """Return the number of replicates."""
    if not _is_whole(folds) or not 2 <= folds <= len(cohort.individuals):
        raise SettingError(
            f"folds must be a whole number from 2 to {len(cohort.individuals)} (individuals), got {folds!r}"
        )
    if method not in ("crossfit", "prequential"):
        raise SettingError(f'method must be "crossfit" or "prequential", got {method!r}')
    if on_error not in ("nan", "raise"):
        raise SettingError(f'on_error must be "nan" or "raise", got {on_error!r}')
    if replicates is None:
        replicates = default_replicates(len(cohort.genes)) if method == "crossfit" and trainable else 0
    if not _is_whole(replicates) or replicates < 0:
        raise SettingError(f"replicates must be a whole number, 0 or more, got {replicates!r}")
    return replicates


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _choose_genes(cohort: Cohort, genes: slice | Sequence[str] | None) -> list[Gene]:
    if genes is None:
        return list(cohort.genes)
    if isinstance(genes, slice):
        chosen = list(cohort.genes[genes])
        if not chosen:
            raise SettingError(
                f"genes: the slice {genes.start}:{genes.stop} holds none of the cohort's {len(cohort.genes)} genes"
            )
        return chosen
    if isinstance(genes, str):
        raise SettingError(f"genes must be a slice or a list of gene identifiers, got the text {genes!r}")
    named = [cohort.gene(gene_id).gene_id for gene_id in genes]
    if not named:
        raise SettingError("genes must name at least one gene")
    if (doubled := first_duplicate(named)) is not None:
        raise SettingError(f"genes: {doubled} occurs more than once")
    wanted = set(named)
    return [gene for gene in cohort.genes if gene.gene_id in wanted]


def _sort_predictors(
    predictors: Sequence[Predictor | TrainablePredictor],
) -> tuple[tuple[TrainablePredictor, ...], tuple[Predictor, ...]]:
    if not isinstance(predictors, list | tuple) or not predictors:
        raise SettingError(f"predictors must be a list of at least one predictor, got {predictors!r}")
    trainable: list[TrainablePredictor] = []
    ready: list[Predictor] = []
    for predictor in predictors:
        if isinstance(predictor, type):
            raise SettingError(f"{predictor.__name__} is a class; give an instance: {predictor.__name__}()")
        if isinstance(predictor, TrainablePredictor):
            trainable.append(predictor)
        elif isinstance(predictor, Predictor):
            ready.append(predictor)
        else:
            raise SettingError(
                f"{type(predictor).__name__} is not a predictor: it needs a name and either predict (Predictor) or "
                "fit (TrainablePredictor)"
            )
    names = [predictor.name for predictor in predictors]
    if (doubled := first_duplicate(names)) is not None:
        raise SettingError(f"predictors must have different names; {doubled} occurs more than once: give name=")
    return tuple(trainable), tuple(ready)


class _Keeper(Protocol):
    """What holds the results of one predictor: a run of a store, or memory."""

    def __contains__(self, gene_id: str) -> bool: ...

    @property
    def failures(self) -> Mapping[str, str]: ...

    def keep(self, result: GeneResult) -> None: ...

    def fail(self, gene_id: str, reason: str) -> None: ...

    def close(self) -> None: ...


@attrs.frozen(kw_only=True, eq=False)
class _InMemory:
    """Results of one predictor without a store."""

    predictor: str
    n_replicates: int
    n_individuals: int
    results: dict[str, GeneResult] = attrs.field(factory=dict)

    def __contains__(self, gene_id: str) -> bool:
        return gene_id in self.results

    @property
    def failures(self) -> Mapping[str, str]:
        return {}

    def keep(self, result: GeneResult) -> None:
        self.results[result.gene_id] = result

    def fail(self, gene_id: str, reason: str) -> None:
        self.results[gene_id] = GeneResult.failed(
            self.predictor, gene_id, reason, n_replicates=self.n_replicates, n_individuals=self.n_individuals
        )

    def close(self) -> None:
        pass


@attrs.define(kw_only=True, eq=False)
class _Ledger:
    """Where results and failures go, and what is known of each predictor so far."""

    runs: dict[str, _Keeper]
    on_error: OnError
    order: dict[str, int]
    reused: set[str] = attrs.field(factory=set)
    answered: set[str] = attrs.field(factory=set)
    silent: dict[str, dict[str, str]] = attrs.field(factory=dict)
    failed: dict[str, list[Failure]] = attrs.field(factory=dict)

    def count_done(self, genes: Sequence[Gene]) -> int:
        """Return the number of results that were there before."""
        counts = {name: sum(gene.gene_id in run for gene in genes) for name, run in self.runs.items()}
        self.reused |= {name for name, count in counts.items() if count}
        for name, count in counts.items():
            if count:
                _log.info("predictor %s: %d of %d genes are taken from the store", name, count, len(genes))
        return sum(counts.values())

    def units(
        self,
        cohort: Cohort,
        genes: Sequence[Gene],
        predictors: Sequence[str],
        *,
        retry_failed: bool,
        trained: bool = True,
    ) -> Iterator[Unit]:
        """Go through the genes that some predictor still lacks, in the order of the genome."""
        for gene in sorted(genes, key=lambda gene: (gene.contig, gene.start, gene.gene_id)):
            lacking = tuple(
                name
                for name in predictors
                if gene.gene_id not in self.runs[name]
                and (retry_failed or gene.gene_id not in self.runs[name].failures)
            )
            if lacking:
                row = self.order[gene.gene_id]
                yield Unit(gene=gene, expression=cohort.expression[row] if trained else None, predictors=lacking)

    def take(self, outcome: Outcome) -> None:
        """Keep results and failures of a unit.

        Raises
        ------
        PgxevalError
            At the first failure, if failures are to be raised.
        """
        for result in outcome.results:
            self.runs[result.predictor].keep(result)
            if np.isfinite(result.prediction[0]).any():
                self.answered.add(result.predictor)
            else:
                reasons = [*result.reasons[0].values()] or ["no reason given"]
                self.silent.setdefault(result.predictor, {})[result.gene_id] = reasons[-1]
        for failure in outcome.failures:
            _log.warning("predictor %s failed at gene %s: %s", failure.predictor, failure.gene_id, failure.reason)
            self.runs[failure.predictor].fail(failure.gene_id, failure.reason)
            self.failed.setdefault(failure.predictor, []).append(failure)
            if self.on_error == "raise":
                raise failure.to_error()

    def close(self) -> None:
        """Complete the files of a store."""
        errors = []
        for run in self.runs.values():
            try:
                run.close()
            except PgxevalError as error:  # the others still get their files
                errors.append(error)
        if errors:
            raise errors[0]

    def check(self, trained: Collection[str]) -> None:
        """Refuse a run in which a predictor failed at every gene, or could not predict anyone at any gene."""
        for name in self.runs:
            if name in self.reused or name in self.answered:
                continue
            failures = sorted(self.failed.get(name, []), key=lambda failure: self.order[failure.gene_id])
            silent = self.silent.get(name, {})
            if failures and not silent:
                others = f" and at {len(failures) - 1} more, that is, at every gene" if len(failures) > 1 else ""
                error = failures[0].to_error()
                raise type(error)(
                    f"{error}{others}. To see it in full, run with genes=[{failures[0].gene_id!r}], "
                    'workers=1, on_error="raise"'
                )
            if silent and name in trained:
                first = min(silent, key=lambda gene_id: self.order[gene_id])
                raise GenotypeError(
                    f"predictor {name!r} could not predict anyone at any of {len(silent) + len(failures)} genes; at "
                    f"gene {first}: {silent[first]}. Check that genotypes and expression are of the same genome "
                    "build, or widen the window and lower the filters (cis_variants=CisVariants(...))"
                )


def _compute(where: Workers, task: Task, units: Iterator[Unit], ledger: _Ledger, bar: RunProgress) -> None:
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
    ledger: _Ledger,
    bar: RunProgress,
    retry_failed: bool,
    progress: bool,
) -> None:
    """Run a predictor that needs no training."""
    task = PredictTask(
        predictor=predictor, genome=cohort.genome, individuals=tuple(cohort.individuals), on_error=ledger.on_error
    )
    units = ledger.units(cohort, genes, [predictor.name], retry_failed=retry_failed, trained=False)
    if isinstance(predictor, PredictsGenes):
        lacking = {unit.gene.gene_id for unit in units}
        due = [gene for gene in genes if gene.gene_id in lacking]
        together = _predict_together(predictor, task, due, ledger, progress=progress)
        # closed at once on Ctrl-C, because a traceback that is kept would keep its threads at work
        with contextlib.closing(together) as outcomes:
            for outcome in outcomes:
                ledger.take(outcome)
                bar.advance(results=len(outcome.results), failures=len(outcome.failures))
        return
    here = attrs.evolve(where, number=1) if where.executor is None else where
    _compute(here, task, units, ledger, bar)


def _predict_together(
    predictor: PredictsGenes, task: PredictTask, genes: Sequence[Gene], ledger: _Ledger, *, progress: bool
) -> Generator[Outcome, None, None]:
    """Predict many genes in one call; after an error, the gene that was due alone, and then the others."""
    rest = list(genes)
    while rest:
        count = 0
        try:
            for outcome in _answers(predictor, task, rest, progress=progress):
                yield outcome
                count += 1
        except (Exception, SystemExit) as error:  # a predictor may fail with anything
            if isinstance(error, SettingError) or concerns_all_genes(error):
                raise
            if count == len(rest):  # it reports at the end that it could not predict any of these genes
                if task.predictor.name in ledger.answered | ledger.reused:
                    return
                raise
            if task.on_error == "raise":
                if isinstance(error, PgxevalError):
                    raise
                task.failed(error, rest[count])
            _log.info("predictor %s: %s; the gene is tried alone", task.predictor.name, type(error).__name__)
        else:
            return
        yield _alone(predictor, task, rest[count], progress=progress)
        rest = rest[count + 1 :]


def _alone(predictor: PredictsGenes, task: PredictTask, gene: Gene, *, progress: bool) -> Outcome:
    answered: Outcome | None = None
    try:
        for outcome in _answers(predictor, task, [gene], progress=progress):
            answered = outcome
    except (Exception, SystemExit) as error:
        if isinstance(error, SettingError) or concerns_all_genes(error):
            raise
        return task.failed(error, gene) if answered is None else answered
    return answered or task.failed(PgxevalError("predict_genes returned nothing for this gene"), gene)


def _answers(
    predictor: PredictsGenes, task: PredictTask, genes: Sequence[Gene], *, progress: bool
) -> Iterator[Outcome]:
    answers = predictor.predict_genes(genes, task.genome, list(task.individuals), progress=None if progress else False)
    with contextlib.closing(answers):
        for gene, prediction in answers:
            try:
                outcome = Outcome(results=(task.result(gene, prediction),))
            except TableError as error:
                outcome = task.failed(error, gene)
            yield outcome
