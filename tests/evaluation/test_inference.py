"""Judges: `scipy.stats` for textbook inference, a slow count for permutation p-values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pgxeval.evaluation.inference import (
    exceedance_p,
    fisher_interval,
    null_inflation,
    pooled_p,
    stouffer,
    tail_p,
    textbook_p,
)


def test_textbook_p_is_that_of_scipy() -> None:
    random = np.random.default_rng(0)
    for n in (10, 25, 200):
        x, y = random.normal(size=n).round(1), random.normal(size=n)
        for found in (stats.spearmanr(x, y), stats.pearsonr(x, y)):
            assert textbook_p(found.statistic, n - 2) == pytest.approx(found.pvalue, rel=1e-9)
    assert textbook_p(1.0, 20) == 0
    assert np.isnan(textbook_p(np.nan, 20))


def test_pearson_interval_is_that_of_scipy() -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=40)
    y = x + random.normal(size=40)
    found = stats.pearsonr(x, y)
    expected = found.confidence_interval(0.9)
    low, high = fisher_interval(found.statistic, 38, 0.9, rank=False)
    assert (float(low), float(high)) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_rank_interval_is_wider_and_covers() -> None:
    random = np.random.default_rng(2)
    rho, n, draws = 0.6, 60, 3000
    truth = 6 / np.pi * np.arcsin(rho / 2)
    x = random.normal(size=(draws, n))
    y = rho * x + np.sqrt(1 - rho**2) * random.normal(size=(draws, n))
    r = np.array([stats.spearmanr(a, b).statistic for a, b in zip(x, y, strict=True)])
    low, high = fisher_interval(r, n - 2)
    assert 0.94 < np.mean((low < truth) & (truth < high)) < 0.965
    narrow_low, narrow_high = fisher_interval(r, n - 2, rank=False)
    assert np.mean((narrow_low < truth) & (truth < narrow_high)) < np.mean((low < truth) & (truth < high))


def test_intervals_at_the_ends() -> None:
    low, high = fisher_interval([1.0, np.nan, 0.5], [20, 20, 1])
    assert (low[0], high[0]) == (1.0, 1.0)
    assert np.isnan([low[1], high[1], low[2], high[2]]).all()


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


def test_inflation_is_one_for_textbook_nulls_and_follows_wider_ones() -> None:
    random = np.random.default_rng(5)
    z = random.normal(size=20_000) / np.sqrt(97)
    assert null_inflation(np.tanh(z), np.full(20_000, 98)) == pytest.approx(1.0, abs=0.02)
    assert null_inflation(np.tanh(1.4 * z), np.full(20_000, 98)) == pytest.approx(1.4, abs=0.03)
    assert null_inflation(np.tanh(0.5 * z), np.full(20_000, 98)) == 1.0
    assert np.isnan(null_inflation([np.nan], [20]))


def test_stouffer_is_that_of_scipy() -> None:
    r, df = np.array([0.3, -0.1, 0.25]), np.array([18, 25, 40])
    one_sided = stats.t.sf(r * np.sqrt(df / (1 - r**2)), df)
    expected = stats.combine_pvalues(one_sided, method="stouffer", weights=np.sqrt(df))
    combined, p, total = stouffer(np.append(r, np.nan)[:, None], np.append(df, 30)[:, None])
    assert p[0] == pytest.approx(2 * stats.norm.sf(abs(expected.statistic)))
    assert min(r) < combined[0] < max(r)
    assert total[0] == (df - 1).sum() + 1


def test_stouffer_holds_its_level_and_one_fold_is_the_textbook() -> None:
    random = np.random.default_rng(6)
    x, y = random.normal(size=(2, 4, 2000, 20))
    r = np.array(
        [[stats.pearsonr(a, b).statistic for a, b in zip(*fold, strict=True)] for fold in zip(x, y, strict=True)]
    )
    p = stouffer(r, np.full(r.shape, 18))[1]
    assert 0.04 < np.mean(p < 0.05) < 0.06
    np.testing.assert_allclose(stouffer(r[:1], np.full((1, 2000), 18))[1], textbook_p(r[0], 18), rtol=1e-9)
    assert np.isnan(stouffer(np.full((2, 1), np.nan), np.full((2, 1), 18))[1]).all()
