"""Judges: statsmodels and SciPy for Benjamini-Hochberg, simulated dependence for the block bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from pgxeval.errors import SettingError
from pgxeval.evaluation.resampling import (
    assign_blocks,
    benjamini_hochberg,
    block_sums,
    block_weights,
    label_permutations,
    percentile_interval,
)
from pgxeval.seeding import permute_individuals


@pytest.mark.parametrize("n", [1, 2, 50, 1000])
def test_q_values_are_those_of_statsmodels_and_scipy(n: int) -> None:
    random = np.random.default_rng(n)
    p = np.round(random.random(n) ** 2, 2)
    q = benjamini_hochberg(p)
    np.testing.assert_allclose(q, multipletests(p, method="fdr_bh")[1], atol=1e-14)
    np.testing.assert_allclose(q, stats.false_discovery_control(p), atol=1e-14)


def test_undefined_p_values_are_no_tests() -> None:
    p = np.array([0.01, np.nan, 0.2, np.nan, 0.03])
    q = benjamini_hochberg(p)
    np.testing.assert_allclose(q[[0, 2, 4]], multipletests(p[[0, 2, 4]], method="fdr_bh")[1])
    assert np.isnan(q[[1, 3]]).all()
    assert np.isnan(benjamini_hochberg([np.nan])).all()
    assert benjamini_hochberg([]).shape == (0,)


def test_permutations_are_the_joint_ones_of_the_run() -> None:
    people = ["b", "a", "d", "c", "e"]
    found = label_permutations(people, 3, seed=7)
    for replicate in (1, 2, 3):
        np.testing.assert_array_equal(found[replicate - 1], permute_individuals(people, replicate, 7))
    assert label_permutations(people, 0, 7).shape == (0, 5)


def test_blocks_follow_positions_and_not_the_order_of_genes() -> None:
    contigs = ["chr2", "chr1", "chr1", "chr10", "chr1"]
    starts = np.array([10, 2_500_000, 2_999_999, 5, 3_000_000])
    blocks = assign_blocks(contigs, starts)
    assert blocks.tolist() == [3, 0, 0, 2, 1]
    order = [4, 2, 0, 1, 3]
    np.testing.assert_array_equal(assign_blocks([contigs[k] for k in order], starts[order]), blocks[order])
    assert len(set(assign_blocks(contigs, starts, 100).tolist())) == 5
    with pytest.raises(SettingError, match="block_bp"):
        assign_blocks(contigs, starts, 0)


def test_every_draw_holds_as_many_blocks_as_there_are() -> None:
    weights = block_weights(37, 500, 3)
    assert weights.shape == (500, 37)
    assert (weights.sum(axis=1) == 37).all()
    assert weights.var() == pytest.approx(1.0, abs=0.1)
    np.testing.assert_array_equal(weights, block_weights(37, 500, 3))
    assert not np.array_equal(weights, block_weights(37, 500, 4))


def test_sums_within_blocks() -> None:
    random = np.random.default_rng(0)
    counts, blocks = random.normal(size=(20, 3)), random.integers(0, 9, size=20)
    found = block_sums(counts, blocks)
    expected = [counts[blocks == block].sum(axis=0) for block in sorted(set(blocks.tolist()))]
    np.testing.assert_allclose(found, expected)


def test_the_block_bootstrap_knows_what_the_binomial_does_not() -> None:
    """Ten genes a block that all point the same way: the share varies as that of 60 genes, not of 600."""
    random = np.random.default_rng(1)
    covered = []
    for draw in range(200):
        right = np.repeat(random.random(60) < 0.5, 10).astype(float)
        blocks = np.repeat(np.arange(60), 10)
        sums = block_sums(np.column_stack([right, np.ones(600)]), blocks)
        drawn = block_weights(60, 400, draw) @ sums
        low, high = percentile_interval(drawn[:, 0] / drawn[:, 1])
        binomial = stats.binomtest(int(right.sum()), 600).proportion_ci()
        covered.append((low <= 0.5 <= high, binomial.low <= 0.5 <= binomial.high))
    block, binomial = np.mean(covered, axis=0)
    assert 0.88 < block < 0.99
    assert binomial < 0.65


def test_percentiles_with_undefined_and_infinite_draws() -> None:
    draws = np.array([np.nan, 1.0, 2.0, 3.0, np.inf])
    assert percentile_interval(draws, 0.5) == (1.0, np.inf)
    assert all(np.isnan(percentile_interval([np.nan])))
    many = np.random.default_rng(2).normal(size=5001)
    low, high = percentile_interval(many, 0.9)
    assert (low, high) == pytest.approx(tuple(np.quantile(many, [0.05, 0.95])), abs=5e-3)
