"""Workers: units are computed in this process, in worker processes of this machine, or on any executor."""

from __future__ import annotations

import functools
import os
import pickle
import signal
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor

import attrs
import cloudpickle
import joblib
from joblib.externals.loky import get_reusable_executor

from pgxeval.errors import PgxevalError, SettingError
from pgxeval.prediction.digest import bytes_digest
from pgxeval.prediction.flight import Flight
from pgxeval.prediction.tasks import Failure, OnError, Task, Unit, UnitOutcome

_IDLE_SECONDS = 300
_TASKS_PER_WORKER = 4
_IN_FLIGHT = 256
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")
_WATCH_SECONDS = 0.5


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

    def run(self, task: Task, units: Iterable[Unit], what: str) -> Generator[tuple[Unit, UnitOutcome], None, None]:
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
            work: Callable[[Unit], UnitOutcome] = task.run
        else:
            work = functools.partial(run_unit, _Sent.of(task, what))
        own = self.executor is None
        flight = Flight(
            work=work,
            executor=self._executor,
            most=2 * self.number if self.number is not None else _IN_FLIGHT,
            name_of=_gene_id,
            lost=_failed,
            rerun=own,
            raise_lost=self.on_error == "raise",
            kill=self._kill if own else None,
        )
        yield from flight.run(units)

    def _executor(self) -> Executor:
        return worker_processes(self.number or available_cores()) if self.executor is None else self.executor

    def _kill(self) -> None:
        get_reusable_executor(max_workers=self.number or 1, reuse=True).shutdown(wait=False, kill_workers=True)


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


def run_unit(sent: _Sent, unit: Unit) -> UnitOutcome:
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


def _gene_id(unit: Unit) -> str:
    return unit.gene.gene_id


def _failed(unit: Unit, reason: str) -> UnitOutcome:
    gene_id = unit.gene.gene_id
    failures = (
        Failure(predictor=name, gene_id=gene_id, reason=reason, error="PgxevalError") for name in unit.predictors
    )
    return UnitOutcome(failures=tuple(failures))
