"""predict_cohort: from a cohort and predictors to the predictions table."""

from __future__ import annotations

import contextlib
import inspect
import math
import os
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING

import joblib
import numpy as np
from tqdm.auto import tqdm

from pgxeval.errors import PgxevalError, SettingError
from pgxeval.prediction.crossfit import CrossFit, CrossFitter, Method, check_length
from pgxeval.prediction.rows import PredictionRows
from pgxeval.prediction.store import PredictionStore, gene_key, run_key
from pgxeval.predictors.protocol import Prediction, Predictor, TrainablePredictor
from pgxeval.provenance import describe, versions
from pgxeval.tables.predictions import Predictions

if TYPE_CHECKING:
    from pgxeval.cohort.cohort import Cohort
    from pgxeval.genome.intervals import Gene

NULL_DRAWS = 1000


def default_replicates(n_genes: int) -> int:
    """Return the number of permuted replicates that gives at least 1,000 null genes for the reference.

    Examples
    --------
    >>> default_replicates(428), default_replicates(20_000)
    (3, 1)
    """
    return math.ceil(NULL_DRAWS / n_genes)


def predict_cohort(
    cohort: Cohort,
    predictors: Sequence[Predictor | TrainablePredictor],
    *,
    folds: int = 5,
    seed: int = 0,
    replicates: int | None = None,
    method: Method = "crossfit",
    workers: int | None = None,
    progress: bool = True,
    store: str | os.PathLike[str] | None = None,
) -> Predictions:
    """Run predictors over a cohort; trainable ones are cross-fitted, on identical folds and variants.

    Parameters
    ----------
    cohort
        Who and which genes.
    predictors
        Objects that keep `Predictor` (run as they are) or `TrainablePredictor` (cross-fitted); names differ.
    folds
        Outer folds, at least 2. An individual's fold hangs on (seed, individual) alone, so that fold sizes vary.
    seed
        The only source of randomness: the same seed gives the same bytes, whatever the order of individuals,
        genes and predictors, and whatever the number of workers.
    replicates
        Times that the whole procedure is run again on jointly permuted expression: the reference for every
        share, odds ratio and p-value of a cross-fitted predictor. Default: ``ceil(1000 / n_genes)``, or 0 with
        ``method="prequential"``.
    method
        ``"crossfit"``, or ``"prequential"`` (trained on earlier folds only), whose p-values need no replicates.
    workers
        Processes for the trainable predictors; default: all cores. 1 runs in this process.
    progress
        Whether to show a progress bar over genes.
    store
        Folder where finished genes are kept as they come; a second run takes from it what fits and computes the
        rest.

    Returns
    -------
    Predictions
        One row per (predictor, gene, individual, replicate), with settings asked and used.

    Raises
    ------
    SettingError
        If an argument is out of range, two predictors share a name, or one keeps neither protocol.
    GenotypeError
        If a trainable predictor found no usable variant at any gene.
    PgxevalError
        Naming predictor and gene, if a predictor fails.

    Notes
    -----
    In replicate ``b >= 1`` the row of an individual holds a prediction made from the genotypes of another,
    the partner in a joint permutation of all individuals (expression and covariates stay together), so that
    every row is judged against the measured expression of its ``individual``.
    """
    trainable, ready = _sort_predictors(predictors)
    if not _is_whole(folds) or not 2 <= folds <= len(cohort.individuals):
        raise SettingError(
            f"folds must be a whole number from 2 to {len(cohort.individuals)} (individuals), got {folds!r}"
        )
    if method not in ("crossfit", "prequential"):
        raise SettingError(f'method must be "crossfit" or "prequential", got {method!r}')
    if replicates is None:
        replicates = default_replicates(len(cohort.genes)) if method == "crossfit" and trainable else 0
    if not _is_whole(replicates) or replicates < 0:
        raise SettingError(f"replicates must be a whole number, 0 or more, got {replicates!r}")
    kept = PredictionStore(store) if store is not None else None

    rows = PredictionRows(cohort)
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
        for gene, fits in _cross_fit(cohort, fitter, replicates, workers, kept, progress=progress):
            for fit in fits:
                rows.add_cross_fit(gene, fit)
    for zero_shot in ready:
        # closed at once on Ctrl-C, for a traceback that is kept would keep its threads at work
        with contextlib.closing(_predict_genes(zero_shot, cohort, progress=progress)) as predicted:
            for gene, prediction in predicted:
                rows.add_prediction(zero_shot.name, gene, prediction)
    asked = {
        "folds": folds,
        "seed": seed,
        "replicates": replicates,
        "individuals": len(cohort.individuals),
        "genes": len(cohort.genes),
        "covariates": [] if cohort.covariates is None else [str(name) for name in cohort.covariates.columns],
        "groups": None if cohort.groups is None else len(set(cohort.groups)),
        "strata": None if cohort.strata is None else len(set(cohort.strata)),
        "versions": versions(),
    }
    settings = {
        predictor.name: {
            **asked,
            "cross_fitting": method if hasattr(predictor, "fit") else None,
            "asked": describe(predictor),
            "used": rows.used(predictor.name),
        }
        for predictor in predictors
    }
    for fitted in trainable:
        rows.check_something_said(fitted.name)
    return Predictions.from_table(rows.table([p.name for p in predictors]), settings)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


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
        if hasattr(predictor, "fit") and hasattr(predictor, "name"):
            trainable.append(predictor)
        elif hasattr(predictor, "predict") and hasattr(predictor, "name"):
            ready.append(predictor)
        else:
            raise SettingError(
                f"{type(predictor).__name__} is no predictor: it needs a name and either predict (Predictor) or "
                "fit (TrainablePredictor)"
            )
    names = [predictor.name for predictor in predictors]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SettingError(
            f"predictors must have different names; {', '.join(twice)} stands more than once: give name="
        )
    return tuple(trainable), tuple(ready)


