"""Means per stratum."""

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


def _strata(summary: pd.DataFrame) -> Axes:
    return plots.strata_comparison(_evaluation(summary=summary))


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


class TestStrata:
    def test_points_are_the_means_and_naive_ones_are_hollow(self) -> None:
        summary = _summary(3)
        ax = _strata(summary)
        points = [line for line in ax.lines if line.get_marker() not in (None, "None", "")]
        rows = summary[summary["stratum"] != "all"]
        assert [line.get_ydata()[0] for line in points] == rows["mean_correlation"].tolist()
        hollow = [line.get_markerfacecolor() == "white" for line in points]
        assert hollow == rows["naive"].tolist()
        assert len([patch for patch in ax.patches if patch.get_hatch()]) == rows["naive"].sum()
        legend = [text.get_text() for text in ax.get_legend().get_texts()]
        assert legend == ["model_0", "model_1", "model_2", "hollow, hatched: naive"]
        assert ax.get_xlabel() == "stratum of genes, defined on the same individuals"
        assert _strata(summary.assign(naive=False, assignment="independent")).get_xlabel() == "stratum of genes"

    def test_usual_strata_stand_in_their_order_with_their_counts(self) -> None:
        labels = [label.get_text() for label in _strata(_summary(1)).get_xticklabels()]
        assert labels == ["linear\n40 genes", "nonlinear\n40 genes", "unpredictable\n40 genes"]

    def test_points_stand_above_their_own_stratum(self) -> None:
        ax = _strata(_summary(2))
        points = [line for line in ax.lines if line.get_marker() not in (None, "None", "")]
        assert [round(line.get_xdata()[0]) for line in points] == [2, 2, 0, 0, 1, 1]
