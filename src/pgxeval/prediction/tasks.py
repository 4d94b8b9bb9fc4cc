"""Tasks: what is computed for one gene, in this process or in a worker, and what is returned when it fails."""

from __future__ import annotations

import contextlib
import errno
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval import errors
from pgxeval.errors import InputFileError, PgxevalError, RemoteServiceError, SettingError, TableError
from pgxeval.genome.intervals import Gene
from pgxeval.genome.personal import PersonalGenome
from pgxeval.prediction.crossfit import CrossFitter
from pgxeval.prediction.results import GeneResult
from pgxeval.prediction.steps import Steps
from pgxeval.predictors.protocol import Prediction, Predictor, PredictsGenes

OnError = Literal["nan", "raise"]


@attrs.frozen(kw_only=True, eq=False)
class Unit:
    """One gene to compute.

    Parameters
    ----------
    gene
        The gene.
    expression
        float64 (n_individuals,), measured expression; None for a predictor that needs no training.
    predictors
        Names of the predictors to run at this gene.
    """

    gene: Gene
    expression: npt.NDArray[np.float64] | None
    predictors: tuple[str, ...]


@attrs.frozen(kw_only=True)
class Failure:
    """Why a predictor has no result at a gene.

    Parameters
    ----------
    predictor, gene_id
        Of what.
    reason
        For tables and messages. It holds the message of an error of this library, and of any other error only its
        class and place, because its message may hold anything, sequence included.
    error
        Name of the error's class.
    """

    predictor: str
    gene_id: str
    reason: str
    error: str

    @classmethod
    def of(cls, error: BaseException, predictor: str, gene_id: str) -> Failure:
        """Describe an error."""
        return cls(predictor=predictor, gene_id=gene_id, reason=reason_of(error), error=type(error).__name__)

    def to_error(self) -> PgxevalError:
        """Return an error of the same class, if it is one of this library, that names predictor and gene."""
        kind = getattr(errors, self.error, PgxevalError)
        subject = f"predictor {self.predictor!r} failed at gene {self.gene_id}"
        if not (isinstance(kind, type) and issubclass(kind, PgxevalError)) or kind is PgxevalError:
            kind = PgxevalError
        joined = " with " if self.reason.startswith(self.error) else ": "
        return kind(f"{subject}{joined}{self.reason}")