def _cross_fit(
    cohort: Cohort,
    fitter: CrossFitter,
    replicates: int,
    workers: int | None,
    kept: PredictionStore | None,
    *,
    progress: bool,
) -> Iterator[tuple[Gene, list[CrossFit]]]:
    keys = [""] * len(cohort.genes)
    if kept is not None:
        run = run_key(fitter, replicates)
        keys = [gene_key(run, gene, cohort.expression[row]) for row, gene in enumerate(cohort.genes)]
    todo = [row for row, key in enumerate(keys) if kept is None or key not in kept]
    workers = max(1, min(workers if workers is not None else joblib.cpu_count(), len(todo) or 1))
    jobs = ((cohort.genes[row], cohort.expression[row], replicates) for row in todo)
    computed: Iterator[list[CrossFit]]
    if workers == 1:
        computed = (fitter.run(*job) for job in jobs)
    else:
        parallel = joblib.Parallel(n_jobs=workers, return_as="generator")
        computed = parallel(joblib.delayed(fitter.run)(*job) for job in jobs)
    waiting = set(todo)
    with tqdm(total=len(keys), desc="cross-fitting", unit="gene", disable=not progress, leave=False) as bar:
        for row, gene in enumerate(cohort.genes):
            if row in waiting:
                fits = next(computed)
                if kept is not None:
                    kept.keep(keys[row], fits)
            else:
                assert kept is not None
                fits = kept.get(keys[row])
            bar.update()
            yield gene, fits
    if kept is not None:
        kept.flush()


def _predict_genes(
    predictor: Predictor, cohort: Cohort, *, progress: bool
) -> Generator[tuple[Gene, Prediction], None, None]:
    ability = getattr(predictor, "predict_genes", None)
    individuals = list(cohort.individuals)
    answers: Iterator[tuple[Gene, Prediction]]
    if ability is not None:
        # a predictor with a bar of its own is asked to be silent, too
        silent = {} if progress or "progress" not in inspect.signature(ability).parameters else {"progress": False}
        answers = iter(ability(cohort.genes, cohort.genome, individuals, **silent))
    else:
        answers = ((gene, predictor.predict(gene, cohort.genome, individuals)) for gene in cohort.genes)
    bar = tqdm(total=len(cohort.genes), desc=predictor.name, unit="gene", disable=not progress, leave=False)
    with bar, contextlib.ExitStack() as stack:
        stack.callback(getattr(answers, "close", lambda: None))
        while True:
            try:
                gene, prediction = next(answers)
            except StopIteration:
                return
            except PgxevalError:
                raise
            except Exception as error:
                raise PgxevalError(
                    f"predictor {predictor.name!r} failed after {bar.n} of {len(cohort.genes)} genes with "
                    f"{type(error).__name__}; see the error above this one for its own words"
                ) from error
            check_length(prediction, predictor.name, gene.gene_id, len(individuals))
            bar.update()
            yield gene, prediction
