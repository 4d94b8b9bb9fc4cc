"""Compiled growth of a regression tree on dosages, and the predictions of grown trees.

All functions take the layout of `pgxeval.predictors.trained.forest_codes.ForestCodes`.
"""

# ruff: noqa: PLR0917 (compiled functions take no keywords)
from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pgxeval.compiled import compiled
from pgxeval.predictors.trained.forest_draws import draw_columns, uniform
from pgxeval.predictors.trained.forest_splits import BLOCK, choose_among_many, choose_among_sums, column_varies
from pgxeval.predictors.trained.forest_sums import add_rows

# Columns of the stack of nodes that wait.
_NODE, _BEGIN, _END, _ROOM, _DEPTH = range(5)

Ints = npt.NDArray[Any]
"""int32, or int64 where 32 bits do not suffice."""
Codes = npt.NDArray[np.uint8]
Index = npt.NDArray[np.int64]
State = npt.NDArray[np.uint64]
Float = npt.NDArray[np.float64]


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
    draws = multiplicity.copy()
    bits = np.empty((n_tickets + 7) // 8, np.uint64)
    scores = np.empty(counts.shape[1], np.float32)
    score_bits = scores.view(np.int32)
    block_best = np.empty(counts.shape[1] // BLOCK + sums.shape[0] + 1, np.int32)
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
                draw_columns(draws, owner, bits, n_tickets, max_features, state)
            for attempt in range(2):
                choose_among_sums(
                    sums,
                    counts[here],
                    totals[here],
                    draws,
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
                choose_among_many(
                    many,
                    rows[begin:end],
                    n_kept,
                    draws,
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
                    if column_varies(column, n_kept, sums, counts[here], many, rows[begin:end], n, mask):
                        if draws[column] > 0:
                            varying = -1
                            break
                        tickets += multiplicity[column]
                        if uniform(state) * tickets < multiplicity[column]:
                            varying = column
                if varying < 0:
                    break
                draws[:] = 0
                draws[varying] = 1
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
        k += int(uniform(state) * (member_first[column + 1] - k))
        feature[node] = member[k]
        cut_value = highest[levels + low_code] / 2.0 + lowest[levels + high_code] / 2.0
        if member_flipped[k]:
            threshold[node], left[node], right[node] = 2.0 - cut_value, above, below
        else:
            threshold[node], left[node], right[node] = cut_value, below, above

        min_size = max(2 * min_leaf, min_split)
        n_below, n_above = middle - begin, end - middle
        below_first = n_below <= n_above
        small_begin, small_end = (begin, middle) if below_first else (middle, end)
        big_begin, big_end = (middle, end) if below_first else (begin, middle)
        small, big = (below, above) if below_first else (above, below)
        deeper = depth + 1 < max_depth
        small_splits = deeper and small_end - small_begin >= min_size
        big_splits = deeper and big_end - big_begin >= min_size
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
