"""The compile cache in an installation that cannot be written to."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numba
import pytest
from numba.core.compiler_lock import global_compiler_lock

import pgxeval

PROGRAM = """
import numpy as np
from pgxeval.genome.allele_kernel import count_alternatives
assert count_alternatives(np.ones((3, 2, 2), np.int8)) == 12
print(count_alternatives.stats.cache_path, sum(count_alternatives.stats.cache_hits.values()))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the package in which numba cannot make its cache: a file is where the folder would be."""
    assert pgxeval.__file__ is not None
    folder = tmp_path_factory.mktemp("installed")
    ignored = shutil.ignore_patterns("__pycache__", "*.nbi", "*.nbc")
    shutil.copytree(Path(pgxeval.__file__).parent, folder / "pgxeval", ignore=ignored)
    for package in (folder / "pgxeval").rglob("__init__.py"):
        package.with_name("__pycache__").touch()
    return folder


def run(installed: Path, **environment: str) -> tuple[str, int]:
    done = subprocess.run(
        [sys.executable, "-B", "-c", PROGRAM],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(installed), "HOME": "/proc/none", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    path, hits = done.stdout.split()
    return path, int(hits)


def test_numba_cache_dir_is_used(installed: Path, tmp_path: Path) -> None:
    first, again = (run(installed, NUMBA_CACHE_DIR=str(tmp_path / "cache")) for _ in range(2))
    assert first[0] == again[0]
    assert first[0].startswith(str(tmp_path / "cache"))
    assert (first[1], again[1]) == (0, 1)


def _compile(queue: multiprocessing.Queue[int]) -> None:
    @numba.njit
    def twice(x: int) -> int:
        return 2 * x

    queue.put(twice(21))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_fork_while_a_thread_compiles() -> None:
    importlib.import_module("pgxeval.compiled")
    context = multiprocessing.get_context("fork")
    queue: multiprocessing.Queue[int] = context.Queue()
    held = threading.Event()

    def hold() -> None:
        with global_compiler_lock:
            held.set()
            time.sleep(0.5)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    child = context.Process(target=_compile, args=(queue,))
    child.start()
    try:
        assert queue.get(timeout=20) == 42
    finally:
        thread.join()
        child.join(10)
        child.kill()
    with global_compiler_lock:  # the parent's lock is free again
        pass
