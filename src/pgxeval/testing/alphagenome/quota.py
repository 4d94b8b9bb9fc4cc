"""Quota: how many calls per period the local AlphaGenome server accepts."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from pgxeval.errors import SettingError

KINDS = ("fixed", "sliding", "bucket")
WORDS = (
    "Quota exceeded for quota metric 'AlphaGenome Prediction Tokens' and limit 'AlphaGenome predictions tokens per "
    "minute'"
)


class Quota:
    """Calls per period; rejected calls do not count.

    Parameters
    ----------
    calls
        Number of calls per period.
    period_s
        Length of the period [s].
    kind
        ``"fixed"``: consecutive periods from the start; ``"sliding"``: no interval of one period contains more calls;
        ``"bucket"``: `calls` at once, refilled at a constant rate.
    clock
        Returns seconds that never decrease.

    Raises
    ------
    SettingError
        If a number is not positive or the kind does not exist.

    Examples
    --------
    >>> times = iter([0.0, 50.0, 50.0, 50.0, 60.0])  # the start, then one per call
    >>> quota = Quota(2, 60.0, "fixed", clock=lambda: next(times))
    >>> [quota.take() for call in range(4)]
    [True, True, False, True]
    """

    def __init__(
        self, calls: int, period_s: float = 60.0, kind: str = "fixed", clock: Callable[[], float] = time.monotonic
    ) -> None:
        if calls < 1 or not period_s > 0:
            raise SettingError(f"a quota must be at least 1 call in a positive period, got {calls!r} in {period_s!r} s")
        if kind not in KINDS:
            raise SettingError(f"quota_kind must be one of {', '.join(KINDS)}, got {kind!r}")
        self._calls, self._period_s, self._kind, self._clock = calls, period_s, kind, clock
        self._start = clock()
        self._window, self._taken = 0, 0
        self._log: deque[float] = deque()
        self._tokens, self._filled = float(calls), self._start

    def take(self) -> bool:
        """Take one call if the quota allows it; not thread-safe."""
        now = self._clock()
        return {"fixed": self._fixed, "sliding": self._sliding, "bucket": self._bucket}[self._kind](now)

    def _fixed(self, now: float) -> bool:
        window = int((now - self._start) / self._period_s)
        if window != self._window:
            self._window, self._taken = window, 0
        if self._taken >= self._calls:
            return False
        self._taken += 1
        return True

    def _sliding(self, now: float) -> bool:
        while self._log and self._log[0] <= now - self._period_s:
            self._log.popleft()
        if len(self._log) >= self._calls:
            return False
        self._log.append(now)
        return True

    def _bucket(self, now: float) -> bool:
        refill = (now - self._filled) * self._calls / self._period_s
        self._tokens, self._filled = min(self._calls, self._tokens + refill), now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
