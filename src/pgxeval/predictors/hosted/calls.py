"""HostedCalls: calls to a service that has a quota and may fail, each tried as often as that can help.

What a service says in words never leaves this file: it may repeat the sequence, the key or the project.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from pgxeval.errors import PgxevalError, RemoteServiceError
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
_REFUSALS = 50  # of one call while others pass
# so many failures in a row, all alike, are no fault of the sequences: before the first answer, and later
_ALIKE_AT_FIRST, _ALIKE = 8, 24
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0


class CallFailedError(PgxevalError):
    """One call failed for good; the others go on."""


class BadAnswerError(PgxevalError):
    """An answer came and cannot be used; the message says why, and no more."""


def status_of(error: BaseException) -> str:
    """Return the name of a gRPC status; ``"malformed"`` for errors in reading an answer."""
    code = getattr(error, "code", None)
    name = getattr(code() if callable(code) else None, "name", None)
    return name if isinstance(name, str) else MALFORMED


class HostedCalls:
    """Makes calls to one service; safe for threads.

    Parameters
    ----------
    service
        Name for messages.
    in_flight
        Calls under way at a time.
    pacer
        When calls may start.
    probe
        A call that costs nothing and is answered whenever the service is there. It tells a service that is away from
        a sequence at which it always fails.
    key_refused
        Called when the key is refused, before the run ends: the next one may have another.
    wait_scale
        Of waits between attempts; below 1 in tests.

    Notes
    -----
    RESOURCE_EXHAUSTED waits for the pacer and is tried again until everything was refused for its patience.
    UNAVAILABLE is tried eight times over two minutes. Errors that may pass (INTERNAL, DEADLINE_EXCEEDED, UNKNOWN,
    ABORTED, CANCELLED, DATA_LOSS) and answers that cannot be used are tried three times; what cannot succeed
    (INVALID_ARGUMENT and its like) once. A refused key ends the run, and so do many failures in a row that are all
    alike.
    """

    def __init__(
        self,
        service: str,
        *,
        in_flight: int,
        pacer: Pacer,
        probe: Callable[[], object] | None = None,
        key_refused: Callable[[], object] | None = None,
        wait_scale: float = 1.0,
    ) -> None:
        self.service, self.pacer = service, pacer
        self._probe, self._key_refused = probe, key_refused
        self._slots = threading.BoundedSemaphore(in_flight)
        self._wait_scale = wait_scale
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._succeeded = 0
        self._last_failure, self._alike = "", 0
        self._counts = {"refused": 0, "repeated": 0, "failed": 0}

    @property
    def counts(self) -> dict[str, int]:
        """Refusals for the quota, attempts that were repeated for another reason, and calls that failed for good."""
        return dict(self._counts)

    def interrupt(self) -> None:
        """End all waits; calls that begin later are not concerned."""
        stop, self._stop = self._stop, threading.Event()
        stop.set()
        self.pacer.wake()

    @contextlib.contextmanager
    def asking(self, call: Callable[[], Answer], read: Callable[[Answer], Result]) -> Iterator[Result]:
        """Make a call and read its answer, which counts as under way until the block ends.

        Who keeps the answer inside of the block knows that a kill loses no more answers than may be under way.

        Parameters
        ----------
        call
            One attempt.
        read
            Of the answer; raises `BadAnswerError` where it cannot be used.

        Yields
        ------
        Result
            What `read` returned.

        Raises
        ------
        CallFailedError
            If this call has no usable answer; says why.
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
                    f"{self.service} refuses the API key ({status}); it may be wrong, expired or not meant for this "
                    "service. Answers that came so far are kept in the cache; run again with a valid key"
                )
            tries[status] = tries.get(status, 0) + 1
            if status in _NEVER:
                self._fail(f"{self.service} refused the sequence ({status})", of_sequence=True)
            if status == QUOTA:
                self._count("refused")
                if tries[status] >= _REFUSALS:
                    self._fail(f"{self.service} refused the sequence {_REFUSALS} times ({QUOTA})")
                continue
            if status == AWAY and tries[status] == _AWAY_ATTEMPTS // 2:
                succeeded = self._succeeded  # what was under way when the service went may have come since
            if status == AWAY and tries[status] >= _AWAY_ATTEMPTS and succeeded == self._succeeded and self._away():
                raise RemoteServiceError(
                    f"{self.service} cannot be reached ({status}): no call succeeded in the time of "
                    f"{_AWAY_ATTEMPTS} attempts. Answers that came so far are kept in the cache; run again later"
                )
            others = sum(number for name, number in tries.items() if name not in (QUOTA, AWAY))
            if tries.get(AWAY, 0) >= _AWAY_ATTEMPTS or others >= _ATTEMPTS:
                said = f"an answer that cannot be used: {detail}" if detail else status
                self._fail(f"{self.service} failed at the sequence {sum(tries.values())} times, the last with {said}")
            self._count("repeated")
            wait_s = min(_FIRST_WAIT_S * 2 ** (tries[status] - 1), _LONGEST_WAIT_S)
            if stop.wait(jittered(wait_s) * self._wait_scale):
                raise InterruptedCallError("the run ended")

    def _attempt(
        self, call: Callable[[], Answer], read: Callable[[Answer], Result], stop: threading.Event
    ) -> tuple[str, str, tuple[Result] | None]:
        """Return status and detail of a failure, or the result; no exception of the service outlives this."""
        status, going_on = "", True
        ticket = self.pacer.wait(stop)
        try:
            answer = call()
        except PgxevalError:
            raise
        except Exception as error:  # whatever a client raises is one failed attempt
            status = status_of(error)
        if status == QUOTA:
            going_on = self.pacer.refused(ticket)
        else:
            self.pacer.granted(ticket)
        if not going_on:
            raise RemoteServiceError(
                f"{self.service} refused every call for the quota, for long ({QUOTA}). Answers that came so far are "
                "kept in the cache; run again when there is quota"
            )
        if status:
            return status, "it is cut short or damaged" if status == MALFORMED else "", None
        try:
            result = read(answer)
        except BadAnswerError as error:
            return MALFORMED, str(error), None
        with self._lock:
            self._succeeded += 1
            self._alike = 0
        return "", "", (result,)

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1

    def _away(self) -> bool:
        if self._probe is None:
            return True
        try:
            self._probe()
        except Exception:  # whatever it is, the service did not answer
            return True
        return False

    def _fail(self, reason: str, *, of_sequence: bool = False) -> None:
        with self._lock:
            self._counts["failed"] += 1
            self._alike = self._alike + 1 if reason == self._last_failure else 1
            self._last_failure = reason
            alike = self._alike
            systematic = not of_sequence and alike >= _ALIKE if self._succeeded else alike >= _ALIKE_AT_FIRST
        if systematic:
            raise RemoteServiceError(
                f"{self.service} failed alike at {alike} sequences in a row; at the last: {reason}. Answers that came "
                "so far are kept in the cache; when the cause is mended run again, with retry_failed=True"
            )
        raise CallFailedError(reason)
