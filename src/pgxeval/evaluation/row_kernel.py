"""Compiled loops over rows: ranks with ties, scores within folds, residuals, influences and permuted products.

Each row is worked on alone, so that its numbers do not depend on the neighbouring rows. Individuals are columns. Where
folds matter, ``columns`` lists the individuals fold by fold and ``bounds`` says where each fold begins: fold k has
``columns[bounds[k] : bounds[k + 1]]``.
"""

# ruff: noqa: PLR0917 (compiled functions take no keywords)

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pgxeval.compiled import compiled

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_SAFE = 1e100
_EXPLAINED = 1e-7


@compiled
def rank_ordered(values: Floats, order: Ints, tolerance: Floats, ranks: Floats, tied_pairs: Ints, mode: Ints) -> None:
    """Write average ranks (NaN where missing), the sum of squared tie sizes and the largest tie of each row.

    `order` sorts each row, missing values last; neighbours that differ by no more than `tolerance` are tied.
    """
    n_rows, n = values.shape
    for row in range(n_rows):
        present = n
        while present > 0 and math.isnan(values[row, order[row, present - 1]]):
            present -= 1
            ranks[row, order[row, present]] = math.nan
        begin, squares, largest = 0, 0, 0
        while begin < present:
            end = begin + 1
            last = values[row, order[row, begin]]
            while end < present:
                value = values[row, order[row, end]]
                if not value - last <= tolerance[row]:
                    break
                last = value
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
def score_fold(
    part: Floats,
    order: Ints,
    columns: Ints,
    tolerance: Floats,
    fewest: int,
    grades: Floats,
    scaled: Floats,
    sums: Floats,
    others: Ints,
    flat: Bools,
) -> None:
    """Write grades and scaled values of one fold, and add to the sums of each row.

    `part` has the values of the fold's individuals, `order` sorts them. The rows of `sums` are: squares of grades,
    their unbiased estimate, informative individuals less one per fold, all individuals less one per fold, informative
    folds, fourth powers of values. `flat` stays true while no fold's values differ by more than the tolerance.
    """
    n_rows, n = part.shape
    rank = np.empty(n)
    value = np.empty(n)
    for row in range(n_rows):
        present = n
        while present > 0 and math.isnan(part[row, order[row, present - 1]]):
            present -= 1
        if present == 0:
            continue
        begin, squares, largest_tie = 0, 0, 0
        while begin < present:
            end = begin + 1
            last = part[row, order[row, begin]]
            while end < present:
                following = part[row, order[row, end]]
                if not following - last <= tolerance[row]:
                    break
                last = following
                end += 1
            size = end - begin
            for place in range(begin, end):
                rank[order[row, place]] = begin + (size + 1) / 2
            squares += size * size
            largest_tie = max(largest_tie, size)
            begin = end
        lowest, highest = part[row, order[row, 0]], part[row, order[row, present - 1]]
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
        for place in range(present):
            mean += part[row, order[row, place]] / scale
        mean /= present
        middle = (present + 1) / 2
        of_grades, of_values = 0.0, 0.0
        for place in range(present):
            k = order[row, place]
            rank[k] = (rank[k] - middle) / present
            value[k] = part[row, k] / scale - mean
            of_grades += rank[k] * rank[k]
            of_values += value[k] * value[k]
        sums[0, row] += of_grades
        pairs = (present * present - squares) / 4
        sums[1, row] += (of_grades * present * present - pairs) / (present * (present - 2))
        if of_values == 0:
            of_values = 1.0
        factor = math.sqrt((present - 1) / of_values)
        fourth = 0.0
        for place in range(present):
            k = order[row, place]
            scaled_value = value[k] * factor
            fourth += scaled_value * scaled_value * scaled_value * scaled_value
            grades[row, columns[k]] = rank[k]
            scaled[row, columns[k]] = scaled_value
        sums[5, row] += fourth


@compiled
def unit_rows(
    values: Floats, mask: Bools, columns: Ints, bounds: Ints, units: Floats, rank: Ints, explained: Bools
) -> None:
    """Write residuals of each row given the folds, scaled to unit length; 0 where the mask is False.

    Rows without residuals are 0. `rank` is the number of folds present less one, and `explained` tells whether a row
    varies between folds only.
    """
    n_rows = len(values)
    n_folds = len(bounds) - 1
    # individuals in use and their values, side by side
    used = np.empty(len(columns), dtype=np.int64)
    deviation = np.empty(len(columns))
    ends = np.empty(n_folds + 1, dtype=np.int64)
    for row in range(n_rows):
        present, folds = 0, 0
        highest = 0.0
        ends[0] = 0
        for fold in range(n_folds):
            for place in range(bounds[fold], bounds[fold + 1]):
                i = columns[place]
                units[row, i] = 0.0
                if mask[row, i]:
                    used[present] = i
                    deviation[present] = values[row, i]
                    highest = max(highest, abs(values[row, i]))
                    present += 1
            ends[fold + 1] = present
            if present > ends[fold]:
                folds += 1
        rank[row], explained[row] = max(folds - 1, 0), False
        if present == 0:
            continue
        if highest > _SAFE or 0 < highest < 1 / _SAFE:
            exponent = math.frexp(highest)[1]
            half = exponent // 2
            # in two steps, since one factor might overflow
            first, second = math.ldexp(1.0, -half), math.ldexp(1.0, half - exponent)
            highest = highest * first * second
            for place in range(present):
                deviation[place] = deviation[place] * first * second
        mean = _sum(deviation, 0, present) / present
        for place in range(present):
            deviation[place] -= mean
        spread = math.sqrt(_squares(deviation, present))
        size = spread
        if n_folds > 1:
            for fold in range(n_folds):
                begin, end = ends[fold], ends[fold + 1]
                if end > begin:
                    mean = _sum(deviation, begin, end) / (end - begin)
                    for place in range(begin, end):
                        deviation[place] -= mean
            size = math.sqrt(_squares(deviation, present))
        explained[row] = folds > 1 and spread > 0 and size <= _EXPLAINED * spread
        # deviations of this size are rounding errors of the mean
        if explained[row] or spread <= 1e-14 * highest * math.sqrt(present) or size == 0:
            continue
        for place in range(present):
            units[row, used[place]] = deviation[place] / size


