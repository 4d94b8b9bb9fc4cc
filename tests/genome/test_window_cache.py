"""The cache of windows: what it counts is what it holds, over thousands of windows; and locks after a fork."""

from __future__ import annotations

import gc
import multiprocessing
import threading
import tracemalloc
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pgxeval import Interval, PersonalGenome
from pgxeval.genome.formats.calls import Calls
from pgxeval.genome.formats.opening import open_genotypes

N_WINDOWS = 5_000


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory, oracles: ModuleType) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("cache")
    choose = np.random.default_rng(1)
    names = [f"p{i}" for i in range(50)]
    lines = [
        oracles.record_line("c", (at, "A", ["C"]), [f"{a}|{b}" for a, b in choose.integers(0, 2, (50, 2)).tolist()])
        for at in range(0, 20_000, 50)
    ]
    vcf = oracles.write_vcf(folder / "v.vcf.gz", oracles.vcf_text({"c": 30_000}, names, lines))
    return vcf, oracles.write_fasta(folder / "r.fa", {"c": "A" * 30_000})


def held_by(genome: PersonalGenome) -> int:
    return sum(window.nbytes for window in genome._windows._windows.values())


def test_memory_over_thousands_of_windows(paths: tuple[Path, Path]) -> None:
    """Each window was decoded into 16 MB of room, of which it fills little."""
    genome = PersonalGenome(paths[0], cache_bytes=1_000_000)
    for start in range(N_WINDOWS):
        if start == N_WINDOWS - 2_000:  # tracing is slow, and the cache holds fewer windows than these
            gc.collect()
            tracemalloc.start()
        window = (start % 19_000, start % 19_000 + 200)
        genome._windows.get(("calls", "c", *window), lambda window=window: genome.source.read("c", *window))
        assert genome._windows.nbytes <= 1_000_000
    gc.collect()
    now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    n = len(genome._windows._windows)
    assert genome._windows.nbytes == held_by(genome)
    assert 100 < n < 2_000
    assert now < 2_500_000 + 2_500 * n  # what is counted, and the objects around the arrays
    assert peak < 40_000_000  # one room at a time


def test_what_is_counted_is_what_is_held(paths: tuple[Path, Path]) -> None:
    source = open_genotypes(paths[0])
    for window in ((0, 20_000), (0, 100), (5_001, 5_002)):
        source.read("c", *window)
        gc.collect()
        tracemalloc.start()
        calls = source.read("c", *window)
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert isinstance(calls, Calls)
        assert calls.nbytes <= held < calls.nbytes + 8_000


def test_dosages_count_their_table(paths: tuple[Path, Path]) -> None:
    dosages = PersonalGenome(paths[0]).dosages(Interval("c", 0, 20_000))
    assert dosages.nbytes > dosages.values.nbytes + 400 * 5


def test_mixed_kinds_of_windows_are_counted(paths: tuple[Path, Path]) -> None:
    genome = PersonalGenome(*paths, cache_bytes=300_000)
    for start in range(0, 15_000, 100):
        window = Interval("c", start, start + 900)
        genome.dosages(window)
        genome.haplotypes(window, ["p1"])
        assert genome._windows.nbytes == held_by(genome) <= 300_000


def _read_in_child(genome: PersonalGenome, queue: multiprocessing.Queue[int]) -> None:
    queue.put(genome.dosages(Interval("c", 0, 100)).values.shape[1])


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_fork_while_a_thread_holds_the_lock(paths: tuple[Path, Path]) -> None:
    genome = PersonalGenome(paths[0])
    context = multiprocessing.get_context("fork")
    queue: multiprocessing.Queue[int] = context.Queue()
    held, finish = threading.Event(), threading.Event()

    def hold() -> None:
        with genome._windows._lock:
            held.set()
            finish.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    child = context.Process(target=_read_in_child, args=(genome, queue))
    child.start()
    try:
        assert queue.get(timeout=30) == 2
    finally:
        finish.set()
        thread.join()
        child.join(10)
        child.kill()
