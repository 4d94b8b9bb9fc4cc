"""The scatter of two predictors against a plain count."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from pgxeval import plots
from pgxeval.errors import UnknownNameError
from pgxeval.evaluation.concordance import PairedTable
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


def _scatter(table: pd.DataFrame, a: str, b: str, strata: pd.DataFrame | None = None) -> Axes:
    return plots.scatter_predictors(_evaluation(table, strata=strata), a, b)


def _words(ax: Axes) -> str:
    return "\n".join([ax.get_title(), ax.get_title(loc="left"), *(text.get_text() for text in ax.texts)])


def _render(ax: Axes) -> bytes:
    buffer = io.BytesIO()
    ax.figure.savefig(buffer, format="svg")
    return buffer.getvalue()


class TestScatter:
    def test_counts_quadrants_as_a_plain_loop_and_the_concordance_table_do(self) -> None:
        table = _per_gene(200, 2)
        table.loc[[3, 7], "correlation"] = 0.0
        table.loc[[3, 7], "direction"] = pd.NA
        wide = table.pivot_table(index="gene_id", columns="predictor", values="correlation", dropna=False)
        counts = {"both right": 0, "only x right": 0, "only y right": 0, "neither right": 0}
        for x, y in wide.to_numpy():
            if x > 0 and y > 0:
                counts["both right"] += 1
            elif x > 0 and y < 0:
                counts["only x right"] += 1
            elif x < 0 and y > 0:
                counts["only y right"] += 1
            elif x < 0 and y < 0:
                counts["neither right"] += 1
        paired = PairedTable.of(wide["model_0"], wide["model_1"])
        assert tuple(counts.values()) == (paired.both_right, paired.only_a, paired.only_b, paired.neither)
        words = _words(_scatter(table, "model_0", "model_1"))
        for label, count in counts.items():
            assert f"{label}: {count}" in words

    def test_counts_undefined_genes_and_draws_none_of_them(self) -> None:
        table = pd.DataFrame(
            {
                "predictor": ["a"] * 5 + ["b"] * 4,
                "gene_id": ["1", "2", "3", "4", "5", "1", "2", "3", "4"],
                "correlation": [0.1, NAN, 0.3, NAN, 0.2, 0.5, 0.6, NAN, NAN],
            }
        )
        ax = _scatter(table, "a", "b")
        assert ax.collections[0].get_offsets().tolist() == [[0.1, 0.5]]
        # gene 5 was never predicted by b: undefined there
        assert "undefined, not drawn: 1 for x only, 2 for y only, 1 for both" in _words(ax)
        assert "1 gene defined under both" in _words(ax)

    def test_many_genes_become_a_density_that_still_holds_every_gene(self) -> None:
        table = _per_gene(20_000, 2)
        ax = _scatter(table, "model_0", "model_1")
        wide = table.pivot_table(index="gene_id", columns="predictor", values="correlation", dropna=False)
        assert ax.collections[0].get_array().sum() == len(wide.dropna())
        assert len(_render(ax)) < 400_000

    def test_marks_nonlinear_genes(self) -> None:
        table = _per_gene(30, 2).dropna()
        strata = pd.DataFrame({"gene_id": ["G1", "G2"], "stratum": ["nonlinear", "linear"]})
        both = set(table.loc[table["predictor"] == "model_0", "gene_id"]) & set(
            table.loc[table["predictor"] == "model_1", "gene_id"]
        )
        assert "G1" in both
        ax = _scatter(table, "model_0", "model_1", strata)
        assert [len(c.get_offsets()) for c in ax.collections] == [len(both) - 1, 1]
        r = table.set_index(["predictor", "gene_id"])["correlation"]
        assert ax.collections[1].get_offsets()[0].tolist() == [r["model_0", "G1"], r["model_1", "G1"]]

    def test_unknown_predictor_lists_the_known(self) -> None:
        with pytest.raises(UnknownNameError, match=r"model_9 .* model_0, model_1"):
            _scatter(_per_gene(5, 2), "model_0", "model_9")
