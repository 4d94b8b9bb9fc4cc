"""Marginal effects of the variants of a gene."""

from __future__ import annotations

import pandas as pd
import pytest
from matplotlib.axes import Axes

from pgxeval import plots
from pgxeval.errors import TableError

NAN = float("nan")


def _texts(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


class TestMarginalEffects:
    def _effects(self) -> pd.DataFrame:
        return pd.DataFrame({
            "predictor": ["forest"] * 3 + ["alpha"] * 2,
            "gene_id": "G1",
            "variant": list("abcde"),
            "at_0": [1.0, 2.0, 3.0, 5.0, 5.0],
            "at_1": [1.5, 2.0, 3.1, NAN, NAN],
            "at_2": [1.1, 2.0, 3.2, 6.0, 5.0],
        })  # fmt: skip

    def test_widest_range_first_and_constant_variants_not_drawn(self) -> None:
        ax = plots.marginal_effects(self._effects(), "G1", "forest")
        lines = [line for line in ax.lines if line.get_marker() != "None"]
        assert _texts(ax) == ["a", "c"]
        assert lines[0].get_ydata() == pytest.approx([0, 0.5, 0.1])

    def test_without_a_value_at_one(self) -> None:
        ax = plots.marginal_effects(self._effects(), "G1", "alpha")
        assert ax.lines[0].get_xdata().tolist() == [0, 2]
        assert ax.lines[0].get_ydata() == pytest.approx([0, 1])

    def test_unknown_gene(self) -> None:
        with pytest.raises(TableError, match="G9"):
            plots.marginal_effects(self._effects(), "G9", "forest")
