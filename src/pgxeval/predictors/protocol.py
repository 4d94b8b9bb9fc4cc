"""The contracts that a predictor keeps; no inheritance is asked of anyone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.errors import TableError

if TYPE_CHECKING:
    import pandas as pd

    from pgxeval.genome.intervals import Gene
    from pgxeval.genome.personal import PersonalGenome

_NO_REASON = "the predictor gave no reason"


def _read_only(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    array = np.array(values, dtype=np.float64)
    array.flags.writeable = False
    return array


@attrs.frozen(kw_only=True, eq=False)
class Prediction:
    """One number for each individual at one gene.

    Parameters
    ----------
    values
        float64 (n_individuals,), in the order asked, in any unit that rises with expression; NaN where
        the predictor cannot say. Infinite values are refused.
    reasons
        Why, for each NaN: index of the individual -> reason. One string speaks for all of them.
    used
        JSON-able settings as they were in fact used: tracks, readout, number of variants, penalty.

    Raises
    ------
    TableError
        If `values` is not one-dimensional or holds an infinite value.
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
                f"{int(infinite.sum())} of {self.values.size} predictions are infinite; "
                "finite numbers are wanted, or NaN with a reason"
            )

    def reason(self, row: int) -> str | None:
        """Return why the value of individual `row` is NaN; None where it is a number."""
        if not np.isnan(self.values[row]):
            return None
        if isinstance(self.reasons, str):
            return self.reasons or _NO_REASON
        return self.reasons.get(row, _NO_REASON)


@runtime_checkable
class Predictor(Protocol):
    """A predictor that needs no training on the cohort, or has been fitted already.

    `name` is unique in a run. `predict` returns one value for each of `individuals`, in their order.
    """

    @property
    def name(self) -> str:
        """Name in the predictions table."""
        ...

    def predict(self, gene: Gene, genome: PersonalGenome, individuals: Sequence[str]) -> Prediction:
        """Predict the expression of one gene in `individuals`."""
        ...


@runtime_checkable
class TrainablePredictor(Protocol):
    """A predictor that must be fitted for each gene before it can say anything.

    `fit` learns from the individuals that index `expression` and from no others: `genome` holds the
    whole cohort, but only the genotypes of these individuals may shape the fitted predictor. It returns
    a fitted copy and leaves `self` as it was. `seed` is the only source of randomness.
    """

    @property
    def name(self) -> str:
        """Name in the predictions table."""
        ...

    def fit(self, gene: Gene, genome: PersonalGenome, expression: pd.Series, *, seed: int = 0) -> Predictor:
        """Fit one gene on float64 `expression`, indexed by individual and free of NaN."""
        ...
