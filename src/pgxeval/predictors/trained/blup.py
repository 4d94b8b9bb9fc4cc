"""Best linear unbiased prediction (BLUP) from all cis variants: the linear baseline without selection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np
from threadpoolctl import threadpool_limits

from pgxeval.checks import kind, text
from pgxeval.cohort.reml import Relationship
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
class BlupPredictor:
    """BLUP of expression on cis dosages, the cis heritability estimated by REML in the training individuals.

    Parameters
    ----------
    name
        Name in the predictions table.
    cis_variants
        Which variants may be used; see `CisVariants`.
    flank_bp
        Short form of ``cis_variants=CisVariants(flank_bp=...)`` [bp]. The attribute itself stays None; see
        ``cis_variants.flank_bp``.

    Notes
    -----
    Equal to ridge regression on dosages of unit variance with the penalty that the heritability implies. Where the
    estimated heritability is 0, every prediction is the training mean.

    Examples
    --------
    >>> BlupPredictor(flank_bp=100_000).name
    'blup'
    """

    name: str = attrs.field(default="blup", validator=text)
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
        dosages, n = training.dosages, training.expression.size
        with threadpool_limits(1):
            relationship = training.genotypes.memo(
                "relationship", lambda: Relationship.of(dosages, np.full((n, 1), n**-0.5))
            )
            energies, rest = relationship.energies(training.expression[None, :])
            h2 = float(relationship.maximise(energies, rest)[0])
            center, scale = dosages.mean(axis=0), dosages.std(axis=0)
            component = (training.expression - training.mean) @ relationship.eigenvectors
            component = component / (h2 * relationship.eigenvalues + 1 - h2)
            per_sd = (relationship.eigenvectors @ component) @ ((dosages - center) / scale)
        active = np.arange(scale.size) if h2 > 0 else np.zeros(0, dtype=np.int64)
        weights = h2 / relationship.scale * per_sd / scale
        return FittedLinear(
            name=self.name,
            gene_id=training.gene_id,
            training=training,
            active=active,
            weights=weights[active],
            center=center[active],
            used={**training.selected.used, "h2": h2},
        )
