"""Judges: `scipy.stats` for plain correlations, ordinary least squares on ranks for partial ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pgxeval.evaluation.correlation import (
    CONSTANT_EXPRESSION,
    CONSTANT_PREDICTION,
    EXPLAINED,
    FEW,
    SMALL_FOLDS,
    RankedExpression,
    correlate_rows,
)


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


def test_undefined_is_nan_with_a_reason() -> None:
    random = np.random.default_rng(4)
    covariates = random.normal(size=(20, 1))
    x, y = random.normal(size=(6, 20)), random.normal(size=(6, 20))
    x[0] = 5.0 * (1 + 1e-15 * random.normal(size=20))
    y[1] = 3.0
    x[2, 9:] = np.nan
    x[3] = np.argsort(np.argsort(covariates[:, 0]))
    linear = np.argsort(np.argsort(covariates[:, 0]))[:, None].astype(float)
    found = correlate_rows(x, y, linear)
    assert found.reason.tolist() == [CONSTANT_PREDICTION, CONSTANT_EXPRESSION, FEW, EXPLAINED, 0, 0]
    assert np.isnan(found.spearman[:4]).all()
    assert np.isnan(found.pearson[:4]).all()
    assert not np.isnan(found.spearman[4:]).any()


def test_ten_individuals_are_enough_and_nine_are_not() -> None:
    random = np.random.default_rng(5)
    assert not np.isnan(correlate_rows(random.normal(size=(1, 10)), random.normal(size=(1, 10))).spearman[0])
    assert np.isnan(correlate_rows(random.normal(size=(1, 9)), random.normal(size=(1, 9))).spearman[0])


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


@pytest.mark.parametrize("covariates", [False, True])
@pytest.mark.parametrize("missing", [False, True])
def test_permuted_correlations_are_those_of_permuted_predictions(covariates: bool, missing: bool) -> None:
    random = np.random.default_rng(8)
    x, y = random.normal(size=(300, 25)).round(1), random.normal(size=(300, 25))
    if missing:
        x[random.random(x.shape) < 0.05] = np.nan
        y[random.random(y.shape) < 0.05] = np.nan
    design = random.normal(size=(25, 2)) if covariates else None
    permutations = np.array([random.permutation(25) for _ in range(4)])
    found = RankedExpression(y, design).correlate(x, permutations=permutations)
    for k, partner in enumerate(permutations):
        again = correlate_rows(x[:, partner], y, design)
        np.testing.assert_allclose(found.null[k], again.spearman, atol=1e-12)
        np.testing.assert_array_equal(found.null_df[k], again.df)


def test_threads_and_neighbours_change_nothing() -> None:
    random = np.random.default_rng(9)
    x, y = random.normal(size=(900, 30)), random.normal(size=(900, 30))
    x[::7, 3] = np.nan
    one = RankedExpression(y, threads=1).correlate(x)
    two = RankedExpression(y, threads=2).correlate(x)
    np.testing.assert_array_equal(one.spearman, two.spearman)
    rows = np.arange(899, -1, -5)
    some = RankedExpression(y, threads=1).correlate(x[rows], rows)
    np.testing.assert_array_equal(some.spearman, one.spearman[rows])


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


def test_individuals_outside_all_folds_are_excluded() -> None:
    random = np.random.default_rng(13)
    x, y = random.normal(size=(2, 20, 50))
    folds = random.integers(-1, 3, size=50)
    chosen = folds >= 0
    whole = RankedExpression(y).correlate(x, folds=folds)
    part = RankedExpression(y[:, chosen]).correlate(x[:, chosen], folds=folds[chosen])
    np.testing.assert_allclose(whole.spearman, part.spearman, atol=1e-12)
    np.testing.assert_allclose(whole.pearson_errors.se, part.pearson_errors.se, atol=1e-12)


def test_folds_of_two_individuals_are_too_small() -> None:
    x, y = np.random.default_rng(14).normal(size=(2, 3, 20))
    result = RankedExpression(y).correlate(x, folds=np.arange(20) // 2)
    assert np.isnan(result.spearman).all()
    assert (result.reason == SMALL_FOLDS).all()


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e154, 1e300])
def test_pearson_of_huge_and_tiny_values_is_that_of_ordinary_ones(size: float) -> None:
    random = np.random.default_rng(15)
    x, y = random.normal(size=(2, 5, 30))
    ordinary, extreme = correlate_rows(x, y), correlate_rows(x * size, y * size)
    np.testing.assert_allclose(extreme.pearson, ordinary.pearson, atol=1e-10)
    np.testing.assert_allclose(extreme.pearson_errors.se, ordinary.pearson_errors.se, rtol=1e-8)


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
