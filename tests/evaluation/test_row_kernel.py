"""Compiled loops over rows against slow and obvious implementations, one row after the other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pgxeval.evaluation import row_kernel
from pgxeval.evaluation.ranks import fold_columns, score_within_folds

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
    order = np.argsort(values, axis=1)
    row_kernel.rank_ordered(values, order, np.full(len(values), tolerance), ranks, *counts)
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


@pytest.mark.parametrize("size", [1e-250, 1.0, 1e250])
def test_unit_rows_are_residuals_of_a_regression_on_the_folds(size: float) -> None:
    values = _rows(4) * size
    mask = np.isfinite(values)
    for folds in (None, np.arange(N) % 3):
        units, rank = np.full(values.shape, 9.0), np.zeros(len(values), dtype=np.int64)
        explained = np.zeros(len(values), dtype=bool)
        row_kernel.unit_rows(values, mask, *fold_columns(folds, N), units, rank, explained)
        for row in range(len(values)):
            use = mask[row]
            layer = np.zeros(N) if folds is None else folds
            design = (layer[use, None] == np.unique(layer[use])).astype(float)
            x = values[row, use] / size
            residual = x - design @ np.linalg.lstsq(design, x, rcond=None)[0] if use.any() else x
            length = np.linalg.norm(residual)
            expected = np.zeros(N)
            if length > 1e-9:
                expected[use] = residual / length
            np.testing.assert_allclose(units[row], expected, atol=1e-12)
            assert rank[row] == max(design.shape[1] - 1, 0)
    layers = np.arange(N) % 3
    explained = np.zeros(1, dtype=bool)
    only = (size * layers[None]).astype(float)
    row_kernel.unit_rows(only, np.ones((1, N), dtype=bool), *fold_columns(layers, N), units[:1], rank[:1], explained)
    assert explained[0]
    assert not units[0].any()


def test_influences() -> None:
    random = np.random.default_rng(5)
    x, y = random.normal(size=(2, 30, N))
    x, y = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (x, y))
    x[0, :], y[0, :] = 0.0, 0.0
    cosine, total, squares = np.empty((3, 30))
    row_kernel.influences(x, y, cosine, total, squares)
    r = (x * y).sum(axis=1)
    w = x * y - r[:, None] / 2 * (x**2 + y**2)
    u = w**2 / ((1 - 0.75 * x**2) * (1 - 0.75 * y**2))
    np.testing.assert_allclose(cosine, r, atol=1e-15)
    np.testing.assert_allclose(total, u.sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(squares, (u**2).sum(axis=1), rtol=1e-12)


@pytest.mark.parametrize("folds", [None, np.arange(N) % 5])
def test_permuted_cosines_are_those_of_permuted_residuals(folds) -> None:
    random = np.random.default_rng(6)
    scores, expression = random.normal(size=(2, 12, N))
    layer = np.zeros(N) if folds is None else folds
    design = (layer[:, None] == np.unique(layer)).astype(float)

    def residuals(rows: np.ndarray) -> np.ndarray:
        return rows - (design @ np.linalg.lstsq(design, rows.T, rcond=None)[0]).T

    scores, expression = scores - scores.mean(axis=1, keepdims=True), residuals(expression)
    expression /= np.linalg.norm(expression, axis=1, keepdims=True)
    partners = np.array([random.permutation(N) for _ in range(7)])
    null = np.empty((7, 12))
    columns, bounds = fold_columns(folds, N)
    row_kernel.permuted_cosines(scores, expression, partners[:, columns], columns, bounds, null)
    for k, partner in enumerate(partners):
        permuted = residuals(scores[:, partner])
        expected = (permuted * expression).sum(axis=1) / np.linalg.norm(permuted, axis=1)
        np.testing.assert_allclose(null[k], expected, atol=1e-13)
