"""The variant that is most associated in the training individuals, alone: the simplest baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from pgxeval.checks import kind, text
from pgxeval.predictors.trained.cis_variants import CisVariants, take_flank
from pgxeval.predictors.trained.linear import FittedLinear
from pgxeval.predictors.trained.training import TrainingSet
from pgxeval.signatures import show_defaults

if TYPE_CHECKING:
    import pandas as pd

    from pgxeval.genome.intervals import Gene
    from pgxeval.genome.personal import PersonalGenome


@show_defaults
@attrs.frozen(kw_only=True)
class TopVariantPredictor:
    """Least squares of expression on the one cis variant with the largest correlation in the training individuals.

    Parameters
    ----------
    name
        Name in the predictions table.
    cis_variants
        Which variants may be used; see `CisVariants`. Of equally correlated variants, the first one is taken.
    flank_bp
        Short form of ``cis_variants=CisVariants(flank_bp=...)`` [bp]. The attribute itself stays None; see
        ``cis_variants.flank_bp``.

    Examples
    --------
    >>> TopVariantPredictor(flank_bp=100_000).name
    'top_variant'
    """

    name: str = attrs.field(default="top_variant", validator=text)
    cis_variants: CisVariants = attrs.field(factory=CisVariants, validator=kind(CisVariants))
    flank_bp: int | None = attrs.field(default=None, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        take_flank(self)

    def fit(self, gene: Gene, genome: PersonalGenome, expression: pd.Series, *, seed: int = 0) -> FittedLinear:
        """Fit one gene on `expression`, a float64 Series indexed by training individual; NaN is refused."""
        return self.fit_training(TrainingSet.prepare(self.cis_variants, gene, genome, expression), seed=seed)

    def fit_training(self, training: TrainingSet, *, seed: int = 0) -> FittedLinear:
        """Fit one gene on a training set that other predictors may share; see `FitsTrainingSet`."""
        if training.reason is not None:
            return FittedLinear(name=self.name, gene_id=training.gene_id, training=training)
        dosages = training.dosages
        center, scale = dosages.mean(axis=0), dosages.std(axis=0)
        covariance = (training.expression - training.mean) @ (dosages - center) / training.expression.size
        # rounding must not decide between copies of a variant
        strength = np.abs(covariance / scale)
        top = np.array([int(np.argmax(strength >= strength.max() * (1 - 1e-9)))])
        return FittedLinear(
            name=self.name,
            gene_id=training.gene_id,
            training=training,
            active=top,
            weights=covariance[top] / scale[top] ** 2,
            center=center[top],
            used={
                **training.selected.used,
                "correlation": float(covariance[top[0]] / scale[top[0]] / training.expression.std()),
            },
        )
