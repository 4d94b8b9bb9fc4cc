"""FittedOnVariants: what every predictor of one gene's dosages has in common after fitting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

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

DosagesOf: TypeAlias = Callable[[SelectedVariants], npt.NDArray[np.float64]]
"""Returns the imputed dosages of some variants, for the individuals to predict."""


@show_defaults
@attrs.frozen(kw_only=True, eq=False)
class FittedOnVariants:
    """A predictor fitted to one gene.

    Parameters
    ----------
    name, gene_id
        Names of the predictor and of the gene.
    training
        What it was fitted on, without the values of individuals.
    used
        Settings as used.
    """

    name: str
    gene_id: str
    training: TrainedOn = attrs.field(converter=forget, repr=False)
    used: Mapping[str, Any] = attrs.field(factory=dict)

    @property
    def selected(self) -> SelectedVariants:
        """The variants that it may use."""
        return self.training.selected

    def predict(self, gene: Gene, genome: PersonalGenome, individuals: Sequence[str]) -> Prediction:
        """Predict expression, in the unit it was trained in, for any individuals of `genome`."""
        self.training.check_gene(gene)
        return self._predict(len(individuals), lambda variants: variants.dosages(genome, individuals))

    def predict_window(self, window: CisWindow, rows: npt.NDArray[np.int64]) -> Prediction:
        """Predict the individuals at `rows` of a window that has been read already."""
        return self._predict(rows.size, lambda variants: variants.dosages_in(window, rows))

    def _predict(self, n: int, dosages_of: DosagesOf) -> Prediction:
        """Predict `n` individuals from their dosages at the variants that are needed."""
        raise NotImplementedError

    def _undefined(self, n: int) -> Prediction:
        return Prediction(values=np.full(n, np.nan), reasons=self.training.reason or "", used=self.used)
