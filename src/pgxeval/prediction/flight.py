"""Flight: units of work under way on an executor, and those of a dead worker run again one by one."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from typing import Generic, TypeVar

import attrs

from pgxeval.errors import PgxevalError
from pgxeval.names import known_names

Unit = TypeVar("Unit")
Outcome = TypeVar("Outcome")

_CAUSE = "The above exception was the direct cause"
_log = logging.getLogger(__name__)


@attrs.define(kw_only=True, eq=False)
class Flight(Generic[Unit, Outcome]):
    """Keeps units under way on an executor, and yields what came of each as it completes.

    Parameters
    ----------
    work
        What is done with a unit; picklable where the executor has processes.
    executor
        Returns the executor. It is called before each unit, so that dead worker processes are replaced.
    most
        Units that are under way at a time.
    name_of
        Gene of a unit, for messages.
    lost
        What came of a unit whose worker died or did not answer, given the reason.
    rerun
        Whether units of a worker that died run again, one by one, before the one that it dies of again is lost; else
        the first dead worker raises.
    raise_lost
        Whether a unit that did not come back raises.
    kill
        Ends the workers if the flight is abandoned; None leaves them.
    """

    work: Callable[[Unit], Outcome]
    executor: Callable[[], Executor]
    most: int
    name_of: Callable[[Unit], str]
    lost: Callable[[Unit, str], Outcome]
    rerun: bool
    raise_lost: bool
    kill: Callable[[], None] | None = None
    pending: dict[Future[Outcome], Unit] = attrs.field(factory=dict, init=False)

    def run(self, units: Iterable[Unit]) -> Generator[tuple[Unit, Outcome], None, None]:
        """Yield each unit with its outcome, in any order.

        Raises
        ------
        PgxevalError
            If the executor breaks or was shut down; the message names the units under way. An error of this library
            that `work` raises comes back as it is.
        """
        rest = iter(units)
        suspects: list[Unit] = []
        finished = False
        try:
            while True:
                while not suspects and len(self.pending) < self.most and (unit := next(rest, None)) is not None:
                    suspects += self._submit(unit)
                if suspects:
                    for future, unit in self.pending.items():
                        if future.done() and not future.cancelled() and future.exception() is None:
                            yield unit, future.result()
                        else:
                            suspects.append(unit)
                    self.pending.clear()
                    yield from self._one_by_one(suspects)
                    suspects = []
                    continue
                if not self.pending:
                    break
                done, _ = wait(self.pending, return_when=FIRST_COMPLETED)
                for future in done:
                    unit = self.pending.pop(future)
                    outcomes = self._outcome(future, unit)
                    suspects += [] if outcomes else [unit]
                    for outcome in outcomes:
                        yield unit, outcome
            finished = True
        finally:
            if not finished:
                self._abandon()

    def _submit(self, unit: Unit) -> list[Unit]:
        """Submit a unit; return it if the workers have just died."""
        try:
            self.pending[self.executor().submit(self.work, unit)] = unit
        except BrokenExecutor as error:
            if not self.rerun:
                raise self._broken(error, [unit]) from error
            return [unit]
        except RuntimeError as error:  # it was shut down
            raise self._broken(error, [unit]) from error
        return []

    def _outcome(self, future: Future[Outcome], unit: Unit) -> tuple[Outcome, ...]:
        """Return what came of a unit; nothing if its worker may have died of it."""
        try:
            return (future.result(),)
        except PgxevalError as error:
            raise error.with_traceback(None) from _in_worker(error)
        except BrokenExecutor as error:
            if not self.rerun or self.raise_lost:
                raise self._broken(error, [unit]) from error
            _log.warning("a worker process died%s; its genes are run again one by one", _how(error))
            return ()
        except Exception as error:  # what an executor raises for a worker that was lost is its own affair
            if self.raise_lost:
                raise self._broken(error, [unit]) from error
            reason = f"no result came back from its worker ({type(error).__name__}); run it with workers=1 to see why"
            return (self.lost(unit, reason),)

    def _one_by_one(self, suspects: Sequence[Unit]) -> Generator[tuple[Unit, Outcome], None, None]:
        """Run units alone, so that a worker that dies again names the unit it died of."""
        for unit in suspects:
            error: BaseException | None = None
            try:
                outcome = self.executor().submit(self.work, unit).result()
            except BrokenExecutor as broken:
                error = broken
                outcome = self.lost(
                    unit,
                    f"the worker process died{_how(broken)}, perhaps for want of memory; run this gene with workers=1, "
                    "or with fewer workers, or on a machine with more memory",
                )
            yield unit, outcome
            if error is not None:
                _log.warning("gene %s: its worker process died%s", self.name_of(unit), _how(error))

    def _broken(self, error: BaseException, units: Sequence[Unit]) -> PgxevalError:
        names = known_names([self.name_of(unit) for unit in [*units, *self.pending.values()]], 5)
        return PgxevalError(
            f"the workers died{_how(error)} while these genes were under way: {names}. Completed genes are kept if "
            "store= was given. Run with workers=1 to see the error, or with fewer workers or more memory"
        )

    def _abandon(self) -> None:
        for future in self.pending:
            future.cancel()
        if self.kill is not None and self.pending:
            with contextlib.suppress(Exception):  # the first error counts
                self.kill()


class _InWorkerError(Exception):
    """Where an error was raised in a worker, as text: the predictor's own traceback without that of the executor."""


def _in_worker(error: BaseException) -> BaseException | None:
    """Return the first traceback of an error that came back from a worker, in which the predictor failed."""
    text = str(error.__cause__ or "").strip().strip('"').strip()
    if not text.startswith("Traceback"):
        return error.__cause__
    return _InWorkerError(f"in a worker:\n{text.partition(_CAUSE)[0].rstrip()}")


def _how(error: BaseException) -> str:
    codes = re.search(r"exit codes? of the workers (?:are|is) (\{[^}]*\})", str(error))
    return f" (exit codes {codes[1]})" if codes else f" ({type(error).__name__})"
