"""Parts of the predictors: by default in their order, else as named."""

from __future__ import annotations

import pytest

from pgxeval.errors import SettingError, UnknownNameError
from pgxeval.study import StudySettings
from pgxeval.study.roles import Kind, Roles

KINDS: dict[str, Kind] = {
    "elastic_net": "trained",
    "random_forest": "trained",
    "a": "zero-shot",
    "b": "zero-shot",
    "c": "zero-shot",
}


def test_defaults() -> None:
    roles = Roles.of(KINDS, StudySettings())
    assert (roles.model, roles.other_model, roles.baseline) == ("a", "b", "elastic_net")
    assert roles.trained == ("elastic_net", "random_forest")


def test_named() -> None:
    roles = Roles.of(KINDS, StudySettings(model="c", baseline="random_forest"))
    assert (roles.model, roles.other_model, roles.baseline) == ("c", "a", "random_forest")
    assert Roles.of(KINDS, StudySettings(other_model="a")).model == "b"


def test_nothing_to_name() -> None:
    roles = Roles.of({"ridge": "trained"}, StudySettings())
    assert (roles.model, roles.other_model, roles.elastic_net, roles.baseline) == (None, None, None, "ridge")


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"model": "d"}, UnknownNameError, "model: d is not"),
        ({"model": "elastic_net"}, SettingError, "expected a zero-shot predictor"),
        ({"baseline": "a"}, SettingError, "expected a trained predictor"),
        ({"model": "a", "other_model": "a"}, SettingError, "both a"),
    ],
)
def test_refused(settings: dict[str, str], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Roles.of(KINDS, StudySettings(**settings))  # type: ignore[arg-type]
