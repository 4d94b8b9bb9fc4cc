"""Pool: jobs through a model that answers several sequences at a time, such as a hosted service."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from pgxeval.predictors.sequence.passes import Job, Passes

_AGAIN_S = 0.25
_GRACE_S = 10.0  # for answers under way when a run ends early: they are paid for

Tag = TypeVar("Tag")
# position of the target, float64 (n_tracks,), why they are NaN, and whether asking again is of no use
Answer = tuple[int, npt.NDArray[np.float64], str | None, bool]
Answers = list[Answer]


class Pool(Generic[Tag]):
    """Runs jobs in threads, each alone, and hands their answers to the thread that asks.

    Parameters
    ----------
    passes
        Of a model that is safe for threads.
    threads
        Jobs at a time.

    Notes
    -----
    A model may have ``interrupt(now)``, which is called when a run ends early: waits of any kind must end at once, and
    with ``now=True``, after ten seconds, calls under way as well.
    """

    def __init__(self, passes: Passes, threads: int) -> None:
        self._passes = passes
        self._threads = threads
        self._executor: ThreadPoolExecutor | None = None
        self._done: queue.SimpleQueue[Future[Answers]] = queue.SimpleQueue()
        self._tags: dict[Future[Answers], Tag] = {}

    def __len__(self) -> int:
        """Jobs that were submitted and whose answers have not been taken."""
        return len(self._tags)

    def submit(self, tag: Tag, job: Job, tracks: tuple[int, ...], keep: Callable[[Answer], None]) -> None:
        """Queue a job; its answers come back with the tag.

        `keep` gets each answer in the thread that has it, before anything else happens: whoever asks may be busy for
        seconds, and what was paid for must outlive a kill meanwhile.
        """
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._threads, thread_name_prefix="pgxeval-pass")
        future = self._executor.submit(self._work, job, tracks, keep)
        self._tags[future] = tag
        future.add_done_callback(self._done.put)

    def take(self, at_most: int) -> Iterator[tuple[Tag, Answers]]:
        """Yield finished jobs, waiting until no more than `at_most` are left.

        Raises
        ------
        PgxevalError
            As `Passes.run`, of any job.
        """
        while self._tags and (len(self._tags) > at_most or not self._done.empty()):
            future = self._done.get()
            yield self._tags.pop(future), future.result()

    def close(self) -> Iterator[tuple[Tag, Answers]]:
        """Drop what has not begun, and yield what is under way as it comes, for ten seconds at most."""
        for future in list(self._tags):
            if future.cancel():
                del self._tags[future]
        interrupt = getattr(self._passes.model, "interrupt", None)
        if self._tags and interrupt is not None:
            interrupt(False)
        end = time.monotonic() + _GRACE_S
        try:
            while self._tags:
                # not from the queue: an interruption may have come just when one was taken from it
                left_s = end - time.monotonic()
                finished, _ = wait(self._tags, max(0.0, min(left_s, _AGAIN_S)), FIRST_COMPLETED)
                if not finished and left_s <= 0:
                    break
                if not finished and interrupt is not None:
                    interrupt(False)  # a job that had only begun may have begun to wait after the first
                for future in finished:
                    tag = self._tags.pop(future)
                    if future.exception() is None:
                        yield tag, future.result()
        finally:  # after a second interruption, too
            if self._tags and interrupt is not None:
                interrupt(True)
            if self._executor is not None:
                self._executor.shutdown(wait=not self._tags, cancel_futures=True)

    def _work(self, job: Job, tracks: tuple[int, ...], keep: Callable[[Answer], None]) -> Answers:
        answers: Answers = []
        try:
            for _, number, values, reason, final in self._passes.run([job], tracks):
                answers.append((number, values, reason, final))
                keep(answers[-1])
        except Exception as error:
            # the frames of a pass hold its sequence, and some tools show what frames hold
            raise error.with_traceback(None)  # noqa: B904  # it is the same error
        return answers
