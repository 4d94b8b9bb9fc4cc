"""Judges: `scipy.stats` for plain correlations, ordinary least squares on ranks for partial ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pgxeval.evaluation.correlation import RankedExpression, correlate_rows


def _partial(x: np.ndarray, y: np.ndarray, covariates: np.ndarray) -> tuple[float, float]:
    """Return the partial rank correlation of the complete cases and its p-value, by least squares."""
    design = np.column_stack([np.ones(len(x)), covariates])
    rank = np.linalg.matrix_rank(design) - 1
    residuals = [
        values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
        for values in (stats.rankdata(x), stats.rankdata(y))
    ]
    return float(stats.pearsonr(*residuals).statistic), len(x) - 2 - rank


@pytest.mark.parametrize("decimals", [0, 1, 8])
def test_spearman_and_pearson_are_those_of_scipy(decimals: int) -> None:
    random = np.random.default_rng(decimals)
    y = random.normal(size=(600, 33)).round(decimals)
    x = (0.4 * y + random.normal(size=y.shape)).round(decimals)
    x[random.random(x.shape) < 0.1] = np.nan
    y[:400][random.random((400, 33)) < 0.1] = np.nan
    found = correlate_rows(x, y)
    for gene in range(len(x)):
        both = np.isfinite(x[gene]) & np.isfinite(y[gene])
        assert found.n[gene] == both.sum()
        assert found.df[gene] == both.sum() - 2
        assert found.spearman[gene] == pytest.approx(stats.spearmanr(x[gene, both], y[gene, both]).statistic, abs=1e-12)
        assert found.pearson[gene] == pytest.approx(stats.pearsonr(x[gene, both], y[gene, both]).statistic, abs=1e-12)


@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_partial_correlation_is_that_of_least_squares_on_ranks(missing: float) -> None:
    random = np.random.default_rng(7)
    covariates = random.normal(size=(40, 3))
    covariates = np.column_stack([covariates, covariates[:, 0] + covariates[:, 1], np.full(40, 2.0)])
    y = random.normal(size=(30, 40)) + covariates[:, 0]
    x = 0.3 * y + random.normal(size=y.shape) + covariates[:, 1]
    x[random.random(x.shape) < missing] = np.nan
    y[random.random(y.shape) < missing] = np.nan
    found = correlate_rows(x, y, covariates)
    for gene in range(len(x)):
        both = np.isfinite(x[gene]) & np.isfinite(y[gene])
        r, df = _partial(x[gene, both], y[gene, both], covariates[both])
        assert found.spearman[gene] == pytest.approx(r, abs=1e-10)
        assert found.df[gene] == df == both.sum() - 2 - 3


def test_large_offsets_do_not_spoil_pearson() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(5, 50)), random.normal(size=(5, 50))
    shifted = correlate_rows(x + 1e6, y - 1e6)
    np.testing.assert_allclose(shifted.pearson, correlate_rows(x, y).pearson, atol=1e-8)
    np.testing.assert_allclose(shifted.spearman, correlate_rows(x, y).spearman, atol=1e-8)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-30, 30), st.integers(-30, 30)), min_size=12, max_size=40),
    st.randoms(use_true_random=False),
)
def test_order_of_individuals_and_increasing_transforms_change_nothing(pairs: list, shuffle) -> None:
    x, y = (np.array([pair[k] for pair in pairs], dtype=float)[None, :] for k in (0, 1))
    plain = correlate_rows(x, y)
    order = list(range(len(pairs)))
    shuffle.shuffle(order)
    moved = correlate_rows(x[:, order], y[:, order])
    grown = correlate_rows(np.exp(x / 5), np.cbrt(y))
    for other in (moved, grown):
        np.testing.assert_allclose(other.spearman, plain.spearman, atol=1e-12)
        assert other.reason.tolist() == plain.reason.tolist()
    np.testing.assert_allclose(moved.pearson, plain.pearson, atol=1e-12)
    np.testing.assert_allclose(correlate_rows(3 * x + 2, y).pearson, plain.pearson, atol=1e-12)
    np.testing.assert_allclose(correlate_rows(-x, y).spearman, -plain.spearman, atol=1e-12)


def test_an_orthogonal_pair_has_an_exact_zero() -> None:
    x = np.array([[1.0, 2, 3, 4, 5, 5, 4, 3, 2, 1]])
    y = np.arange(10.0)[None, :]
    assert correlate_rows(x, y).spearman[0] == 0.0


def test_rounding_is_tied_only_where_asked() -> None:
    random = np.random.default_rng(6)
    base = np.repeat(random.normal(size=10), 3)[None, :]
    noisy = base + 1e-15 * random.normal(size=base.shape)
    y = random.normal(size=base.shape)
    expression = RankedExpression(y)
    assert expression.correlate(noisy, tie_noise=True).spearman[0] == expression.correlate(base).spearman[0]
    assert expression.correlate(noisy).spearman[0] != expression.correlate(base).spearman[0]


def fold_correlation(x: np.ndarray, y: np.ndarray, folds: np.ndarray) -> float:
    """Return the correlation within folds of one gene by its definition, one triple of individuals at a time."""
    ranks = stats.rankdata(y)
    score, grades, estimates, informative = np.zeros(len(x)), 0.0, 0.0, 0
    for fold in np.unique(folds):
        members = np.flatnonzero(folds == fold)
        n = len(members)
        half_sign = np.sign(x[members][:, None] - x[members][None, :]) / 2
        if n < 3 or not half_sign.any():
            continue
        score[members] = half_sign.sum(axis=1) / n
        triples = sum(
            half_sign[i, j] * half_sign[i, k]
            for i in range(n)
            for j in range(n)
            for k in range(n)
            if len({i, j, k}) == 3
        )
        grades += (n - 1) * triples / (n * (n - 1) * (n - 2))
        estimates += (score[members] ** 2).sum()
        informative += n - 1
    centred = ranks - np.array([ranks[folds == fold].mean() for fold in folds])
    total = sum((folds == fold).sum() - 1 for fold in np.unique(folds))
    cosine = score @ centred / np.sqrt((score @ score) * (centred @ centred))
    return float(cosine * np.sqrt(informative / total) / np.sqrt(grades / estimates))


@pytest.mark.parametrize("decimals", [0, 8], ids=["ties", "no ties"])
def test_correlation_within_folds_is_its_definition(decimals: int) -> None:
    random = np.random.default_rng(10)
    y = random.normal(size=(6, 40))
    x = (0.5 * y + random.normal(size=y.shape)).round(decimals)
    folds = random.integers(4, size=40)
    x[2, folds == 1] = 0.25
    result = RankedExpression(y).correlate(x, folds=folds)
    expected = [fold_correlation(a, b, folds) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(result.spearman, expected, atol=1e-12)
    assert (result.df == 40 - 2 - 3).all()


def test_within_folds_the_intercept_and_scale_of_each_model_are_irrelevant() -> None:
    random = np.random.default_rng(12)
    x, y = random.normal(size=(2, 50, 60))
    folds = random.integers(5, size=60)
    moved = x * (1 + folds) + 3.0 * folds
    one, two = (RankedExpression(y).correlate(values, folds=folds) for values in (x, moved))
    np.testing.assert_allclose(one.spearman, two.spearman, atol=1e-12)
    np.testing.assert_allclose(one.pearson, two.pearson, atol=1e-12)


def test_fold_wise_correlation_of_a_few_valued_predictor_is_unbiased_where_pooling_is_not() -> None:
    """Five models that differ by a little, and a genotype with three values: pooling breaks ties at random."""
    random = np.random.default_rng(16)
    n, genes = 90, 3000
    genotype = random.binomial(2, 0.3, size=(genes, n)).astype(float)
    y = genotype / np.sqrt(0.42) + random.normal(size=genotype.shape)
    large = random.binomial(2, 0.3, size=400_000)
    truth = stats.spearmanr(large, large / np.sqrt(0.42) + random.normal(size=large.size)).statistic
    folds = random.integers(5, size=n)
    x = genotype * (1 + 0.01 * folds) + 0.01 * random.normal(size=(genes, 5))[:, folds]
    expression = RankedExpression(y)
    assert abs(expression.correlate(x, folds=folds).spearman.mean() - truth) < 0.005
    assert expression.correlate(x).spearman.mean() < truth - 0.05
    # a zero-shot predictor in the same table is on the same footing
    assert abs(expression.correlate(genotype, folds=folds).spearman.mean() - truth) < 0.005
