"""What the report shows of the inputs: notes without names of individuals, and failures with their reason."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import numpy as np
import pandas as pd
import pytest

from pgxeval.evaluation import Evaluation, Evaluator
from pgxeval.tables import Predictions
from pgxeval.tables.predictions import FAILED


@pytest.fixture
def evaluation() -> Evaluation:
    random = np.random.default_rng(0)
    people, genes = [f"Person{i}" for i in range(30)], [f"G{g}" for g in range(40)]
    expression = random.normal(size=(40, 30))
    place = pd.DataFrame({"#chr": "chr1", "start": np.arange(40) * 3_000_000, "gene_id": genes})
    place.insert(2, "end", place["start"] + 1)
    bed = pd.concat([place, pd.DataFrame(expression, columns=people)], axis=1)
    table = pd.DataFrame(
        {
            "predictor": "mine",
            "gene_id": np.repeat(genes, 30),
            "individual": people * 40,
            "prediction": (expression + random.normal(size=expression.shape)).ravel(),
        }
    )
    failed = table["gene_id"].isin(["G3", "G8"])
    table.loc[failed, "prediction"] = np.nan
    table["reason"] = np.where(failed, f"{FAILED}ValueError at this gene", None)
    return Evaluator(bed).evaluate(Predictions.from_table(table))


def test_failures_are_listed_with_gene_and_reason(evaluation: Evaluation, tmp_path: Path) -> None:
    page = evaluation.to_html(tmp_path / "report.html").read_text()
    assert "2 failures of predictors at single genes" in page
    assert "ValueError at this gene" in page
    for gene in ("G3", "G8"):
        assert re.search(rf"<t[dh][^>]*>{gene}</t", page)


def test_notes_are_shown_but_no_name_of_an_individual(evaluation: Evaluation, tmp_path: Path) -> None:
    assert evaluation.target is not None
    notes = ("336 half-calls became missing dosages", "Person7 and Person9 have the same genotypes")
    noted = attrs.evolve(evaluation, target=attrs.evolve(evaluation.target, notes=notes))
    page = noted.to_html(tmp_path / "report.html").read_text()
    assert "336 half-calls became missing dosages" in page
    assert "Person7" not in page
    assert "1 note naming individuals" in page
    shown = noted.to_html(tmp_path / "shown.html", show_individuals_of=["G1"]).read_text()
    assert "Person7 and Person9" in shown
