"""Dosage columns that are identical up to exchanging REF and ALT."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

_KEY_SEED = 20_260_101


@attrs.frozen(kw_only=True, eq=False)
class DistinctColumns:
    """Groups of dosage columns that are identical up to ``2 - x``, missing calls included.

    Variants in perfect linkage disequilibrium fall into one group. Column ``j`` equals column
    ``representative[group[j]]``, or 2 minus it where ``flipped[j]``.

    Parameters
    ----------
    representative
        int64 (n_distinct,), the first column of each group, ascending.
    group
        int64 (n_columns,), group of each column, from 0.
    flipped
        bool (n_columns,), whether the column counts the other allele than its representative.
    multiplicity
        int64 (n_distinct,), number of columns in each group.
    """

    representative: npt.NDArray[np.int64]
    group: npt.NDArray[np.int64]
    flipped: npt.NDArray[np.bool_]
    multiplicity: npt.NDArray[np.int64]


def find_distinct(dosages: npt.NDArray[np.int8] | npt.NDArray[np.float32]) -> DistinctColumns:
    """Group the columns of a dosage matrix that are identical up to ``2 - x``.

    Parameters
    ----------
    dosages
        (n_individuals, n_columns), int8 with -1 or float32 with NaN for a missing call.

    Returns
    -------
    DistinctColumns
        Columns are compared by a random linear hash of 64 bits; two different columns among 20,000 share one
        with a probability below 1e-10.

    Examples
    --------
    >>> found = find_distinct(np.array([[0, 2, 0], [1, 1, 1], [0, 2, 2]], dtype=np.int8))
    >>> found.group.tolist(), found.flipped.tolist()
    ([0, 0, 1], [False, True, False])
    """
    from pgxeval.predictors.trained.column_kernel import allele_balance, hash_columns

    words: npt.NDArray[Any]
    if dosages.dtype == np.int8:
        words = np.ascontiguousarray(dosages)
        to_turn = turns = _turned(words, allele_balance(words))
    else:
        missing = ~(dosages >= 0)
        turns = _turned(dosages, np.where(missing, 0.0, dosages.astype(np.float64) - 1).sum(axis=0))
        to_turn = np.zeros(turns.size, dtype=bool)
        canonical = np.where(turns, np.float32(2) - dosages, dosages)
        canonical[missing] = -1
        words = np.ascontiguousarray(canonical, dtype=np.float32).view(np.int32)
    rng = np.random.default_rng(_KEY_SEED)
    key = rng.integers(0, 2**64, (dosages.shape[0],), dtype=np.uint64)
    key |= np.uint64(1)
    _, first, inverse = np.unique(np.asarray(hash_columns(words, to_turn, key)), return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(order.size, dtype=np.int64)
    rank[order] = np.arange(order.size)
    group = rank[inverse.ravel()]
    representative = first[order].astype(np.int64)
    return DistinctColumns(
        representative=representative,
        group=group,
        flipped=turns != turns[representative][group],
        multiplicity=np.bincount(group, minlength=representative.size).astype(np.int64),
    )


def _turned(dosages: npt.NDArray[Any], balance: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return which columns to turn, so that of a column and its mirror image exactly one is turned."""
    turns = balance > 0
    for column in np.flatnonzero(balance == 0):
        informative = np.flatnonzero((dosages[:, column] >= 0) & (dosages[:, column] != 1))
        turns[column] = bool(informative.size) and bool(dosages[informative[0], column] > 1)
    return turns
