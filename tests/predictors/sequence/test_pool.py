"""Pool: jobs at the same time, answers with their tags, and an end that loses nothing that came."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pgxeval.errors import PgxevalError
from pgxeval.genome.intervals import Interval
from pgxeval.predictors.sequence import pool as pool_module
from pgxeval.predictors.sequence.passes import Job, Passes
from pgxeval.predictors.sequence.pool import Pool
from pgxeval.predictors.sequence.predictor import SequencePredictor
from pgxeval.predictors.sequence.readout import TssBins
from pgxeval.predictors.sequence.target import Target


class Waiting:
    """Answers each target with another number once the gate is open; notes how many wait."""

    def __init__(self, toys: ModuleType, *, fails: int | None = None, patience_s: float = 20.0) -> None:
        self.info = toys.ToyModel(in_flight=4).info
        self.gate, self.ended = threading.Event(), threading.Event()
        self.lock = threading.Lock()
        self.now = self.most = self.started = 0
        self.interrupted: list[bool] = []
        self.fails, self.patience_s = fails, patience_s

    def predict_tracks(self, sequences: np.ndarray, tracks: Sequence[int]) -> np.ndarray:
        raise AssertionError("must not be called")

    def interrupt(self, now: bool) -> None:
        self.interrupted.append(now)
        if now:
            self.ended.set()

    def predict_targets(
        self, batches: Iterable[np.ndarray], targets: Sequence[Any], tracks: Sequence[int]
    ) -> Iterator[tuple[int, np.ndarray, str | None]]:
        assert sum(map(len, batches)) == 1
        with self.lock:
            self.now, self.started = self.now + 1, self.started + 1
            self.most = max(self.most, self.now)
        end = time.monotonic() + self.patience_s
        while not (self.gate.is_set() or self.ended.is_set()) and time.monotonic() < end:
            self.gate.wait(0.01)
        with self.lock:
            self.now -= 1
        if self.ended.is_set():
            raise PgxevalError("interrupted")
        for at, target in enumerate(targets):
            start = int(target.segments[0, 0])
            if start == self.fails:
                raise PgxevalError(f"target {start} cannot be")
            yield at, np.full(len(tracks), float(start)), None


@pytest.fixture(scope="module")
def haplotypes(tmp_path_factory: pytest.TempPathFactory, toys: ModuleType) -> Any:
    small = toys.random_genome(tmp_path_factory.mktemp("genome"), seed=3, n_individuals=2)
    return small.genome.haplotypes(Interval("chr1", 1_000, 1_512), small.individuals, 1_256)


def jobs(haplotypes: Any, n: int) -> list[Job]:
    return [
        Job(haplotypes=haplotypes, row=0, mirrored=False, targets=(Target(row=0, segments=[(at, at + 1)]),))
        for at in range(n)
    ]


def settle(condition: Any, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return bool(condition())


def started(model: Waiting, haplotypes: Any, n: int, threads: int = 4) -> tuple[Pool[int], list[Any]]:
    pool: Pool[int] = Pool(Passes(model, 1), threads)
    kept: list[Any] = []
    for at, job in enumerate(jobs(haplotypes, n)):
        pool.submit(at, job, (0, 1), kept.append)
    return pool, kept


def test_answers_come_with_their_tags_so_many_at_a_time(toys: ModuleType, haplotypes: Any) -> None:
    model = Waiting(toys)
    pool, kept = started(model, haplotypes, 30)
    assert settle(lambda: model.now == 4)
    assert len(pool) == 30
    model.gate.set()
    found = dict(pool.take(0))
    assert sorted(found) == list(range(30))
    for tag, (outcome,) in found.items():
        assert (outcome.target, outcome.values.tolist(), outcome.reason, outcome.final) == (0, [tag, tag], None, False)
    assert model.most == 4
    assert len(pool) == 0
    assert sorted(outcome.values[0] for outcome in kept) == list(range(30))
    assert list(pool.close()) == []
    assert model.interrupted == []  # nothing was under way


def test_take_waits_for_no_more_than_it_must(toys: ModuleType, haplotypes: Any) -> None:
    model = Waiting(toys)
    pool, _ = started(model, haplotypes, 10)
    assert list(pool.take(10)) == []
    model.gate.set()
    some = list(pool.take(6))
    assert len(some) >= 4
    assert len(pool) == 10 - len(some)
    list(pool.close())


def test_an_answer_is_kept_where_it_comes_before_anyone_asks(toys: ModuleType, haplotypes: Any) -> None:
    model = Waiting(toys)
    model.gate.set()
    pool, kept = started(model, haplotypes, 8)
    assert settle(lambda: len(kept) == 8)
    assert len(pool) == 8
    assert len(list(pool.take(0))) == 8


def test_an_error_reaches_who_asks_without_the_frames_that_hold_sequences(toys: ModuleType, haplotypes: Any) -> None:
    model = Waiting(toys, fails=3)
    model.gate.set()
    pool, _ = started(model, haplotypes, 10)
    with pytest.raises(PgxevalError, match="target 3 cannot be") as failure:
        list(pool.take(0))
    frames = [frame.name for frame in traceback.extract_tb(failure.value.__traceback__)]
    assert "_work" in frames
    assert "predict_targets" not in frames
    list(pool.close())


def test_the_end_drops_what_waits_and_yields_what_is_under_way(toys: ModuleType, haplotypes: Any) -> None:
    model = Waiting(toys)
    pool, kept = started(model, haplotypes, 30)
    assert settle(lambda: model.now == 4)
    threading.Timer(0.2, model.gate.set).start()
    late = list(pool.close())
    assert sorted(tag for tag, _ in late) == [0, 1, 2, 3]
    assert model.started == 4
    assert len(kept) == 4
    assert set(model.interrupted) == {False}
    assert settle(lambda: not any(one.name.startswith("pgxeval-pass") for one in threading.enumerate()))


def test_what_does_not_come_in_time_is_ended(
    toys: ModuleType, haplotypes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "_GRACE_S", 0.2)
    model = Waiting(toys)
    pool, _ = started(model, haplotypes, 9)
    assert settle(lambda: model.now == 4)
    begin = time.monotonic()
    assert list(pool.close()) == []
    assert time.monotonic() - begin < 3
    assert set(model.interrupted[:-1]) == {False}
    assert model.interrupted[-1] is True
    assert settle(lambda: not any(one.name.startswith("pgxeval-pass") for one in threading.enumerate()))


class LateWaiter(Waiting):
    """Begins to wait only after it has been told to stop, as a thread may that had just begun its job."""

    def interrupt(self, now: bool) -> None:
        super().interrupt(now)
        if self.now:
            self.ended.set()

    def predict_targets(self, batches: Any, targets: Any, tracks: Any) -> Any:
        end = time.monotonic() + self.patience_s
        while not self.interrupted and time.monotonic() < end:
            time.sleep(0.01)
        return super().predict_targets(batches, targets, tracks)


def test_a_wait_that_begins_after_the_interruption_is_ended_too(toys: ModuleType, haplotypes: Any) -> None:
    model = LateWaiter(toys)
    pool, _ = started(model, haplotypes, 9)
    begin = time.monotonic()
    assert list(pool.close()) == []
    assert time.monotonic() - begin < 3
    assert True not in model.interrupted


def test_an_end_without_a_beginning_is_quiet(toys: ModuleType) -> None:
    pool: Pool[int] = Pool(Passes(Waiting(toys), 1), 4)
    assert list(pool.take(0)) == []
    assert list(pool.close()) == []


# --- which models are asked so


class Counting:
    """A toy that notes in which threads it is asked, and how many at a time."""

    def __init__(self, toys: ModuleType, in_flight: int) -> None:
        self.inner = toys.ToyModel(in_flight=in_flight)
        self.info = self.inner.info
        self.lock = threading.Lock()
        self.now = self.most = 0
        self.batches: list[int] = []
        self.threads: set[str] = set()

    def predict_tracks(self, sequences: np.ndarray, tracks: Sequence[int]) -> np.ndarray:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
            self.batches.append(len(sequences))
            self.threads.add(threading.current_thread().name)
        time.sleep(0.01)
        made = self.inner.predict_tracks(sequences, tracks)
        with self.lock:
            self.now -= 1
        return made


@pytest.mark.parametrize("in_flight", [1, 2, 5])
def test_in_flight_is_how_many_sequences_a_model_gets_at_a_time(
    toys: ModuleType, tmp_path: Path, in_flight: int
) -> None:
    small = toys.random_genome(tmp_path, seed=5, n_individuals=6)
    genes = [toys.gene_at(tss, gene_id=str(tss)) for tss in (1_000, 1_600, 2_200)]
    plain, model = toys.ToyModel(), Counting(toys, in_flight)
    answers = [
        [answer.values.tolist() for _, answer in asked.predict_genes(genes, small.genome, small.individuals)]
        for asked in (SequencePredictor(one, TssBins(), tracks="rna b", batch_size=4) for one in (plain, model))
    ]
    assert answers[0] == answers[1]
    assert model.most == in_flight
    if in_flight == 1:
        assert max(model.batches) == 4
        assert model.threads == {threading.current_thread().name}
    else:
        assert set(model.batches) == {1}
        assert threading.current_thread().name not in model.threads
    assert sorted(model.inner.seen) == sorted(plain.seen)
