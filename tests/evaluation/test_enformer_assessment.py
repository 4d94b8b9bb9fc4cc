"""A published table of per-gene correlations, judged by the evaluator's functions.

The expected numbers were computed independently from the same table: Supplementary Table 1 of Sasse et al. 2023
(Nature Genetics 55:2060), Pearson r across 839 individuals of Enformer and PrediXcan. Correlations are rounded to
three decimals there, so 35 of Enformer's are exactly 0: they are defined, but have no direction.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from pgxeval.evaluation.blocks import assign_blocks, block_sums
from pgxeval.evaluation.concordance import PairedTable, Share, directions_of, paired_indicators
from pgxeval.evaluation.jackknife import BlockEstimate
from pgxeval.evaluation.resampling import benjamini_hochberg

ENFORMER = "PearsonRCAGE,adult,brain"


@pytest.fixture(scope="module")
def table(shared_data) -> pd.DataFrame:
    path = shared_data / "enformer_assessment" / "SupplementaryTable1.tsv"
    if not path.exists():
        pytest.skip(f"{path} not found")
    return pd.read_csv(path, sep="\t")


def test_enformer_points_right_little_more_often_than_not(table) -> None:
    r = table[ENFORMER].to_numpy()
    share = Share.of(r)
    defined = int((~np.isnan(r)).sum())
    assert defined == 6808
    assert np.nanmean(r) == pytest.approx(0.011, abs=5e-4)
    assert share.right / defined == pytest.approx(0.542, abs=5e-4)
    assert share.defined == defined - 35
    assert share.low < 0.542 < share.high
    assert (r > 0.2).sum() == 236
    assert (r < -0.2).sum() == 147


def test_predixcan_points_right(table) -> None:
    r = table["PrediXcanR"].to_numpy()
    share = Share.of(r)
    assert share.defined == (~np.isnan(r)).sum() == 1568
    assert np.nanmean(r) == pytest.approx(0.261, abs=5e-4)
    assert share.share == pytest.approx(0.936, abs=5e-4)


def test_a_third_of_the_significant_genes_is_wrong(table) -> None:
    q = benjamini_hochberg(10.0 ** -table["Log10PvalueTstatCAGE,adult,brain"].to_numpy())
    published = table["Log10BHPvalueTstatCAGE,adult,brain"].to_numpy()
    known = ~np.isnan(q)
    np.testing.assert_allclose(-np.log10(q[known]), published[known], atol=2e-3)
    significant = q < 0.05
    assert significant.sum() == 599
    r = table[ENFORMER].to_numpy()[significant]
    share = Share.of(r)
    assert (share.defined - share.right) / len(r) == pytest.approx(0.326, abs=5e-4)
    strong = Share.of(r[np.abs(r) > 0.2])
    assert strong.defined == 256
    assert strong.defined - strong.right == 88
    assert 1 - strong.share == pytest.approx(0.34, abs=5e-3)


def test_predixcan_against_enformer(table) -> None:
    a, b = table["PrediXcanR"], table[ENFORMER]
    found = PairedTable.of(a, b)
    both = a.notna() & b.notna() & (a != 0) & (b != 0)
    counts = pd.crosstab(a[both] > 0, b[both] > 0)
    assert found.counts == (
        counts.loc[True, True],
        counts.loc[True, False],
        counts.loc[False, True],
        counts.loc[False, False],
    )
    assert found.n + found.undefined == 6820
    interval = stats.binomtest(found.only_a, found.only_a + found.only_b).proportion_ci()
    mcnemar = found.mcnemar()
    assert mcnemar.low == pytest.approx(interval.low / (1 - interval.low))
    assert mcnemar.value > mcnemar.low > 5
    expected = stats.contingency.odds_ratio([list(found.counts[:2]), list(found.counts[2:])])
    assert found.association().value == pytest.approx(expected.statistic)


def test_blocks_of_real_genes(table) -> None:
    """The block-jackknife interval of the share is at least about as wide as the binomial one."""
    direction = directions_of(table[ENFORMER].to_numpy())
    blocks = assign_blocks(table["chr_hg38"].astype(str).tolist(), table["start_hg38"].to_numpy(), 5_000_000)
    sums = block_sums(np.column_stack([direction > 0, direction != 0]), blocks)
    assert 400 < len(sums) < 620
    low, high = BlockEstimate.ratio(sums[:, 0], sums[:, 1]).log_odds().interval(inverse=special.expit)
    share = Share.of(table[ENFORMER].to_numpy())
    assert low < share.share < high
    assert high - low > 0.95 * (share.high - share.low)
    pairs = paired_indicators(directions_of(table["PrediXcanR"]), direction)
    assert pairs.sum() == PairedTable.of(table["PrediXcanR"], table[ENFORMER]).n
