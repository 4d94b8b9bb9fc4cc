"""HostedCalls: calls to a service that has a quota and may fail, repeated as often as that can help.

Messages of the service never leave this file: they may contain the sequence, the key or the project.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from pgxeval.errors import PgxevalError, RemoteServiceError
from pgxeval.forks import renew_after_fork
from pgxeval.predictors.hosted.pacing import InterruptedCallError, Pacer, jittered

Answer = TypeVar("Answer")
Result = TypeVar("Result")

QUOTA = "RESOURCE_EXHAUSTED"
AWAY = "UNAVAILABLE"
MALFORMED = "malformed"
_KEY = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED"})
_NEVER = frozenset(
    {"INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE", "NOT_FOUND", "UNIMPLEMENTED", "ALREADY_EXISTS"}
)

_ATTEMPTS = 3
_AWAY_ATTEMPTS = 8  # waits of 1, 2, 4, ..., 60 seconds: more than two minutes
_REFUSALS = 50  # of one call while others succeed
# this many identical failures in a row are not caused by the sequences: before the first answer, and later
_IDENTICAL_AT_FIRST, _IDENTICAL = 8, 24
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0


class CallFailedError(PgxevalError):
    """One call failed permanently; the others continue."""


class BadAnswerError(PgxevalError):
    """An answer arrived but cannot be used; the message contains the reason and nothing of the answer."""


def status_of(error: BaseException) -> str:
    """Return the name of a gRPC status; ``"malformed"`` for errors while reading an answer."""
    code = getattr(error, "code", None)
    name = getattr(code() if callable(code) else None, "name", None)
    return name if isinstance(name, str) else MALFORMED


class HostedCalls:
    """Makes calls to one service; thread-safe.

    Parameters
    ----------
    service
        Name for messages.
    in_flight
        Maximum number of calls under way at a time.
    pacer
        Decides when calls may start.
    probe
        A call that costs nothing and is answered whenever the service is reachable. It distinguishes an unreachable
        service from a sequence for which the service always fails.
    key_refused
        Called when the key is rejected, before the run ends: the next run may have another key.
    wait_scale
        Factor on the waits between attempts; below 1 in tests.

    Notes
    -----
    RESOURCE_EXHAUSTED waits for the pacer and is repeated until the pacer's patience ends. UNAVAILABLE is tried eight
    times over two minutes. Transient errors (INTERNAL, DEADLINE_EXCEEDED, UNKNOWN, ABORTED, CANCELLED, DATA_LOSS) and
    unusable answers are tried three times; errors that cannot succeed (such as INVALID_ARGUMENT) once. A rejected key
    ends the run, and so do many identical failures in a row.
    """

    def __init__(
        self,
        service: str,
        *,
        in_flight: int,
        pacer: Pacer,
        probe: Callable[[], None] | None = None,
        key_refused: Callable[[], None] | None = None,
        wait_scale: float = 1.0,
    ) -> None:
        self.service, self.pacer = service, pacer
        self._probe, self._key_refused = probe, key_refused
        self._in_flight, self._wait_scale = in_flight, wait_scale
        self._succeeded = 0
        self._last_failure, self._identical = "", 0
        self._counts = {"refused": 0, "repeated": 0, "failed": 0}
        renew_after_fork(self)

    def renew_locks(self) -> None:
        """Make new locks, with all slots free: a forked child has none of the calls that are under way."""
        self._slots = threading.BoundedSemaphore(self._in_flight)
        self._lock, self._stop = threading.Lock(), threading.Event()

    @property
    def counts(self) -> dict[str, int]:
        """Rejections because of the quota, attempts repeated for another reason, and calls that failed permanently."""
        return dict(self._counts)

    def interrupt(self) -> None:
        """End all waits; calls that begin later are not affected."""
        stop, self._stop = self._stop, threading.Event()
        stop.set()
        self.pacer.wake()

    @contextlib.contextmanager
    def answer(self, call: Callable[[], Answer], read: Callable[[Answer], Result]) -> Iterator[Result]:
        """Make a call and read its answer; the call counts as under way until the block ends.

        If the answer is stored inside the block, a kill loses at most the answers of the calls under way.

        Parameters
        ----------
        call
            One attempt.
        read
            Reads the answer; raises `BadAnswerError` if it cannot be used.

        Yields
        ------
        Result
            What `read` returned.

        Raises
        ------
        CallFailedError
            If this call has no usable answer; contains the reason.
        RemoteServiceError
            If no call can have one.
        InterruptedCallError
            If the run ended.
        """
        with contextlib.ExitStack() as under_way:
            yield self._ask(call, read, under_way)

    def _ask(
        self, call: Callable[[], Answer], read: Callable[[Answer], Result], under_way: contextlib.ExitStack
    ) -> Result:
        stop = self._stop
        tries: dict[str, int] = {}
        succeeded = self._succeeded
        while True:
            with contextlib.ExitStack() as attempt:
                attempt.enter_context(self._slots)
                status, detail, result = self._attempt(call, read, stop)
                if result is not None:
                    under_way.push(attempt.pop_all())
                    return result[0]
            if status in _KEY:
                if self._key_refused is not None:
                    self._key_refused()
                raise RemoteServiceError(
                    f"{self.service} rejected the API key ({status}); it may be wrong, expired or issued for another "
                    "service. All completed scores are in the cache; run again with a valid key"
                )
            tries[status] = tries.get(status, 0) + 1
            if status in _NEVER:
                self._fail(f"{self.service} rejected the sequence ({status})", of_sequence=True)
            if status == QUOTA:
                self._count("refused")
                if tries[status] >= _REFUSALS:
                    self._fail(f"{self.service} rejected the sequence {_REFUSALS} times ({QUOTA})")
                continue
            if status == AWAY and tries[status] == _AWAY_ATTEMPTS // 2:
                succeeded = (
                    self._succeeded
                )  # calls under way when the service became unreachable may have finished since
            if status == AWAY and tries[status] >= _AWAY_ATTEMPTS and succeeded == self._succeeded and self._away():
                raise RemoteServiceError(
                    f"{self.service} cannot be reached ({status}): no call succeeded during {_AWAY_ATTEMPTS} attempts. "
                    "All completed scores are in the cache; run again later"
                )
            others = sum(number for name, number in tries.items() if name not in (QUOTA, AWAY))
            if tries.get(AWAY, 0) >= _AWAY_ATTEMPTS or others >= _ATTEMPTS:
                last = f"an answer that cannot be used: {detail}" if detail else status
                self._fail(
                    f"{self.service} failed for the sequence {sum(tries.values())} times, the last time with {last}"
                )
            self._count("repeated")
            wait_s = min(_FIRST_WAIT_S * 2 ** (tries[status] - 1), _LONGEST_WAIT_S)
            if stop.wait(jittered(wait_s) * self._wait_scale):
                raise InterruptedCallError("the run ended")

    def _attempt(
        self, call: Callable[[], Answer], read: Callable[[Answer], Result], stop: threading.Event
    ) -> tuple[str, str, tuple[Result] | None]:
        """Return status and detail of a failure, or the result; no exception of the service leaves this method."""
        status, patient = "", True
        ticket = self.pacer.wait(stop)
        try:
            answer = call()
        except PgxevalError:
            raise
        except Exception as error:  # any exception of a client is one failed attempt
            status = status_of(error)
        if status == QUOTA:
            patient = self.pacer.refused(ticket)
        else:
            self.pacer.granted(ticket)
        if not patient:
            raise RemoteServiceError(
                f"{self.service} rejected every call for {self.pacer.patience_s:,.0f} s because the quota is "
                f"exhausted ({QUOTA}). All completed scores are in the cache; run again once quota is available"
            )
        if status:
            return status, "it is truncated or damaged" if status == MALFORMED else "", None
        try:
            result = read(answer)
        except BadAnswerError as error:
            return MALFORMED, str(error), None
        with self._lock:
            self._succeeded += 1
            self._identical = 0
        return "", "", (result,)

    def _count(self, event: str) -> None:
        with self._lock:
            self._counts[event] += 1

    def _away(self) -> bool:
        if self._probe is None:
            return True
        try:
            self._probe()
        except Exception:  # for whatever reason, the service did not answer
            return True
        return False

    def _fail(self, reason: str, *, of_sequence: bool = False) -> None:
        with self._lock:
            self._counts["failed"] += 1
            self._identical = self._identical + 1 if reason == self._last_failure else 1
            self._last_failure = reason
            identical = self._identical
            systematic = (
                not of_sequence and identical >= _IDENTICAL if self._succeeded else identical >= _IDENTICAL_AT_FIRST
            )
        if systematic:
            raise RemoteServiceError(
                f"{self.service} failed in the same way for {identical} sequences in a row. The last reason: {reason}. "
                "All completed scores are in the cache; once the cause is removed run again with retry_failed=True"
            )
        raise CallFailedError(reason)
