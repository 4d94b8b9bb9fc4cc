"""Estimators of scikit-learn as predictors: imputed dosages, a seed, and everything cross-fitted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import pgxeval
from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import SettingError, TableError
from pgxeval.predictors.trained.cis_variants import CisVariants
from pgxeval.predictors.trained.sklearn import SklearnPredictor
from pgxeval.predictors.trained.training import TrainingSet
from pgxeval.seeding import assign_folds
from pgxeval.testing.checks import check_predictor

Planted = tuple[Cohort, pd.DataFrame]


def test_cross_fitted_ridge_equals_a_loop_over_folds(planted: Planted) -> None:
    cohort, _ = planted
    rule = CisVariants(min_maf=0.05)
    predictions = pgxeval.predict_cohort(
        cohort, [SklearnPredictor(Ridge(7.0), cis_variants=rule)], seed=3, replicates=0, workers=1, progress=False
    )
    fold = assign_folds(cohort.individuals, 5, 3)
    names = np.array(cohort.individuals)
    for gene in cohort.genes[:2]:
        table = predictions.table[predictions.table["gene_id"].astype(str) == gene.gene_id]
        got = table.set_index(table["individual"].astype(str))["prediction"]
        y = cohort.expression_of(gene.gene_id)
        for k in range(1, 6):
            train, test = sorted(names[fold != k]), list(names[fold == k])
            selected = rule.select(gene, cohort.genome, train)
            ridge = Ridge(7.0).fit(selected.dosages(cohort.genome, train), y[train])
            expected = ridge.predict(selected.dosages(cohort.genome, test))
            np.testing.assert_allclose(got[test], expected, rtol=1e-9)
    assert predictions.settings["Ridge"]["used"]["estimator"] == "Ridge"


def test_nested_random_states_are_set_on_a_clone(planted: Planted) -> None:
    cohort, _ = planted
    gene, expression = cohort.genes[0], cohort.expression_of(cohort.genes[0].gene_id)
    pipeline = make_pipeline(StandardScaler(), MLPRegressor(max_iter=5, hidden_layer_sizes=(4,), solver="lbfgs"))
    predictor = SklearnPredictor(pipeline, name="network")
    with pytest.warns(match="failed to converge"):
        one, again, other = (predictor.fit(gene, cohort.genome, expression, seed=seed) for seed in (1, 1, 2))
    assert one.estimator.get_params()["mlpregressor__random_state"] == 1
    values = [fitted.predict(gene, cohort.genome, cohort.individuals).values for fitted in (one, again, other)]
    assert values[0].tobytes() == values[1].tobytes() != values[2].tobytes()
    assert pipeline.get_params()["mlpregressor__random_state"] is None
    assert not hasattr(pipeline[-1], "coefs_")


class Overwrites(Ridge):
    def fit(self, X, y):
        super().fit(X, y)
        X[:], y[:] = 0, 0
        return self


def test_an_estimator_that_overwrites_its_input_leaves_the_dosages_of_others(planted: Planted) -> None:
    cohort, _ = planted
    gene, expression = cohort.genes[0], cohort.expression_of(cohort.genes[0].gene_id)
    training = TrainingSet.prepare(CisVariants(), gene, cohort.genome, expression)
    dosages = training.dosages.copy()
    SklearnPredictor(Overwrites()).fit_training(training)
    np.testing.assert_array_equal(training.dosages, dosages)
    np.testing.assert_array_equal(training.expression, expression.sort_index())


def test_keeps_the_contract_of_a_predictor() -> None:
    checks = check_predictor(
        SklearnPredictor(ExtraTreesRegressor(5), cis_variants=CisVariants(min_minor_alleles=3)), on_failure="raise"
    )
    assert set(checks["outcome"]) <= {"passed", "not applicable"}


class TwoColumns(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.zeros((len(X), 2))


def test_answers_of_another_shape_are_refused(planted: Planted) -> None:
    cohort, _ = planted
    gene, expression = cohort.genes[0], cohort.expression_of(cohort.genes[0].gene_id)
    fitted = SklearnPredictor(TwoColumns()).fit(gene, cohort.genome, expression)
    with pytest.raises(TableError, match=r"must return one number per individual, shape \(3,\), got shape \(3, 2\)"):
        fitted.predict(gene, cohort.genome, cohort.individuals[:3])


def test_says_why_it_cannot(planted: Planted) -> None:
    cohort, _ = planted
    gene, expression = cohort.genes[0], cohort.expression_of(cohort.genes[0].gene_id)
    fitted = SklearnPredictor(Ridge()).fit(gene, cohort.genome, expression * 0)
    assert "constant expression" in fitted.predict(gene, cohort.genome, cohort.individuals[:2]).reason(1)


@pytest.mark.parametrize("estimator", [Ridge, LogisticRegression(), "ridge", StandardScaler()])
def test_only_instances_of_regressors_are_taken(estimator: object) -> None:
    with pytest.raises(SettingError, match="SklearnPredictor: estimator must be"):
        SklearnPredictor(estimator)
