"""Compiled residuals given folds against least squares, one row after the other."""

from __future__ import annotations

import numpy as np
import pytest

from pgxeval.evaluation import residual_kernel
from pgxeval.evaluation.ranks import fold_columns

N = 37


def _rows(seed: int, rows: int = 40) -> np.ndarray:
    """Return rows with and without ties and missing values, constant rows and empty ones."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(rows, N))
    values[::3] = np.round(values[::3])
    values[1::4] = np.where(random.random((len(values[1::4]), N)) < 0.3, np.nan, values[1::4])
    values[5], values[6], values[7, 1:] = 2.5, np.nan, np.nan
    return values


@pytest.mark.parametrize("size", [1e-250, 1.0, 1e250])
def test_unit_rows_are_residuals_of_a_regression_on_the_folds(size: float) -> None:
    values = _rows(4) * size
    mask = np.isfinite(values)
    for folds in (None, np.arange(N) % 3):
        units, rank = np.full(values.shape, 9.0), np.zeros(len(values), dtype=np.int64)
        explained = np.zeros(len(values), dtype=bool)
        residual_kernel.unit_rows(values, mask, *fold_columns(folds, N), units, rank, explained)
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
    residual_kernel.unit_rows(
        only, np.ones((1, N), dtype=bool), *fold_columns(layers, N), units[:1], rank[:1], explained
    )
    assert explained[0]
    assert not units[0].any()


def test_individuals_outside_all_folds_have_no_residuals() -> None:
    values = _rows(5)
    folds = np.arange(N) % 3 - 1
    mask = np.isfinite(values)
    units, rank, explained = np.full(values.shape, 9.0), np.zeros(len(values), dtype=np.int64), np.zeros(40, dtype=bool)
    residual_kernel.unit_rows(values, mask, *fold_columns(folds, N), units, rank, explained)
    inside = np.flatnonzero(folds >= 0)
    assert not units[:, folds < 0].any()
    again = np.empty((len(values), len(inside)))
    parts = values[:, inside], mask[:, inside]
    residual_kernel.unit_rows(*parts, *fold_columns(folds[inside], len(inside)), again, rank, explained)
    np.testing.assert_array_equal(units[:, inside], again)
