"""Fixtures of the predictors room: toy models, a slow outsider that reads them, and small cohorts on disk."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def _load(name: str) -> ModuleType:
    full = f"predictors_{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[full] = module
        spec.loader.exec_module(module)
    return sys.modules[full]


@pytest.fixture(scope="session")
def toys() -> ModuleType:
    """Return `toy_models.py`: models of a few lines, and writers of small genomes."""
    return _load("toy_models")


@pytest.fixture(scope="session")
def slow() -> ModuleType:
    """Return `slow_sequence.py`: the same numbers, base by base."""
    return _load("slow_sequence")


@pytest.fixture(scope="session")
def world() -> ModuleType:
    """Return `alphagenome_world.py`; skip where alphagenome is not installed."""
    pytest.importorskip("alphagenome", reason="AlphaGenome needs the extra `alphagenome`")
    return _load("alphagenome_world")


@pytest.fixture(scope="session")
def enformers() -> ModuleType:
    """Return `small_enformers.py`; skip where enformer-pytorch is not installed."""
    pytest.importorskip("torch", reason="Enformer needs the extra `enformer`")
    pytest.importorskip("enformer_pytorch", reason="Enformer needs the extra `enformer`")
    return _load("small_enformers")


@pytest.fixture(scope="session")
def make_enformer(enformers: ModuleType) -> Callable[..., Any]:
    """Return a maker of small random Enformers."""
    return enformers.make_enformer


@pytest.fixture(scope="session")
def write_enformer(enformers: ModuleType) -> Callable[..., Any]:
    """Return a writer of weights folders."""
    return enformers.write_enformer


@pytest.fixture(scope="session")
def plain_forward(enformers: ModuleType) -> Callable[..., Any]:
    """Return enformer-pytorch's own numbers."""
    return enformers.plain_forward


@pytest.fixture(scope="session")
def random_dna(enformers: ModuleType) -> Callable[..., Any]:
    """Return a maker of random sequences."""
    return enformers.random_dna
