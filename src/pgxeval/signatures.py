"""Signatures that show real defaults where attrs shows a placeholder."""

from __future__ import annotations

import inspect
from typing import TypeVar

import attrs
import pandas as pd

_Class = TypeVar("_Class", bound=type)


class _Shown:
    """A default that depends on other arguments or takes many lines to print."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def show_defaults(cls: _Class) -> _Class:
    """Replace the placeholder ``NOTHING`` in the signature of an attrs class by the default that a call would use.

    The class itself and what its fields contain are not changed. A default that depends on other arguments is shown
    as ``...``.

    Examples
    --------
    >>> @show_defaults
    ... @attrs.frozen
    ... class Settings:
    ...     names: list[str] = attrs.field(factory=list)
    >>> str(inspect.signature(Settings))
    "(names: 'list[str]' = []) -> None"
    """
    initializer = vars(cls)["__init__"]
    signature = inspect.signature(initializer)
    defaults = {
        (field.alias or field.name): _default(field.default)
        for field in attrs.fields(cls)
        if field.init and isinstance(field.default, attrs.Factory)  # type: ignore[arg-type]  # a class at run time
    }
    parameters = [
        parameter.replace(default=defaults[parameter.name]) if parameter.name in defaults else parameter
        for parameter in signature.parameters.values()
    ]
    initializer.__signature__ = signature.replace(parameters=parameters)
    return cls


def _default(factory: object) -> object:
    if getattr(factory, "takes_self", False):
        return _Shown("...")
    value = factory.factory()  # type: ignore[attr-defined]  # an attrs.Factory
    return _Shown("DataFrame()") if isinstance(value, pd.DataFrame) else value
