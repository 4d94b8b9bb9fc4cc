"""BLUP and the top variant against scikit-learn and a dense solution."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from pgxeval.cohort import Cohort
from pgxeval.predictors.trained import BlupPredictor, CisVariants, TopVariantPredictor, TrainingSet

Planted = tuple[Cohort, pd.DataFrame]


def _additive(planted: Planted) -> tuple[Cohort, str]:
    cohort, truth = planted
    return cohort, str(truth.loc[truth["kind"] == "additive", "gene_id"].iloc[0])


def test_blup_is_ridge_regression_with_the_penalty_that_the_heritability_implies(planted: Planted) -> None:
    cohort, gene_id = _additive(planted)
    gene, expression = cohort.gene(gene_id), cohort.expression_of(gene_id)
    fitted = BlupPredictor().fit(gene, cohort.genome, expression)
    training = TrainingSet.prepare(CisVariants(), gene, cohort.genome, expression)
    Z = (training.dosages - training.dosages.mean(axis=0)) / training.dosages.std(axis=0)
    h2 = fitted.used["h2"]
    assert 0 < h2 < 1
    # the mean of the diagonal of the projected Z Z' is 1 after division by this
    scale = (Z**2).sum() / (training.expression.size - 1)
    ridge = Ridge(alpha=scale * (1 - h2) / h2).fit(Z, training.expression)
    np.testing.assert_allclose(fitted.weights * training.dosages.std(axis=0), ridge.coef_, atol=1e-9)
    np.testing.assert_allclose(
        fitted.predict(gene, cohort.genome, training.individuals).values, ridge.predict(Z), atol=1e-8
    )


@pytest.mark.parametrize("predictor", [BlupPredictor(), TopVariantPredictor()], ids=lambda p: p.name)
def test_order_does_not_matter_and_reasons_are_given(
    planted: Planted, predictor: BlupPredictor | TopVariantPredictor
) -> None:
    cohort, gene_id = _additive(planted)
    gene, expression = cohort.gene(gene_id), cohort.expression_of(gene_id).iloc[:60]
    others = list(cohort.individuals[60:])
    forward = predictor.fit(gene, cohort.genome, expression).predict(gene, cohort.genome, others)
    backward = predictor.fit(gene, cohort.genome, expression.iloc[::-1]).predict(gene, cohort.genome, others[::-1])
    assert forward.values.tobytes() == backward.values[::-1].tobytes()
    flat = predictor.fit(gene, cohort.genome, expression * 0 + 1).predict(gene, cohort.genome, others)
    assert np.isnan(flat.values).all()
    assert "constant expression" in str(flat.reason(0))
