"""Rows of genes: their size and spread, and the blocks in which threads share them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import numpy.typing as npt

from pgxeval.cohort.covariates import CONSTANT_SPREAD

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.integer]

RELATIVE_SPREAD = CONSTANT_SPREAD
"""Predictions that differ by less than this share of their size differ by rounding alone."""

_ROWS = 256


def largest(values: Floats) -> Floats:
    """Return the largest absolute value of each row; 0 without any."""
    return np.asarray(np.max(np.abs(values), axis=1, initial=0.0, where=~np.isnan(values)))


def spread(values: Floats, mask: Bools) -> Floats:
    """Return the difference of the largest and the smallest value of each row; -inf without any."""
    if mask.all() and values.shape[1]:
        return np.asarray(values.max(axis=1) - values.min(axis=1))
    highest = np.max(values, axis=1, initial=-np.inf, where=mask)
    return np.asarray(highest - np.min(values, axis=1, initial=np.inf, where=mask))


def centred(values: Floats, mask: Bools) -> Floats:
    """Return rows less their mean, of largest magnitude 1; 0 where missing."""
    result = np.where(mask, values, 0.0)
    result /= np.maximum(largest(result), np.finfo(np.float64).tiny)[:, None]
    result -= (result.sum(axis=1) / np.maximum(mask.sum(axis=1), 1))[:, None]
    result[~mask] = 0.0
    return result


def neighbours(rows: Indices) -> Indices | slice:
    """Return a slice where each row follows the one before it, so that nothing is copied."""
    return slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) and (np.diff(rows) == 1).all() else rows


def over_rows(work: Callable[[slice], None], n_rows: int, threads: int | None) -> None:
    """Call `work` with blocks of rows, which the threads share; None takes one thread per core, 8 at most."""
    parts = [slice(start, min(start + _ROWS, n_rows)) for start in range(0, n_rows, _ROWS)]
    threads = threads or min(joblib.cpu_count(), 8)
    if threads == 1 or len(parts) <= 1:
        for part in parts:
            work(part)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, parts):
            pass
