"""A predictor that is linear in the dosages of one gene, after fitting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.predictors.protocol import Prediction
from pgxeval.predictors.trained.fitted import DosagesOf, FittedOnVariants
from pgxeval.signatures import show_defaults

if TYPE_CHECKING:
    pass


@show_defaults
@attrs.frozen(kw_only=True, eq=False)
class FittedLinear(FittedOnVariants):
    """A linear predictor of one gene: mean training expression plus a weight per alternate allele.

    Parameters
    ----------
    name, gene_id
        Names of the predictor and of the gene.
    training
        What it was fitted on, without the values of individuals.
    active
        int64 (n_active,), which of the selected variants have a coefficient.
    weights
        float64 (n_active,), change of expression for each further alternate allele.
    center
        float64 (n_active,), mean training dosage.
    used
        Settings as used.
    """

    active: npt.NDArray[np.int64] = attrs.field(factory=lambda: np.zeros(0, dtype=np.int64), repr=False)
    weights: npt.NDArray[np.float64] = attrs.field(factory=lambda: np.zeros(0), repr=False)
    center: npt.NDArray[np.float64] = attrs.field(factory=lambda: np.zeros(0), repr=False)

    def _predict(self, n: int, dosages_of: DosagesOf) -> Prediction:
        if self.training.reason is not None:
            return self._undefined(n)
        # summed row by row, so that a prediction does not depend on the other individuals
        dosages = dosages_of(self.selected.subset(self.active))
        values = self.training.mean + ((dosages - self.center) * self.weights).sum(axis=1)
        return Prediction(values=values, used=self.used)
