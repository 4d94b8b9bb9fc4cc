"""A predictor that is linear in the dosages of one gene, after fitting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.predictors.protocol import Prediction
from pgxeval.predictors.trained.cis_variants import CisWindow, SelectedVariants
from pgxeval.predictors.trained.training import TrainedOn, forget
from pgxeval.signatures import show_defaults

if TYPE_CHECKING:
    from pgxeval.genome.intervals import Gene
    from pgxeval.genome.personal import PersonalGenome


@show_defaults
@attrs.frozen(kw_only=True, eq=False)
class FittedLinear:
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

    name: str
    gene_id: str
    training: TrainedOn = attrs.field(converter=forget, repr=False)
    active: npt.NDArray[np.int64] = attrs.field(factory=lambda: np.zeros(0, dtype=np.int64), repr=False)
    weights: npt.NDArray[np.float64] = attrs.field(factory=lambda: np.zeros(0), repr=False)
    center: npt.NDArray[np.float64] = attrs.field(factory=lambda: np.zeros(0), repr=False)
    used: Mapping[str, Any] = attrs.field(factory=dict)

    @property
    def selected(self) -> SelectedVariants:
        """The variants that it may use."""
        return self.training.selected

    def predict(self, gene: Gene, genome: PersonalGenome, individuals: Sequence[str]) -> Prediction:
        """Predict expression, in the unit it was trained in, for any individuals of `genome`."""
        self.training.check_gene(gene)
        if self.training.reason is not None:
            return Prediction(values=np.full(len(individuals), np.nan), reasons=self.training.reason, used=self.used)
        return self._predict(self.selected.subset(self.active).dosages(genome, individuals))

    def predict_window(self, window: CisWindow, rows: npt.NDArray[np.int64]) -> Prediction:
        """Predict the individuals at `rows` of a window that has been read already."""
        if self.training.reason is not None:
            return Prediction(values=np.full(rows.size, np.nan), reasons=self.training.reason, used=self.used)
        return self._predict(self.selected.subset(self.active).dosages_in(window, rows))

    def _predict(self, dosages: npt.NDArray[np.float64]) -> Prediction:
        # summed row by row, so that a prediction does not depend on the other individuals
        values = self.training.mean + ((dosages - self.center) * self.weights).sum(axis=1)
        return Prediction(values=values, used=self.used)
