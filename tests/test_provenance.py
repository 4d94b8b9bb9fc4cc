"""What a result records: versions of what was used, and settings that JSON can hold."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import attrs
import numpy as np
from sklearn.linear_model import Ridge

from pgxeval.provenance import __version__, describe, versions


def test_versions_are_those_that_are_installed() -> None:
    found = versions()
    assert found["pgxeval"] == __version__
    assert found["python"] == sys.version.split()[0]
    assert found["numpy"] == version("numpy")


def test_an_optional_package_is_recorded_once_it_was_used() -> None:
    script = (
        "from pgxeval.provenance import versions; import sys; before = 'pgenlib' in versions(); "
        "sys.modules['pgenlib'] = sys; print(before, 'pgenlib' in versions())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_settings_of_every_kind_survive_json() -> None:
    @attrs.frozen
    class Settings:
        size: int
        path: Path

    value = {
        "estimator": Ridge(alpha=2.0),
        "settings": Settings(3, Path("/a/b")),
        "numbers": np.arange(3),
        "large": np.zeros((30, 2), np.float32),
        "set": {"b", "a"},
        "pair": (np.int64(1), None),
    }
    described = json.loads(json.dumps(describe(value)))
    assert described["estimator"]["class"] == "Ridge"
    assert described["estimator"]["alpha"] == 2.0
    assert described["settings"] == {"class": "Settings", "size": 3, "path": "/a/b"}
    assert described["numbers"] == [0, 1, 2]
    assert described["large"] == {"class": "ndarray", "dtype": "float32", "shape": [30, 2]}
    assert described["set"] == ["a", "b"]
    assert described["pair"] == [1, None]
