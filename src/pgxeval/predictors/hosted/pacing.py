"""Pacer: when the next call to a hosted service may start, learned from what the service refuses.

Services grant so many calls a minute and refuse more; a refusal does not say how many. The pacer lets calls through
until the first refusal, takes what was granted in the last minute as the quota, and from then on never starts more
than that within any minute, whatever the kind of the service's window. After some minutes without a refusal it
tries a little more, sooner where it once had more.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable

import attrs

from pgxeval.errors import PgxevalError, SettingError

_MARGIN = 1.02  # of the period: calls that start a minute apart may arrive a little less than a minute apart
_QUIET_PERIODS = 5  # without a refusal, after which a little more is tried
_MORE, _MORE_WHERE_LOW = 0.02, 0.1
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0


class InterruptedCallError(PgxevalError):
    """A wait ended because the run did."""


@attrs.define(kw_only=True, eq=False)
class Ticket:
    """Leave to start one call.

    Parameters
    ----------
    start
        When it was given, on the pacer's clock [s].
    """

    start: float
    refused: bool = False


def jittered(wait_s: float) -> float:
    """Return a wait between half and one and a half of `wait_s`, so that callers do not come back together."""
    return wait_s * random.uniform(0.5, 1.5)


class Pacer:
    """Gives leave to start calls; safe for threads.

    Parameters
    ----------
    calls_per_period
        What is granted, where it is known; None to learn it.
    period_s
        Length of the service's window [s].
    patience_s
        For how long the service may refuse everything before `Pacer.refused` says that it is of no use [s].
    clock
        Seconds, rising.

    Examples
    --------
    >>> pacer = Pacer(period_s=0.05)
    >>> tickets = [pacer.wait() for _ in range(3)]
    >>> pacer.refused(tickets.pop())
    True
    >>> pacer.calls_per_period
    2
    """

    def __init__(
        self,
        *,
        calls_per_period: int | None = None,
        period_s: float = 60.0,
        patience_s: float = 900.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if calls_per_period is not None and calls_per_period < 1:
            raise SettingError(f"calls a minute must be at least 1, got {calls_per_period}")
        if not (period_s > 0 and patience_s > 0):
            raise SettingError(f"period_s and patience_s must be above 0, got {period_s} and {patience_s}")
        self._given = calls_per_period is not None
        self._limit = calls_per_period
        self._held = 0  # the largest limit that went a period without a refusal
        self._growing_back = False
        self._period_s, self._patience_s, self._clock = period_s, patience_s, clock
        self._starts: deque[Ticket] = deque()
        self._not_before = self._raised = clock()
        self._burst_end = self._first_refused = -math.inf
        self._limit_before = self._limit
        self._streak = 0  # refusals while nothing passes
        self._refusing_since: float | None = None
        self._changed = threading.Condition()

    @property
    def calls_per_period(self) -> int | None:
        """Calls that are let through a period; None while nothing was refused."""
        return self._limit

    def wait(self, stop: threading.Event | None = None) -> Ticket:
        """Wait until a call may start.

        Raises
        ------
        InterruptedCallError
            If `stop` is set meanwhile.
        """
        with self._changed:
            while True:
                if stop is not None and stop.is_set():
                    raise InterruptedCallError("the run ended")
                now = self._clock()
                wait_s = self._wait_s(now)
                if wait_s <= 0:
                    ticket = Ticket(start=now)
                    self._starts.append(ticket)
                    if self._streak:  # one call finds out whether the service lets through again
                        self._not_before = now + self._backoff_s()
                    return ticket
                self._changed.wait(wait_s)

    def granted(self, ticket: Ticket) -> None:
        """Take note that the service let a call through, whatever came of it."""
        with self._changed:
            self._refusing_since = None
            if self._streak:
                self._streak = 0
                self._not_before = ticket.start
                self._changed.notify_all()

    def refused(self, ticket: Ticket) -> bool:
        """Take note that the service refused a call for the quota; False where it refuses everything for too long."""
        with self._changed:
            ticket.refused = True
            now = self._clock()
            self._raised = now
            if self._refusing_since is None:
                self._refusing_since = now
            if ticket.start > self._burst_end:
                self._burst_end, self._first_refused, self._limit_before = now, ticket.start, self._limit
                if self._growing_back:
                    self._held, self._growing_back = 0, False
            # calls that were under way when the first refusal came may be refused, too
            self._first_refused = min(self._first_refused, ticket.start)
            passed = sum(1 for one in self._starts if one.start <= self._first_refused and not one.refused)
            if passed:
                self._limit = passed if self._limit_before is None else min(self._limit_before, passed)
            else:  # nothing is learned of the quota: somebody else may use it up
                self._limit = self._limit_before
                self._streak += 1
                self._not_before = now + self._backoff_s()
            patient = now - self._refusing_since < self._patience_s
            if not patient:
                self._refusing_since = None  # a run that begins later waits anew
            return patient

    def wake(self) -> None:
        """Have all who wait look at their stop event; whoever comes later waits with patience anew."""
        with self._changed:
            self._refusing_since = None
            self._changed.notify_all()

    def _wait_s(self, now: float) -> float:
        window = self._period_s * _MARGIN
        while self._starts and (self._starts[0].refused or now - self._starts[0].start >= window):
            self._starts.popleft()
        if self._limit is None:
            return self._not_before - now
        low = self._limit < self._held
        if not self._given and now - self._raised >= (1 if low else _QUIET_PERIODS) * window:
            self._held, self._growing_back = max(self._held, self._limit), low
            self._limit += max(1, round((_MORE_WHERE_LOW if low else _MORE) * self._limit))
            self._raised = now
        open_starts = [one for one in self._starts if not one.refused]
        if len(open_starts) < self._limit:
            return self._not_before - now
        return max(self._not_before, open_starts[len(open_starts) - self._limit].start + window) - now

    def _backoff_s(self) -> float:
        wait_s = min(_FIRST_WAIT_S * 2**self._streak, _LONGEST_WAIT_S)
        return jittered(wait_s) * self._period_s / 60.0
