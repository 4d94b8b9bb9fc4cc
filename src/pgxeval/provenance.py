"""What a result records about how it was made: versions of packages, and settings as JSON-able values."""

from __future__ import annotations

import dataclasses
import os
import platform
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeGuard

import attrs
import numpy as np

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

__version__ = "0.1.0"

_OPTIONAL = {
    "torch": "torch",
    "enformer-pytorch": "enformer_pytorch",
    "alphagenome": "alphagenome",
    "borzoi-pytorch": "borzoi_pytorch",
    "pgenlib": "pgenlib",
}


_FEW = 20


def versions() -> dict[str, str]:
    """Return the versions of this library, of Python and of the packages that shape its numbers.

    Optional packages are recorded if they have been imported, that is, if a predictor or reader used them.

    Examples
    --------
    >>> versions()["pgxeval"] == __version__
    True
    """
    from importlib.metadata import PackageNotFoundError, version

    version_of = {
        "pgxeval": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scikit-learn": version("scikit-learn"),
    }
    for distribution, module in _OPTIONAL.items():
        if module in sys.modules:
            try:
                version_of[distribution] = version(distribution)
            except PackageNotFoundError:
                version_of[distribution] = "unknown"
    return version_of


def describe(value: object) -> Any:
    """Return settings as JSON-able values that a reader understands.

    Objects with a mapping `settings` are described by it, attrs classes and dataclasses by their fields, scikit-learn
    estimators by their parameters, long arrays by type and shape, and anything else by its class.

    Examples
    --------
    >>> describe({"leaf": np.int64(15), "tissues": {"b", "a"}, "weights": np.zeros((500, 2))})
    {'leaf': 15, 'tissues': ['a', 'b'], 'weights': {'class': 'ndarray', 'dtype': 'float64', 'shape': [500, 2]}}
    """
    kind = type(value)
    if isinstance(value, np.generic):
        plain = value.item()
        return plain if isinstance(plain, str | bool | int | float) else str(value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, np.ndarray):
        if value.size <= _FEW:
            return describe(value.tolist())
        return {"class": kind.__name__, "dtype": str(value.dtype), "shape": list(value.shape)}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [describe(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((describe(item) for item in value), key=str)
    settings = getattr(value, "settings", None)
    if isinstance(settings, Mapping):
        fields = dict(settings)
    elif attrs.has(kind):
        fields = {field.name: getattr(value, field.name) for field in attrs.fields(kind) if field.eq}
    elif dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    else:
        fields = value.get_params(deep=False) if _is_estimator(value) else {}
    return {"class": kind.__name__, **{str(name): describe(item) for name, item in fields.items()}}


def _is_estimator(value: object) -> TypeGuard[BaseEstimator]:
    base = sys.modules.get("sklearn.base")  # where no estimator was made, scikit-learn is not worth its memory
    return base is not None and isinstance(value, base.BaseEstimator)
