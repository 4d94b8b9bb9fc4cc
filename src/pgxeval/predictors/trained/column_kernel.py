"""Compiled passes over the columns of a dosage matrix."""

# ruff: noqa: PLR0917 (compiled functions take no keywords)
from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pgxeval.compiled import compiled


@compiled
def allele_balance(dosages: npt.NDArray[np.int8]) -> npt.NDArray[np.int64]:
    """Return, for each column, the sum of dosage minus 1 over calls; below 0, REF is the more frequent allele."""
    balance = np.zeros(dosages.shape[1], np.int32)
    for i in range(dosages.shape[0]):
        row = dosages[i]
        for j in range(dosages.shape[1]):
            balance[j] += row[j] - 1 if row[j] >= 0 else 0
    return balance.astype(np.int64)


@compiled
def hash_columns(
    words: npt.NDArray[Any], turned: npt.NDArray[np.bool_], key: npt.NDArray[np.uint64]
) -> npt.NDArray[np.uint64]:
    """Return the sum of ``key[i] * words[i, j]`` over rows, modulo 2**64, for each column ``j``.

    In columns that are `turned`, words from 0 up are replaced by 2 minus the word.
    """
    n_rows, n_columns = words.shape
    total = np.zeros(n_columns, np.uint64)
    for i in range(n_rows):
        k = key[i]
        row = words[i]
        for j in range(n_columns):
            word = np.int64(row[j])
            word = 2 - word if turned[j] and word >= 0 else word
            total[j] += k * np.uint64(word)
    return total


@compiled
def recode(dosages: npt.NDArray[np.int8], rank: npt.NDArray[np.uint8], codes: npt.NDArray[np.uint8]) -> None:
    """Set ``codes[i, j] = rank[dosages[i, j] + 1, j]``."""
    for i in range(dosages.shape[0]):
        for j in range(dosages.shape[1]):
            codes[i, j] = rank[dosages[i, j] + 1, j]


@compiled
def bin_columns(
    values: npt.NDArray[np.float64],
    ordered: npt.NDArray[np.float64],
    most: int,
    codes: npt.NDArray[np.uint8],
    lowest: npt.NDArray[np.float64],
    highest: npt.NDArray[np.float64],
    n_levels: npt.NDArray[np.int64],
) -> None:
    """Code each column of `values` by rank among its distinct values, or by bins of about equal size above `most`.

    `values` and `ordered` (its sorted rows) are (n_columns, n_rows). `lowest` and `highest`
    (n_columns, `most`) receive the smallest and largest value of each level.
    """
    n_columns, n_rows = values.shape
    for j in range(n_columns):
        column = ordered[j]
        distinct = 1
        for i in range(1, n_rows):
            distinct += column[i] != column[i - 1]
        level = 0
        lowest[j, 0] = column[0]
        for i in range(1, n_rows):
            if column[i] != column[i - 1] and (distinct <= most or i * most >= (level + 1) * n_rows):
                highest[j, level] = column[i - 1]
                level = min(level + 1, most - 1)
                lowest[j, level] = column[i]
        highest[j, level] = column[n_rows - 1]
        n_levels[j] = level + 1
        for i in range(n_rows):
            low, high = 0, level
            while low < high:
                middle = (low + high) // 2
                if values[j, i] <= highest[j, middle]:
                    high = middle
                else:
                    low = middle + 1
            codes[j, i] = low


@compiled
def tally_calls(calls: npt.NDArray[np.int8], rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Return int32 (4, n_columns): number, sum, smallest and largest of the calls in `rows`; -1 marks a missing call.

    A column without any call has 127 as its smallest and -1 as its largest dosage.
    """
    n_columns = calls.shape[1]
    tally = np.zeros((4, n_columns), np.int32)
    low = np.full(n_columns, 127, np.int8)
    high = np.full(n_columns, -1, np.int8)
    number, total = tally[0], tally[1]
    for i in range(rows.size):
        row = calls[rows[i]]
        for j in range(n_columns):
            dosage = row[j]
            has_call = dosage >= 0
            number[j] += 1 if has_call else 0
            total[j] += dosage if has_call else 0
        for j in range(n_columns):
            dosage = row[j]
            low[j] = dosage if (dosage >= 0) & (dosage < low[j]) else low[j]
            high[j] = dosage if dosage > high[j] else high[j]
    tally[2] = low
    tally[3] = high
    return tally
