"""The largest gains."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pgxeval import plots

NAN = float("nan")


def _compared() -> pd.DataFrame:
    random = np.random.default_rng(2)
    n = 60
    table = pd.DataFrame({
        "predictor_a": "alpha",
        "predictor_b": "beta",
        "tissue": np.repeat(["blood", "brain"], n // 2),
        "gene_name": [f"N{k}" for k in range(n)],
        "correlation_a": random.normal(0.2, 0.2, n),
        "correlation_b": random.normal(0.1, 0.2, n),
        "better": random.choice(["", "a", "b"], n),
    })  # fmt: skip
    table.loc[3, "correlation_a"] = NAN
    return table


class TestLargestGains:
    def test_the_largest_differences_in_their_order(self) -> None:
        table = _compared()
        ax = plots.largest_gains(table, "alpha", "beta", n=7)
        gain = (table["correlation_a"] - table["correlation_b"]).sort_values(ascending=False)[:7]
        top = table.loc[gain.index]
        expected = [f"{row.gene_name} ({row.tissue})" + (" *" if row.better == "a" else "") for row in top.itertuples()]
        assert [tick.get_text() for tick in ax.get_yticklabels()] == expected
        np.testing.assert_allclose(ax.lines[0].get_xdata(), top["correlation_a"])
        np.testing.assert_allclose(ax.lines[1].get_xdata(), top["correlation_b"])

    def test_no_gain(self) -> None:
        table = _compared().assign(correlation_b=1.0)
        assert "at no pair" in plots.largest_gains(table, "alpha", "beta").texts[0].get_text()
