"""Fixtures of the datasets room: a local server of small files."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pooch", reason="downloads need the extra `datasets`")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Any]:
    """Return a server of the folder ``tmp_path / "served"``."""
    name = "datasets_file_server"
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("file_server.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    (tmp_path / "served").mkdir()
    with module.FileServer(tmp_path / "served") as running:
        yield running
