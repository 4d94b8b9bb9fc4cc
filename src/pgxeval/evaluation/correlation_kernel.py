"""Compiled correlations of rows: cosines with their influences, and cosines of permuted rows."""

# ruff: noqa: PLR0917 (compiled functions take no keywords)

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pgxeval.compiled import compiled_sums

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_SIDE_BY_SIDE = 32_768  # values of the rows that are multiplied together: a quarter of a megabyte, twice


@compiled_sums
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
        half = product / 2
        first, second = 0.0, 0.0
        for i in range(n):
            x2, y2 = x[row, i] * x[row, i], y[row, i] * y[row, i]
            w = x[row, i] * y[row, i] - half * (x2 + y2)
            u = w * w / ((1 - 0.75 * x2) * (1 - 0.75 * y2))
            first += u
            second += u * u
        cosine[row], total[row], squares[row] = product, first, second


@compiled_sums
def permuted_cosines(
    scores: Floats, expression: Floats, partners: Ints, columns: Ints, bounds: Ints, null: Floats
) -> None:
    """Write the cosine of permuted scores, residualised on the folds, with expression: (n_permutations, n_rows).

    The scores of a row add up to 0 and are 0 for individuals outside all folds. ``columns`` lists the individuals
    fold by fold, fold k has ``columns[bounds[k] : bounds[k + 1]]``, and `partners` has the individuals in the order of
    `columns`.
    """
    n_rows, n_scores = scores.shape
    n = len(columns)
    n_folds = len(bounds) - 1
    most = max(8, _SIDE_BY_SIDE // max(n_scores, 1) // 8 * 8)
    # one row per individual, so that the same individual of many genes is multiplied at once
    own = np.empty((n_scores, most))
    other = np.empty((n, most))
    squares, dot, total, between = np.empty(most), np.empty(most), np.empty(most), np.empty(most)
    for start in range(0, n_rows, most):
        width = min(most, n_rows - start)
        for i in range(n_scores):
            for g in range(width):
                own[i, g] = scores[start + g, i]
        for place in range(n):
            for g in range(width):
                other[place, g] = expression[start + g, columns[place]]
        for g in range(width):
            square = 0.0
            for i in range(n_scores):
                square += scores[start + g, i] * scores[start + g, i]
            squares[g] = square
        for k in range(len(partners)):
            for g in range(width):
                dot[g] = between[g] = 0.0
            for fold in range(n_folds):
                begin, end = bounds[fold], bounds[fold + 1]
                _add_products(own, other, partners, k, begin, end, width, dot)
                if n_folds > 1 and end > begin:
                    for g in range(width):
                        total[g] = 0.0
                    _add(own, partners, k, begin, end, width, total)
                    for g in range(width):
                        between[g] += total[g] * total[g] / (end - begin)
            for g in range(width):
                length = squares[g] - between[g]
                null[k, start + g] = dot[g] / math.sqrt(length) if length > 0 else math.nan


@compiled_sums
def _add_products(
    own: Floats, other: Floats, partners: Ints, k: int, begin: int, end: int, width: int, dot: Floats
) -> None:
    """Add the products of four individuals at a time: each reads and writes the sums of all genes."""
    whole = begin + (end - begin) // 4 * 4
    for place in range(begin, whole, 4):
        a, b, c, d = partners[k, place], partners[k, place + 1], partners[k, place + 2], partners[k, place + 3]
        for g in range(width):
            dot[g] += (own[a, g] * other[place, g] + own[b, g] * other[place + 1, g]) + (
                own[c, g] * other[place + 2, g] + own[d, g] * other[place + 3, g]
            )
    for place in range(whole, end):
        for g in range(width):
            dot[g] += own[partners[k, place], g] * other[place, g]


@compiled_sums
def _add(own: Floats, partners: Ints, k: int, begin: int, end: int, width: int, total: Floats) -> None:
    whole = begin + (end - begin) // 4 * 4
    for place in range(begin, whole, 4):
        a, b, c, d = partners[k, place], partners[k, place + 1], partners[k, place + 2], partners[k, place + 3]
        for g in range(width):
            total[g] += (own[a, g] + own[b, g]) + (own[c, g] + own[d, g])
    for place in range(whole, end):
        for g in range(width):
            total[g] += own[partners[k, place], g]