def reason_of(error: BaseException) -> str:
    """Return what may be recorded of an error; see `Failure`."""
    if isinstance(error, PgxevalError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    hint = "; use fewer workers, or a machine with more memory" if isinstance(error, MemoryError) else ""
    return f"{type(error).__name__}{place}{hint}"


def concerns_all_genes(error: BaseException) -> bool:
    """Tell whether an error would repeat at every gene: a service that cannot be used, or a disk that is full."""
    cause = error.__cause__
    full = isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
    return isinstance(error, RemoteServiceError) or (isinstance(error, InputFileError) and full)


@attrs.frozen(kw_only=True, eq=False)
class UnitOutcome:
    """What came of one unit: for each of its predictors a result or a failure."""

    results: tuple[GeneResult, ...] = ()
    failures: tuple[Failure, ...] = ()


class Task(Protocol):
    """Computes units; it is sent to a worker once and used for many units."""

    def run(self, unit: Unit) -> UnitOutcome:
        """Compute one unit; errors of predictors become failures, or are raised, depending on `on_error`."""
        ...


@attrs.frozen(kw_only=True, eq=False)
class CrossFitTask:
    """Cross-fits trainable predictors at a gene.

    Parameters
    ----------
    fitter
        How; its predictors are all of the run.
    replicates
        Number of permuted replicates.
    on_error
        ``"nan"`` turns an error into a failure of the predictor that raised it, ``"raise"`` raises it.
    steps
        Counts the fits of each fold and replicate; None counts nothing.
    """

    fitter: CrossFitter
    replicates: int
    on_error: OnError
    steps: Steps | None = None

    def run(self, unit: Unit) -> UnitOutcome:
        """Cross-fit one gene; predictors share the work unless one of them fails."""
        try:
            return UnitOutcome(results=tuple(self._fit(unit, unit.predictors)))
        except (Exception, SystemExit) as error:  # a predictor may fail with anything
            if concerns_all_genes(error):
                raise
            if len(unit.predictors) == 1:
                return self._failed(error, unit, unit.predictors[0])
        results: list[GeneResult] = []
        failures: list[Failure] = []
        for name in unit.predictors:  # which of them it was
            try:
                results += self._fit(unit, (name,))
            except (Exception, SystemExit) as error:
                failures += self._failed(error, unit, name).failures
        return UnitOutcome(results=tuple(results), failures=tuple(failures))

    def _failed(self, error: BaseException, unit: Unit, name: str) -> UnitOutcome:
        cause = error.__cause__ if type(error) is PgxevalError and error.__cause__ is not None else error
        failure = Failure.of(cause, name, unit.gene.gene_id)
        if self.on_error == "raise":
            raise failure.to_error() from cause
        return UnitOutcome(failures=(failure,))

    def _fit(self, unit: Unit, names: Sequence[str]) -> Iterator[GeneResult]:
        assert unit.expression is not None
        chosen = tuple(predictor for predictor in self.fitter.predictors if predictor.name in names)
        fitter = (
            self.fitter if len(chosen) == len(self.fitter.predictors) else attrs.evolve(self.fitter, predictors=chosen)
        )
        fits = fitter.run(unit.gene, unit.expression, self.replicates, self.steps)
        for name in names:
            mine = sorted((fit for fit in fits if fit.predictor == name), key=lambda fit: fit.replicate)
            yield GeneResult.from_cross_fits(unit.gene.gene_id, mine)


@attrs.frozen(kw_only=True, eq=False)
class PredictTask:
    """Runs a predictor that needs no training at a gene.

    Parameters
    ----------
    predictor, genome, individuals
        What `Predictor.predict` takes.
    on_error
        As for `CrossFitTask`.
    """

    predictor: Predictor
    genome: PersonalGenome
    individuals: tuple[str, ...]
    on_error: OnError

    def run(self, unit: Unit) -> UnitOutcome:
        """Predict one gene."""
        if isinstance(self.predictor, PredictsGenes):
            return self.alone(self.predictor, unit.gene, progress=False)
        try:
            answer = self.predictor.predict(unit.gene, self.genome, list(self.individuals))
            return UnitOutcome(results=(self.result(unit.gene, answer),))
        except (Exception, SystemExit) as error:  # a predictor may fail with anything
            if concerns_all_genes(error):
                raise
            return self.failed(error, unit.gene)

    def result(self, gene: Gene, answer: Prediction) -> GeneResult:
        """Check an answer."""
        prediction = Prediction.of(answer, self.individuals)
        return GeneResult.from_prediction(self.predictor.name, gene.gene_id, prediction)

    def failed(self, error: BaseException, gene: Gene) -> UnitOutcome:
        """Return or raise a failure."""
        failure = Failure.of(error, self.predictor.name, gene.gene_id)
        if self.on_error == "raise":
            raise failure.to_error() from error
        return UnitOutcome(failures=(failure,))

    def answers(self, predictor: PredictsGenes, genes: Sequence[Gene], *, progress: bool) -> Iterator[UnitOutcome]:
        """Predict many genes in one call."""
        answers = predictor.predict_genes(
            genes, self.genome, list(self.individuals), progress=None if progress else False
        )
        with contextlib.closing(answers):
            for gene, prediction in answers:
                try:
                    outcome = UnitOutcome(results=(self.result(gene, prediction),))
                except TableError as error:
                    outcome = self.failed(error, gene)
                yield outcome

    def alone(self, predictor: PredictsGenes, gene: Gene, *, progress: bool) -> UnitOutcome:
        """Predict one gene by the call for many; an error that follows the answer concerns the genes together."""
        answered: UnitOutcome | None = None
        try:
            for outcome in self.answers(predictor, [gene], progress=progress):
                answered = outcome
        except (Exception, SystemExit) as error:  # a predictor may fail with anything
            if concerns_all_genes(error) or (answered is None and isinstance(error, SettingError)):
                raise
            return self.failed(error, gene) if answered is None else answered
        return answered or self.failed(PgxevalError("predict_genes returned nothing for this gene"), gene)
