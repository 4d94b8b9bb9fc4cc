"""REML of one relationship against a dense textbook version and single eigenvalues."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from pgxeval.cohort import reml
from pgxeval.cohort.reml import Relationship
from pgxeval.evaluation import heritability
from pgxeval.simulation import simulate_window


@pytest.fixture(scope="module")
def dosages() -> np.ndarray:
    window = simulate_window(200, 150_000, seed=4)
    return window.dosages[:, window.minor_allele_frequency >= 0.02].astype(float)


def _traits(dosages: np.ndarray, h2: float, n_traits: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    Z = (dosages - dosages.mean(axis=0)) / dosages.std(axis=0)
    additive = Z @ rng.standard_normal((Z.shape[1], n_traits)) / np.sqrt(Z.shape[1])
    noise = rng.standard_normal(additive.shape)
    return np.asarray((np.sqrt(h2) * additive + np.sqrt(1 - h2) * noise).T)


def _dense_deviance(h: float, y: np.ndarray, K: np.ndarray, X: np.ndarray) -> float:
    """Return -2 log restricted likelihood as in textbooks, the variance profiled out."""
    V = h * K + (1 - h) * np.eye(y.size)
    inverse = np.linalg.inv(V)
    information = X.T @ inverse @ X
    P = inverse - inverse @ X @ np.linalg.solve(information, X.T @ inverse)
    freedom = y.size - X.shape[1]
    determinant = np.linalg.slogdet(V)[1] + np.linalg.slogdet(information)[1]
    return float(freedom * np.log(y @ P @ y) + determinant)


@pytest.mark.parametrize("covariates", [0, 3])
def test_estimates_equal_a_dense_textbook_reml(dosages: np.ndarray, covariates: int) -> None:
    rng = np.random.default_rng(covariates)
    X = np.column_stack([np.ones(200), rng.standard_normal((200, covariates))])
    basis = np.linalg.qr(X)[0]
    traits = _traits(dosages, 0.3, 4, 1) + X[:, 1:].sum(axis=1)
    table = heritability(traits, dosages, basis, draws=200)
    Z = (dosages - dosages.mean(axis=0)) / dosages.std(axis=0)
    projected = Z - basis @ (basis.T @ Z)
    K = Z @ Z.T * (200 - X.shape[1]) / (projected**2).sum()
    for y, h2, error in zip(traits, table["h2"], table["h2_se"], strict=True):
        best = minimize_scalar(
            _dense_deviance, bounds=(0, 0.999), args=(y, K, X), method="bounded", options={"xatol": 1e-7}
        )
        assert h2 == pytest.approx(best.x, abs=2e-4)
        # expected information of total variance (1) and h, the former profiled out
        V = h2 * K + (1 - h2) * np.eye(y.size)
        inverse = np.linalg.inv(V)
        P = inverse - inverse @ X @ np.linalg.solve(X.T @ inverse @ X, X.T @ inverse)
        A, B = P @ (K - np.eye(y.size)), P @ V
        of_h, both, of_variance = (0.5 * np.trace(m) for m in (A @ A, A @ B, B @ B))
        assert error == pytest.approx((of_h - both**2 / of_variance) ** -0.5, rel=1e-6)


def test_the_simulated_null_is_that_of_single_eigenvalues(dosages: np.ndarray) -> None:
    relationship = Relationship.of(dosages, np.full((200, 1), 200**-0.5))
    rng = np.random.default_rng(9)
    squared = rng.chisquare(1, (20_000, relationship.eigenvalues.size))
    null = relationship.freedom - relationship.eigenvalues.size
    rest = rng.chisquare(null, 20_000) if null else np.zeros(20_000)
    exact = relationship.likelihood_ratio(squared, rest)
    binned = relationship.null_ratios(20_000, rng)
    assert (binned == 0).mean() == pytest.approx((exact == 0).mean(), abs=0.015)
    for level in (0.8, 0.9, 0.95, 0.99):
        assert (binned > np.quantile(exact, level)).mean() == pytest.approx(1 - level, rel=0.15)


@pytest.mark.parametrize("variants", [300, 900])
def test_single_precision_of_large_cohorts_does_not_show(variants: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(variants)
    dosages = rng.binomial(2, rng.uniform(0.05, 0.5, size=variants), size=(600, variants)).astype(float)
    traits = _traits(dosages, 0.2, 5, 3)
    fast = heritability(traits, dosages, draws=500)
    monkeypatch.setattr(reml, "_SINGLE_FROM", 10**9)
    slow = heritability(traits, dosages, draws=500)
    np.testing.assert_allclose(fast["h2"], slow["h2"], atol=1e-4)
    np.testing.assert_allclose(fast["h2_se"], slow["h2_se"], rtol=1e-3)
    np.testing.assert_allclose(fast["h2_unbounded"], slow["h2_unbounded"], atol=1e-4)


def test_few_variants_give_the_decomposition_of_the_relationship() -> None:
    rng = np.random.default_rng(7)
    dosages = rng.binomial(2, 0.3, size=(60, 20)).astype(float)
    basis = np.linalg.qr(np.column_stack([np.ones(60), rng.normal(size=(60, 2))]))[0]
    relationship = Relationship.of(dosages, basis)
    scaled = (dosages - dosages.mean(axis=0)) / dosages.std(axis=0)
    scaled -= basis @ (basis.T @ scaled)
    values = np.linalg.eigvalsh(scaled @ scaled.T)[::-1][:20]
    np.testing.assert_allclose(np.sort(relationship.eigenvalues)[::-1], values / values.sum() * 57)
    V = relationship.eigenvectors
    np.testing.assert_allclose(V.T @ V, np.eye(20), atol=1e-9)
    np.testing.assert_allclose(V * relationship.eigenvalues @ V.T, scaled @ scaled.T / relationship.scale, atol=1e-9)
