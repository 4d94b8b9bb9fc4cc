"""Workers: units are computed in this process, in worker processes of this machine, or on any executor."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import pickle
import re
import signal
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ThreadPoolExecutor, wait

import attrs
import cloudpickle
import joblib
from joblib.externals.loky import get_reusable_executor

from pgxeval.errors import PgxevalError, SettingError
from pgxeval.names import known_names
from pgxeval.prediction.digest import bytes_digest
from pgxeval.prediction.tasks import Failure, OnError, Outcome, Task, Unit

_IDLE_SECONDS = 300
_TASKS_PER_WORKER = 4
_IN_FLIGHT = 256
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")
_WATCH_SECONDS = 0.5
_CAUSE = "The above exception was the direct cause"
_log = logging.getLogger(__name__)


def available_cores() -> int:
    """Return the number of cores that this process may use: its affinity and the quota of its control group."""
    return max(1, int(joblib.cpu_count()))


def count_workers(workers: int | None) -> int:
    """Return a number of worker processes; None and -1 mean all cores.

    Raises
    ------
    SettingError
        If it is neither None, -1 nor a whole number of 1 or more.
    """
    if workers is None or workers == -1:
        return available_cores()
    if type(workers) is not int or workers < 1:
        raise SettingError(f"workers must be a whole number, 1 or more, or -1 for all cores, got {workers!r}")
    return workers


@attrs.frozen(kw_only=True, eq=False)
class Workers:
    """Where units are computed.

    Parameters
    ----------
    number
        Worker processes; 1 computes in this process unless there is an executor. With an executor, the number of
        its workers, as far as it is known.
    executor
        Any `concurrent.futures.Executor`; it is neither restarted nor shut down. None starts processes here.
    on_error
        ``"nan"`` makes a gene at which a worker died a failure, ``"raise"`` raises.
    """

    number: int | None
    executor: Executor | None = None
    on_error: OnError = "nan"

    @property
    def has_processes(self) -> bool:
        """Whether units go to the processes of an executor that was given, rather than of this library."""
        return self.executor is not None and not isinstance(self.executor, ThreadPoolExecutor)

    def run(self, task: Task, units: Iterable[Unit], what: str) -> Generator[tuple[Unit, Outcome], None, None]:
        """Compute units and yield each as it completes, in any order.

        Parameters
        ----------
        task
            What to compute; sent to each worker once.
        units
            Genes.
        what
            What the task consists of, for messages: the predictors.

        Raises
        ------
        PgxevalError
            If the task cannot be pickled, or the executor breaks; the message names the genes under way.
        """
        if self.executor is None and self.number == 1:
            for unit in units:
                yield unit, task.run(unit)
            return
        if isinstance(self.executor, ThreadPoolExecutor):  # threads share the task, nothing travels
            work: Callable[[Unit], Outcome] = task.run
        else:
            work = functools.partial(run_unit, _Sent.of(task, what))
        yield from _Flight(work=work, workers=self).run(units)


@attrs.frozen(kw_only=True)
class _Sent:
    """A task as it travels: pickled once, unpickled once per worker."""

    token: str
    content: bytes = attrs.field(repr=False)
    parent: int

    @classmethod
    def of(cls, task: Task, what: str) -> _Sent:
        try:
            content = cloudpickle.dumps(task)
        except Exception as error:  # pickling runs the code of the predictor
            raise PgxevalError(
                f"{what} cannot be sent to worker processes ({type(error).__name__}: {error}); run with workers=1, or "
                "define __getstate__ so that connections, locks and open files are not pickled"
            ) from error
        return cls(token=bytes_digest(content), content=content, parent=os.getpid())


_TASKS: OrderedDict[str, Task] = OrderedDict()
_TASKS_LOCK = threading.Lock()


def _renew_tasks_lock() -> None:
    global _TASKS_LOCK  # noqa: PLW0603  # a thread of the parent may hold it
    _TASKS_LOCK = threading.Lock()


os.register_at_fork(after_in_child=_renew_tasks_lock)


def run_unit(sent: _Sent, unit: Unit) -> Outcome:
    """Compute a unit in a worker."""
    watch_parent(sent.parent)
    with _TASKS_LOCK:
        task = _TASKS.get(sent.token)
        if task is None:
            task = pickle.loads(sent.content)  # from the parent process, never from a file
            _TASKS[sent.token] = task
            while len(_TASKS) > _TASKS_PER_WORKER:
                _TASKS.popitem(last=False)
    return task.run(unit)


_WATCHED: set[int] = set()


def watch_parent(parent: int) -> None:
    """End this process when its parent has ended, even if it was killed; do nothing in any other process."""
    if os.getppid() != parent or os.getpid() in _WATCHED:
        return
    _WATCHED.add(os.getpid())

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="pgxeval-parent-watch", daemon=True).start()


def begin_worker(parent: int) -> None:
    """End a worker process when its parent ends, even if the parent is killed and the worker never got a gene.

    The worker processes of `predict_cohort` call it as they start. Give it to an executor of your own:
    ``ProcessPoolExecutor(8, initializer=begin_worker, initargs=(os.getpid(),))``. A worker without it begins to watch
    its parent with its first gene.

    Parameters
    ----------
    parent
        Process number of the process that starts the workers.
    """
    if os.getppid() != parent:
        os._exit(1)
    watch_parent(parent)


def worker_processes(number: int) -> Executor:
    """Return the worker processes of this process, which all of its work shares; they end when idle or with it."""
    threads = str(max(1, available_cores() // number))
    executor: Executor = get_reusable_executor(
        max_workers=number,
        timeout=_IDLE_SECONDS,
        initializer=begin_worker,
        initargs=(os.getpid(),),
        env=dict.fromkeys(_THREAD_VARIABLES, threads),
    )
    return executor


@attrs.define(kw_only=True, eq=False)
class _Flight:
    """Units under way on an executor."""

    work: Callable[[Unit], Outcome]
    workers: Workers
    pending: dict[Future[Outcome], Unit] = attrs.field(factory=dict)

    def run(self, units: Iterable[Unit]) -> Generator[tuple[Unit, Outcome], None, None]:
        number = self.workers.number
        most = 2 * number if number is not None else _IN_FLIGHT
        rest = iter(units)
        suspects: list[Unit] = []
        finished = False
        try:
            while True:
                while not suspects and len(self.pending) < most and (unit := next(rest, None)) is not None:
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
                    outcome = self._outcome(future, unit)
                    if outcome is None:
                        suspects.append(unit)
                    else:
                        yield unit, outcome
            finished = True
        finally:
            if not finished:
                self._abandon()

    def _executor(self) -> Executor:
        if self.workers.executor is not None:
            return self.workers.executor
        return worker_processes(self.workers.number or available_cores())

    def _submit(self, unit: Unit) -> list[Unit]:
        """Submit a unit; return it if the workers have just died."""
        try:
            self.pending[self._executor().submit(self.work, unit)] = unit
        except BrokenExecutor as error:
            if self.workers.executor is not None:
                raise self._broken(error, [unit]) from error
            return [unit]
        except RuntimeError as error:  # it was shut down
            raise self._broken(error, [unit]) from error
        return []

    def _outcome(self, future: Future[Outcome], unit: Unit) -> Outcome | None:
        """Return what came of a unit; None if its worker may have died of it."""
        try:
            return future.result()
        except PgxevalError as error:
            raise error.with_traceback(None) from _in_worker(error)
        except BrokenExecutor as error:
            if self.workers.executor is not None or self.workers.on_error == "raise":
                raise self._broken(error, [unit]) from error
            _log.warning("a worker process died%s; its genes are run again one by one", _how(error))
            return None
        except Exception as error:  # what an executor raises for a worker that was lost is its own affair
            if self.workers.on_error == "raise":
                raise self._broken(error, [unit]) from error
            reason = f"no result came back from its worker ({type(error).__name__}); run it with workers=1 to see why"
            return _failed(unit, reason)

    def _one_by_one(self, suspects: Sequence[Unit]) -> Generator[tuple[Unit, Outcome], None, None]:
        """Run units alone, so that a worker that dies again names the gene it died of."""
        for unit in suspects:
            error: BaseException | None = None
            try:
                outcome = self._executor().submit(self.work, unit).result()
            except BrokenExecutor as broken:
                error = broken
                outcome = self._dead(unit, broken)
            yield unit, outcome
            if error is not None:
                _log.warning("gene %s: its worker process died%s", unit.gene.gene_id, _how(error))

    def _dead(self, unit: Unit, error: BaseException) -> Outcome:
        return _failed(
            unit,
            f"the worker process died{_how(error)}, perhaps for want of memory; run this gene with workers=1, or with "
            "fewer workers, or on a machine with more memory",
        )

    def _broken(self, error: BaseException, units: Sequence[Unit]) -> PgxevalError:
        genes = known_names([unit.gene.gene_id for unit in [*units, *self.pending.values()]], 5)
        return PgxevalError(
            f"the workers died{_how(error)} while these genes were under way: {genes}. Completed genes are kept if "
            "store= was given. Run with workers=1 to see the error, or with fewer workers or more memory"
        )

    def _abandon(self) -> None:
        for future in self.pending:
            future.cancel()
        if self.workers.executor is None and self.pending:
            with contextlib.suppress(Exception):  # the first error counts
                get_reusable_executor(max_workers=self.workers.number or 1, reuse=True).shutdown(
                    wait=False, kill_workers=True
                )


def _failed(unit: Unit, reason: str) -> Outcome:
    gene_id = unit.gene.gene_id
    failures = (
        Failure(predictor=name, gene_id=gene_id, reason=reason, error="PgxevalError") for name in unit.predictors
    )
    return Outcome(failures=tuple(failures))


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
