"""Any scikit-learn regressor as a trained predictor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np
from threadpoolctl import threadpool_limits

from pgxeval.checks import kind
from pgxeval.errors import SettingError, TableError
from pgxeval.predictors.protocol import Prediction
from pgxeval.predictors.trained.cis_variants import CisVariants, take_flank
from pgxeval.predictors.trained.fitted import DosagesOf, FittedOnVariants
from pgxeval.predictors.trained.training import TrainingSet
from pgxeval.signatures import show_defaults

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.base import BaseEstimator

    from pgxeval.genome.intervals import Gene
    from pgxeval.genome.personal import PersonalGenome


def _check_estimator(instance: object, attribute: object, value: object) -> None:
    from sklearn.base import BaseEstimator, is_regressor

    if isinstance(value, type):
        raise SettingError(f"SklearnPredictor: estimator must be an instance, got the class; use {value.__name__}()")
    if not isinstance(value, BaseEstimator) or not is_regressor(value):
        raise SettingError(
            "SklearnPredictor: estimator must be a scikit-learn regressor (or a Pipeline that ends in one), got "
            f"{type(value).__name__}"
        )


@show_defaults
@attrs.frozen
class SklearnPredictor:
    """A scikit-learn regressor of expression on cis dosages, cross-fitted like elastic net and random forest.

    Parameters
    ----------
    estimator
        Any regressor, pipelines and searches included. It is cloned for each fit and never changed itself.
        Every parameter called ``random_state``, nested ones included, is set to the seed of the fit.
    cis_variants
        Which variants may be used; see `CisVariants`. Dosages are float64, missing calls are replaced by the mean
        of the training individuals, and nothing is scaled: put a `sklearn.preprocessing.StandardScaler` into a
        pipeline if the estimator needs it.
    flank_bp
        Short form of ``cis_variants=CisVariants(flank_bp=...)`` [bp]. The attribute itself stays None; see
        ``cis_variants.flank_bp``.
    name
        Name in the predictions table. By default the name of the estimator's class.

    Examples
    --------
    >>> from sklearn.svm import SVR
    >>> SklearnPredictor(SVR(), flank_bp=100_000).name
    'SVR'
    """

    estimator: BaseEstimator = attrs.field(validator=_check_estimator, hash=False)
    cis_variants: CisVariants = attrs.field(factory=CisVariants, validator=kind(CisVariants), kw_only=True)
    flank_bp: int | None = attrs.field(default=None, repr=False, eq=False, kw_only=True)
    name: str = attrs.field(kw_only=True)

    @name.default
    def _class_name(self) -> str:
        return type(self.estimator).__name__

    @name.validator
    def _check_name(self, attribute: object, value: object) -> None:
        if not isinstance(value, str) or not value.strip():
            raise SettingError(f"SklearnPredictor: name must be a text that is not empty, got {value!r}")

    def __attrs_post_init__(self) -> None:
        take_flank(self)

    def fit(self, gene: Gene, genome: PersonalGenome, expression: pd.Series, *, seed: int = 0) -> FittedSklearn:
        """Fit one gene on `expression`, a float64 Series indexed by training individual; NaN is refused."""
        return self.fit_training(TrainingSet.prepare(self.cis_variants, gene, genome, expression), seed=seed)

    def fit_training(self, training: TrainingSet, *, seed: int = 0) -> FittedSklearn:
        """Fit one gene on a training set that other predictors may share; see `FitsTrainingSet`."""
        from sklearn.base import clone

        if training.reason is not None:
            return FittedSklearn(name=self.name, gene_id=training.gene_id, training=training)
        estimator = clone(self.estimator)
        parameters = estimator.get_params(deep=True)
        seed_names = [key for key in parameters if key == "random_state" or key.endswith("__random_state")]
        estimator.set_params(**dict.fromkeys(seed_names, seed % 2**32))
        with threadpool_limits(1):
            # a copy: an estimator with copy_X=False would overwrite the dosages of the others
            estimator.fit(training.dosages.copy(), training.expression.copy())
        return FittedSklearn(
            name=self.name,
            gene_id=training.gene_id,
            training=training,
            estimator=estimator,
            used={**training.selected.used, "estimator": type(estimator).__name__},
        )


@show_defaults
@attrs.frozen(kw_only=True, eq=False)
class FittedSklearn(FittedOnVariants):
    """A scikit-learn regressor fitted to one gene; see `SklearnPredictor.fit`.

    Parameters
    ----------
    name, gene_id
        Names of the predictor and of the gene.
    training
        What it was fitted on, without the values of individuals.
    estimator
        The fitted estimator over the selected variants, or None if nothing could be learned.
    used
        Settings as used.
    """

    estimator: BaseEstimator | None = attrs.field(default=None, repr=False)

    def _predict(self, n: int, dosages_of: DosagesOf) -> Prediction:
        if self.estimator is None or n == 0:
            return self._undefined(n)
        dosages = dosages_of(self.selected)
        with threadpool_limits(1):
            values = np.asarray(self.estimator.predict(dosages), dtype=np.float64)
        if values.shape == (len(dosages), 1):
            values = values[:, 0]
        if values.shape != (len(dosages),):
            raise TableError(
                f"predictor {self.name!r}: {type(self.estimator).__name__}.predict must return one number per "
                f"individual, shape ({len(dosages)},), got shape {values.shape}"
            )
        return Prediction(values=values, used=self.used)
