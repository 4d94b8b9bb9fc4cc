"""Elastic net on cis dosages in the PrediXcan manner: the linear baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from threadpoolctl import threadpool_limits

from pgxeval.checks import between, kind, text, whole
from pgxeval.errors import SettingError
from pgxeval.predictors.trained.cis_variants import CisVariants, take_flank
from pgxeval.predictors.trained.linear import FittedLinear
from pgxeval.predictors.trained.penalty import choose_penalty
from pgxeval.predictors.trained.penalty_gram import GramColumns
from pgxeval.predictors.trained.penalty_path import PenaltySolver
from pgxeval.predictors.trained.training import TrainingSet
from pgxeval.seeding import assign_folds
from pgxeval.signatures import show_defaults

if TYPE_CHECKING:
    import pandas as pd

    from pgxeval.genome.intervals import Gene
    from pgxeval.genome.personal import PersonalGenome


def _check_solver(instance: object, attribute: object, value: Mapping[str, Any]) -> None:
    parameters = [field.name for field in attrs.fields(PenaltySolver)]
    unknown = sorted(set(value) - set(parameters))
    if unknown:
        raise SettingError(
            f"ElasticNetPredictor: unknown solver parameter(s) {', '.join(unknown)}; "
            f"allowed are {', '.join(parameters)}"
        )
    PenaltySolver(**value)


@show_defaults
@attrs.frozen(kw_only=True)
class ElasticNetPredictor:
    """Elastic net of expression on cis dosages, the penalty chosen by inner cross-validation.

    Parameters
    ----------
    name
        Name in the predictions table.
    cis_variants
        Which variants may be used; see `CisVariants`.
    flank_bp
        Short form of ``cis_variants=CisVariants(flank_bp=...)`` [bp]. The attribute itself stays None; see
        ``cis_variants.flank_bp``.
    l1_ratio
        Share of the L1 penalty, in (0, 1].
    inner_folds
        Folds of the penalty search, drawn inside the training individuals.
    n_alphas, eps
        The penalty grid, as in `sklearn.linear_model.ElasticNetCV`; eps is glmnet's ratio for n < p.
    patience
        Penalties without a smaller inner error after which the path ends.
    parameters
        How exactly each penalty is solved: ``tol``, by how much a gradient may exceed the L1 penalty, relative to it
        (default 1e-6), and ``max_iter``, rounds of entering and leaving columns per penalty (default 1,000).

    Notes
    -----
    PrediXcan's settings (Gamazon et al., Nat Genet 47:1091, 2015): l1_ratio 0.5, 1 Mb either side, MAF 0.01,
    10 inner folds, ``lambda.min``. Dosages and expression are scaled to unit variance in the training
    individuals, which is what glmnet does and what makes the fit indifferent to the unit of expression.
    Variants with identical dosages in the training individuals, up to exchanging the alleles, share one effect equally.

    Examples
    --------
    >>> ElasticNetPredictor(flank_bp=100_000).name
    'elastic_net'
    """

    name: str = attrs.field(default="elastic_net", validator=text)
    cis_variants: CisVariants = attrs.field(factory=CisVariants, validator=kind(CisVariants))
    flank_bp: int | None = attrs.field(default=None, repr=False, eq=False)
    l1_ratio: float = attrs.field(default=0.5, validator=between(0, 1, above=True))
    inner_folds: int = attrs.field(default=10, validator=whole(2))
    n_alphas: int = attrs.field(default=100, validator=whole(2))
    eps: float = attrs.field(default=0.01, validator=between(0, 1, above=True, below=True))
    patience: int = attrs.field(default=10, validator=whole(1))
    parameters: Mapping[str, Any] = attrs.field(factory=dict, validator=_check_solver, hash=False)

    def __attrs_post_init__(self) -> None:
        take_flank(self)

    def fit(self, gene: Gene, genome: PersonalGenome, expression: pd.Series, *, seed: int = 0) -> FittedElasticNet:
        """Fit one gene on `expression`, a float64 Series indexed by training individual; NaN is refused.

        Returns
        -------
        FittedElasticNet
            A fitted copy; without any usable variant, one that answers NaN with the reason.
        """
        return self.fit_training(TrainingSet.prepare(self.cis_variants, gene, genome, expression), seed=seed)

    def fit_groups(
        self, gene: Gene, genome: PersonalGenome, expression: pd.Series, groups: Sequence[str], *, seed: int = 0
    ) -> FittedElasticNet:
        """Fit one gene as `fit` does, with all members of a group (family, donor) in one inner fold.

        Parameters
        ----------
        gene, genome, expression, seed
            As for `fit`.
        groups
            Label of the group of each individual, in the order of `expression`.
        """
        training = TrainingSet.prepare(self.cis_variants, gene, genome, expression, groups)
        return self.fit_training(training, seed=seed)

    def fit_training(self, training: TrainingSet, *, seed: int = 0) -> FittedElasticNet:
        """Fit one gene on a training set that other predictors may share; see `FitsTrainingSet`."""
        if training.reason is not None:
            return FittedElasticNet(name=self.name, gene_id=training.gene_id, training=training)
        folds = assign_folds(training.individuals, self.inner_folds, seed, purpose="inner", groups=training.groups)
        genotypes = training.genotypes
        spread = float(training.expression.std())
        with threadpool_limits(1):
            choice = choose_penalty(
                genotypes.memo("gram", lambda: GramColumns(training.dosages, genotypes.distinct)),
                (training.expression - training.mean) / spread,
                folds,
                l1_ratio=self.l1_ratio,
                n_alphas=self.n_alphas,
                eps=self.eps,
                patience=self.patience,
                solver=PenaltySolver(**self.parameters),
            )
        active = np.flatnonzero(choice.coefficients)
        dosages = training.dosages[:, active]
        return FittedElasticNet(
            name=self.name,
            gene_id=training.gene_id,
            training=training,
            active=active,
            weights=choice.coefficients[active] * spread / dosages.std(axis=0),
            center=dosages.mean(axis=0),
            used={
                **training.selected.used,
                "penalty": choice.alpha,
                "coefficients": int(active.size),
                "converged": choice.converged,
            },
        )


@show_defaults
@attrs.frozen(kw_only=True, eq=False)
class FittedElasticNet(FittedLinear):
    """An elastic net fitted to one gene; see `ElasticNetPredictor.fit`."""
