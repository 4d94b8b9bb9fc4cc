"""What a result records about how it was made: versions of packages, and settings as JSON-able values."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np
import sklearn

__version__ = "0.1.0"

_OPTIONAL = {
    "torch": "torch",
    "enformer-pytorch": "enformer_pytorch",
    "alphagenome": "alphagenome",
    "borzoi-pytorch": "borzoi_pytorch",
    "pgenlib": "pgenlib",
}


def versions() -> dict[str, str]:
    """Return the versions of this library, of Python and of the packages that shape its numbers.

    Optional packages are recorded if they have been imported, that is, if a predictor or reader used them.

    Examples
    --------
    >>> versions()["pgxeval"] == __version__
    True
    """
    from importlib.metadata import PackageNotFoundError, version

    found = {
        "pgxeval": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
    }
    for distribution, module in _OPTIONAL.items():
        if module in sys.modules:
            try:
                found[distribution] = version(distribution)
            except PackageNotFoundError:
                found[distribution] = "unknown"
    return found


def describe(value: object) -> Any:
    """Return settings as JSON-able values: attrs classes by field, anything unknown by its class."""
    kind = type(value)
    if attrs.has(kind):
        fields = {field.name: describe(getattr(value, field.name)) for field in attrs.fields(kind)}
        return {"class": type(value).__name__, **fields}
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [describe(item) for item in value]
    settings = getattr(value, "settings", None)
    return {"class": type(value).__name__, **(dict(settings) if isinstance(settings, Mapping) else {})}
