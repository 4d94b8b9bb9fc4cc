"""The judge is the complete permutation distribution of small cases."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from pgxeval.evaluation.correlation import RankedExpression
from pgxeval.evaluation.gene_permutation import permute_genes


def test_two_carriers_have_their_exact_p_value() -> None:
    """With two carriers among 30, the null distribution is that of all 435 pairs."""
    y = np.random.default_rng(1).normal(size=30)
    x = np.zeros(30)
    x[np.argsort(y)[[0, 2]]] = 1.0
    ranks = stats.rankdata(y)
    observed = ranks[x > 0].sum()
    sums = np.array([ranks[list(pair)].sum() for pair in itertools.combinations(range(30), 2)])
    expected = (np.abs(sums - 31) >= abs(observed - 31)).mean()
    aligned = RankedExpression(y[None]).align(x[None], np.array([0]))
    result = permute_genes(aligned, seed=3)
    assert result.two_sided[0] == pytest.approx(expected, rel=0.4)
    assert result.greater[0] > 0.99
    assert result.permutations[0] in (2_000, 20_000)


def test_a_strong_rare_effect_reaches_small_p_values() -> None:
    """Five carriers are the five highest of 90: one arrangement in 44 million, so the count reaches its floor."""
    y = np.random.default_rng(2).normal(size=90)
    x = np.zeros(90)
    x[np.argsort(y)[-5:]] = 1.0
    result = permute_genes(RankedExpression(y[None]).align(x[None], np.array([0])), seed=3)
    assert result.permutations[0] == 1_000_000
    assert result.two_sided[0] < 4e-6


@pytest.mark.parametrize("how", ["plain", "folds", "covariates", "missing", "dense"])
def test_p_values_of_sparse_noise_hold_their_level(how: str) -> None:
    random = np.random.default_rng(4)
    genes, n = 600, 60
    x = (random.random((genes, n)) < 0.15) * random.normal(size=(genes, n))
    if how == "dense":
        x = random.normal(size=(genes, n))
    y = np.where(random.random((genes, n)) < 0.3, random.exponential(size=(genes, n)), 0.0)
    covariates = random.normal(size=(n, 3)) if how in ("covariates", "dense") else None
    if how == "missing":
        y[random.random(y.shape) < 0.1] = np.nan
    folds = random.integers(4, size=n) if how == "folds" else None
    expression = RankedExpression(y, covariates)
    result = permute_genes(expression.align(x, np.arange(genes), folds=folds), seed=5, folds=folds)
    for p in (result.two_sided, result.greater):
        assert 0.03 <= np.mean(p < 0.05) <= 0.07
        assert 0.44 < np.mean(p < 0.5) < 0.56


def test_what_is_permuted_is_the_correlation() -> None:
    """The observed value among the draws is the correlation that the table reports."""
    random = np.random.default_rng(6)
    n = 40
    x, y = (random.random((5, n)) < 0.2) * 1.0, random.normal(size=(5, n))
    covariates = random.normal(size=(n, 2))
    expression = RankedExpression(y, covariates)
    aligned = expression.align(x, np.arange(5))
    unit = aligned.basis.units(aligned.scores, aligned.mask).units
    np.testing.assert_allclose((unit * aligned.expression).sum(axis=1), expression.correlate(x).spearman, atol=1e-12)
    result = permute_genes(aligned, seed=1)
    again = permute_genes(expression.align(x[3:], np.arange(3, 5)), seed=1)
    np.testing.assert_array_equal(result.two_sided[3:], again.two_sided)
