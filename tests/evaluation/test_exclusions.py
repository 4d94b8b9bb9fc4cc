"""Exclusions in few rows: every entry is counted, and reasons that differ in detail only share a row."""

from __future__ import annotations

import pandas as pd
import pytest

from pgxeval.evaluation.evaluator import Evaluator
from pgxeval.evaluation.exclusions import exclusions_table
from pgxeval.evaluation.tables import EXCLUSIONS
from pgxeval.tables.predictions import Predictions


def test_nothing_excluded_still_has_the_columns() -> None:
    assert list(exclusions_table([]).columns) == list(EXCLUSIONS)
    assert exclusions_table([]).empty


def test_reasons_that_differ_from_gene_to_gene_are_one_row() -> None:
    rows = [
        {"kind": "prediction", "predictor": "a", "reason": f"missing: no strand of G{g}", "count": 50}
        for g in range(97)
    ]
    table = exclusions_table(rows)
    assert table["reason"].tolist() == ["missing"]
    assert table["detail"].tolist() == ["no strand of G0; no strand of G1 and 95 more"]
    assert table["count"].tolist() == [97 * 50]
    assert exclusions_table(rows[:5])["reason"].tolist() == [f"missing: no strand of G{g}" for g in range(5)]


def test_one_row_per_reason_whatever_the_details() -> None:
    rows = [
        {"kind": "gene", "predictor": p, "reason": f"undefined: few: window of G{g} too long", "count": 1,
         "names": [f"G{g}"]} for p in ("a", "b") for g in range(97)
    ]  # fmt: skip
    rows.append({"kind": "individual", "predictor": "", "reason": "blood: measured, but without", "count": 2,
                 "name": "P1, P2"})  # fmt: skip
    table = exclusions_table(rows)
    assert table["count"].tolist() == [97, 97, 2]
    assert table["reason"].tolist() == ["undefined: few", "undefined: few", "blood: measured, but without"]
    assert table["detail"][0] == "window of G0 too long; window of G1 too long and 95 more"
    assert table["name"].tolist() == ["G0, G1, G2, G3, G4 and 92 more"] * 2 + ["P1, P2"]


@pytest.mark.filterwarnings("ignore:fewer than 5 effective genomic blocks")
def test_failures_at_single_genes_are_one_row(top_variant) -> None:
    made = top_variant(40, 50, replicates=0, seed=1)
    table = made.predictions().table.copy()
    failed = table["gene_id"].isin([f"G{g:04d}" for g in range(30)])
    table.loc[failed, "prediction"] = float("nan")
    table["reason"] = pd.Series(
        [f"failed: error number {gene}" if bad else None for gene, bad in zip(table["gene_id"], failed, strict=True)]
    )
    table["fold"], table["training_mean"] = pd.NA, float("nan")
    found = Evaluator(made.expression_table(), threads=1).evaluate(Predictions.from_table(table)).exclusions
    undefined = found[found["reason"].str.startswith("undefined: ")]
    assert undefined["count"].tolist() == [30]
    assert "and 28 more" in undefined["detail"].iloc[0]
    assert len(found) == 2
