"""Histograms of correlations."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest
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


def _distribution(table: pd.DataFrame, summary: pd.DataFrame | None = None, **options: Any) -> Axes:
    return plots.correlation_distribution(_evaluation(table, summary), **options)


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


def _render(ax: Axes) -> bytes:
    buffer = io.BytesIO()
    ax.figure.savefig(buffer, format="svg")
    return buffer.getvalue()


class TestDistribution:
    def test_histograms_hold_every_defined_gene(self) -> None:
        table = _per_gene(500, 2)
        ax = _distribution(table, bins=40)
        filled = [patch for patch in ax.patches if patch.get_fill()]
        assert len(filled) == 2
        for row, (name, patch) in enumerate(zip(["model_0", "model_1"], filled, strict=True)):
            heights, edges, _ = patch.get_data()
            r = table.loc[table["predictor"] == name, "correlation"].dropna()
            counts = np.histogram(r, edges)[0]
            assert counts.sum() == len(r)
            np.testing.assert_allclose(heights + row, 0.78 * counts / counts.max())

    def test_says_median_share_and_permuted_share(self) -> None:
        table = _per_gene(101, 2)
        r = table.loc[table["predictor"] == "model_0", "correlation"].dropna()
        words = _words(_distribution(table, _summary(2)))
        assert f"median {np.median(r):.3f}\n50.0 % right\npermuted: 45.0 %" in words
        alone = _words(_distribution(table, _summary(2).assign(reference_share=NAN)))
        assert "50.0 % right\npermuted: not known" in alone

    @pytest.mark.parametrize("predictors", range(1, 7))
    def test_draws_one_to_six_predictors(self, predictors: int) -> None:
        table = _per_gene(20_000, predictors)
        ax = _distribution(table)
        assert len(ax.get_yticks()) == predictors
        assert len(_render(ax)) < 200_000

    def test_counts_undefined_genes_in_the_label(self) -> None:
        table = pd.DataFrame(
            {"predictor": ["a"] * 3 + ["b"] * 3, "gene_id": [*"123"] * 2, "correlation": [0.1, NAN, 0.2] + [NAN] * 3}
        )
        labels = [label.get_text() for label in _distribution(table).get_yticklabels()]
        assert labels == ["a\n2 genes, 1 undefined", "b\n0 genes, 3 undefined"]
