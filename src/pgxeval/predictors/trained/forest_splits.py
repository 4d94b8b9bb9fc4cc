"""Compiled choice of the best split of a node, among the drawn columns of a random forest."""

# ruff: noqa: PLR0917 (compiled functions take no keywords)
from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pgxeval.compiled import compiled
from pgxeval.predictors.trained.forest_draws import uniform
from pgxeval.predictors.trained.forest_sums import CUT, FIRST_COLUMN, FIRST_SUM, LAST_COLUMN

BLOCK = 512
"""Sums that are scored at once."""
_SORT_BELOW = 24

Ints = npt.NDArray[Any]
"""int32, or int64 where 32 bits do not suffice."""
Codes = npt.NDArray[np.uint8]
Index = npt.NDArray[np.int64]
State = npt.NDArray[np.uint64]
Float = npt.NDArray[np.float64]


@compiled
def _score_block(
    counts: Ints,
    totals: Ints,
    drawn: npt.NDArray[np.int32],
    n: int,
    weight: np.int64,
    total: np.int64,
    min_leaf: int,
    scores: npt.NDArray[np.float32],
    bits: npt.NDArray[np.int32],
) -> np.int32:
    """Score cuts in single precision; return the bits of the largest score (scores are ordered as their bits)."""
    whole = np.float32(weight)
    mean = np.float32(total / weight)
    half = 4 * counts.itemsize
    mask = counts.dtype.type((1 << half) - 1)
    fewest, most = np.int32(min_leaf), np.int32(n - min_leaf)
    for f in range(counts.size):
        above = np.int32(counts[f] & mask)
        w = np.float32(np.int32(counts[f] >> half))
        d = np.float32(totals[f]) - mean * w
        # np.divide: a plain division would be checked for zero, one number at a time
        score = np.divide(d * d, w * (whole - w))
        scores[f] = score if (above >= fewest) & (above <= most) & (drawn[f] > 0) else np.float32(-1)
    best = np.int32(-1)
    for f in range(counts.size):
        best = max(best, bits[f])
    return best


@compiled
def column_varies(
    column: int, n_kept: int, sums: Index, counts: Ints, many: Codes, rows: Index, n: int, mask: int
) -> bool:
    """Whether a column has more than one value in the samples of a node."""
    if column >= n_kept:
        codes = many[column - n_kept]
        low, high = 255, 0
        for i in range(rows.size):
            code = codes[rows[i]]
            low, high = min(low, code), max(high, code)
        return low < high
    for k in range(sums.shape[0]):
        if sums[k, FIRST_COLUMN] <= column < sums[k, LAST_COLUMN]:
            above = counts[sums[k, FIRST_SUM] + column - sums[k, FIRST_COLUMN]] & mask
            if 0 < above < n:
                return True
    return False


@compiled
def choose_among_sums(
    sums: Index,
    counts: Ints,
    totals: Ints,
    drawn: npt.NDArray[np.int32],
    n: int,
    weight: np.int64,
    total: np.int64,
    magnitude: float,
    min_leaf: int,
    scores: npt.NDArray[np.float32],
    bits: npt.NDArray[np.int32],
    block_best: npt.NDArray[np.int32],
    state: State,
    best: Float,
    choice: Index,
) -> None:
    """Find the best cut: candidates in single precision, the choice among them exactly.

    Among equal scores each drawn original column is equally likely, as where columns are visited in random order.
    """
    top = np.int32(-1)
    b = 0
    for k in range(sums.shape[0]):
        first, n_columns, start = (
            sums[k, FIRST_COLUMN],
            sums[k, LAST_COLUMN] - sums[k, FIRST_COLUMN],
            sums[k, FIRST_SUM],
        )
        for i in range(0, n_columns, BLOCK):
            j = min(n_columns, i + BLOCK)
            block_best[b] = _score_block(
                counts[start + i : start + j],
                totals[start + i : start + j],
                drawn[first + i : first + j],
                n,
                weight,
                total,
                min_leaf,
                scores[start + i : start + j],
                bits[start + i : start + j],
            )
            top = max(top, block_best[b])
            b += 1
    if top < 0:
        return
    # A score is off by about 2 d e, where e is the rounding of the sums in single precision and d**2 = score * product.
    top_score = float(np.array([top], dtype=np.int32).view(np.float32)[0])
    smallest = max(1.0, float(min_leaf * (weight - min_leaf)))
    rounding = 2.4e-7 * magnitude
    slack = 1e-5 * top_score + 4 * rounding * (np.sqrt(top_score / smallest) + rounding / smallest)
    limit = np.float32(max(0.0, top_score - 2 * slack))
    limit_bits = np.array([limit], dtype=np.float32).view(np.int32)[0]
    half = 4 * counts.itemsize
    mask = (1 << half) - 1
    b = 0
    for k in range(sums.shape[0]):
        first, n_columns, start = (
            sums[k, FIRST_COLUMN],
            sums[k, LAST_COLUMN] - sums[k, FIRST_COLUMN],
            sums[k, FIRST_SUM],
        )
        for i in range(0, n_columns, BLOCK):
            if block_best[b] >= limit_bits:
                for f in range(start + i, start + min(n_columns, i + BLOCK)):
                    if scores[f] < limit:
                        continue
                    above = counts[f] & mask
                    cut = sums[k, CUT]
                    if cut > 0 and counts[f - n_columns] & mask == above:
                        continue  # the class between the two cuts is empty: the same split as one cut below
                    w = np.int64(counts[f] >> half)
                    d = float(np.int64(totals[f]) * weight - np.int64(total) * w)
                    score = d * d / float(w * (weight - w))
                    _offer(first + f - start, cut, score, drawn, state, best, choice)
            b += 1


