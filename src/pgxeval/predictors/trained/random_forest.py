"""Random forest on cis dosages: the nonlinear baseline, on the same variants as elastic net."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import attrs
import numpy as np
from threadpoolctl import threadpool_limits

from pgxeval.checks import kind, one_of, text, whole
from pgxeval.errors import SettingError
from pgxeval.predictors.protocol import Prediction
from pgxeval.predictors.trained.cis_variants import CisVariants, take_flank
from pgxeval.predictors.trained.fitted import DosagesOf, FittedOnVariants
from pgxeval.predictors.trained.forest import Forest, ForestSettings, grow_forest
from pgxeval.predictors.trained.forest_codes import ForestCodes
from pgxeval.predictors.trained.training import TrainingSet
from pgxeval.signatures import show_defaults

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.ensemble import RandomForestRegressor

    from pgxeval.genome.intervals import Gene
    from pgxeval.genome.personal import PersonalGenome

_NOT_THE_USERS = ("random_state", "n_jobs", "verbose", "warm_start", "oob_score")
_KERNEL = tuple(field.name for field in attrs.fields(ForestSettings))


@cache
def _defaults() -> dict[str, Any]:
    # not at the top: workers that grow the trees of the kernel need no scikit-learn, which takes 70 MB
    from sklearn.ensemble import RandomForestRegressor

    parameters = inspect.signature(RandomForestRegressor).parameters.items()
    return {name: parameter.default for name, parameter in parameters if name not in _NOT_THE_USERS}


def _check_parameters(instance: object, attribute: object, value: Mapping[str, Any]) -> None:
    unknown = sorted(set(value) - set(_KERNEL))
    if unknown:
        unknown = sorted(set(value) - set(_defaults()))
    if unknown:
        raise SettingError(
            f"RandomForestPredictor: parameter(s) {', '.join(unknown)} not allowed; allowed are "
            f"{', '.join(_defaults())} (the seed comes from the run, parallelism from predict_cohort(workers=))"
        )


@show_defaults
@attrs.frozen(kw_only=True)
class RandomForestPredictor:
    """Random forest of expression on cis dosages.

    Parameters
    ----------
    name
        Name in the predictions table.
    cis_variants
        Which variants may be used; see `CisVariants`.
    flank_bp
        Short form of ``cis_variants=CisVariants(flank_bp=...)`` [bp]. The attribute itself stays None; see
        ``cis_variants.flank_bp``.
    n_estimators, max_features, min_samples_leaf
        As in `sklearn.ensemble.RandomForestRegressor`. The defaults of this class, a third of the variants per
        split (Breiman's advice for regression) and at least five individuals per leaf, are faster than
        scikit-learn's without a loss of accuracy on cis dosages.
    engine
        ``"kernel"`` grows the trees of this library, which count alleles instead of sorting dosages and are about
        ten times faster; ``"sklearn"`` uses scikit-learn. Both grow the same kind of tree, but not the same trees for
        a given seed. ``"auto"`` takes the kernel unless `parameters` holds a setting that only scikit-learn
        knows. The engine is recorded in the settings of the predictions.
    parameters
        Further arguments of `RandomForestRegressor`. The kernel knows min_samples_split, max_depth,
        min_impurity_decrease, bootstrap and max_samples.

    Notes
    -----
    The kernel treats a variant with more than 255 distinct training dosages, which only imputed dosages can have,
    in 255 bins of about equal size; the number of such variants is recorded as ``binned_variants``.

    Examples
    --------
    >>> RandomForestPredictor(n_estimators=500, parameters={"max_depth": 6}).name
    'random_forest'
    """

    name: str = attrs.field(default="random_forest", validator=text)
    cis_variants: CisVariants = attrs.field(factory=CisVariants, validator=kind(CisVariants))
    flank_bp: int | None = attrs.field(default=None, repr=False, eq=False)
    n_estimators: int = attrs.field(default=100, validator=whole(1))
    max_features: float | int | str | None = 1 / 3
    min_samples_leaf: int | float = 5
    engine: Literal["auto", "kernel", "sklearn"] = attrs.field(
        default="auto", validator=one_of("auto", "kernel", "sklearn")
    )
    parameters: Mapping[str, Any] = attrs.field(factory=dict, validator=_check_parameters, hash=False)

    def __attrs_post_init__(self) -> None:
        take_flank(self)
        ForestSettings(**{name: value for name, value in self._settings.items() if name in _KERNEL})
        if self.engine == "kernel" and self._beyond_kernel:
            raise SettingError(
                f'RandomForestPredictor: engine="kernel" does not support {", ".join(self._beyond_kernel)} (it '
                f'supports {", ".join(_KERNEL)}); use engine="auto" or engine="sklearn"'
            )

    @property
    def _settings(self) -> dict[str, Any]:
        return {
            "n_estimators": self.n_estimators,
            "max_features": self.max_features,
            "min_samples_leaf": self.min_samples_leaf,
            **self.parameters,
        }

    @property
    def _beyond_kernel(self) -> list[str]:
        """Parameters that only scikit-learn knows and that are not at their default."""
        return sorted(
            name for name, value in self.parameters.items() if name not in _KERNEL and value != _defaults()[name]
        )

    def fit(self, gene: Gene, genome: PersonalGenome, expression: pd.Series, *, seed: int = 0) -> FittedRandomForest:
        """Fit one gene on `expression`, a float64 Series indexed by training individual; NaN is refused.

        Returns
        -------
        FittedRandomForest
            A fitted copy. If no variant can be used, all its predictions are NaN with the reason.
        """
        return self.fit_training(TrainingSet.prepare(self.cis_variants, gene, genome, expression), seed=seed)

    def fit_training(self, training: TrainingSet, *, seed: int = 0) -> FittedRandomForest:
        """Fit one gene on a training set that other predictors may share; see `FitsTrainingSet`."""
        if training.reason is not None:
            return FittedRandomForest(name=self.name, gene_id=training.gene_id, training=training)
        if self.engine == "sklearn" or self._beyond_kernel:
            return self._fit_scikit_learn(training, seed)
        genotypes = training.genotypes
        codes = genotypes.memo(
            "forest codes",
            lambda: ForestCodes.make(genotypes.calls, genotypes.selected.means, genotypes.distinct),
        )
        settings = ForestSettings(**{name: value for name, value in self._settings.items() if name in _KERNEL})
        bins = {"binned_variants": codes.n_binned} if codes.n_binned else {}
        return FittedRandomForest(
            name=self.name,
            gene_id=training.gene_id,
            training=training,
            forest=grow_forest(codes, training.expression, settings, seed),
            used={**training.selected.used, "engine": "kernel", **bins},
        )

    def _fit_scikit_learn(self, training: TrainingSet, seed: int) -> FittedRandomForest:
        from sklearn.ensemble import RandomForestRegressor

        forest = RandomForestRegressor(**self._settings, random_state=seed % 2**32, n_jobs=1)
        with threadpool_limits(1):
            forest.fit(training.dosages.astype(np.float32), training.expression)
        return FittedRandomForest(
            name=self.name,
            gene_id=training.gene_id,
            training=training,
            forest=forest,
            used={**training.selected.used, "engine": "sklearn"},
        )


@show_defaults
@attrs.frozen(kw_only=True, eq=False)
class FittedRandomForest(FittedOnVariants):
    """A random forest fitted to one gene; see `RandomForestPredictor.fit`.

    Parameters
    ----------
    name, gene_id
        Names of the predictor and of the gene.
    training
        What it was fitted on, without the values of individuals.
    forest
        The forest over the selected variants, or None if nothing could be learned.
    used
        Settings as used.
    """

    forest: Forest | RandomForestRegressor | None = attrs.field(default=None, repr=False)

    def _predict(self, n: int, dosages_of: DosagesOf) -> Prediction:
        if self.forest is None or n == 0:
            return self._undefined(n)
        if isinstance(self.forest, Forest):
            forest, columns = self.forest.narrowed()
            return Prediction(values=forest.predict(dosages_of(self.selected.subset(columns))), used=self.used)
        dosages = dosages_of(self.selected).astype(np.float32)
        return Prediction(values=self.forest.predict(dosages), used=self.used)
