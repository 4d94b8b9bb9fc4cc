"""renew_after_fork: locks are free in the child of a fork, although a thread of the parent may have held them.

The child has a copy of every lock and none of the threads that could release it. Objects that hold locks therefore make
new ones there.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class HoldsLocks(Protocol):
    """An object that holds locks."""

    def renew_locks(self) -> None:
        """Make new locks, and drop what another thread may have left half-done."""
        ...


_holders: WeakSet[HoldsLocks] = WeakSet()


def renew_after_fork(holder: HoldsLocks) -> None:
    """Call `HoldsLocks.renew_locks` now, and again in each child that this process forks, as long as `holder` lives."""
    holder.renew_locks()
    _holders.add(holder)


def _renew_all() -> None:
    for holder in list(_holders):
        holder.renew_locks()


os.register_at_fork(after_in_child=_renew_all)
