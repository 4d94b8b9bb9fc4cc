"""Marginal predictions of a forest equal those of a slow loop over individuals, columns and levels."""

from __future__ import annotations

import numpy as np
import pytest

from pgxeval.attribution.marginal import marginal_predictions
from pgxeval.attribution.shap import shap_slopes, shap_values
from pgxeval.predictors.trained.forest import Forest, ForestSettings, grow_forest
from pgxeval.predictors.trained.forest_codes import ForestCodes


def _forest(n: int = 120, p: int = 15, seed: int = 0) -> tuple[Forest, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    dosages = random.binomial(2, 0.4, size=(n, p)).astype(np.int8)
    expression = 1.0 * dosages[:, 0] - 0.7 * (dosages[:, 1] == 1) + 0.3 * random.normal(size=n)
    codes = ForestCodes.make(dosages, dosages.mean(axis=0))
    forest = grow_forest(codes, expression, ForestSettings(n_estimators=12, min_samples_leaf=3), seed)
    return forest, dosages.astype(np.float64), expression


def test_marginal_predictions_equal_a_slow_loop() -> None:
    forest, dosages, _ = _forest()
    slow = np.empty((dosages.shape[1], 3))
    for column in range(dosages.shape[1]):
        for level in range(3):
            changed = dosages.copy()
            changed[:, column] = level
            slow[column, level] = forest.predict(changed).mean()
    np.testing.assert_allclose(marginal_predictions(forest, dosages), slow, rtol=1e-9)


def test_the_shape_of_an_effect_is_seen() -> None:
    forest, dosages, _ = _forest(n=400)
    at = marginal_predictions(forest, dosages)
    additive, overdominant = at[0] - at[0, 0], at[1] - at[1, 0]
    assert additive[1] == pytest.approx(1, abs=0.25)
    assert additive[2] == pytest.approx(2, abs=0.3)
    assert overdominant[1] == pytest.approx(-0.7, abs=0.25)
    assert abs(overdominant[2]) < 0.2


def test_shap_values_add_up_to_the_prediction() -> None:
    pytest.importorskip("shap", reason="SHAP values need the extra `shap`")
    forest, dosages, _ = _forest()
    values = shap_values(forest, dosages)
    prediction = forest.predict(dosages)
    np.testing.assert_allclose(
        values.sum(axis=1) - values.sum(axis=1).mean(), prediction - prediction.mean(), atol=1e-6
    )


def test_shap_slopes_of_an_additive_forest_are_its_effects() -> None:
    pytest.importorskip("shap", reason="SHAP values need the extra `shap`")
    forest, dosages, _ = _forest(n=400)
    slopes = shap_slopes(forest, dosages)
    assert slopes[0] == pytest.approx(1, abs=0.2)
    assert np.abs(slopes[2:]).max() < 0.1
