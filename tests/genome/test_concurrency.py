"""One PersonalGenome in 8 threads and in 4 processes gives the bytes that it gives alone."""

from __future__ import annotations

import hashlib
import multiprocessing
import random
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

from pgxeval import Interval, PersonalGenome

N_WINDOWS = 40  # 1,000 in validation/haplotypes.py
_GENOME: PersonalGenome | None = None


def digest(genome: PersonalGenome, window: tuple[int, int, int]) -> str:
    start, length, anchor = window
    interval = Interval("chr1", start, start + length)
    haplotypes = genome.haplotypes(interval, anchor=anchor)
    dosages = genome.dosages(interval, genome.individuals[3:40])
    parts = (haplotypes.sequences, haplotypes.index, dosages.values)
    return hashlib.blake2b(b"".join(part.tobytes() for part in parts)).hexdigest()


def windows(n: int, seed: int = 9) -> list[tuple[int, int, int]]:
    choose = random.Random(seed)
    made = []
    for _ in range(n):
        length = choose.choice([500, 5_000, 20_000])
        start = choose.randrange(0, 4_900_000)
        made.append((start, length, start + choose.randrange(length)))
    return made


def in_process(window: tuple[int, int, int]) -> str:
    assert _GENOME is not None
    return digest(_GENOME, window)


def open_in_process(genome: PersonalGenome) -> None:
    global _GENOME  # noqa: PLW0603 (what an initializer is for)
    _GENOME = genome


@pytest.fixture(scope="module")
def genome(kgp: Path) -> PersonalGenome:
    return PersonalGenome(kgp / "variants.vcf.gz", kgp / "reference.fa", cache_bytes=2_000_000)


@pytest.fixture(scope="module")
def alone(genome: PersonalGenome) -> list[str]:
    return [digest(genome, window) for window in windows(N_WINDOWS)]


def test_threads(genome: PersonalGenome, alone: list[str]) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda window: digest(genome, window), windows(N_WINDOWS) * 3)) == alone * 3


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")  # it is what is tested
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes(genome: PersonalGenome, alone: list[str], method: str) -> None:
    """A fork inherits what was open, a spawned process unpickles."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} on this machine")
    context = multiprocessing.get_context(method)
    if method == "fork":
        open_in_process(genome)
        pool = ProcessPoolExecutor(4, mp_context=context)
    else:
        pool = ProcessPoolExecutor(4, mp_context=context, initializer=open_in_process, initargs=(genome,))
    with pool:
        assert list(pool.map(in_process, windows(N_WINDOWS), chunksize=5)) == alone
