"""The block jackknife against leaving out each block by hand, SciPy, and simulated dependence."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from pgxeval.evaluation.blocks import block_sums
from pgxeval.evaluation.jackknife import BlockEstimate, ExtraVariance, replicate_variance


@pytest.fixture
def sums() -> np.ndarray:
    rng = np.random.default_rng(0)
    below = rng.integers(1, 12, size=30).astype(float)
    return np.column_stack([rng.binomial(below.astype(int), 0.7), below])


def test_a_ratio_against_leaving_out_each_block(sums: np.ndarray) -> None:
    estimate = BlockEstimate.ratio(sums[:, 0], sums[:, 1])
    whole = sums.sum(axis=0)
    left = np.array([(whole - block)[0] / (whole - block)[1] for block in sums])
    assert estimate.value == pytest.approx(whole[0] / whole[1])
    np.testing.assert_allclose(estimate.changes, left - estimate.value, atol=1e-15)
    assert estimate.standard_error == pytest.approx(np.sqrt(29 / 30 * ((left - estimate.value) ** 2).sum()))
    assert estimate.effective_blocks == pytest.approx(whole[1] ** 2 / (sums[:, 1] ** 2).sum())
    assert 1 < estimate.effective_blocks < 30


def test_equal_blocks_are_students_t_test_on_block_means() -> None:
    values = np.random.default_rng(1).normal(0.3, 1, size=25)
    estimate = BlockEstimate.ratio(values * 4, np.full(25, 4.0))
    expected = stats.ttest_1samp(values, 0.1)
    assert estimate.p_value(0.1) == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(0.9)
    assert estimate.interval(0.9) == pytest.approx((interval.low, interval.high))
    greater = stats.ttest_1samp(values, 0.1, alternative="greater").pvalue
    assert estimate.one_sided_p(0.1, greater=True) == pytest.approx(greater)
    assert estimate.one_sided_p(0.1, greater=False) == pytest.approx(1 - greater)


def test_transformed_statistics_follow_the_delta_method(sums: np.ndarray) -> None:
    share = BlockEstimate.ratio(sums[:, 0], sums[:, 1]).with_extra_variance(ExtraVariance(variance=0.001))
    p = share.value
    odds = share.log_odds()
    assert odds.value == pytest.approx(np.log(p / (1 - p)))
    assert odds.standard_error == pytest.approx(share.standard_error / (p * (1 - p)))
    assert share.log().standard_error == pytest.approx(share.standard_error / p)
    low, high = odds.interval(0.95, inverse=special.expit)
    assert 0 < low < p < high < 1
    difference = share.minus(share)
    assert difference.value == 0
    assert difference.standard_error == pytest.approx(np.sqrt(0.002))


def test_limits_end_at_the_possible_range_and_stay_undefined() -> None:
    wide = BlockEstimate.ratio([1.0, 4.0, 4.0], [4.0, 4.0, 4.0]).with_extra_variance(ExtraVariance(variance=0.05))
    low, high = wide.interval()
    assert low < 0
    assert high > 1
    assert wide.interval(within=(0.0, 1.0)) == (0.0, 1.0)
    assert wide.interval(within=(-9.0, 9.0)) == (low, high)
    assert np.isnan(BlockEstimate.ratio([3.0], [4.0]).interval(within=(0.0, 1.0))).all()


def test_undefined_statistics_have_no_interval() -> None:
    nothing = BlockEstimate.ratio([0.0, 0.0], [0.0, 0.0])
    one = BlockEstimate.ratio([3.0], [4.0])
    lonely = BlockEstimate.ratio([3.0, 0.0], [4.0, 0.0])
    lopsided = BlockEstimate.ratio([30.0, 1.0], [40.0, 2.0])
    for estimate in (nothing, one, lonely, lopsided, BlockEstimate.ratio([], [])):
        assert np.isnan(estimate.interval()).all()
        assert np.isnan(estimate.p_value())
    assert one.value == lonely.value == 0.75
    assert lopsided.effective_blocks < 2
    all_right = BlockEstimate.ratio([4.0, 4.0, 4.0], [4.0, 4.0, 4.0]).log_odds()
    assert all_right.value == np.inf
    assert np.isnan(all_right.interval()).all()
    assert np.isnan(all_right.p_value())


def test_no_variation_between_blocks() -> None:
    same = BlockEstimate.ratio([1.0, 1.0, 1.0], [4.0, 4.0, 4.0])
    assert same.interval() == (0.25, 0.25)
    assert (same.p_value(0.25), same.p_value(0.3)) == (1.0, 0.0)


def test_variance_between_replicates_is_what_blocks_do_not_explain() -> None:
    values = np.random.default_rng(2).normal(0.5, 0.1, size=4000)
    found = replicate_variance(values, [0.004])
    assert (found.variance, found.df) == (pytest.approx(0.01 - 0.004, rel=0.1), 3999)
    assert replicate_variance([0.4, 0.6], [0.005, 0.015]).variance == pytest.approx((0.02 - 0.01) * 1.5 * 3)
    assert replicate_variance(values, [0.02]).variance == 0
    assert np.isnan(replicate_variance([0.5], [0.01]).variance)
    assert np.isnan(replicate_variance([], []).variance)
    assert replicate_variance([0.4, np.nan, 0.6], [0.01, np.nan]).variance == pytest.approx(0.01 * 1.5 * 3)


def test_two_variances_are_combined_through_the_quantiles_of_each() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=12), rng.normal(0.3, 3, size=7)
    estimate = BlockEstimate.ratio(x, np.ones(12))
    both = estimate.with_extra_variance(ExtraVariance(variance=y.var(ddof=1) / 7, df=6))
    for confidence in (0.5, 0.95, 0.999):
        alone = [stats.sem(one) * stats.t.isf((1 - confidence) / 2, len(one) - 1) for one in (x, y)]
        assert both.half_width(confidence) == pytest.approx(np.hypot(*alone))
        low, high = both.interval(confidence)
        assert (low + high) / 2 == pytest.approx(x.mean())
        assert both.p_value(low) == pytest.approx(1 - confidence)
        assert both.p_value(high) == pytest.approx(1 - confidence)
    assert both.p_value(both.value) == 1
    assert 0 < both.p_value(both.value + 1e9) < 1e-30
    unknown = estimate.with_extra_variance(replicate_variance([0.5], [0.01]))
    assert np.isnan(unknown.interval()).all()
    assert np.isnan(unknown.p_value())


@pytest.mark.parametrize("replicates", [5, 40])
def test_difference_to_a_reference_with_shared_noise_covers(replicates: int) -> None:
    """Shared noise as large as that of all genes together; the blocks alone cover 85 %."""
    rng = np.random.default_rng(replicates)
    genes, covered, alone = 400, [], []
    for _ in range(800):
        shared = 0.05 * rng.normal(size=(replicates + 1, 1))
        right = shared + rng.normal(size=(replicates + 1, genes)) > 0
        values = np.column_stack([right[0], right[1:].sum(axis=0) / replicates, np.ones(genes), *right[1:]])
        sums = values.reshape(100, 4, -1).sum(axis=1)
        each = [BlockEstimate.ratio(column, sums[:, 2]) for column in sums[:, [0, 1, *range(3, values.shape[1])]].T]
        difference = each[0].minus(each[1])
        extra = replicate_variance([one.value for one in each[2:]], [one.block_variance for one in each[2:]])
        low, high = difference.with_extra_variance(extra).interval()
        covered.append(low <= 0 <= high)
        low, high = difference.interval()
        alone.append(low <= 0 <= high)
    # standard error 0.008
    assert 0.93 <= np.mean(covered) <= 0.975
    assert np.mean(alone) < 0.91


def test_covers_where_neighbours_agree_and_the_binomial_interval_does_not() -> None:
    """Up to ten genes per block that all point the same way, in few and unequal blocks."""
    rng = np.random.default_rng(3)
    covered = []
    for _ in range(800):
        size = rng.integers(1, 11, size=20)
        right = np.repeat(rng.random(20) < 0.6, size).astype(float)
        if right.all() or not right.any():
            continue
        sums = block_sums(np.column_stack([right, np.ones(len(right))]), np.repeat(np.arange(20), size))
        low, high = BlockEstimate.ratio(sums[:, 0], sums[:, 1]).log_odds().interval(inverse=special.expit)
        share = right.mean()
        half = 1.96 * np.sqrt(share * (1 - share) / len(right))
        covered.append((low <= 0.6 <= high, abs(share - 0.6) <= half))
    block, binomial = np.mean(covered, axis=0)
    # standard error 0.008
    assert 0.93 <= block <= 0.97
    assert binomial < 0.65
