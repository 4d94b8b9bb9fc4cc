"""Power by simulation agrees with closed forms, keeps its level, and grows with individuals and genes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pgxeval.errors import SettingError
from pgxeval.evaluation.power import PowerSettings, power


def test_the_level_is_kept_where_there_is_no_difference() -> None:
    settings = PowerSettings(share_a=0.6, share_b=0.6, simulations=4000)
    table = power([90, 300], [100, 400], settings=settings)
    assert table["power"].between(0.035, 0.065).all()


def test_observed_shares_are_attenuated_as_the_closed_form_says() -> None:
    table = power([90, 300, 953], [500], settings=PowerSettings(simulations=500))
    for row in table.itertuples():
        right = stats.norm.cdf(np.arctanh(0.1) * np.sqrt(row.individuals - 3))
        for share, observed in ((0.8, row.observed_a), (0.55, row.observed_b)):
            assert observed == pytest.approx(share * right + (1 - share) * (1 - right), abs=0.004)
    assert table["odds_ratio"].iloc[0] == pytest.approx(1.95, abs=0.05)


def test_power_agrees_with_a_normal_approximation_for_mean_correlations() -> None:
    settings = PowerSettings(question="correlations", difference=0.02, agreement=0.5, simulations=4000)
    (row,) = power([300], [400], settings=settings).itertuples()
    spread = np.sqrt(2 * (1 - 0.5) / 297 * 2.5 / 400) * (1 - 0.11**2)
    expected = stats.norm.cdf(0.02 / spread - 1.96)
    assert row.power == pytest.approx(expected, abs=0.03)


def test_the_number_of_genes_for_80_percent_power_is_that_of_the_literature_values() -> None:
    # 148, 66 and 52 independent genes at 90, 300 and 953 individuals for shares of 80 % against 55 % at |r| = 0.1
    settings = PowerSettings(design_effect=1, agreement=0, simulations=3000)
    for n, genes in ((90, 148), (300, 66), (953, 52)):
        (row,) = power([n], [genes], settings=settings).itertuples()
        assert row.power == pytest.approx(0.8, abs=0.05)


def test_power_grows() -> None:
    table = power([90, 300], [50, 200]).set_index(["individuals", "genes"])["power"]
    assert table[90, 50] < table[90, 200] < table[300, 200]


def test_bad_sizes_are_refused() -> None:
    with pytest.raises(SettingError, match="individuals must be at least 15"):
        power([12], [100], settings=PowerSettings(covariates=5))
    with pytest.raises(SettingError, match="genes must be at least 10"):
        power([90], [3])
