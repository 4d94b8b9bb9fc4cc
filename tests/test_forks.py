"""Locks over a fork: a child can use what a thread of its parent held, and no lock of the library is forgotten."""

from __future__ import annotations

import ast
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pgxeval.forks import renew_after_fork
from pgxeval.predictors.hosted.pacing import Pacer
from pgxeval.predictors.sequence.cache import ScoreCache

SOURCE = Path(__file__).resolve().parents[1] / "src" / "pgxeval"
KINDS = {"Lock", "RLock", "Condition", "BoundedSemaphore", "Semaphore"}
NEVER_IN_A_CHILD = {
    "prediction/progress.py",  # the bar of the process that shows it
    "testing/alphagenome/server.py",  # a server answers in the process that started it
}


class Holder:
    """Holds a lock."""

    def __init__(self) -> None:
        renew_after_fork(self)

    def renew_locks(self) -> None:
        self.lock = threading.Lock()


def _in_child(work: Callable[[], None], lock: threading.Lock | threading.Condition) -> None:
    """Run `work` in a forked child while a thread holds `lock`; it must end within seconds."""
    held, finish = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            finish.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(60)
    child = os.fork()
    if child == 0:
        signal.alarm(30)  # a child that hangs is killed
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    finish.set()
    thread.join()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (status := os.waitpid(child, os.WNOHANG))[0] == 0:
        time.sleep(0.02)
    assert status == (child, 0)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_can_use_what_a_thread_of_its_parent_holds(tmp_path: Path) -> None:
    holder, cache, pacer = Holder(), ScoreCache(tmp_path), Pacer()

    def take() -> None:
        with holder.lock:
            pass

    _in_child(take, holder.lock)
    _in_child(lambda: cache.keep([b"0123456789abcdef"], [1.0]), cache._lock)
    _in_child(pacer.wake, pacer._changed)
    assert ScoreCache(tmp_path).get(b"0123456789abcdef") == 1.0


def test_every_lock_is_renewed() -> None:
    forgotten = []
    for file in sorted(SOURCE.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        if str(file.relative_to(SOURCE)) in NEVER_IN_A_CHILD:
            continue
        tree = ast.parse(text)
        renewing = {
            id(node)
            for function in ast.walk(tree)
            if isinstance(function, ast.FunctionDef) and function.name.endswith("renew_locks")
            for node in ast.walk(function)
        }
        made = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name) and node.func.value.id == "threading" and node.func.attr in KINDS
        ]  # fmt: skip
        if "register_at_fork" in text:
            made = []  # it renews its own
        forgotten += [f"{file.name}:{node.lineno}" for node in made if id(node) not in renewing]
    assert forgotten == []
