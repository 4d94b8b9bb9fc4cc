"""Pairs where one predictor is significantly better."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from pgxeval import plots
from pgxeval.errors import UnknownNameError

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


def _texts(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


class TestScatterBetter:
    def test_each_group_is_counted_and_drawn(self) -> None:
        table = _compared()
        ax = plots.scatter_better(table, "alpha", "beta")
        both = table[table["correlation_a"].notna()]
        for value, words, points in zip(("", "a", "b"), _texts(ax), ax.collections, strict=True):
            rows = both[both["better"] == value]
            assert words.endswith(f": {len(rows)}")
            np.testing.assert_allclose(points.get_offsets().data, rows[["correlation_a", "correlation_b"]])
        assert _texts(ax)[1].startswith("alpha better")
        assert "1 undefined" in ax.texts[0].get_text()

    def test_the_other_way_round(self) -> None:
        straight, turned = (
            plots.scatter_better(_compared(), "alpha", "beta"),
            plots.scatter_better(_compared(), "beta", "alpha"),
        )
        swapped = turned.collections[2].get_offsets().data[:, ::-1]
        np.testing.assert_allclose(swapped, straight.collections[1].get_offsets().data)
        assert turned.get_xlabel().endswith("beta")

    def test_an_unknown_pair(self) -> None:
        with pytest.raises(UnknownNameError, match="alpha and beta"):
            plots.scatter_better(_compared(), "alpha", "gamma")

    def test_a_table_of_one_comparison(self) -> None:
        table = _compared().drop(columns=["predictor_a", "predictor_b", "tissue"])
        assert plots.scatter_better(table, "x", "y").get_xlabel().endswith("x")
