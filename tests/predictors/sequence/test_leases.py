"""Leases: runs on one score cache share the work, survive each other's death, and give the same numbers."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pgxeval.predictors.sequence import leases as leases_module
from pgxeval.predictors.sequence.leases import Leases
from pgxeval.predictors.sequence.predictor import SequencePredictor
from pgxeval.predictors.sequence.readout import TssBins

NAME = b"n" * 16


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, toys: ModuleType) -> Any:
    return toys.random_genome(tmp_path_factory.mktemp("genome"), seed=7, n_individuals=6)


def test_a_lease_is_held_by_one_run(tmp_path: Path) -> None:
    one, other = Leases(tmp_path), Leases(tmp_path)
    assert one.acquire(NAME)
    assert not other.acquire(NAME)
    assert other.acquire(b"m" * 16)
    one.release(NAME)
    assert other.acquire(NAME)
    assert (tmp_path / f"lease-{NAME.hex()}").stat().st_mode & 0o777 == 0o600
    one.release(NAME)  # not its own any more
    assert not one.acquire(NAME)
    other.close()
    assert list(tmp_path.iterdir()) == []


def test_a_lease_that_is_not_touched_expires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f"lease-{NAME.hex()}").touch()
    os.utime(tmp_path / f"lease-{NAME.hex()}", (0, 0))  # the clock of its owner may be wrong
    monkeypatch.setattr(leases_module, "EXPIRY_S", 0.2)
    heir = Leases(tmp_path)
    assert not heir.acquire(NAME)
    time.sleep(0.3)
    assert heir.acquire(NAME)
    heir.close()


def test_the_lease_of_a_process_that_has_ended_is_taken_over_at_once(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        Leases(tmp_path).acquire(NAME)
        os._exit(0)
    os.waitpid(child, 0)
    assert (tmp_path / f"lease-{NAME.hex()}").exists()
    heir = Leases(tmp_path)
    assert heir.acquire(NAME)
    heir.close()


def test_a_lease_that_is_touched_does_not_expire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases_module, "EXPIRY_S", 0.8)
    owner, other = Leases(tmp_path), Leases(tmp_path)
    assert owner.acquire(NAME)
    for _ in range(8):
        assert not other.acquire(NAME)
        time.sleep(0.2)
    owner.close()
    assert other.acquire(NAME)
    other.close()


def run_together(toys: ModuleType, small: Any, folder: Path, n_runs: int, **info: Any) -> tuple[list[Any], list[bytes]]:
    """Run the same genes at the same time, each run with its own cache object."""
    genes = [toys.gene_at(tss, gene_id=str(tss)) for tss in range(600, 2_400, 150)]
    seen: list[bytes] = []
    answers: list[Any] = [None] * n_runs
    barrier = threading.Barrier(n_runs)

    class Slow(toys.ToyModel):  # type: ignore[name-defined,misc]
        def predict_tracks(self, sequences: np.ndarray, tracks: Any) -> np.ndarray:
            time.sleep(0.005)
            seen.extend(sequence.tobytes() for sequence in sequences)
            return super().predict_tracks(sequences, tracks)

    def work(number: int) -> None:
        predictor = SequencePredictor(
            Slow(**info), TssBins(), tracks="rna b", score_cache=folder, batch_size=4, allow_remote=True
        )
        barrier.wait()
        answers[number] = [
            prediction.values.tolist()
            for _, prediction in predictor.predict_genes(genes, small.genome, small.individuals)
        ]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(n_runs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return answers, seen


@pytest.mark.parametrize("info", [{}, {"in_flight": 4, "remote": True}], ids=["batches", "calls"])
def test_runs_at_the_same_time_share_the_work(
    toys: ModuleType, small: Any, tmp_path: Path, info: dict[str, Any]
) -> None:
    (alone,), distinct = run_together(toys, small, tmp_path / "alone", 1, **info)
    answers, seen = run_together(toys, small, tmp_path / "together", 3, **info)
    assert answers == [alone] * 3
    assert sorted(seen) == sorted(distinct)  # each sequence once, whichever run took it
    assert not list((tmp_path / "together").glob("lease-*"))


def test_a_run_takes_over_from_a_killed_one(
    toys: ModuleType, small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases_module, "EXPIRY_S", 0.3)
    real = Leases.acquire
    left: list[bytes] = []

    def remember(self: Leases, name: bytes) -> bool:
        left.append(name)
        return real(self, name)

    monkeypatch.setattr(Leases, "acquire", remember)
    (alone,), distinct = run_together(toys, small, tmp_path / "alone", 1)
    folder = tmp_path / "cache"
    (tmp_path / "alone").rename(folder)
    for part in folder.glob("scores-*"):
        part.unlink()
    for name in set(left[:3]):  # as a killed run leaves them
        (folder / f"lease-{name.hex()}").touch()
    (answers,), seen = run_together(toys, small, folder, 1)
    assert answers == alone
    assert sorted(seen) == sorted(distinct)
    assert not list(folder.glob("lease-*"))
