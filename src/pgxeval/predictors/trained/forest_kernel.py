"""Compiled steps of the random forest: class sums instead of sorting.

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

# Columns of the stack of nodes that wait.
_NODE, _BEGIN, _END, _ROOM, _DEPTH = range(5)

_BLOCK = 512
_SORT_BELOW = 24
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S27, _S30, _S31, _S11 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(11)

Ints = npt.NDArray[Any]
"""int32, or int64 where 32 bits do not suffice."""
Codes = npt.NDArray[np.uint8]
Index = npt.NDArray[np.int64]
State = npt.NDArray[np.uint64]
Float = npt.NDArray[np.float64]


@compiled
def _random(state: State) -> Any:
    """Return 64 random bits (splitmix64; Steele et al., OOPSLA 2014)."""
    state[0] += _GOLDEN
    z = state[0]
    z = (z ^ (z >> _S30)) * _MIX_1
    z = (z ^ (z >> _S27)) * _MIX_2
    return z ^ (z >> _S31)


@compiled
def _uniform(state: State) -> float:
    return float(_random(state) >> _S11) * 2.0**-53


@compiled
def draw_bootstrap(weight: Index, draws: int, state: State) -> None:
    """Count how often each sample is drawn in `draws` draws with replacement."""
    weight[:] = 0
    for _ in range(draws):
        weight[int(_uniform(state) * weight.size)] += 1


@compiled
def draw_columns(
    drawn: npt.NDArray[np.int32], owner: Index, bits: State, n_tickets: int, n_drawn: int, state: State
) -> None:
    """Draw `n_drawn` of `n_tickets` original columns without replacement.

    The first `drawn.size` tickets are one copy of each distinct column, ticket ``drawn.size + k`` is a further
    copy of column ``owner[k]``. `drawn` receives the number of copies drawn. Each ticket is drawn independently
    first; tickets are then added or removed at random until their number is right, which leaves every
    subset of that size equally likely.
    """
    n_words = (n_tickets + 7) // 8
    for i in range(n_words):
        bits[i] = _random(state)
    ticket = bits.view(np.uint8)[:n_tickets]
    limit = np.uint8(min(255, (256 * n_drawn + n_tickets // 2) // n_tickets))
    count = 0
    for i in range(n_tickets):
        ticket[i] = np.uint8(1) if ticket[i] < limit else np.uint8(0)
    for i in range(n_tickets):
        count += ticket[i]
    while count > n_drawn:
        i = int(_uniform(state) * n_tickets)
        count -= ticket[i]
        ticket[i] = 0
    while count < n_drawn:
        i = int(_uniform(state) * n_tickets)
        count += 1 - ticket[i]
        ticket[i] = 1
    n = drawn.size
    for i in range(n):
        drawn[i] = ticket[i]
    for i in range(n_tickets - n):
        drawn[owner[i]] += ticket[n + i]


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
def _column_varies(
    column: int, n_kept: int, sums: Index, counts: Ints, many: Codes, rows: Index, n: int, mask: int
) -> bool:
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
def _choose_among_sums(
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
        for i in range(0, n_columns, _BLOCK):
            j = min(n_columns, i + _BLOCK)
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
        for i in range(0, n_columns, _BLOCK):
            if block_best[b] >= limit_bits:
                for f in range(start + i, start + min(n_columns, i + _BLOCK)):
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
        if _uniform(state) * best[1] < drawn[column]:
            choice[0], choice[1] = column, cut


@compiled
def _choose_among_many(
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
    """As `_choose_among_sums` for columns of many distinct values: counted here, in the samples of the node."""
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


@compiled
def grow_tree(
    codes: Codes,
    many: Codes,
    sums: Index,
    multiplicity: npt.NDArray[np.int32],
    owner: Index,
    member_first: Index,
    member: Index,
    member_flipped: npt.NDArray[np.bool_],
    level_first: Index,
    lowest: Float,
    highest: Float,
    expression: Float,
    value: Ints,
    packed: Ints,
    weight: Index,
    rows: Index,
    state: State,
    counts: Ints,
    totals: Ints,
    max_features: int,
    min_leaf: int,
    min_split: int,
    max_depth: int,
    min_gain: float,
    feature: npt.NDArray[np.int32],
    threshold: Float,
    left: npt.NDArray[np.int32],
    right: npt.NDArray[np.int32],
    mean: Float,
    n_samples: npt.NDArray[np.int32],
    node_weight: npt.NDArray[np.int32],
) -> int:
    """Grow one tree on the samples `rows`; return its number of nodes.

    `value` and `packed` hold, for each sample, its weight times its fixed-point expression and its weight (in the
    upper half of the bits) with the number 1 in the lower half. `counts` and `totals` hold the sums of pending nodes;
    the smaller child is processed first, so that log2 of the number of samples plus four rows suffice. A negative
    `feature` marks a leaf. `min_gain` is the smallest decrease of the sum of squares, in units of the fixed
    point squared.
    """
    n_kept, n_distinct, n_tickets = codes.shape[1], multiplicity.size, member.size
    mask = (1 << 4 * packed.itemsize) - 1
    drawn = multiplicity.copy()
    bits = np.empty((n_tickets + 7) // 8, np.uint64)
    scores = np.empty(counts.shape[1], np.float32)
    score_bits = scores.view(np.int32)
    block_best = np.empty(counts.shape[1] // _BLOCK + sums.shape[0] + 1, np.int32)
    room = np.empty((4, 256), np.int64)
    best = np.empty(2, np.float64)
    choice = np.empty(2, np.int64)
    stack = np.empty((2 * counts.shape[0] + 4, 5), np.int64)
    free = np.arange(counts.shape[0])
    n_free = free.size

    n_free -= 1
    if rows.size >= 2 * min_leaf:
        add_rows(codes, rows, packed, value, sums, counts[free[n_free]], totals[free[n_free]])
    stack[0, _NODE], stack[0, _BEGIN], stack[0, _END], stack[0, _DEPTH] = 0, 0, rows.size, 0
    stack[0, _ROOM] = free[n_free]
    waiting, n_nodes = 1, 1
    while waiting > 0:
        waiting -= 1
        node, begin, end = stack[waiting, _NODE], stack[waiting, _BEGIN], stack[waiting, _END]
        here, depth = stack[waiting, _ROOM], stack[waiting, _DEPTH]
        n = end - begin
        w_all, total, magnitude, y_sum = np.int64(0), np.int64(0), 0.0, 0.0
        low, high = np.inf, -np.inf
        for i in range(begin, end):
            q = rows[i]
            w_all += weight[q]
            total += value[q]
            magnitude += abs(float(value[q]))
            y_sum += weight[q] * expression[q]
            low, high = min(low, expression[q]), max(high, expression[q])
        feature[node], left[node], right[node], threshold[node] = -1, -1, -1, np.nan
        mean[node], n_samples[node], node_weight[node] = y_sum / w_all, n, w_all
        splittable = n >= 2 * min_leaf and n >= min_split and depth < max_depth and low < high
        best[0], choice[0] = -1.0, -1
        if splittable:
            if max_features < n_tickets:
                draw_columns(drawn, owner, bits, n_tickets, max_features, state)
            for attempt in range(2):
                _choose_among_sums(
                    sums,
                    counts[here],
                    totals[here],
                    drawn,
                    n,
                    w_all,
                    total,
                    magnitude,
                    min_leaf,
                    scores,
                    score_bits,
                    block_best,
                    state,
                    best,
                    choice,
                )
                _choose_among_many(
                    many,
                    rows[begin:end],
                    n_kept,
                    drawn,
                    packed,
                    value,
                    w_all,
                    total,
                    min_leaf,
                    room,
                    state,
                    best,
                    choice,
                )
                if choice[0] >= 0 or attempt == 1 or max_features >= n_tickets:
                    break
                # as scikit-learn: if all drawn columns are constant here, go on until one is not
                tickets = 0
                varying = -1
                for column in range(n_distinct):
                    if _column_varies(column, n_kept, sums, counts[here], many, rows[begin:end], n, mask):
                        if drawn[column] > 0:
                            varying = -1
                            break
                        tickets += multiplicity[column]
                        if _uniform(state) * tickets < multiplicity[column]:
                            varying = column
                if varying < 0:
                    break
                drawn[:] = 0
                drawn[varying] = 1
        # best[0] / w_all is the decrease of the sum of squares
        if choice[0] >= 0 and best[0] / w_all < min_gain:
            choice[0] = -1
        if choice[0] < 0:
            if here >= 0:
                free[n_free] = here
                n_free += 1
            continue

        column, cut = choice[0], choice[1]
        low_code, high_code = np.int64(-1), np.int64(256)
        i, j = begin, end - 1
        while i <= j:
            q = rows[i]
            c = np.int64(codes[q, column]) if column < n_kept else np.int64(many[column - n_kept, q])
            if c <= cut:
                low_code = max(low_code, c)
                i += 1
            else:
                high_code = min(high_code, c)
                rows[i], rows[j] = rows[j], q
                j -= 1
        middle = i
        levels = level_first[column]
        below, above = n_nodes, n_nodes + 1
        n_nodes += 2
        # any original column of the group is as good; they may differ in individuals outside of the training set
        k = member_first[column]
        k += int(_uniform(state) * (member_first[column + 1] - k))
        feature[node] = member[k]
        cut_value = highest[levels + low_code] / 2.0 + lowest[levels + high_code] / 2.0
        if member_flipped[k]:
            threshold[node], left[node], right[node] = 2.0 - cut_value, above, below
        else:
            threshold[node], left[node], right[node] = cut_value, below, above

        needed = max(2 * min_leaf, min_split)
        n_below, n_above = middle - begin, end - middle
        below_first = n_below <= n_above
        small_begin, small_end = (begin, middle) if below_first else (middle, end)
        big_begin, big_end = (middle, end) if below_first else (begin, middle)
        small, big = (below, above) if below_first else (above, below)
        deeper = depth + 1 < max_depth
        small_splits = deeper and small_end - small_begin >= needed
        big_splits = deeper and big_end - big_begin >= needed
        small_room, big_room = -1, -1
        if big_splits:
            n_free -= 1
            new = free[n_free]
            add_rows(codes, rows[small_begin:small_end], packed, value, sums, counts[new], totals[new])
            counts_here, totals_here, counts_new, totals_new = counts[here], totals[here], counts[new], totals[new]
            for f in range(counts.shape[1]):
                counts_here[f] -= counts_new[f]
                totals_here[f] -= totals_new[f]
            big_room = here
            if small_splits:
                small_room = new
            else:
                free[n_free] = new
                n_free += 1
        else:
            free[n_free] = here
            n_free += 1
        stack[waiting, _NODE], stack[waiting, _BEGIN], stack[waiting, _END] = big, big_begin, big_end
        stack[waiting, _ROOM], stack[waiting, _DEPTH] = big_room, depth + 1
        waiting += 1
        stack[waiting, _NODE], stack[waiting, _BEGIN], stack[waiting, _END] = small, small_begin, small_end
        stack[waiting, _ROOM], stack[waiting, _DEPTH] = small_room, depth + 1
        waiting += 1
    return n_nodes


@compiled
def predict_trees(
    dosages: Float,
    feature: npt.NDArray[np.int32],
    threshold: Float,
    left: npt.NDArray[np.int32],
    right: npt.NDArray[np.int32],
    mean: Float,
    first_node: Index,
    prediction: Float,
) -> None:
    """Fill `prediction` with the mean over trees; the children of a node are counted from its tree's first node."""
    n_trees = first_node.size - 1
    for q in range(dosages.shape[0]):
        total = 0.0
        for tree in range(n_trees):
            root = first_node[tree]
            node = root
            while feature[node] >= 0:
                goes_left = dosages[q, feature[node]] <= threshold[node]
                node = root + (left[node] if goes_left else right[node])
            total += mean[node]
        prediction[q] = total / n_trees
