"""Judges: `scipy.stats` for textbook inference, a slow count for permutation p-values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pgxeval.evaluation.correlation import correlate_rows
from pgxeval.evaluation.inference import (
    FEWEST_DF,
    NullDistribution,
    exceedance_p,
    normal_score,
    pooled_p,
    student_interval,
    student_p,
    studentised,
    tail_p,
    textbook_p,
)
from pgxeval.evaluation.standard_errors import StandardErrors


def test_textbook_p_is_that_of_scipy() -> None:
    random = np.random.default_rng(0)
    for n in (10, 25, 200):
        x, y = random.normal(size=n).round(1), random.normal(size=n)
        for found in (stats.spearmanr(x, y), stats.pearsonr(x, y)):
            assert textbook_p(found.statistic, n - 2) == pytest.approx(found.pvalue, rel=1e-9)
    assert textbook_p(1.0, 20) == 0
    assert np.isnan(textbook_p(np.nan, 20))


def _bivariate_t(rho: float, degrees: int, shape: tuple[int, int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    x = random.normal(size=shape)
    y = rho * x + np.sqrt(1 - rho**2) * random.normal(size=shape)
    scale = np.sqrt(degrees / random.chisquare(degrees, size=shape)) if degrees else np.ones(shape)
    return x * scale, y * scale


@pytest.mark.parametrize(("degrees", "rho"), [(0, 0.0), (0, 0.6), (3, 0.0), (3, 0.5)])
def test_student_intervals_cover_where_those_of_fisher_do_not(degrees: int, rho: float) -> None:
    x, y = _bivariate_t(rho, degrees, (2000, 90), 2)
    large = _bivariate_t(rho, degrees, (1, 400_000), 3)
    truth = np.array([stats.spearmanr(large[0][0], large[1][0]).statistic, rho])
    found = correlate_rows(x, y)
    fisher = stats.norm.isf(0.025) / np.sqrt(87)
    for r, errors, value, most in (
        (found.spearman, found.spearman_errors, truth[0], 0.945),
        (found.pearson, found.pearson_errors, truth[1], 0.8),
    ):
        low, high = student_interval(r, found.df, errors)
        assert 0.93 <= np.mean((low < value) & (value < high)) <= 0.975
        covers = np.mean(np.abs(np.arctanh(r) - np.arctanh(value)) < fisher)
        assert covers > 0.92 if degrees == 0 else covers < most


@pytest.mark.parametrize("n", [20, 30])
def test_student_intervals_of_few_individuals_with_heavy_tails(n: int) -> None:
    """Without the widening for strong correlations they cover 92 to 93 %."""
    x, y = _bivariate_t(0.7, 3, (12_000, n), 6)
    large = _bivariate_t(0.7, 3, (1, 1_000_000), 7)
    truth = stats.spearmanr(large[0][0], large[1][0]).statistic
    found = correlate_rows(x, y)
    given = found.spearman_errors.df >= FEWEST_DF
    low, high = student_interval(found.spearman, found.df, found.spearman_errors)
    assert 0.933 <= np.mean(((low < truth) & (truth < high))[given]) <= 0.96
    z, half = np.arctanh(found.spearman), stats.t.isf(0.025, found.spearman_errors.df) * found.spearman_errors.se
    assert np.mean((np.abs(z - np.arctanh(truth)) < half)[given]) < 0.931


def test_student_interval_at_the_ends() -> None:
    errors = StandardErrors(se=np.array([0.0, np.nan, 0.1]), df=np.array([20.0, np.nan, np.nan]))
    low, high = student_interval([1.0, np.nan, 0.5], [20, 20, 20], errors)
    assert (low[0], high[0]) == pytest.approx((1.0, 1.0))
    assert np.isnan([low[1], high[1], low[2], high[2]]).all()


def test_studentised_p_holds_its_level_where_variance_depends_on_genotype() -> None:
    random = np.random.default_rng(4)
    x = random.binomial(2, 0.1, size=(4000, 90)).astype(float)
    y = random.normal(size=x.shape) * (1 + 2 * x)
    found = correlate_rows(x, y)
    p, greater = student_p(studentised(found.spearman, found.spearman_errors), found.spearman_errors.df)
    assert 0.04 < np.mean(p < 0.05) < 0.06
    assert np.mean(textbook_p(found.spearman, found.df) < 0.05) > 0.12
    np.testing.assert_allclose(np.minimum(greater, 1 - greater), p / 2, atol=1e-12)


def test_normal_scores_have_the_tail_of_students_t() -> None:
    errors = StandardErrors(se=np.array([0.1, 0.1, 0.1]), df=np.array([5.0, 30.0, 5.0]))
    r = np.array([0.4, -0.2, 0.0])
    scores = normal_score(r, errors)
    np.testing.assert_allclose(
        stats.norm.sf(np.abs(scores)), stats.t.sf(np.abs(np.arctanh(r)) / 0.1, errors.df), rtol=1e-9
    )
    assert np.sign(scores).tolist() == [1, -1, 0]


def test_intervals_from_a_null_are_those_of_student_where_the_null_is_normal() -> None:
    random = np.random.default_rng(5)
    errors = StandardErrors(se=np.full(4, 0.1), df=np.full(4, 40.0))
    r = np.array([0.0, 0.2, 0.5, 0.8])
    plain = NullDistribution(scores=random.normal(size=200_000))
    many = np.full(4, 10**9)
    np.testing.assert_allclose(plain.interval(r, errors), student_interval(r, many, errors), atol=0.01)
    skewed = NullDistribution(scores=np.concatenate([1.8 * np.abs(plain.scores), -1.2 * np.abs(plain.scores)]))
    width = np.arctanh(skewed.interval(r, errors)) - np.arctanh(r)
    assert (-width[0] / width[1] > 1.05).all()
    # the noise of strong predictions is small, and so is its effect
    assert -width[0][0] > 1.3 * -width[0][3]
    assert np.isnan(NullDistribution(scores=np.empty(0)).interval(r, errors)).all()


def test_exceedance_counts_ties_and_skips_undefined() -> None:
    random = np.random.default_rng(3)
    null = random.integers(0, 20, size=200) / 10
    null[::10] = np.nan
    seen = np.append(random.integers(0, 25, size=30) / 10, np.nan)
    found = exceedance_p(seen, null)
    defined = null[~np.isnan(null)]
    for value, p in zip(seen[:-1], found[:-1], strict=True):
        assert p == pytest.approx((1 + sum(draw >= value for draw in defined)) / (1 + len(defined)))
    assert np.isnan(found[-1])
    assert np.isnan(exceedance_p([1.0], [np.nan])).all()


def test_the_tail_continues_the_count_and_never_flatters() -> None:
    random = np.random.default_rng(40)
    null = np.abs(random.normal(size=1000))
    near, far = np.linspace(0, np.sort(null)[-11], 40), np.linspace(np.sort(null)[-10], 8, 60)
    np.testing.assert_array_equal(tail_p(near, null), exceedance_p(near, null))
    p = tail_p(far, null)
    assert p[0] == pytest.approx(11 / 1001)
    assert (np.diff(p) < 0).all()
    assert (p > 2 * stats.norm.sf(far) * 0.5).all()
    assert 1e-9 < p[-1] < 1e-5
    assert np.isnan(tail_p([np.nan], null)).all()
    few = null[:99]
    np.testing.assert_array_equal(tail_p(far, few), exceedance_p(far, few))


@pytest.mark.parametrize("degrees", [5, 1000])
@pytest.mark.parametrize("size", [200, 1000])
def test_small_p_values_of_the_tail_hold_their_level(degrees: int, size: int) -> None:
    """Also for t on 5 degrees of freedom as Fisher's z of its correlation: the tail that small cohorts have."""
    random = np.random.default_rng(41)

    def draw(shape: tuple[int, ...]) -> np.ndarray:
        t = random.standard_t(degrees, size=shape)
        return np.arctanh(np.abs(t) / np.sqrt(degrees + t**2))

    p = np.concatenate([tail_p(draw((2000,)), draw((size,))) for _ in range(300)])
    for level in (1e-2, 1e-3, 1e-4):
        assert np.mean(p < level) < 1.25 * level + 3 * np.sqrt(level / p.size)


def test_pools_hold_genes_of_the_same_n() -> None:
    random = np.random.default_rng(4)
    df = np.array([50, 50, 200, 7])
    null_df = np.tile(np.repeat([50, 200], 40), (30, 1))
    null = np.abs(random.normal(size=null_df.shape)) / np.sqrt(null_df)
    r = np.array([0.2, np.nan, 0.2, 0.5])
    p, scaled = pooled_p(r, df, null, null_df, fewest=1000)
    assert scaled.tolist() == [False, False, False, True]
    assert p[0] == tail_p(0.2, null[:, :40])
    assert p[2] == tail_p(0.2, null[:, 40:])
    assert p[2] < p[0]
    assert np.isnan(p[1])
    assert p[3] == tail_p(0.5 * np.sqrt(7), null * np.sqrt(null_df))
