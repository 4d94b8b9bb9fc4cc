"""Genomic blocks: assignment, sums and the default length."""

from __future__ import annotations

import numpy as np
import pytest

from pgxeval.errors import SettingError
from pgxeval.evaluation.blocks import assign_blocks, block_sums, default_block_bp


def test_blocks_follow_positions_and_not_the_order_of_genes() -> None:
    contigs = ["chr2", "chr1", "chr1", "chr10", "chr1"]
    starts = np.array([10, 2_500_000, 2_999_999, 5, 3_000_000])
    blocks = assign_blocks(contigs, starts, 1_000_000)
    assert blocks.tolist() == [3, 0, 0, 2, 1]
    order = [4, 2, 0, 1, 3]
    np.testing.assert_array_equal(assign_blocks([contigs[k] for k in order], starts[order], 1_000_000), blocks[order])
    assert len(set(assign_blocks(contigs, starts, 100).tolist())) == 5
    with pytest.raises(SettingError, match="block_bp"):
        assign_blocks(contigs, starts, 0)


def test_sums_within_blocks() -> None:
    rng = np.random.default_rng(0)
    values, blocks = rng.normal(size=(20, 3)), rng.integers(0, 9, size=20)
    sums = block_sums(values, blocks)
    expected = [values[blocks == block].sum(axis=0) for block in sorted(set(blocks.tolist()))]
    np.testing.assert_allclose(sums, expected)
    assert block_sums(values > 0, blocks).sum() == (values > 0).sum()
    assert block_sums(np.empty((0, 2)), np.empty(0, dtype=np.int64)).shape == (0, 2)


@pytest.mark.parametrize(
    ("settings", "block_bp"),
    [
        ([], 5_000_000),
        ([{}], 5_000_000),
        ([{"asked": {"cis_variants": {"flank_bp": 1_000_000}}}], 5_000_000),
        ([{"asked": {"cis_variants": {"flank_bp": 2_000_000}}}], 10_000_000),
        ([{"asked": {"cis_variants": {"flank_bp": 100_000}}}], 1_000_000),
        ([{"asked": {"context_length_bp": 1_048_576}}], 2_621_440),
        # the widest window counts, and one that is not recorded counts as 2 Mb
        ([{"a": {"flank_bp": 1_000_000}}, {"a": {"flank_bp": 3_000_000}}], 15_000_000),
        ([{"a": {"flank_bp": 50_000}}, {"kind": "zero-shot"}], 5_000_000),
    ],
)
def test_default_block_is_two_and_a_half_windows(settings: list[dict], block_bp: int) -> None:
    assert default_block_bp(settings) == block_bp
