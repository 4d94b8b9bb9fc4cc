"""Validators name class, field, what was got and what is allowed."""

from __future__ import annotations

import attrs
import pytest

from pgxeval.checks import between, kind, one_of, text, whole
from pgxeval.errors import PgxevalError


@attrs.frozen(kw_only=True)
class Settings:
    share: float = attrs.field(default=0.5, validator=between(0, 1, above=True))
    count: int = attrs.field(default=3, validator=whole(1))
    side: str = attrs.field(default="left", validator=one_of("left", "right"))
    names: dict = attrs.field(factory=dict, validator=kind(dict))
    title: str = attrs.field(default="x", validator=text)


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("share", 0, "a number above 0 and at most 1"),
        ("share", True, "a number"),
        ("share", float("nan"), "a number"),
        ("share", "much", "a number"),
        ("count", 0, "a whole number, at least 1"),
        ("count", 2.0, "a whole number"),
        ("count", True, "a whole number"),
        ("side", "up", "'left' or 'right'"),
        ("names", [], "a dict"),
        ("title", "  ", "a text"),
    ],
)
def test_refusals(field: str, value: object, allowed: str) -> None:
    with pytest.raises(PgxevalError, match=rf"Settings: {field} must be {allowed}.*got") as error:
        Settings(**{field: value})
    assert isinstance(error.value, ValueError)
    assert repr(value) in str(error.value)


def test_allowed_values_pass() -> None:
    assert Settings(share=1, count=1, side="right", names={"a": 1}, title="y").share == 1
