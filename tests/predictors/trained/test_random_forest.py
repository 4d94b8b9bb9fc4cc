"""Random forest: the settings reach the engine, both engines agree, and the seed is the only randomness."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor

from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import SettingError
from pgxeval.predictors.trained.cis_variants import CisVariants
from pgxeval.predictors.trained.random_forest import RandomForestPredictor
from pgxeval.predictors.trained.training import TrainingSet


def test_the_engine_sklearn_equals_scikit_learn_on_the_same_dosages(planted: tuple[Cohort, pd.DataFrame]) -> None:
    cohort, _ = planted
    gene = cohort.genes[0]
    expression = cohort.expression_of(gene.gene_id).sort_index()
    predictor = RandomForestPredictor(
        n_estimators=15, engine="sklearn", parameters={"max_depth": 4, "bootstrap": False}
    )
    fitted = predictor.fit(gene, cohort.genome, expression, seed=9)
    dosages = fitted.selected.dosages(cohort.genome, expression.index)
    direct = RandomForestRegressor(
        15, max_features=1 / 3, min_samples_leaf=5, max_depth=4, bootstrap=False, random_state=9
    ).fit(dosages, expression.to_numpy())
    prediction = fitted.predict(gene, cohort.genome, expression.index)
    np.testing.assert_array_equal(prediction.values, direct.predict(dosages))
    assert prediction.used["engine"] == "sklearn"


def test_both_engines_predict_the_same_but_for_their_random_numbers(planted: tuple[Cohort, pd.DataFrame]) -> None:
    """Predictions averaged over seeds differ by no more than the spread between seeds explains."""
    cohort, truth = planted
    gene = cohort.gene(str(truth.loc[truth["kind"] == "additive", "gene_id"].iloc[0]))
    training = TrainingSet.prepare(CisVariants(), gene, cohort.genome, cohort.expression_of(gene.gene_id))
    window = CisVariants().read(gene, cohort.genome, training.individuals)
    rows = np.arange(len(training.individuals))
    kernel, sklearn = (
        np.array(
            [
                RandomForestPredictor(n_estimators=80, engine=engine)
                .fit_training(training, seed=seed)
                .predict_window(window, rows)
                .values
                for seed in range(15)
            ]
        )
        for engine in ("kernel", "sklearn")
    )
    error = np.sqrt((kernel.var(axis=0, ddof=1) + sklearn.var(axis=0, ddof=1)) / 15)
    z = (kernel.mean(axis=0) - sklearn.mean(axis=0)) / error
    assert np.sqrt(np.mean(z**2)) < 1.8
    assert error.mean() < 0.03 * sklearn.mean(axis=0).std()


@pytest.mark.parametrize("parameters", [{"max_leaf_nodes": 4}, {"criterion": "absolute_error"}, {"ccp_alpha": 0.1}])
def test_what_the_kernel_does_not_support_is_left_to_scikit_learn(
    planted: tuple[Cohort, pd.DataFrame], parameters: dict[str, object]
) -> None:
    cohort, _ = planted
    gene = cohort.genes[0]
    expression = cohort.expression_of(gene.gene_id)
    predictor = RandomForestPredictor(n_estimators=3, parameters=parameters)
    fitted = predictor.fit(gene, cohort.genome, expression)
    assert fitted.predict(gene, cohort.genome, cohort.individuals[:2]).used["engine"] == "sklearn"
    name = next(iter(parameters))
    with pytest.raises(SettingError, match=rf'engine="kernel" does not support {name}'):
        RandomForestPredictor(engine="kernel", parameters=parameters)


def test_the_seed_decides(planted: tuple[Cohort, pd.DataFrame]) -> None:
    cohort, _ = planted
    gene = cohort.genes[0]
    expression = cohort.expression_of(gene.gene_id)
    predictor = RandomForestPredictor(n_estimators=10)
    one, again, other = (
        predictor.fit(gene, cohort.genome, expression, seed=seed).predict(gene, cohort.genome, cohort.individuals)
        for seed in (1, 1, 2)
    )
    assert one.values.tobytes() == again.values.tobytes()
    assert one.values.tobytes() != other.values.tobytes()


@pytest.mark.parametrize("parameter", ["n_jobs", "random_state", "tree_size"])
def test_parameters_that_are_not_the_users_are_refused(parameter: str) -> None:
    with pytest.raises(SettingError, match=rf"{parameter} not allowed; allowed are n_estimators"):
        RandomForestPredictor(parameters={parameter: 1})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_features": 0}, "max_features must be a whole number, at least 1 or a share"),
        ({"max_features": "third"}, "max_features must be .* or 'sqrt' or 'log2', got 'third'"),
        ({"min_samples_leaf": 1.5}, "min_samples_leaf must be a whole number, at least 1 or a share"),
        ({"parameters": {"max_depth": 2.5}}, "max_depth must be a whole number, at least 1 or None, got 2.5"),
        ({"parameters": {"bootstrap": False, "max_samples": 3}}, "max_samples needs bootstrap=True"),
    ],
)
def test_settings_out_of_range_are_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        RandomForestPredictor(**settings)
