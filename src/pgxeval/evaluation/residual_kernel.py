"""Compiled residuals of rows given folds; one row is worked on at a time."""

# ruff: noqa: PLR0917 (compiled functions take no keywords)

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pgxeval.compiled import compiled_sums

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_SAFE = 1e100
_EXPLAINED = 1e-7


@compiled_sums
def unit_rows(
    values: Floats, mask: Bools, columns: Ints, bounds: Ints, units: Floats, rank: Ints, explained: Bools
) -> None:
    """Write residuals of each row given the folds, scaled to unit length; 0 where the mask is False.

    ``columns`` lists the individuals fold by fold, and ``bounds`` says where each fold begins: fold k has
    ``columns[bounds[k] : bounds[k + 1]]``. Rows without residuals are 0. `rank` is the number of folds present less
    one, and `explained` tells whether a row varies between folds only.
    """
    n_rows, n = values.shape
    n_folds = len(bounds) - 1
    plain = n_folds == 1 and len(columns) == n
    # individuals in use and their values, next to each other
    places = np.empty(len(columns), dtype=np.int64)
    deviation = np.empty(len(columns))
    ends = np.empty(n_folds + 1, dtype=np.int64)
    for row in range(n_rows):
        complete = True
        for i in range(n):
            complete &= mask[row, i]
            units[row, i] = 0.0
        folds = 0
        if complete:
            present = len(columns)
            for fold in range(n_folds + 1):
                ends[fold] = bounds[fold]
            for fold in range(n_folds):
                folds += bounds[fold + 1] > bounds[fold]
            for place in range(0 if plain else present):
                places[place] = columns[place]
        else:
            present = 0
            ends[0] = 0
            for fold in range(n_folds):
                for place in range(bounds[fold], bounds[fold + 1]):
                    if mask[row, columns[place]]:
                        places[present] = columns[place]
                        present += 1
                ends[fold + 1] = present
                folds += present > ends[fold]
        rank[row], explained[row] = max(folds - 1, 0), False
        if present == 0:
            continue
        if complete and plain:
            for place in range(n):
                deviation[place] = values[row, place]
        else:
            for place in range(present):
                deviation[place] = values[row, places[place]]
        highest = _largest(deviation, present)
        if highest > _SAFE or 0 < highest < 1 / _SAFE:
            exponent = math.frexp(highest)[1]
            half = exponent // 2
            # in two steps, since one factor might overflow
            first, second = math.ldexp(1.0, -half), math.ldexp(1.0, half - exponent)
            highest = highest * first * second
            for place in range(present):
                deviation[place] = deviation[place] * first * second
        _centre(deviation, 0, present)
        spread = math.sqrt(_squares(deviation, present))
        size = spread
        if n_folds > 1:
            for fold in range(n_folds):
                if ends[fold + 1] > ends[fold]:
                    _centre(deviation, ends[fold], ends[fold + 1])
            size = math.sqrt(_squares(deviation, present))
        explained[row] = folds > 1 and spread > 0 and size <= _EXPLAINED * spread
        # deviations of this size are rounding errors of the mean
        if explained[row] or spread <= 1e-14 * highest * math.sqrt(present) or size == 0:
            continue
        if complete and plain:
            for place in range(n):
                units[row, place] = deviation[place] / size
        else:
            for place in range(present):
                units[row, places[place]] = deviation[place] / size


@compiled_sums
def _largest(values: Floats, end: int) -> float:
    # four maxima at a time: comparisons with one maximum wait for each other
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = end // 4 * 4
    for place in range(0, whole, 4):
        a = max(a, abs(values[place]))
        b = max(b, abs(values[place + 1]))
        c = max(c, abs(values[place + 2]))
        d = max(d, abs(values[place + 3]))
    for place in range(whole, end):
        a = max(a, abs(values[place]))
    return max(a, b, c, d)


@compiled_sums
def _centre(values: Floats, begin: int, end: int) -> None:
    total = 0.0
    for place in range(begin, end):
        total += values[place]
    mean = total / (end - begin)
    for place in range(begin, end):
        values[place] -= mean


@compiled_sums
def _squares(values: Floats, end: int) -> float:
    total = 0.0
    for place in range(end):
        total += values[place] * values[place]
    return total
