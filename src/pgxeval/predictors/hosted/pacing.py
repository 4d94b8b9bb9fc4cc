"""Pacer: when the next call to a hosted service may start, learned from the calls that the service rejects.

Services grant a number of calls per minute and reject the others, without reporting the number. The pacer lets calls
through until the first rejection, takes the number granted in the last minute as the quota, and from then on never
starts more calls within any minute, so it does not matter how the service defines its window. After some minutes
without a rejection it tries slightly more, and recovers faster towards a rate that it once held.
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
from pgxeval.forks import renew_after_fork

_MARGIN = 1.02  # on the period: calls that start a minute apart may arrive slightly less than a minute apart
_QUIET_PERIODS = 5  # periods without a rejection after which slightly more is tried
_MORE, _MORE_WHERE_LOW = 0.02, 0.1
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0


class InterruptedCallError(PgxevalError):
    """A wait ended because the run ended."""


@attrs.define(kw_only=True, eq=False)
class Ticket:
    """Permission to start one call.

    Parameters
    ----------
    start
        When it was given, on the clock of the pacer [s].
    refused
        Whether the service rejected the call.
    """

    start: float
    refused: bool = False


def jittered(wait_s: float) -> float:
    """Return a wait between 0.5 and 1.5 times `wait_s`, so that callers do not return at the same time."""
    return wait_s * random.uniform(0.5, 1.5)


class Pacer:
    """Gives permission to start calls; thread-safe.

    Parameters
    ----------
    calls_per_period
        Quota, if known; None to learn it.
    period_s
        Length of the quota period of the service [s].
    patience_s
        How long the service may reject every call before `Pacer.refused` returns False [s].
    clock
        Returns seconds that never decrease.

    Attributes
    ----------
    patience_s : float
        As given.

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
            raise SettingError(f"calls_per_minute must be at least 1, got {calls_per_period}")
        if not (period_s > 0 and patience_s > 0):
            raise SettingError(f"period_s and patience_s must be above 0, got {period_s} and {patience_s}")
        self._given = calls_per_period is not None
        self._limit = calls_per_period
        self._held = 0  # the largest limit that lasted a period without a rejection
        self._growing_back = False
        self._period_s, self.patience_s, self._clock = period_s, patience_s, clock
        self._starts: deque[Ticket] = deque()
        self._not_before = self._raised = clock()
        self._burst_end = self._first_refused = -math.inf
        self._limit_before = self._limit
        self._streak = 0  # rejections while no call succeeds
        self._refusing_since: float | None = None
        renew_after_fork(self)

    def renew_locks(self) -> None:
        """Make a new lock: in a forked child, a thread of the parent may hold it."""
        self._changed = threading.Condition()

    @property
    def calls_per_period(self) -> int | None:
        """Calls allowed per period; None until the first rejection."""
        return self._limit

    def wait(self, stop: threading.Event | None = None) -> Ticket:
        """Wait until a call may start.

        Raises
        ------
        InterruptedCallError
            If `stop` is set in the meantime.
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
                    if self._streak:  # a single call tests whether the service accepts calls again
                        self._not_before = now + self._backoff_s()
                    return ticket
                self._changed.wait(wait_s)

    def granted(self, ticket: Ticket) -> None:
        """Record that the service accepted a call, successful or not."""
        with self._changed:
            self._refusing_since = None
            if self._streak:
                self._streak = 0
                self._not_before = ticket.start
                self._changed.notify_all()

    def refused(self, ticket: Ticket) -> bool:
        """Record that the service rejected a call because of the quota; False if it has rejected all for too long."""
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
            # calls that were under way at the first rejection may be rejected as well
            self._first_refused = min(self._first_refused, ticket.start)
            passed = sum(1 for other in self._starts if other.start <= self._first_refused and not other.refused)
            if passed:
                self._limit = passed if self._limit_before is None else min(self._limit_before, passed)
            else:  # the quota remains unknown: another user of it may be active
                self._limit = self._limit_before
                self._streak += 1
                self._not_before = now + self._backoff_s()
            patient = now - self._refusing_since < self.patience_s
            if not patient:
                self._refusing_since = None  # a later run starts with full patience
            return patient

    def wake(self) -> None:
        """Make all waiting threads check their stop event; a later run starts with full patience."""
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
        open_starts = [ticket for ticket in self._starts if not ticket.refused]
        if len(open_starts) < self._limit:
            return self._not_before - now
        return max(self._not_before, open_starts[len(open_starts) - self._limit].start + window) - now

    def _backoff_s(self) -> float:
        wait_s = min(_FIRST_WAIT_S * 2**self._streak, _LONGEST_WAIT_S)
        return jittered(wait_s) * self._period_s / 60.0