@compiled
def _offer(
    column: int, cut: int, score: float, drawn: npt.NDArray[np.int32], state: State, best: Float, choice: Index
) -> None:
    """Take a cut that is better than the best so far, or as good with the chance of its drawn copies."""
    if score > best[0]:
        best[0] = score
        best[1] = drawn[column]
        choice[0], choice[1] = column, cut
    elif score == best[0]:
        best[1] += drawn[column]
        if uniform(state) * best[1] < drawn[column]:
            choice[0], choice[1] = column, cut


@compiled
def choose_among_many(
    many: Codes,
    rows: Index,
    n_kept: int,
    drawn: npt.NDArray[np.int32],
    packed: Ints,
    value: Ints,
    weight: np.int64,
    total: np.int64,
    min_leaf: int,
    room: Index,
    state: State,
    best: Float,
    choice: Index,
) -> None:
    """As `choose_among_sums` for columns of many distinct values: counted here, in the samples of the node."""
    half = 4 * packed.itemsize
    mask = (1 << half) - 1
    n = rows.size
    code, order = room[0], room[1]
    hist_count, hist_total = room[2], room[3]
    for column in range(n_kept, n_kept + many.shape[0]):
        if drawn[column] == 0:
            continue
        codes = many[column - n_kept]
        groups = 0
        if n < _SORT_BELOW:
            for i in range(n):
                c = np.int64(codes[rows[i]])
                j = i
                while j > 0 and code[j - 1] > c:
                    code[j], order[j] = code[j - 1], order[j - 1]
                    j -= 1
                code[j], order[j] = c, rows[i]
            for i in range(n):
                if i == 0 or code[i] != code[groups - 1]:
                    code[groups] = code[i]
                    hist_count[groups], hist_total[groups] = 0, 0
                    groups += 1
                hist_count[groups - 1] += packed[order[i]]
                hist_total[groups - 1] += value[order[i]]
        else:
            low, high = np.int64(255), np.int64(0)
            hist_count[:256] = 0
            hist_total[:256] = 0
            for i in range(n):
                c = np.int64(codes[rows[i]])
                low, high = min(low, c), max(high, c)
                hist_count[c] += packed[rows[i]]
                hist_total[c] += value[rows[i]]
            for k in range(low, high + 1):
                if hist_count[k] > 0:
                    code[groups] = k
                    hist_count[groups], hist_total[groups] = hist_count[k], hist_total[k]
                    groups += 1
        below, sum_below = np.int64(0), np.int64(0)
        for g in range(groups - 1):
            below += hist_count[g]
            sum_below += hist_total[g]
            n_below = below & mask
            if n_below < min_leaf or n - n_below < min_leaf:
                continue
            w = below >> half
            d = float(sum_below * weight - total * w)
            product = float(w * (weight - w))
            if d * d >= best[0] * product * (1 - 1e-12):
                _offer(column, code[g], d * d / product, drawn, state, best, choice)
