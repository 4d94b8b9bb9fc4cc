"""One path of penalties against scikit-learn, and its check of the columns that it did not take in."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import ElasticNet

from pgxeval.predictors.trained.distinct_columns import find_distinct
from pgxeval.predictors.trained.penalty_gram import GramColumns
from pgxeval.predictors.trained.penalty_path import Path, PenaltySolver, follow, standardise, take_in


def _problem(n: int, p: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    dosages = rng.binomial(2, rng.uniform(0.1, 0.5, p), (n, p)).astype(np.int8)
    y = dosages[:, :5].sum(axis=1) + 2 * rng.standard_normal(n)
    return dosages, (y - y.mean()) / y.std()


def _path(dosages: np.ndarray, y: np.ndarray, held_out: np.ndarray) -> tuple[Path, GramColumns]:
    columns = GramColumns(dosages.astype(float), find_distinct(dosages))
    path = Path(columns, y, held_out, 0.5, PenaltySolver(tol=1e-9))
    standardise([path], columns)
    return path, columns


def test_every_penalty_is_solved_in_the_rows_that_remain() -> None:
    dosages, y = _problem(120, 200, 0)
    held_out = np.arange(0, 120, 7)
    path, columns = _path(dosages, y, held_out)
    train = np.setdiff1d(np.arange(120), held_out)
    Z = (dosages - dosages[train].mean(axis=0)) / dosages[train].std(axis=0)
    outcome = (y[train] - y[train].mean()) / y[train].std()
    alphas = path.alpha * path.spread * np.array([0.8, 0.5, 0.3, 0.1])
    take_in([path], columns, float(alphas[-1]))
    fits, supports = follow([path], columns, alphas)
    for alpha, fit, support in zip(alphas, fits[0], supports, strict=True):
        model = ElasticNet(alpha=alpha / path.spread, tol=1e-10, max_iter=100_000).fit(Z[train], outcome)
        np.testing.assert_allclose(fit, model.predict(Z), atol=1e-6)
        assert support.size == np.count_nonzero(model.coef_)


def test_columns_that_were_not_taken_in_are_found_by_their_gradient() -> None:
    dosages, y = _problem(120, 200, 1)
    alone, columns = _path(dosages, y, np.zeros(0, dtype=np.int64))
    alphas = alone.alpha * np.array([0.6, 0.4])
    fits, _ = follow([alone], columns, alphas)  # starts without any column
    helped, other = _path(dosages, y, np.zeros(0, dtype=np.int64))
    helped.add(np.arange(other.size))
    expected, _ = follow([helped], other, alphas)
    assert 0 < alone.chosen.size < other.size
    np.testing.assert_allclose(fits[0], expected[0], atol=1e-8)
    np.testing.assert_allclose(np.sort(np.abs(alone.coefficients)), np.sort(np.abs(helped.coefficients)), atol=1e-8)
