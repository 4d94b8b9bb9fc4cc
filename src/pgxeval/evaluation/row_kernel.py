"""Compiled loops over rows: ranks with ties, scores within folds, residuals, influences and permuted products.

Each row is worked on alone, so that its numbers do not depend on the rows beside it. Individuals are columns. Where
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
    for row in range(n_rows):
        highest = 0.0
        for place in range(bounds[0], bounds[n_folds]):
            i = columns[place]
            if mask[row, i] and abs(values[row, i]) > highest:
                highest = abs(values[row, i])
        scale = 1.0
        if highest > _SAFE or 0 < highest < 1 / _SAFE:
            exponent = math.frexp(highest)[1]
            # in two steps, since neither factor may overflow
            half = exponent // 2
            scale = math.ldexp(1.0, -half)
            rest = math.ldexp(1.0, half - exponent)
            highest = highest * scale * rest
        else:
            rest = 1.0
        present, folds, total = 0, 0, 0.0
        for fold in range(n_folds):
            count = 0
            mean = 0.0
            for place in range(bounds[fold], bounds[fold + 1]):
                i = columns[place]
                if mask[row, i]:
                    count += 1
                    mean += values[row, i] * scale * rest
            if count == 0:
                continue
            present += count
            folds += 1
            total += mean
        grand = total / max(present, 1)
        spread, size = 0.0, 0.0
        for fold in range(n_folds):
            count = 0
            mean = 0.0
            for place in range(bounds[fold], bounds[fold + 1]):
                i = columns[place]
                if mask[row, i]:
                    count += 1
                    mean += values[row, i] * scale * rest - grand
            mean /= max(count, 1)
            for place in range(bounds[fold], bounds[fold + 1]):
                i = columns[place]
                if mask[row, i]:
                    deviation = values[row, i] * scale * rest - grand
                    spread += deviation * deviation
                    deviation -= mean
                    size += deviation * deviation
                    units[row, i] = deviation
        spread, size = math.sqrt(spread), math.sqrt(size)
        rank[row] = max(folds - 1, 0)
        explained[row] = folds > 1 and spread > 0 and size <= _EXPLAINED * spread
        # deviations of this size are rounding errors of the mean
        without = explained[row] or spread <= 1e-14 * highest * math.sqrt(present) or size == 0
        for place in range(bounds[0], bounds[n_folds]):
            i = columns[place]
            if without or not mask[row, i]:
                units[row, i] = 0.0
            else:
                units[row, i] /= size


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
    other = np.empty(len(columns))
    for row in range(n_rows):
        squares = 0.0
        for place in range(len(columns)):
            other[place] = expression[row, columns[place]]
            squares += scores[row, columns[place]] * scores[row, columns[place]]
        for k in range(n_permutations):
            dot, between = 0.0, 0.0
            for fold in range(n_folds):
                a, b, total, more = 0.0, 0.0, 0.0, 0.0
                begin, end = bounds[fold], bounds[fold + 1]
                # two sums at a time: additions to one sum wait for each other
                for place in range(begin, end - 1, 2):
                    one, two = scores[row, partners[k, place]], scores[row, partners[k, place + 1]]
                    a += one * other[place]
                    b += two * other[place + 1]
                    total += one
                    more += two
                if (end - begin) % 2:
                    one = scores[row, partners[k, end - 1]]
                    a += one * other[end - 1]
                    total += one
                dot += a + b
                if n_folds > 1 and end > begin:
                    between += (total + more) * (total + more) / (end - begin)
            length = squares - between
            null[k, row] = dot / math.sqrt(length) if length > 0 else math.nan
