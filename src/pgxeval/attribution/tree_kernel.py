"""Compiled walk through the trees of a forest: its mean prediction with one dosage set to 0, 1 and 2."""

# ruff: noqa: PLR0917 (compiled functions take no keywords)

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pgxeval.compiled import compiled


@compiled
def set_each_dosage(
    first_node: npt.NDArray[np.int64],
    feature: npt.NDArray[np.int32],
    threshold: npt.NDArray[np.float64],
    left: npt.NDArray[np.int32],
    right: npt.NDArray[np.int32],
    mean: npt.NDArray[np.float64],
    dosages: npt.NDArray[np.float64],
    levels: npt.NDArray[np.float64],
    totals: npt.NDArray[np.float64],
) -> None:
    """Add to ``totals[column, level]`` the predictions of all trees with that column set to that level.

    Only columns on which a tree splits are walked through again; for all others the tree's own mean prediction
    counts at every level. The result is divided by trees and individuals by the caller.
    """
    n_individuals, n_columns = dosages.shape
    n_levels = levels.size
    everywhere = 0.0
    for tree in range(first_node.size - 1):
        first, last = first_node[tree], first_node[tree + 1]
        plain = 0.0
        for i in range(n_individuals):
            node = first
            while feature[node] >= 0:
                step = left[node] if dosages[i, feature[node]] <= threshold[node] else right[node]
                node = first + step
            plain += mean[node]
        everywhere += plain
        columns = np.unique(feature[first:last])
        for column in columns:
            if column < 0:
                continue
            for level in range(n_levels):
                total = 0.0
                for i in range(n_individuals):
                    node = first
                    while feature[node] >= 0:
                        value = levels[level] if feature[node] == column else dosages[i, feature[node]]
                        node = first + (left[node] if value <= threshold[node] else right[node])
                    total += mean[node]
                totals[column, level] += total - plain
    for column in range(n_columns):
        for level in range(n_levels):
            totals[column, level] += everywhere
