"""Odds ratios on a log axis, with zero, infinity and undefined ones."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from pgxeval import plots
from pgxeval.errors import SettingError
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.tables import CONCORDANCE, SUMMARY

NAN = float("nan")

INF = float("inf")


def _per_gene(genes: int, predictors: int, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    tables = []
    for k in range(predictors):
        r = random.normal(0.1, 0.2, genes).clip(-1, 1)
        r[random.random(genes) < 0.1] = NAN
        tables.append(
            pd.DataFrame({"predictor": f"model_{k}", "gene_id": [f"G{g}" for g in range(genes)], "correlation": r})
        )
    table = pd.concat(tables, ignore_index=True)
    direction = np.sign(table["correlation"])
    table["direction"] = pd.array(np.where(direction.isna(), 0, direction), dtype="Int8")
    table.loc[direction.isna() | (direction == 0), "direction"] = pd.NA
    table["gene_name"] = table["gene_id"]
    return table


def _evaluation(
    per_gene: pd.DataFrame | None = None,
    summary: pd.DataFrame | None = None,
    concordance: pd.DataFrame | None = None,
    strata: pd.DataFrame | None = None,
) -> Evaluation:
    """Return an evaluation of these tables; a summary that is not given has a row without shares per predictor."""
    if per_gene is None:
        per_gene = _per_gene(5, 1)
    if "direction" not in per_gene:
        per_gene = per_gene.assign(direction=np.sign(per_gene["correlation"]).replace(0, np.nan).astype("Int8"))
    if summary is None:
        names = per_gene["predictor"].drop_duplicates()
        summary = pd.DataFrame({"predictor": names, "stratum": "all"}, columns=list(SUMMARY))
    return Evaluation(
        summary=summary,
        per_gene=per_gene,
        concordance=concordance if concordance is not None else pd.DataFrame(columns=list(CONCORDANCE)),
        comparison=pd.DataFrame(),
        strata=strata if strata is not None else pd.DataFrame({"gene_id": [], "stratum": []}, dtype="str"),
        exclusions=pd.DataFrame(),
        settings={},
    )


def _odds(concordance: pd.DataFrame, **options: Any) -> Axes:
    return plots.odds_ratios(_evaluation(concordance=concordance), **options)


def _concordance(*odds: tuple[float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "predictor_a": [f"a{k}" for k in range(len(odds))],
            "predictor_b": "b",
            "stratum": "all",
            "mcnemar_or": [one[0] for one in odds],
            "mcnemar_or_low": [one[1] for one in odds],
            "mcnemar_or_high": [one[2] for one in odds],
            "reference_mcnemar_or": 0.8,
        },
        columns=list(CONCORDANCE),
    )


def _words(ax: Axes) -> str:
    return "\n".join([ax.get_title(), ax.get_title(loc="left"), *(text.get_text() for text in ax.texts)])


def _render(ax: Axes) -> bytes:
    buffer = io.BytesIO()
    ax.figure.savefig(buffer, format="svg")
    return buffer.getvalue()


class TestOddsRatios:
    def test_zero_infinity_and_undefined(self) -> None:
        ax = _odds(_concordance((2.0, 0.5, 8.0), (0.0, 0.0, 0.9), (INF, 1.2, INF), (NAN, NAN, NAN)))
        low, high = ax.get_xlim()
        drawn = [(line.get_marker(), line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines[1:]]
        assert all(low <= x <= high for _, x, _ in drawn)
        assert ("s", 2.0, 0) in drawn
        # 0 for one predictor is infinite for the other: the pair is turned
        assert [marker for marker, _, y in drawn if y == -1 and marker in "<>s"] == [">", ">"]
        assert [marker for marker, _, y in drawn if y == -2 and marker in "<>s"] == [">", ">"]
        assert [marker for marker, _, y in drawn if y == -3] == []
        words = _words(ax)
        assert "2 [0.5, 8]\npermuted 0.8" in words
        assert "∞ [1.11, ∞]" in words
        assert "∞ [1.2, ∞]" in words
        assert "undefined (0/0)" in words
        _render(ax)

    def test_intervals_end_where_the_table_says(self) -> None:
        ax = _odds(_concordance((2.0, 0.5, 8.0)))
        segment = next(line for line in ax.lines if len(line.get_xdata()) == 2 and line.get_linestyle() == "-")
        np.testing.assert_allclose(segment.get_xdata(), [0.5, 8.0])

    def test_takes_the_stratum_that_is_asked_for(self) -> None:
        table = pd.concat([_concordance((2.0, 0.5, 8.0)), _concordance((3.0, 0.5, 8.0)).assign(stratum="linear")])
        assert "3 [" in _words(_odds(table, stratum="linear"))
        assert "3 [" not in _words(_odds(table))

    def test_refuses_an_unknown_kind(self) -> None:
        with pytest.raises(SettingError, match="mcnemar, marginal, association"):
            _odds(_concordance((1.0, 0.5, 2.0)), kind="odd")  # type: ignore[arg-type] # refused on purpose
