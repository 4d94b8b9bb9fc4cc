from __future__ import annotations

import attrs
import pytest

from pgxeval.errors import SettingError
from pgxeval.evaluation import EvaluationSettings


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"measure": "kendall"}, "measure must be 'spearman' or 'pearson', got 'kendall'"),
        ({"confidence": 1.0}, "confidence must be a number above 0 and below 1, got 1.0"),
        ({"level": 0}, "level must be a number above 0"),
        ({"margin": 0.0}, "margin must be a number above 0, got 0.0"),
        ({"permutations": -1}, "permutations must be a whole number, at least 0, got -1"),
        ({"permutations": True}, "permutations must be a whole number"),
        ({"block_bp": 0}, "block_bp must be a whole number, at least 1"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"zero_shot_inference": "guess"}, "zero_shot_inference must be 'automatic'"),
        ({"elastic_net": ""}, "elastic_net must be a text"),
        ({"random_forest": None}, "random_forest must be a text"),
    ],
)
def test_values_out_of_range_are_refused_by_name(wrong, message) -> None:
    with pytest.raises(SettingError, match=f"EvaluationSettings: {message}"):
        EvaluationSettings(**wrong)


def test_settings_are_frozen_and_keyword_only() -> None:
    settings = EvaluationSettings()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        settings.level = 0.1
    with pytest.raises(TypeError):
        EvaluationSettings("pearson")
    assert settings.measure_name == "Spearman's rho"
