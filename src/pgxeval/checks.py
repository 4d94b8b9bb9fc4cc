"""Named validators for attrs settings; each message names the setting, the allowed and the given value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pgxeval.errors import SettingError

Validator = Callable[[Any, Any, Any], None]


def _refuse(instance: object, attribute: Any, value: object, allowed: str) -> SettingError:
    return SettingError(f"{type(instance).__name__}: {attribute.name} must be {allowed}, got {value!r}")


def between(low: float, high: float = float("inf"), *, above: bool = False, below: bool = False) -> Validator:
    """Demand a number from `low` to `high`; `above` and `below` leave out the ends."""

    def check(instance: object, attribute: Any, value: Any) -> None:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        inside = number and (low < value if above else low <= value) and (value < high if below else value <= high)
        if not inside:
            limits = f"a number {'above' if above else 'from'} {low:g}"
            if high != float("inf"):
                until = ("and below" if below else "and at most") if above else ("to below" if below else "to")
                limits += f" {until} {high:g}"
            raise _refuse(instance, attribute, value, limits)

    return check


def whole(low: int) -> Validator:
    """Demand a whole number not below `low`."""

    def check(instance: object, attribute: Any, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise _refuse(instance, attribute, value, f"a whole number, at least {low}")

    return check


def one_of(*choices: object) -> Validator:
    """Demand one of `choices`."""

    def check(instance: object, attribute: Any, value: object) -> None:
        if value not in choices:
            raise _refuse(instance, attribute, value, " or ".join(repr(choice) for choice in choices))

    return check


def kind(expected: type) -> Validator:
    """Demand an instance of `expected`."""

    def check(instance: object, attribute: Any, value: object) -> None:
        if not isinstance(value, expected):
            raise _refuse(instance, attribute, value, f"a {expected.__name__}")

    return check


def text(instance: object, attribute: Any, value: object) -> None:
    """Demand a text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise _refuse(instance, attribute, value, "a text that is not empty")
