"""Flight: every unit comes back once, and a dead worker costs the unit that it dies of."""

from __future__ import annotations

import os
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import pytest

from pgxeval.errors import PgxevalError, TableError
from pgxeval.prediction.flight import Flight


def _double(unit: int) -> str:
    if unit == 13:
        raise TableError("thirteen")
    return f"{2 * unit}"


def _flight(executor: Any, **settings: Any) -> Flight[int, str]:
    return Flight(
        work=_double,
        executor=executor if callable(executor) else lambda: executor,
        name_of=str,
        lost=lambda unit, reason: f"{unit} lost: {reason}",
        **{"most": 3, "rerun": True, "raise_lost": False, **settings},
    )


class Dying(Executor):
    """An executor whose worker dies of unit 5, and at the first time takes unit 4 with it."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def submit(self, fn: Any, /, unit: int) -> Future[str]:  # type: ignore[override]
        future: Future[str] = Future()
        self.calls.append(unit)
        if unit == 5 or (unit == 4 and self.calls.count(4) == 1):
            future.set_exception(BrokenExecutor("a worker died"))
        else:
            future.set_result(fn(unit))
        return future


def test_units_come_back_once_and_errors_of_the_library_as_they_are() -> None:
    with ThreadPoolExecutor(2) as executor:
        assert sorted(_flight(executor).run(range(10))) == [(unit, f"{2 * unit}") for unit in range(10)]
        with pytest.raises(TableError, match=r"^thirteen$"):
            list(_flight(executor).run([13]))


def test_a_dead_worker_costs_its_own_unit() -> None:
    executor = Dying()
    outcomes = dict(_flight(executor).run([3, 4, 5, 6, 7]))
    assert {unit: text for unit, text in outcomes.items() if unit != 5} == {3: "6", 4: "8", 6: "12", 7: "14"}
    assert "the worker process died (BrokenExecutor)" in outcomes[5]
    assert executor.calls.count(5) == executor.calls.count(4) == 2


def test_without_rerun_the_units_under_way_are_named() -> None:
    with pytest.raises(PgxevalError, match=r"died \(BrokenExecutor\) while these genes were under way: .*5"):
        list(_flight(Dying(), rerun=False).run([5]))


def test_an_executor_that_was_shut_down() -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(PgxevalError, match="the workers died"):
        list(_flight(executor).run([1]))


def _exit(unit: int) -> str:
    os._exit(3)


def test_processes_that_exit_break_a_given_executor() -> None:
    with ProcessPoolExecutor(1) as executor:
        flight = _flight(executor, rerun=False)
        flight.work = _exit
        with pytest.raises(PgxevalError, match="under way: 1"):
            list(flight.run([1]))
