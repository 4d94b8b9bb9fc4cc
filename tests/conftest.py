"""Fixtures shared by all rooms."""

from __future__ import annotations

import os

# before NumPy is imported, and inherited by the processes that tests start: with a thread per core in each of several
# processes, tests took twice as long
for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import socket
import uuid
from pathlib import Path

import pandas as pd
import pytest

from pgxeval.cohort.cohort import Cohort
from pgxeval.simulation.simulate import simulate_cohort_in_memory

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real data; the tests that need it are skipped where it is missing."""
    folder = Path(os.environ.get("PGXEVAL_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data not found at {folder}; set PGXEVAL_SHARED_DATA")
    return folder


@pytest.fixture(autouse=True)
def _no_internet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Close sockets to anything but this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(f"tests may not connect to {address[0]}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let no test see the scores of the user or of another test, nor the user's key."""
    monkeypatch.setenv("PGXEVAL_CACHE", str(tmp_path_factory.getbasetemp() / f"cache-{uuid.uuid4().hex}"))
    monkeypatch.delenv("ALPHAGENOME_API_KEY", raising=False)


@pytest.fixture(scope="session")
def planted() -> tuple[Cohort, pd.DataFrame]:
    """Return a small in-memory cohort with planted truth: 80 individuals, 4 genes, windows of 20 kb."""
    pytest.importorskip("msprime", reason="the simulated cohort needs the extra `demo`")
    return simulate_cohort_in_memory(
        individuals=80, kinds={"null": 2, "additive": 2}, heritability=0.5, window_bp=20_000, seed=3
    )
