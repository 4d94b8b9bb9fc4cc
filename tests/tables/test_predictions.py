"""The predictions table at the door: what passes unchanged, what is refused, and round trips through files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pgxeval.errors import TableError
from pgxeval.tables import COLUMNS, Predictions

NAMES = ["NA", "007", "1", "nan", "None", "a,b", 'say "x"', "tab\there", "1e5", "Ångström"]


def table(**columns: object) -> pd.DataFrame:
    """A zero-shot and a cross-fitted predictor, two genes, two replicates, reasons, awkward names."""
    random = np.random.default_rng(0)
    rows = [
        (predictor, gene, name, replicate, fold)
        for predictor, replicates in (("zero", 1), ("fitted", 2))
        for gene in ("ENSG1.1", "TRUE")
        for replicate in range(replicates)
        for fold, name in enumerate(NAMES)
    ]
    frame = pd.DataFrame(rows, columns=["predictor", "gene_id", "individual", "replicate", "fold"])
    cross = (frame["predictor"] == "fitted").to_numpy()
    frame["fold"] = pd.array(np.where(cross, frame["fold"] % 5 + 1, -1), dtype="Int16")
    frame.loc[~cross, "fold"] = pd.NA
    frame["prediction"] = random.normal(size=len(frame)) * 10.0 ** random.integers(-20, 20, size=len(frame))
    frame["training_mean"] = np.where(cross, random.normal(size=len(frame)), np.nan)
    frame["reason"] = pd.Series([None] * len(frame), dtype=object)
    frame.loc[[3, 25], "prediction"] = np.nan
    frame.loc[[3, 25], "reason"] = ["NA", "no variant, none at all"]
    return frame.assign(**columns)


def test_shown_in_a_notebook() -> None:
    shown = Predictions.from_table(table())._repr_html_()
    assert "60 rows, zero, fitted, 1 permuted replicate" in shown


def test_names_are_escaped_in_a_notebook() -> None:
    hostile = table().assign(predictor="<script>alert(1)</script>", fold=None, training_mean=np.nan, replicate=0)
    hostile = hostile.drop_duplicates(["gene_id", "individual"])
    shown = Predictions.from_table(hostile)._repr_html_()
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown


def test_no_unchecked_table_can_be_held() -> None:
    with pytest.raises(TableError, match=r"mine: missing column\(s\) individual"):
        Predictions(table=table().drop(columns="individual"), source="mine")
    assert list(Predictions(table=table()[[*COLUMNS[:3], "prediction"]].iloc[:1]).table.columns) == list(COLUMNS)


def test_failures_are_read_from_the_reasons(tmp_path: Path) -> None:
    failed = pd.DataFrame(
        {
            "predictor": "mine",
            "gene_id": ["G1", "G1", "G2"],
            "individual": ["ann", "bob", "ann"],
            "prediction": [np.nan, np.nan, 1.0],
            "reason": ["failed: no memory", "failed: no memory", None],
        }
    )
    predictions = Predictions.read(Predictions.from_table(failed).write(tmp_path / "p.csv"))
    assert predictions.failures.to_numpy().tolist() == [["mine", "G1", "no memory"]]
