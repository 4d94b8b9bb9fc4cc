"""The contracts of predictors: two required protocols, and one protocol for each optional ability.

No inheritance is required: an object that has the members fulfils the contract. `isinstance` only tests that the
members exist; `pgxeval.testing.check_predictor` tests that the promises hold.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.errors import TableError
from pgxeval.genome.intervals import Gene
from pgxeval.genome.personal import PersonalGenome
from pgxeval.names import known_names
from pgxeval.signatures import show_defaults

_NO_REASON = "the predictor gave no reason"


def _read_only(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    array = np.array(_numbers(values))
    array.flags.writeable = False
    return array


@show_defaults
@attrs.frozen(kw_only=True, eq=False)
class Prediction:
    """One number per individual for one gene.

    Parameters
    ----------
    values
        float64 ``(n_individuals,)``, in the order of the individuals that were passed to `predict`, in any unit that
        increases with expression. NaN where the predictor has no answer. Infinite values are refused.
    reasons
        Why a value is NaN: index of the individual -> reason. A single string is the reason for all of them.
    used
        JSON-serialisable settings that were used for this gene: tracks, readout, number of variants, penalty.

    Raises
    ------
    TableError
        If `values` is not one-dimensional or contains an infinite value.
    """

    values: npt.NDArray[np.float64] = attrs.field(converter=_read_only)
    reasons: Mapping[int, str] | str = attrs.field(factory=dict)
    used: Mapping[str, Any] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        if self.values.ndim != 1:
            raise TableError(f"prediction values must have one dimension, got shape {self.values.shape}")
        infinite = np.isinf(self.values)
        if infinite.any():
            raise TableError(
                f"{int(infinite.sum())} of {self.values.size} predictions are infinite; expected finite numbers, or "
                "NaN with a reason"
            )

    @classmethod
    def of(cls, answer: Prediction | pd.Series | npt.ArrayLike, individuals: Sequence[str]) -> Prediction:
        """Return what `Predictor.predict` returned as a `Prediction`, with one value per individual.

        Parameters
        ----------
        answer
            A `Prediction`, which is returned as it is; a `pandas.Series`, which is put into the order of `individuals`
            if its index holds their names; or any other sequence or array of numbers, in that order.
        individuals
            Names, in the order in which they were passed to `predict`.

        Raises
        ------
        TableError
            If the answer is not a vector of numbers, has another length, or a Series names other individuals. The
            message does not name predictor and gene, which only the caller knows.

        Examples
        --------
        >>> Prediction.of([0.5, 1.5], ["ann", "bob"]).values
        array([0.5, 1.5])
        >>> Prediction.of(pd.Series({"bob": 1.5, "ann": 0.5}), ["ann", "bob"]).values
        array([0.5, 1.5])
        """
        if isinstance(answer, Prediction):
            prediction = answer
        elif isinstance(answer, pd.Series):
            prediction = cls(values=_numbers(_in_order(answer, individuals).to_numpy()))
        elif isinstance(answer, np.ndarray | list | tuple):
            prediction = cls(values=_numbers(answer))
        else:
            raise TableError(
                "predict must return a Prediction, or one number per individual as an array, a list or a "
                f"pandas.Series, got {type(answer).__name__}"
            )
        if prediction.values.size != len(individuals):
            raise TableError(
                f"predict must return one value per individual: expected {len(individuals)}, got "
                f"{prediction.values.size}"
            )
        return prediction

    def reason(self, row: int) -> str | None:
        """Return why the value of individual `row` is NaN; None if it is a number."""
        if not np.isnan(self.values[row]):
            return None
        if isinstance(self.reasons, str):
            return self.reasons or _NO_REASON
        return self.reasons.get(row, _NO_REASON)


def _numbers(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    if isinstance(values, np.ma.MaskedArray):  # what is masked is missing
        values = np.ma.filled(values.astype(np.float64), np.nan)
    try:
        is_complex = np.iscomplexobj(values)
        numbers = np.asarray(np.real(values) if is_complex else values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TableError(f"predict must return numbers, one per individual ({error})") from error
    if is_complex:
        raise TableError("predict must return real numbers, one per individual, got complex ones")
    return numbers


def _in_order(series: pd.Series, individuals: Sequence[str]) -> pd.Series:
    names = [str(name) for name in series.index]
    missing = [name for name in individuals if name not in set(names)]
    if len(missing) == len(individuals) and isinstance(series.index, pd.RangeIndex):
        return series  # numbered, not named: in the order of the individuals
    if missing or len(names) != len(individuals):
        problem = (
            f"{len(missing)} individuals are missing: {known_names(missing, 5)}"
            if missing
            else f"it has {len(names)} values for {len(individuals)} individuals"
        )
        raise TableError(
            f"predict returned a pandas.Series whose index does not hold each individual once; {problem}. Return it "
            "indexed by the names that were passed in, or return an array in their order"
        )
    return series.set_axis(names).loc[list(individuals)]


@runtime_checkable
class Predictor(Protocol):
    """A predictor that needs no training on the cohort, or that is already fitted.

    `name` is unique in a run. Optional abilities are separate protocols: `PredictsGenes`, `RecordsSettings`.
    """

    @property
    def name(self) -> str:
        """Name in the predictions table."""
        ...

    def predict(self, gene: Gene, genome: PersonalGenome, individuals: Sequence[str]) -> Prediction:
        """Predict the expression of one gene in `individuals`, in their order.

        An array, list or `pandas.Series` with one number per individual is accepted in place of a `Prediction`; see
        `Prediction.of`. An exception concerns this gene only: the gene is recorded as failed, with the reason.
        """
        ...


@runtime_checkable
class TrainablePredictor(Protocol):
    """A predictor that must be fitted for each gene before it can predict.

    `fit` learns from the individuals in the index of `expression` and from no others: `genome` holds the whole
    cohort, but only the genotypes of these individuals may shape the fitted predictor. It returns a fitted copy and
    leaves `self` unchanged. `seed` is the only source of randomness.
    """

    @property
    def name(self) -> str:
        """Name in the predictions table."""
        ...

    def fit(self, gene: Gene, genome: PersonalGenome, expression: pd.Series, *, seed: int = 0) -> Predictor:
        """Fit one gene on float64 `expression`, indexed by individual and free of NaN."""
        ...


@runtime_checkable
class PredictsGenes(Protocol):
    """Optional ability of a `Predictor`: it predicts many genes in one call.

    This is for predictors that share work between genes: a sequence model fills its batches across genes, a service
    is called in parallel. `pgxeval.predict_cohort` uses it where it exists, and `Predictor.predict` otherwise.
    """

    def predict_genes(
        self, genes: Sequence[Gene], genome: PersonalGenome, individuals: Sequence[str], *, progress: bool | None = None
    ) -> Generator[tuple[Gene, Prediction], None, None]:
        """Predict several genes.

        Parameters
        ----------
        genes
            Genes to predict.
        genome, individuals
            As for `Predictor.predict`.
        progress
            Whether the predictor shows a progress bar; None leaves it to the predictor's own setting.

        Yields
        ------
        tuple
            Each gene exactly once, in the order of `genes`, with what `Predictor.predict` gives for it. A gene that
            cannot be predicted is yielded too, with NaN and the reason.

        Notes
        -----
        A generator: work begins when the first gene is requested. ``close()``, which the caller also calls after an
        error and on Ctrl-C, ends threads and calls under way within seconds; completed work is kept if the predictor
        has a cache. Memory must not grow with the number of genes.
        """
        ...


@runtime_checkable
class Travels(Protocol):
    """Optional ability of a zero-shot predictor, and of a sequence model: it can be sent to worker processes.

    `pgxeval.predict_cohort` runs such a predictor gene by gene in its worker processes: one with `predict_genes` if an
    `executor` of processes is given, any other also in the workers of this machine. A zero-shot predictor that does not
    declare it stays in the first process, but for one without `predict_genes` where an `executor` is given.
    """

    @property
    def travels(self) -> bool:
        """Whether a copy that is unpickled in another process gives the same predictions.

        Each worker unpickles it once and uses it for all of its genes. What is pickled must be small, because it
        travels with every gene: the path of the weights, which the copy loads when it first needs them, and not the
        weights. It is False for what holds a connection, an object of the user's, or the only copy of its weights.
        """
        ...


@runtime_checkable
class RecordsSettings(Protocol):
    """Optional ability of a predictor or readout: it reports the settings that shape its numbers."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """JSON-serialisable settings.

        They are recorded with the predictions, and stored predictions are reused only if they are equal. Whatever
        changes a number must change them: weights, version, precision.
        """
        ...


@runtime_checkable
class GroupedTrainablePredictor(Protocol):
    """Optional ability of a trainable predictor that divides the training individuals itself.

    A predictor that cross-validates within its training individuals implements it so that relatives, and repeated
    samples of one donor, are never divided between a fit and its validation. Predictors that do not divide the
    training individuals need only `TrainablePredictor`.
    """

    def fit_groups(
        self, gene: Gene, genome: PersonalGenome, expression: pd.Series, groups: Sequence[str], *, seed: int = 0
    ) -> Predictor:
        """Fit one gene as `TrainablePredictor.fit` does, keeping the members of a group together.

        `groups` has one label per individual, in the order of `expression`.
        """
        ...
