"""Kills writers of a store at random moments, and checks that nothing is lost or doubled: run by test_store.

usage: kill_driver.py FOLDER ROUNDS
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import multiprocessing
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))

import logging

import cheap

from pgxeval.errors import PgxevalError
from pgxeval.prediction import PredictionStore, begin_worker, predict_cohort

GENES = 24
COHORT = cheap.cheap_cohort(GENES)
SETTINGS = {"folds": 2, "replicates": 0, "progress": False}
HANGS_AFTER_S = 100
logging.disable(logging.CRITICAL)
faulthandler.register(signal.SIGUSR1, all_threads=True)


def write(folder: Path, genes: slice, calls: Path, workers: int) -> None:
    """Run a writer until it is done or killed."""
    predictor = cheap.Cheap(seconds=0.004, calls=calls)
    if workers == 1:
        predict_cohort(COHORT, [predictor], store=folder, genes=genes, workers=1, **SETTINGS)
    else:
        # without the initializer, a worker that waits for its first gene would outlive a parent that is killed
        with ProcessPoolExecutor(
            workers,
            mp_context=multiprocessing.get_context("fork"),
            initializer=begin_worker,
            initargs=(os.getpid(),),
        ) as executor:
            predict_cohort(
                COHORT, [predictor], store=folder, genes=genes, executor=executor, workers=workers, **SETTINGS
            )


def fork(folder: Path, genes: slice, calls: Path, workers: int) -> int:
    """Start a writer in a new process group."""
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        try:
            write(folder, genes, calls, workers)
        except PgxevalError:
            os._exit(2)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return pid


def members(group: int) -> list[int]:
    """Return the processes of a group."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[2]) == group and fields[0] != "Z":
                found.append(int(path.parent.name))
    return found


def read(folder: Path) -> pd.DataFrame:
    """Read the store as any program does."""
    keys = ["gene_id", "individual"]
    table = pd.read_parquet(folder)[[*keys, "prediction", "training_mean", "fold"]]
    return table.astype(dict.fromkeys(keys, str)).sort_values(keys, ignore_index=True)


def main(folder: Path, rounds: int) -> None:
    """Run each round in a fork of this process, which starts no threads: a fork of threads may hang."""
    calls = make(folder / "calls")
    in_fork(lambda: write(folder / "undisturbed", slice(None), calls, 1))
    killed = 0
    for number in range(rounds):
        killed += in_fork(lambda number=number: one_round(folder, number))
    print(json.dumps({"rounds": rounds, "killed": killed}))  # noqa: T201


def in_fork(work: Callable[[], int | None]) -> int:
    """Run work in a fork and return its small whole number."""
    pid = os.fork()
    if pid == 0:
        try:
            result = work() or 0
        except BaseException:
            traceback.print_exc()
            os._exit(100)
        os._exit(result)
    deadline = time.monotonic() + HANGS_AFTER_S
    while (ended := os.waitpid(pid, os.WNOHANG))[0] == 0:
        if time.monotonic() > deadline:
            report_hang(pid)
        time.sleep(0.02)
    status = os.waitstatus_to_exitcode(ended[1])
    if not 0 <= status < 100:
        sys.exit(f"failed with status {status}")
    return status


def report_hang(pid: int) -> None:
    """Write the stack of each process that is left, end them all, and fail."""
    left = descendants(pid)
    for one in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGUSR1)
    time.sleep(1)
    for one in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    sys.exit(f"a round hangs after {HANGS_AFTER_S} s; the stacks of its processes {left} are above")


def descendants(pid: int) -> list[int]:
    """Return a process and those that it started, directly or not."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            fields = path.read_text().rpartition(")")[2].split()
            if fields[0] != "Z":
                children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def one_round(folder: Path, number: int) -> int:
    """Kill, look, go on and compare; return the number of kills."""
    chance = random.Random(number)
    store, calls = folder / f"store-{number}", make(folder / f"calls-{number}")
    # the slices overlap, so that both writers complete some of the same genes at the same time
    workers = 1 if number % 2 else 2
    writers = [fork(store, slice(0, 16), calls, workers), fork(store, slice(8, 24), calls, 1)]
    time.sleep(chance.uniform(0.02, 0.4))
    killed = 0
    victims = [writers[:1], writers, members(writers[0])[1:2] or writers[:1]][number % 3]
    for pid in victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            killed += 1
    for pid in writers:
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) in (0, 2, -signal.SIGKILL), "a writer failed"
    deadline = time.monotonic() + 30
    while any(members(pid) for pid in writers):
        assert time.monotonic() < deadline, f"round {number}: orphans {[members(pid) for pid in writers]}"
        time.sleep(0.05)
    before: set[str] = set()
    if any(store.glob("run=*/*.parquet")):
        seen = pd.read_parquet(store).groupby(["gene_id", "individual"], observed=True).size()
        assert seen.max() == 1, f"round {number}: doubled rows before the run continues"
    if store.exists():
        before = set(PredictionStore(store).status().query("state == 'done'")["gene_id"])
    fits = sizes(calls)
    # each writer and each of its workers has one gene under way, and a few whose results are on their way
    lost = sum(size >= 2 for gene_id, size in fits.items() if gene_id not in before)
    assert lost <= 6, f"round {number}: {lost} finished genes were lost"
    write(store, slice(None), calls, 1)
    after = sizes(calls)
    assert all(after[gene_id] == fits[gene_id] for gene_id in before), f"round {number}: kept genes ran again"
    pd.testing.assert_frame_equal(read(store), read(folder / "undisturbed"), check_exact=True)
    assert not [*store.rglob("*.arrow")], f"round {number}: single files remain"
    return killed


def sizes(calls: Path) -> dict[str, int]:
    """Return gene -> number of fits."""
    return {path.name: path.stat().st_size for path in calls.iterdir()}


def make(folder: Path) -> Path:
    """Make a folder."""
    folder.mkdir(parents=True)
    return folder


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
