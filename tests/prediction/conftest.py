"""Fixtures of the prediction room: a cohort and predictors without cost."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import cloudpickle
import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def cheap() -> ModuleType:
    """Return `cheap.py`; its classes travel to workers with their code."""
    if "cheap" not in sys.modules:
        spec = importlib.util.spec_from_file_location("cheap", HERE / "cheap.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["cheap"] = module
        spec.loader.exec_module(module)
        cloudpickle.register_pickle_by_value(module)
    return sys.modules["cheap"]
