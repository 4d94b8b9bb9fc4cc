"""Compiled correlations of rows against slow and obvious implementations."""

from __future__ import annotations

import numpy as np
import pytest

from pgxeval.evaluation import correlation_kernel
from pgxeval.evaluation.ranks import fold_columns

N = 37


def test_influences() -> None:
    random = np.random.default_rng(5)
    x, y = random.normal(size=(2, 30, N))
    x, y = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (x, y))
    x[0, :], y[0, :] = 0.0, 0.0
    cosine, total, squares = np.empty((3, 30))
    correlation_kernel.influences(x, y, cosine, total, squares)
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
    correlation_kernel.permuted_cosines(scores, expression, partners[:, columns], columns, bounds, null)
    for k, partner in enumerate(partners):
        permuted = residuals(scores[:, partner])
        expected = (permuted * expression).sum(axis=1) / np.linalg.norm(permuted, axis=1)
        np.testing.assert_allclose(null[k], expected, atol=1e-13)
