"""Compiled loops that sort rows, rank them with ties, and grade them within folds; one row is worked on at a time."""

# ruff: noqa: PLR0917 (compiled functions take no keywords)

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pgxeval.compiled import compiled, compiled_sums

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Bits = npt.NDArray[np.uint64]

_SIGN = np.uint64(1 << 63)
_INFINITE = np.uint64(0x7FF << 52)
_ALL = np.uint64(2**64 - 1)
_MOVES = 4


@compiled
def sort_keys(values: Bits, low: np.uint64, keys: Bits) -> None:
    """Write one whole number per value, which sorts as the value does; its lowest bits hold the column.

    `values` are the bits of float64. Missing values come last. Values that differ only in the bits that the column
    takes, those of `low`, get keys in the order of their columns.
    """
    high = ~low
    for row in range(len(values)):
        for i in range(values.shape[1]):
            bits = values[row, i]
            if bits == _SIGN:  # minus zero equals zero
                bits = np.uint64(0)
            if bits & ~_SIGN > _INFINITE:
                key = _ALL
            elif bits & _SIGN:
                key = ~bits
            else:
                key = bits | _SIGN
            keys[row, i] = (key & high) | np.uint64(i)


@compiled
def order_of_keys(values: Floats, low: int, order: Ints, unfinished: Bools) -> None:
    """Replace sorted keys by the columns that sort each row; equal values stay in the order of their columns.

    Rows with so many close values that this would take long are left `unfinished`.
    """
    n = values.shape[1]
    for row in range(len(values)):
        moves = 0
        last = -math.inf
        for place in range(n):
            column = order[row, place] & low
            value = values[row, column]
            if last > value:
                hole = place
                while hole > 0 and values[row, order[row, hole - 1]] > value:
                    order[row, hole] = order[row, hole - 1]
                    hole -= 1
                order[row, hole] = column
                moves += place - hole
                if moves > _MOVES * n:
                    unfinished[row] = True
                    break
            else:
                order[row, place] = column
                last = value


@compiled
def rank_ordered(values: Floats, order: Ints, tolerance: Floats, ranks: Floats, tied_pairs: Ints, mode: Ints) -> None:
    """Write average ranks (NaN where missing), the sum of squared tie sizes and the largest tie of each row.

    `order` sorts each row, missing values last; neighbours that differ by no more than `tolerance` are tied.
    """
    n_rows, n = values.shape
    ordered = np.empty(n)
    for row in range(n_rows):
        present = n
        while present > 0 and math.isnan(values[row, order[row, present - 1]]):
            present -= 1
            ranks[row, order[row, present]] = math.nan
        for place in range(present):
            ordered[place] = values[row, order[row, place]]
        if not _any_tie(ordered, 0, present, tolerance[row]):
            for place in range(present):
                ranks[row, order[row, place]] = place + 1.0
            tied_pairs[row], mode[row] = present, min(present, 1)
            continue
        begin, squares, largest = 0, 0, 0
        while begin < present:
            end = begin + 1
            while end < present and ordered[end] - ordered[end - 1] <= tolerance[row]:
                end += 1
            size = end - begin
            rank = begin + (size + 1) / 2
            for place in range(begin, end):
                ranks[row, order[row, place]] = rank
            squares += size * size
            largest = max(largest, size)
            begin = end
        tied_pairs[row], mode[row] = squares, largest


@compiled
def _any_tie(ordered: Floats, begin: int, end: int, tolerance: float) -> bool:
    ties = 0
    for place in range(begin + 1, end):
        ties += ordered[place] - ordered[place - 1] <= tolerance
    return ties > 0


@compiled_sums
def score_folds(
    values: Floats,
    order: Ints,
    fold_of: Ints,
    bounds: Ints,
    tolerance: Floats,
    fewest: int,
    grades: Floats,
    scaled: Floats,
    sums: Floats,
    others: Ints,
    flat: Bools,
) -> None:
    """Write grades and scaled values within folds, 0 elsewhere, and sums of each row.

    `order` sorts each row, missing values last. `fold_of` numbers the folds from 0, -1 outside of all folds, and
    ``bounds[fold + 1] - bounds[fold]`` individuals are in a fold. The rows of `sums` are: squares of grades,
    their unbiased estimate, informative individuals less one per fold, all individuals less one per fold, informative
    folds, fourth powers of values. `flat` tells that in no fold values differ by more than the tolerance.
    """
    n_rows, n = values.shape
    n_folds = len(bounds) - 1
    ends = np.empty(n_folds, dtype=np.int64)
    column = np.empty(n, dtype=np.int64)
    value = np.empty(n)
    rank = np.empty(n)
    for row in range(n_rows):
        # loops, because assignments to slices take long to compile
        for fold in range(n_folds):
            ends[fold] = bounds[fold]
        for place in range(n):
            grades[row, place] = 0.0
            scaled[row, place] = 0.0
        for place in range(n):
            i = order[row, place]
            number = values[row, i]
            if math.isnan(number):
                break
            fold = fold_of[i]
            if fold >= 0:
                end = ends[fold]
                column[end] = i
                value[end] = number
                ends[fold] = end + 1
        for k in range(len(sums)):
            sums[k, row] = 0.0
        others[row], flat[row] = 0, True
        for fold in range(n_folds):
            first, stop = bounds[fold], ends[fold]
            present = stop - first
            if present == 0:
                continue
            begin, squares, largest_tie = first, 0, 0
            if not _any_tie(value, first, stop, tolerance[row]):
                for place in range(present):
                    rank[first + place] = place + 1.0
                begin, squares, largest_tie = stop, present, 1
            while begin < stop:
                end = begin + 1
                while end < stop and value[end] - value[end - 1] <= tolerance[row]:
                    end += 1
                size = end - begin
                for place in range(begin, end):
                    rank[place] = begin - first + (size + 1) / 2
                squares += size * size
                largest_tie = max(largest_tie, size)
                begin = end
            lowest, highest = value[first], value[stop - 1]
            if highest - lowest > tolerance[row]:
                flat[row] = False
            others[row] += present - largest_tie
            sums[3, row] += present - 1
            if present < fewest or largest_tie == present:
                continue
            sums[2, row] += present - 1
            sums[4, row] += 1
            scale = max(abs(lowest), abs(highest))
            if scale == 0:
                scale = 1.0
            mean = 0.0
            for place in range(first, stop):
                value[place] /= scale
                mean += value[place]
            mean /= present
            middle = (present + 1) / 2
            of_grades, of_values = 0.0, 0.0
            for place in range(first, stop):
                rank[place] = (rank[place] - middle) / present
                value[place] -= mean
                of_grades += rank[place] * rank[place]
                of_values += value[place] * value[place]
            sums[0, row] += of_grades
            pairs = (present * present - squares) / 4
            sums[1, row] += (of_grades * present * present - pairs) / (present * (present - 2))
            if of_values == 0:
                of_values = 1.0
            factor = math.sqrt((present - 1) / of_values)
            fourth = 0.0
            for place in range(first, stop):
                value[place] *= factor
                square = value[place] * value[place]
                fourth += square * square
            sums[5, row] += fourth
            for place in range(first, stop):
                grades[row, column[place]] = rank[place]
                scaled[row, column[place]] = value[place]
