"""Random forest on cis dosages: the nonlinear baseline, on the very variants that elastic net sees."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from sklearn.ensemble import RandomForestRegressor
from threadpoolctl import threadpool_limits

from pgxeval.checks import kind, text, whole
from pgxeval.errors import SettingError
from pgxeval.predictors.protocol import Prediction
from pgxeval.predictors.trained.cis_variants import CisVariants, SelectedVariants
from pgxeval.predictors.trained.training import Training, forget

if TYPE_CHECKING:
    import pandas as pd

    from pgxeval.genome.intervals import Gene
    from pgxeval.genome.personal import PersonalGenome

_ALLOWED = tuple(
    name
    for name in inspect.signature(RandomForestRegressor).parameters
    if name not in ("random_state", "n_jobs", "verbose", "warm_start", "oob_score")
)


def _check_parameters(instance: object, attribute: object, value: Mapping[str, Any]) -> None:
    unknown = sorted(set(value) - set(_ALLOWED))
    if unknown:
        raise SettingError(
            f"RandomForestPredictor: parameter(s) {', '.join(unknown)} not allowed; allowed are {', '.join(_ALLOWED)} "
            "(the seed comes from the run, parallelism from predict_cohort(workers=))"
        )


@attrs.frozen(kw_only=True)
class RandomForestPredictor:
    """Random forest of expression on cis dosages (`sklearn.ensemble.RandomForestRegressor`).

    Parameters
    ----------
    name
        Name in the predictions table.
    variants
        Which variants may be used; see `CisVariants`.
    n_estimators, max_features, min_samples_leaf
        As in scikit-learn. A third of the variants a split (Breiman's advice for regression) and leaves of five
        make a fit about five times faster than scikit-learn's defaults at 4,000 variants.
    parameters
        Further arguments of `RandomForestRegressor`.

    Examples
    --------
    >>> RandomForestPredictor(n_estimators=500, parameters={"max_depth": 6}).name
    'random_forest'
    """

    name: str = attrs.field(default="random_forest", validator=text)
    variants: CisVariants = attrs.field(factory=CisVariants, validator=kind(CisVariants))
    n_estimators: int = attrs.field(default=100, validator=whole(1))
    max_features: float | int | str | None = 1 / 3
    min_samples_leaf: int | float = 5
    parameters: Mapping[str, Any] = attrs.field(factory=dict, validator=_check_parameters, hash=False)

    def fit(self, gene: Gene, genome: PersonalGenome, expression: pd.Series, *, seed: int = 0) -> FittedRandomForest:
        """Fit one gene on `expression`, a float64 Series indexed by training individual; NaN is refused.

        Returns
        -------
        FittedRandomForest
            A fitted copy; without any usable variant, one that answers NaN with the reason.
        """
        training = Training.prepare(self.variants, gene, genome, expression)
        if training.reason is not None:
            return FittedRandomForest(name=self.name, gene_id=gene.gene_id, training=training)
        settings = {
            "n_estimators": self.n_estimators,
            "max_features": self.max_features,
            "min_samples_leaf": self.min_samples_leaf,
            **self.parameters,
        }
        forest = RandomForestRegressor(**settings, random_state=seed % 2**32, n_jobs=1)
        with threadpool_limits(1):
            forest.fit(training.dosages.astype(np.float32), training.expression)
        return FittedRandomForest(
            name=self.name,
            gene_id=gene.gene_id,
            training=training,
            forest=forest,
            used=training.selected.used,
        )


@attrs.frozen(kw_only=True, eq=False)
class FittedRandomForest:
    """A random forest fitted to one gene; see `RandomForestPredictor.fit`.

    Parameters
    ----------
    name, gene_id
        Of the predictor and of the gene.
    training
        What it was fitted on (the individuals' values are dropped).
    forest
        The scikit-learn forest over the selected variants, or None where nothing could be learned.
    used
        Settings as used.
    """

    name: str
    gene_id: str
    training: Training = attrs.field(converter=forget, repr=False)
    forest: RandomForestRegressor | None = attrs.field(default=None, repr=False)
    used: Mapping[str, Any] = attrs.field(factory=dict)

    @property
    def selected(self) -> SelectedVariants:
        """The variants that it may use."""
        return self.training.selected

    def predict(self, gene: Gene, genome: PersonalGenome, individuals: Sequence[str]) -> Prediction:
        """Predict expression, in the unit it was trained in, for any individuals of `genome`."""
        self.training.check_gene(gene)
        if self.forest is None or not len(individuals):
            return Prediction(
                values=np.full(len(individuals), np.nan), reasons=self.training.reason or "", used=self.used
            )
        dosages = self.selected.dosages(genome, individuals).astype(np.float32)
        return Prediction(values=self.forest.predict(dosages), used=self.used)
