"""The figures of a study: what is drawn is what the tables hold, counted here in the slow and obvious way."""

from __future__ import annotations

import attrs
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from pgxeval import plots
from pgxeval.errors import TableError, UnknownNameError
from pgxeval.evaluation import Evaluation

NAN = float("nan")


def _evaluation(per_gene: pd.DataFrame, strata: pd.DataFrame | None = None, measure: str = "spearman") -> Evaluation:
    empty = {field.name: pd.DataFrame() for field in attrs.fields(Evaluation)}
    tables = {**empty, "per_gene": per_gene, "strata": pd.DataFrame() if strata is None else strata}
    return Evaluation(**{**tables, "settings": {"measure": measure}, "target": None, "predictions": None})


def _per_gene() -> pd.DataFrame:
    random = np.random.default_rng(1)
    r = np.concatenate([random.normal(0.2, 0.1, 40), [0.1, 0.3, NAN]])
    predictor = ["many"] * 40 + ["few"] * 3
    return pd.DataFrame({"predictor": predictor, "gene_id": "G", "correlation": r})


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


class TestCorrelationViolins:
    def test_medians_and_counts(self) -> None:
        table = _per_gene()
        ax = plots.correlation_violins(_evaluation(table))
        labels = [tick.get_text() for tick in ax.get_xticklabels()]
        assert labels == ["many\n40", "few\n2\n(1 undefined)"]
        bars = [line for line in ax.collections if len(line.get_paths()) == 1 and line.get_linewidth()[0] == 1.8]
        assert bars[0].get_segments()[0][:, 1] == pytest.approx([np.median(table["correlation"][:40])] * 2)
        points = next(line for line in ax.lines if line.get_marker() == "o")  # too few for a violin
        assert points.get_ydata() == pytest.approx([0.1, 0.3])

    def test_the_measure_of_the_evaluation_is_drawn(self) -> None:
        ax = plots.correlation_violins(_evaluation(_per_gene(), measure="pearson"), predictors=["few"])
        assert next(line for line in ax.lines if line.get_marker() == "o").get_ydata() == pytest.approx([0.1, 0.3])
        assert "Pearson" in ax.get_ylabel()

    def test_nothing_defined(self) -> None:
        ax = plots.correlation_violins(_evaluation(_per_gene().assign(correlation=NAN)))
        assert "No correlation is defined" in ax.texts[0].get_text()


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


class TestNonlinearSelection:
    def test_selected_and_largest_are_counted(self) -> None:
        random = np.random.default_rng(0)
        en, rf = random.normal(0.2, 0.1, 50), random.normal(0.2, 0.1, 50)
        strata = pd.DataFrame({"correlation_en": en, "correlation_rf": rf, "gain": rf - en, "stratum": "linear"})
        strata.loc[strata["gain"].nlargest(3).index, "stratum"] = "nonlinear"
        ax = plots.nonlinear_selection(_evaluation(_per_gene(), strata), top=10)
        assert [int(words.rsplit(": ", 1)[1]) for words in _texts(ax)] == [40, 7, 3]
        drawn = ax.collections[2].get_offsets().data
        np.testing.assert_allclose(
            drawn, strata.loc[strata["stratum"] == "nonlinear", ["correlation_en", "correlation_rf"]]
        )

    def test_no_strata(self) -> None:
        ax = plots.nonlinear_selection(_evaluation(_per_gene(), pd.DataFrame(columns=["stratum", "gain"])))
        assert "not defined" in ax.texts[0].get_text()


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
