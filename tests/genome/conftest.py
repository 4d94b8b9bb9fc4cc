"""Fixtures of the genome room: the outsiders, and small cohorts written to disk."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _load_oracles() -> ModuleType:
    name = "genome_oracles"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("oracles.py"))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def oracles() -> ModuleType:
    """Return `oracles.py`: bcftools, the slow implementation, and writers of files."""
    return _load_oracles()


@pytest.fixture(scope="session")
def bcftools(oracles: ModuleType) -> ModuleType:
    """Return the oracles where bcftools is installed; skip elsewhere."""
    if not oracles.has_bcftools():
        pytest.skip("bcftools is not installed")
    return oracles


@pytest.fixture(scope="session")
def kgp(shared_data: Path) -> Path:
    """Return the folder of 91 phased individuals of 1000 Genomes."""
    return shared_data / "kgp_chr1"