@compiled
def _sum(values: Floats, begin: int, end: int) -> float:
    """Add up some values, four sums at a time: additions to one sum wait for each other."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = begin + (end - begin) // 4 * 4
    for place in range(begin, whole, 4):
        a += values[place]
        b += values[place + 1]
        c += values[place + 2]
        d += values[place + 3]
    for place in range(whole, end):
        a += values[place]
    return (a + b) + (c + d)


@compiled
def _squares(values: Floats, end: int) -> float:
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = end // 4 * 4
    for place in range(0, whole, 4):
        a += values[place] * values[place]
        b += values[place + 1] * values[place + 1]
        c += values[place + 2] * values[place + 2]
        d += values[place + 3] * values[place + 3]
    for place in range(whole, end):
        a += values[place] * values[place]
    return (a + b) + (c + d)


@compiled
def influences(x: Floats, y: Floats, cosine: Floats, total: Floats, squares: Floats) -> None:
    """Write the cosine of each pair of rows of unit length, and the sums of its squared influences and their squares.

    Influences are divided as `pgxeval.evaluation.standard_errors` says.
    """
    n_rows, n = x.shape
    for row in range(n_rows):
        product = 0.0
        for i in range(n):
            product += x[row, i] * y[row, i]
        # an exact zero has no direction, and rounding must not give it one
        if abs(product) < 1e-13:
            product = 0.0
        first, second = 0.0, 0.0
        for i in range(n):
            x2, y2 = x[row, i] * x[row, i], y[row, i] * y[row, i]
            w = x[row, i] * y[row, i] - product / 2 * (x2 + y2)
            u = w * w / ((1 - 0.75 * x2) * (1 - 0.75 * y2))
            first += u
            second += u * u
        cosine[row], total[row], squares[row] = product, first, second


@compiled
def permuted_cosines(
    scores: Floats, expression: Floats, partners: Ints, columns: Ints, bounds: Ints, null: Floats
) -> None:
    """Write the cosine of permuted scores, residualised on the folds, with expression: (n_permutations, n_rows).

    The scores of a row add up to 0. `partners` has the individuals in the order of `columns`.
    """
    n_rows = len(scores)
    n_permutations = len(partners)
    n_folds = len(bounds) - 1
    n = len(columns)
    other = np.empty(n)
    own = np.empty(scores.shape[1])
    for row in range(n_rows):
        squares = 0.0
        for i in range(scores.shape[1]):
            own[i] = scores[row, i]
        for place in range(n):
            other[place] = expression[row, columns[place]]
            squares += own[columns[place]] * own[columns[place]]
        for k in range(n_permutations):
            partner = partners[k]
            dot, between = 0.0, 0.0
            if n_folds == 1:
                # four sums at a time: additions to one sum wait for each other
                a, b, c, d = 0.0, 0.0, 0.0, 0.0
                whole = n - n % 4
                for place in range(0, whole, 4):
                    a += own[partner[place]] * other[place]
                    b += own[partner[place + 1]] * other[place + 1]
                    c += own[partner[place + 2]] * other[place + 2]
                    d += own[partner[place + 3]] * other[place + 3]
                for place in range(whole, n):
                    a += own[partner[place]] * other[place]
                dot = (a + b) + (c + d)
            for fold in range(n_folds if n_folds > 1 else 0):
                a, b, total, more = 0.0, 0.0, 0.0, 0.0
                begin, end = bounds[fold], bounds[fold + 1]
                for place in range(begin, end - 1, 2):
                    one, two = own[partner[place]], own[partner[place + 1]]
                    a += one * other[place]
                    b += two * other[place + 1]
                    total += one
                    more += two
                if (end - begin) % 2:
                    one = own[partner[end - 1]]
                    a += one * other[end - 1]
                    total += one
                dot += a + b
                between += (total + more) * (total + more) / (end - begin)
            length = squares - between
            null[k, row] = dot / math.sqrt(length) if length > 0 else math.nan
