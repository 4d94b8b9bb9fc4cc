"""The one place where functions are compiled; imported only by the kernels, and these only where used."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba
from numba.core.compiler_lock import global_compiler_lock

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function on first use, and keep the result on disk where a folder can be written to.

    The function runs without the global interpreter lock.
    """
    return _compiled(function, {})


def compiled_sums(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function as `compiled` does, and let it add up several partial sums side by side.

    Sums then have other rounding errors than sums in the order of their terms, and depend on the processor in the last
    digit. A division by zero gives infinity or NaN instead of an exception.
    """
    return _compiled(function, {"fastmath": {"reassoc"}, "error_model": "numpy"})


def _compiled(function: Callable[P, R], options: dict[str, Any]) -> Callable[P, R]:
    try:
        return cast("Callable[P, R]", numba.njit(cache=True, nogil=True, **options)(function))
    except RuntimeError:  # no folder for the cache: compile in each process
        return cast("Callable[P, R]", numba.njit(nogil=True, **options)(function))


# a fork waits until no thread compiles: its child could not take a lock that a thread of the parent holds
os.register_at_fork(
    before=global_compiler_lock.acquire,
    after_in_parent=global_compiler_lock.release,
    after_in_child=global_compiler_lock.release,
)
