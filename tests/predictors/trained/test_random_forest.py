"""Random forest: the settings reach scikit-learn, and the seed is the only randomness."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor

from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import SettingError
from pgxeval.predictors.trained.random_forest import RandomForestPredictor


def test_equals_scikit_learn_on_the_same_dosages(planted: tuple[Cohort, pd.DataFrame]) -> None:
    cohort, _ = planted
    gene = cohort.genes[0]
    expression = cohort.expression_of(gene.gene_id).sort_index()
    predictor = RandomForestPredictor(n_estimators=15, parameters={"max_depth": 4, "bootstrap": False})
    fitted = predictor.fit(gene, cohort.genome, expression, seed=9)
    dosages = fitted.selected.dosages(cohort.genome, expression.index)
    direct = RandomForestRegressor(
        15, max_features=1 / 3, min_samples_leaf=5, max_depth=4, bootstrap=False, random_state=9
    ).fit(dosages, expression.to_numpy())
    np.testing.assert_array_equal(fitted.predict(gene, cohort.genome, expression.index).values, direct.predict(dosages))


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
