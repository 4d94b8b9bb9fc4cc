"""Any scikit-learn regressor as a trained predictor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from pgxeval.checks import kind
from pgxeval.errors import SettingError, TableError
from pgxeval.predictors.protocol import Prediction
from pgxeval.predictors.trained.cis_variants import CisVariants, CisWindow, SelectedVariants, take_flank
from pgxeval.predictors.trained.training import TrainedOn, TrainingSet, forget
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
        seeded = [key for key in parameters if key == "random_state" or key.endswith("__random_state")]
        estimator.set_params(**dict.fromkeys(seeded, seed % 2**32))
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
class FittedSklearn:
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

    name: str
    gene_id: str
    training: TrainedOn = attrs.field(converter=forget, repr=False)
    estimator: BaseEstimator | None = attrs.field(default=None, repr=False)
    used: Mapping[str, Any] = attrs.field(factory=dict)

    @property
    def selected(self) -> SelectedVariants:
        """The variants that it may use."""
        return self.training.selected

    def predict(self, gene: Gene, genome: PersonalGenome, individuals: Sequence[str]) -> Prediction:
        """Predict expression for any individuals of `genome`."""
        self.training.check_gene(gene)
        if self.estimator is None or not len(individuals):
            return self._undefined(len(individuals))
        return self._predict(self.selected.dosages(genome, individuals))

    def predict_window(self, window: CisWindow, rows: npt.NDArray[np.int64]) -> Prediction:
        """Predict the individuals at `rows` of a window that has been read already."""
        if self.estimator is None or not rows.size:
            return self._undefined(rows.size)
        return self._predict(self.selected.dosages_in(window, rows))

    def _undefined(self, n: int) -> Prediction:
        return Prediction(values=np.full(n, np.nan), reasons=self.training.reason or "", used=self.used)

    def _predict(self, dosages: npt.NDArray[np.float64]) -> Prediction:
        assert self.estimator is not None
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
