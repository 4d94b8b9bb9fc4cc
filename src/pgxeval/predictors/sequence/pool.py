"""Pool: jobs through a model that answers several sequences at a time, such as a hosted service."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

from pgxeval.predictors.sequence.model import Interruptible
from pgxeval.predictors.sequence.passes import Job, Passes, PassOutcome

_AGAIN_S = 0.25
_GRACE_S = 10.0  # for calls under way when a run ends early: they are paid for

Tag = TypeVar("Tag")


class Pool(Generic[Tag]):
    """Runs jobs in threads, one call per job, and returns the outcomes to the calling thread.

    Parameters
    ----------
    passes
        Passes through a thread-safe model.
    threads
        Number of jobs at a time.

    Notes
    -----
    When a run ends early, an `Interruptible` model is asked to end its waits at once, and after ten seconds the calls
    under way as well.
    """

    def __init__(self, passes: Passes, threads: int) -> None:
        self._passes = passes
        self._threads = threads
        self._executor: ThreadPoolExecutor | None = None
        self._done: queue.SimpleQueue[Future[list[PassOutcome]]] = queue.SimpleQueue()
        self._tags: dict[Future[list[PassOutcome]], Tag] = {}

    def __len__(self) -> int:
        """Return the number of jobs that were submitted and whose outcomes have not been taken."""
        return len(self._tags)

    def submit(self, tag: Tag, job: Job, tracks: tuple[int, ...], keep: Callable[[PassOutcome], None]) -> None:
        """Queue a job; its outcomes come back with the tag.

        `keep` gets each outcome in the thread that has it, before anything else happens: the calling thread may be
        busy for seconds, and what was paid for must survive a kill in the meantime.
        """
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._threads, thread_name_prefix="pgxeval-pass")
        future = self._executor.submit(self._work, job, tracks, keep)
        self._tags[future] = tag
        future.add_done_callback(self._done.put)

    def take(self, at_most: int) -> Iterator[tuple[Tag, list[PassOutcome]]]:
        """Yield finished jobs, waiting until no more than `at_most` are left.

        Raises
        ------
        PgxevalError
            As `Passes.run`, for any job.
        """
        while self._tags and (len(self._tags) > at_most or not self._done.empty()):
            future = self._done.get()
            yield self._tags.pop(future), future.result()

    def close(self) -> Iterator[tuple[Tag, list[PassOutcome]]]:
        """Drop jobs that have not begun, and yield those under way as they finish, for at most ten seconds."""
        for future in list(self._tags):
            if future.cancel():
                del self._tags[future]
        self._interrupt(now=False)
        end = time.monotonic() + _GRACE_S
        try:
            while self._tags:
                # not from the queue: an interruption may have come just when one was taken from it
                left_s = end - time.monotonic()
                finished, _ = wait(self._tags, max(0.0, min(left_s, _AGAIN_S)), FIRST_COMPLETED)
                if not finished and left_s <= 0:
                    break
                if not finished:
                    self._interrupt(now=False)  # a job that had only begun may have begun to wait after the first time
                for future in finished:
                    tag = self._tags.pop(future)
                    if future.exception() is None:
                        yield tag, future.result()
        finally:  # also after a second interruption
            self._interrupt(now=True)
            if self._executor is not None:
                self._executor.shutdown(wait=not self._tags, cancel_futures=True)

    def _interrupt(self, *, now: bool) -> None:
        if self._tags and isinstance(self._passes.model, Interruptible):
            self._passes.model.interrupt(now)

    def _work(self, job: Job, tracks: tuple[int, ...], keep: Callable[[PassOutcome], None]) -> list[PassOutcome]:
        outcomes: list[PassOutcome] = []
        try:
            for outcome in self._passes.run([job], tracks):
                outcomes.append(outcome)
                keep(outcome)
        except Exception as error:
            # the frames of a pass hold its sequence, and some tools show what frames hold
            raise error.with_traceback(None)  # noqa: B904  # it is the same error
        return outcomes
