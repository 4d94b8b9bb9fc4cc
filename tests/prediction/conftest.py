"""Fixtures of the prediction room: a cohort and predictors without cost."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import cloudpickle
import pytest

HERE = Path(__file__).parent


def _load(name: str) -> ModuleType:
    """Import a module of this folder, whose classes travel to workers with their code."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        cloudpickle.register_pickle_by_value(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def cheap() -> ModuleType:
    """Return `cheap.py`: predictors without cost."""
    return _load("cheap")


@pytest.fixture(scope="session")
def travelling() -> ModuleType:
    """Return `travelling.py`: a sequence model whose weights are a file."""
    return _load("travelling")
