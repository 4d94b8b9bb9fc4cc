"""Two predictors compared by their means, against SciPy on block means and simulated truths."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pgxeval.errors import SettingError
from pgxeval.evaluation.comparison import mean_difference

BLOCKS = np.repeat(np.arange(30), 5)


def _pair(seed: int, difference: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    gains = np.repeat(rng.normal(difference, 0.1, size=30), 5) + rng.normal(0, 0.05, size=150)
    b = rng.normal(0.1, 0.1, size=150)
    return b + gains, b


def test_is_a_paired_t_test_on_the_means_of_equal_blocks() -> None:
    a, b = _pair(0)
    found = mean_difference(a, b, BLOCKS)
    expected = stats.ttest_1samp((a - b).reshape(30, 5).mean(axis=1), 0)
    assert found.difference == pytest.approx((a - b).mean())
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))
    assert found.wilcoxon_p == pytest.approx(stats.wilcoxon((a - b).reshape(30, 5).mean(axis=1)).pvalue)
    assert (found.n_genes, found.n_blocks, found.effective_blocks) == (150, 30, pytest.approx(30))
    assert (found.n_a_higher, found.n_b_higher) == ((a > b).sum(), (a < b).sum())
    assert found.median == pytest.approx(np.median(a - b))


def test_exchanging_the_predictors_changes_signs_only() -> None:
    a, b = _pair(1, 0.05)
    null_a, null_b = np.random.default_rng(2).normal(size=(2, 4, 150))
    one = mean_difference(a, b, BLOCKS, null_a=null_a, null_b=null_b)
    other = mean_difference(b, a, BLOCKS, null_a=null_b, null_b=null_a)
    assert (other.difference, other.low, other.high) == pytest.approx((-one.difference, -one.high, -one.low))
    assert (other.over_reference_low, other.over_reference_high) == pytest.approx(
        (-one.over_reference_high, -one.over_reference_low)
    )
    assert other.over_reference_p == pytest.approx(one.over_reference_p)


def test_an_undefined_correlation_counts_as_zero_in_both_data_and_reference() -> None:
    a, b = _pair(3)
    a[::7] = np.nan
    null_a, null_b = np.random.default_rng(4).normal(-0.02, 0.1, size=(2, 5, 150))
    null_a[:, ::7] = np.nan
    found = mean_difference(a, b, BLOCKS, null_a=null_a, null_b=null_b)
    assert found.difference == pytest.approx((np.nan_to_num(a) - b).mean())
    assert found.mean_a == pytest.approx(np.nan_to_num(a).mean())
    assert found.reference == pytest.approx((np.nan_to_num(null_a) - null_b).mean())
    assert found.over_reference == pytest.approx(found.difference - found.reference)


def test_noise_shared_by_the_genes_of_a_replicate_widens_the_interval() -> None:
    a, b = _pair(5, 0.1)
    rng = np.random.default_rng(6)
    null_a, null_b = rng.normal(0, 0.1, size=(2, 20, 150))
    shared = rng.normal(0, 0.1, size=(20, 1))
    calm = mean_difference(a, b, BLOCKS, null_a=null_a, null_b=null_b)
    restless = mean_difference(a, b, BLOCKS, null_a=null_a + shared, null_b=null_b)
    width = [one.over_reference_high - one.over_reference_low for one in (calm, restless)]
    assert width[1] > 2 * width[0]
    assert calm.over_reference_p < 0.01 < restless.over_reference_p


def test_without_joint_replicates_the_reference_is_unknown() -> None:
    a, b = _pair(7)
    for nulls in ({}, {"null_a": np.empty((0, 150)), "null_b": np.empty((0, 150))}):
        found = mean_difference(a, b, BLOCKS, **nulls)
        assert np.isnan([found.reference, found.over_reference, found.over_reference_low, found.over_reference_p]).all()
        assert np.isfinite(found.p_value)


@pytest.mark.parametrize(
    ("difference", "margin", "answer"),
    [(0.0, 0.08, "yes"), (0.3, 0.08, "no"), (-0.3, 0.08, "no"), (0.08, 0.08, "undecided"), (0.0, 0.01, "undecided")],
)
def test_equivalence(difference: float, margin: float, answer: str) -> None:
    a, b = _pair(8, difference)
    found = mean_difference(a, b, BLOCKS, margin=margin)
    assert found.equivalent == answer
    means = (a - b).reshape(30, 5).mean(axis=1)
    lower = stats.ttest_1samp(means, -margin, alternative="greater").pvalue
    upper = stats.ttest_1samp(means, margin, alternative="less").pvalue
    assert found.equivalence_p == pytest.approx(max(lower, upper))


def test_equivalence_holds_its_level_at_the_boundary() -> None:
    """A true difference equal to the margin is called equivalent in 5 % of studies."""
    called = [mean_difference(*_pair(seed, 0.06), BLOCKS, margin=0.06).equivalent == "yes" for seed in range(1500)]
    # standard error 0.0056
    assert 0.03 <= np.mean(called) <= 0.07


def test_too_few_genes_or_blocks_give_no_interval() -> None:
    a, b = _pair(9)
    for found in (
        mean_difference(a, b, np.zeros(150, dtype=np.int64), margin=0.1),
        mean_difference([], [], BLOCKS[:0]),
    ):
        assert np.isnan([found.low, found.high, found.p_value, found.wilcoxon_p]).all()
    assert mean_difference(a, b, np.zeros(150, dtype=np.int64), margin=0.1).equivalent == "undecided"
    with pytest.raises(SettingError, match="margin must be above 0"):
        mean_difference(a, b, BLOCKS, margin=-1)
