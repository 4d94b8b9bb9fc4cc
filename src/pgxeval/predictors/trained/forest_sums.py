"""Compiled class sums of the random forest, which replace sorting.

A dosage column has few distinct values, so a split is a cut between two of them. For each column and cut the
kernel keeps two integer sums over the samples of a node whose code exceeds the cut: the weighted expression, and
weight and number of samples packed into one integer. The sums of the smaller child are added up, those of its
sibling are the difference (Ke et al., LightGBM, NeurIPS 2017), and the compiler vectorises both over columns.

Expression enters as fixed-point integers. Integer sums do not depend on their order and differences are exact, so
that equal splits have exactly equal scores on every machine. Columns with many distinct values have no kept
sums; each node counts them directly.

All functions take the layout of `pgxeval.predictors.trained.forest_codes.ForestCodes`.
"""

# ruff: noqa: PLR0917 (compiled functions take no keywords)
from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pgxeval.compiled import compiled

# Columns of the table of sums: one row for each number of distinct values and cut.
FIRST_COLUMN, LAST_COLUMN, CUT, FIRST_SUM, CUTS = range(5)

Ints = npt.NDArray[Any]
"""int32, or int64 where 32 bits do not suffice."""
Codes = npt.NDArray[np.uint8]
Index = npt.NDArray[np.int64]


@compiled
def _add_one_cut(codes: Codes, rows: Index, packed: Ints, value: Ints, cut: np.uint8, h0: Ints, h1: Ints) -> None:
    n = h0.size
    h0[:] = 0
    h1[:] = 0
    zero = packed.dtype.type(0)
    i = 0
    while i + 4 <= rows.size:
        q0, q1, q2, q3 = rows[i], rows[i + 1], rows[i + 2], rows[i + 3]
        r0, r1, r2, r3 = codes[q0], codes[q1], codes[q2], codes[q3]
        p0, p1, p2, p3 = packed[q0], packed[q1], packed[q2], packed[q3]
        v0, v1, v2, v3 = value[q0], value[q1], value[q2], value[q3]
        for f in range(n):
            h0[f] += (
                (p0 if r0[f] > cut else zero)
                + (p1 if r1[f] > cut else zero)
                + (p2 if r2[f] > cut else zero)
                + (p3 if r3[f] > cut else zero)
            )
            h1[f] += (
                (v0 if r0[f] > cut else zero)
                + (v1 if r1[f] > cut else zero)
                + (v2 if r2[f] > cut else zero)
                + (v3 if r3[f] > cut else zero)
            )
        i += 4
    while i < rows.size:
        q0 = rows[i]
        r0, p0, v0 = codes[q0], packed[q0], value[q0]
        for f in range(n):
            h0[f] += p0 if r0[f] > cut else zero
            h1[f] += v0 if r0[f] > cut else zero
        i += 1


@compiled
def _add_two_cuts(codes: Codes, rows: Index, packed: Ints, value: Ints, h0: Ints, h1: Ints, h2: Ints, h3: Ints) -> None:
    """As `_add_one_cut` for the cuts 0 and 1 at once, which is most of the work on hard calls."""
    n = h0.size
    h0[:] = 0
    h1[:] = 0
    h2[:] = 0
    h3[:] = 0
    zero = packed.dtype.type(0)
    i = 0
    while i + 4 <= rows.size:
        q0, q1, q2, q3 = rows[i], rows[i + 1], rows[i + 2], rows[i + 3]
        r0, r1, r2, r3 = codes[q0], codes[q1], codes[q2], codes[q3]
        p0, p1, p2, p3 = packed[q0], packed[q1], packed[q2], packed[q3]
        v0, v1, v2, v3 = value[q0], value[q1], value[q2], value[q3]
        for f in range(n):
            g0, g1, g2, g3 = np.int32(r0[f]), np.int32(r1[f]), np.int32(r2[f]), np.int32(r3[f])
            h0[f] += (
                (p0 if g0 > 0 else zero)
                + (p1 if g1 > 0 else zero)
                + (p2 if g2 > 0 else zero)
                + (p3 if g3 > 0 else zero)
            )
            h1[f] += (
                (v0 if g0 > 0 else zero)
                + (v1 if g1 > 0 else zero)
                + (v2 if g2 > 0 else zero)
                + (v3 if g3 > 0 else zero)
            )
            h2[f] += (
                (p0 if g0 > 1 else zero)
                + (p1 if g1 > 1 else zero)
                + (p2 if g2 > 1 else zero)
                + (p3 if g3 > 1 else zero)
            )
            h3[f] += (
                (v0 if g0 > 1 else zero)
                + (v1 if g1 > 1 else zero)
                + (v2 if g2 > 1 else zero)
                + (v3 if g3 > 1 else zero)
            )
        i += 4
    while i < rows.size:
        q0 = rows[i]
        r0, p0, v0 = codes[q0], packed[q0], value[q0]
        for f in range(n):
            g0 = np.int32(r0[f])
            h0[f] += p0 if g0 > 0 else zero
            h1[f] += v0 if g0 > 0 else zero
            h2[f] += p0 if g0 > 1 else zero
            h3[f] += v0 if g0 > 1 else zero
        i += 1


@compiled
def add_rows(codes: Codes, rows: Index, packed: Ints, value: Ints, sums: Index, counts: Ints, totals: Ints) -> None:
    """Fill `counts` and `totals` with the sums over `rows`."""
    k = 0
    while k < sums.shape[0]:
        first, last, start = sums[k, FIRST_COLUMN], sums[k, LAST_COLUMN], sums[k, FIRST_SUM]
        n = last - first
        if sums[k, CUTS] == 2:
            middle, end = start + n, start + 2 * n
            _add_two_cuts(
                codes[:, first:last],
                rows,
                packed,
                value,
                counts[start:middle],
                totals[start:middle],
                counts[middle:end],
                totals[middle:end],
            )
            k += 2
        else:
            _add_one_cut(
                codes[:, first:last],
                rows,
                packed,
                value,
                np.uint8(sums[k, CUT]),
                counts[start : start + n],
                totals[start : start + n],
            )
            k += 1
