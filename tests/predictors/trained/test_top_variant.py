"""The best single variant against all regressions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from pgxeval.cohort import Cohort
from pgxeval.predictors.trained import CisVariants, TopVariantPredictor, TrainingSet

Planted = tuple[Cohort, pd.DataFrame]


def _additive(planted: Planted) -> tuple[Cohort, str]:
    cohort, truth = planted
    return cohort, str(truth.loc[truth["kind"] == "additive", "gene_id"].iloc[0])


def test_top_variant_is_the_best_of_all_regressions(planted: Planted) -> None:
    cohort, gene_id = _additive(planted)
    gene, expression = cohort.gene(gene_id), cohort.expression_of(gene_id)
    fitted = TopVariantPredictor().fit(gene, cohort.genome, expression)
    training = TrainingSet.prepare(CisVariants(), gene, cohort.genome, expression)
    r2 = [
        LinearRegression().fit(column[:, None], training.expression).score(column[:, None], training.expression)
        for column in training.dosages.T
    ]
    top = int(fitted.active[0])
    assert r2[top] == pytest.approx(max(r2), rel=1e-9)
    assert fitted.used["correlation"] ** 2 == pytest.approx(max(r2), rel=1e-9)
    model = LinearRegression().fit(training.dosages[:, [top]], training.expression)
    np.testing.assert_allclose(
        fitted.predict(gene, cohort.genome, training.individuals).values,
        model.predict(training.dosages[:, [top]]),
        atol=1e-9,
    )
