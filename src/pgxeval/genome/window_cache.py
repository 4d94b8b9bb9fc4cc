"""Cache of windows: dosages and calls that have been read and may be used again, within a limit of memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar, cast

from pgxeval.forks import renew_after_fork
from pgxeval.genome.dosages import Dosages
from pgxeval.genome.formats.calls import Calls

_Cached = TypeVar("_Cached", Dosages, Calls)

Key = tuple[str, str, int, int]


class WindowCache:
    """Windows by (field, contig, start, end); those used least recently are dropped first.

    Parameters
    ----------
    limit_bytes
        Memory for windows [bytes]; the last one is held whatever its size.

    Notes
    -----
    One instance may be used from several threads. It pickles, and survives a fork, without its windows.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        renew_after_fork(self)

    def renew_locks(self) -> None:
        """Make a new lock and drop all windows: in a forked child, a thread of the parent may hold the lock."""
        self._windows: OrderedDict[Key, Dosages | Calls] = OrderedDict()
        self.nbytes = 0
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, int]:
        return {"limit_bytes": self.limit_bytes}

    def __setstate__(self, state: dict[str, int]) -> None:
        self.limit_bytes = state["limit_bytes"]
        renew_after_fork(self)

    def get(self, key: Key, make: Callable[[], _Cached]) -> _Cached:
        """Return a window, made where it is not held; two threads may make the same one."""
        with self._lock:
            if key in self._windows:
                self._windows.move_to_end(key)
                return cast("_Cached", self._windows[key])
        window = make()
        with self._lock:
            replaced = self._windows.pop(key, None)
            self.nbytes += window.nbytes - (0 if replaced is None else replaced.nbytes)
            self._windows[key] = window
            while self.nbytes > self.limit_bytes and len(self._windows) > 1:
                self.nbytes -= self._windows.popitem(last=False)[1].nbytes
        return window
