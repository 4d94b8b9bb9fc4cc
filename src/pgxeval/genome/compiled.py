"""The one place where functions are compiled; imported only by the kernels, and these only where used."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function on first use, and keep the result on disk where a folder can be written to.

    The function runs without the global interpreter lock.
    """
    try:
        return cast("Callable[P, R]", numba.njit(cache=True, nogil=True)(function))
    except RuntimeError:  # no folder for the cache: compile in each process
        return cast("Callable[P, R]", numba.njit(nogil=True)(function))
