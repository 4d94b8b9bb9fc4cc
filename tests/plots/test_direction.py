"""Shares of genes in the right direction."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from pgxeval import plots
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.tables import CONCORDANCE, SUMMARY

NAN = float("nan")


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


def _signs(summary: pd.DataFrame) -> Axes:
    return plots.sign_concordance(_evaluation(summary=summary))


def _summary(predictors: int) -> pd.DataFrame:
    rows = [
        {
            "predictor": f"model_{k}",
            "stratum": stratum,
            "naive": stratum != "all" and k < 2,
            "assignment": "all genes" if stratum == "all" else "naive" if k < 2 else "same individuals",
            "n_genes": 40,
            "mean_correlation": 0.1 * (k + 1),
            "mean_low": 0.1 * k,
            "mean_high": 0.1 * (k + 2),
            "share_right": 0.5 + 0.05 * k,
            "share_low": 0.4 + 0.05 * k,
            "share_high": 0.6 + 0.05 * k,
            "reference_share": 0.45,
        }
        for stratum in ("all", "unpredictable", "linear", "nonlinear")
        for k in range(predictors)
    ]
    return pd.DataFrame(rows)


def _words(ax: Axes) -> str:
    return "\n".join([ax.get_title(), ax.get_title(loc="left"), *(text.get_text() for text in ax.texts)])


class TestSigns:
    def test_shares_intervals_and_references(self) -> None:
        ax = _signs(_summary(2))
        x = [np.asarray(line.get_xdata(), dtype=float).tolist() for line in ax.lines]
        expected = [[50, 50], [40, 60], [50], [45], [45, 65], [55], [45]]
        assert len(x) == len(expected)
        for found, wanted in zip(x, expected, strict=True):
            np.testing.assert_allclose(found, wanted)
        assert "50.0 % [40.0, 60.0]\npermuted 45.0 %" in _words(ax)

    def test_without_replicates_says_so(self) -> None:
        ax = _signs(_summary(1).assign(reference_share=NAN))
        assert "permuted: not known" in _words(ax)
        assert ax.get_legend() is None

    def test_predictor_without_direction_is_named(self) -> None:
        summary = _summary(2)
        summary.loc[summary["predictor"] == "model_1", "share_right"] = NAN
        assert "model_1: no gene has a direction" in _words(_signs(summary))
