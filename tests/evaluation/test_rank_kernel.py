"""Compiled ranks and grades against slow and obvious implementations, one row after the other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pgxeval.evaluation import rank_kernel
from pgxeval.evaluation.ranks import order_rows, score_within_folds

N = 37


def _rows(seed: int, rows: int = 40) -> np.ndarray:
    """Return rows with and without ties and missing values, constant rows and empty ones."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(rows, N))
    values[::3] = np.round(values[::3])
    values[1::4] = np.where(random.random((len(values[1::4]), N)) < 0.3, np.nan, values[1::4])
    values[5], values[6], values[7, 1:] = 2.5, np.nan, np.nan
    return values


@pytest.mark.parametrize("tolerance", [0.0, 0.05])
def test_ranks(tolerance: float) -> None:
    values = _rows(1)
    ranks, counts = np.empty(values.shape), np.zeros((2, len(values)), dtype=np.int64)
    rank_kernel.rank_ordered(values, order_rows(values), np.full(len(values), tolerance), ranks, *counts)
    for row, found, squares, mode in zip(values, ranks, *counts, strict=True):
        known = np.flatnonzero(np.isfinite(row))
        ordered = known[np.argsort(row[known])]
        groups = np.cumsum(np.diff(row[ordered], prepend=-np.inf) > tolerance)
        expected = np.full(N, np.nan)
        expected[ordered] = stats.rankdata(groups)
        np.testing.assert_array_equal(found, expected)
        sizes = np.unique(groups, return_counts=True)[1] if len(known) else np.zeros(1, dtype=int)
        assert (squares, mode) == ((sizes**2).sum(), sizes.max())


def test_scores_within_folds() -> None:
    values = _rows(2)
    folds = np.random.default_rng(3).integers(0, 4, N)
    folds[:2] = -1
    values[:, :2] = np.nan
    found = score_within_folds(values, folds, np.zeros(len(values)))
    for row in range(len(values)):
        squares = unbiased = fourth = informative = total = varying = others = 0.0
        for fold in range(4):
            own = np.flatnonzero((folds == fold) & np.isfinite(values[row]))
            x, n = values[row, own], len(own)
            total += max(n - 1, 0)
            largest = np.unique(x, return_counts=True)[1].max() if n else 0
            others += n - largest
            if n < 3 or largest == n:
                assert not found.grades[row, folds == fold].any()
                continue
            grade = (stats.rankdata(x) - (n + 1) / 2) / n
            scaled = (x - x.mean()) / x.std(ddof=1)
            np.testing.assert_allclose(found.grades[row, own], grade, atol=1e-14)
            np.testing.assert_allclose(found.values[row, own], scaled, atol=1e-12)
            squares += (grade**2).sum()
            # mean over ordered triples of different individuals of s_ij s_il, times n - 1
            sign = np.sign(x[:, None] - x) / 2
            unbiased += (sign.sum(axis=1) ** 2 - (sign**2).sum(axis=1)).sum() / (n * (n - 2))
            fourth += (scaled**4).sum()
            informative, varying = informative + n - 1, varying + 1
        assert found.informative[row] == pytest.approx(informative / max(total, 1))
        assert found.others[row] == others
        if varying:
            kurtosis = fourth * (informative + varying) / informative**2
            mean_size = informative / varying + 1
            assert found.value_shrinkage[row] == pytest.approx(1 - np.clip((kurtosis - 1) / (8 * mean_size), 0, 0.2))
            assert found.grade_shrinkage[row] == pytest.approx(np.sqrt(unbiased / squares))


def test_keys_sort_as_the_values_do_but_for_their_lowest_bits() -> None:
    values = np.array([[1.0, -0.0, 0.0, -2.5, np.inf, np.nan, -np.inf, 5e-324, -np.nan]])
    keys = np.empty(values.shape, dtype=np.uint64)
    rank_kernel.sort_keys(values.view(np.uint64), np.uint64(15), keys)
    assert np.argsort(keys[0]).tolist() == [6, 3, 1, 2, 7, 0, 4, 5, 8]
    assert (keys[0] & np.uint64(15)).tolist() == list(range(9))


def test_values_that_share_their_highest_bits_are_put_in_order() -> None:
    values = 1 + 1e-15 * np.random.default_rng(0).normal(size=(2, N))
    order, unfinished = np.empty((2, N), dtype=np.int64), np.zeros(2, dtype=bool)
    order[:] = np.arange(N)
    values[0] = values[0, 0] + np.arange(N) % 2 * 1e-9 * (np.arange(N) == N - 2)
    rank_kernel.order_of_keys(values, 63, order, unfinished)
    assert unfinished.tolist() == [False, True]
    np.testing.assert_array_equal(order[0], np.argsort(values[0], kind="stable"))
