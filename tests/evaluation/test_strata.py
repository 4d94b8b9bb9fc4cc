from __future__ import annotations

import numpy as np

from pgxeval.evaluation.inference import exceedance_p
from pgxeval.evaluation.resampling import benjamini_hochberg
from pgxeval.evaluation.strata import assign_strata, gain_of, gain_test


def test_an_undefined_correlation_counts_as_zero_unless_both_are() -> None:
    gain = gain_of([0.3, np.nan, 0.2, np.nan], [0.1, 0.2, np.nan, np.nan])
    np.testing.assert_allclose(gain, [0.2, -0.2, 0.2, np.nan])


def test_gains_are_tested_one_sided_against_joint_replicates() -> None:
    random = np.random.default_rng(0)
    shared = random.normal(size=(21, 100))
    forest, net = (shared + 0.3 * random.normal(size=shared.shape)) / 10, shared / 10
    net[:, ::4] = np.nan
    df = np.full(100, 88)
    test = gain_test(forest[0], net[0], df, null_better=forest[1:], null_base=net[1:], null_df=np.tile(df, (20, 1)))
    null = np.where(np.isnan(net), forest, forest - net)
    np.testing.assert_allclose(test.p, exceedance_p(null[0], null[1:]))
    np.testing.assert_allclose(test.q, benjamini_hochberg(test.p))
    assert test.draws == 2000
    assert test.p[np.argmin(null[0])] > 0.9


def test_a_gain_must_come_with_a_forest_that_is_significant_itself() -> None:
    nan = np.nan
    stratum, reason = assign_strata(
        gain_q=[0.01, 0.01, 0.01, 0.2, 0.2, nan, 0.05],
        base_q=[0.01, 0.01, 0.9, 0.01, 0.9, nan, 0.9],
        better_q=[0.01, 0.90, 0.9, 0.01, 0.01, nan, 0.01],
    )
    assert stratum.tolist() == [
        "nonlinear",
        "linear",
        "unpredictable",
        "linear",
        "unpredictable",
        "unpredictable",
        "unpredictable",
    ]
    assert reason[4] == "random forest significant, but neither gain nor elastic net"
    assert assign_strata([0.05], [0.5], [0.01], level=0.1)[0].tolist() == ["nonlinear"]
