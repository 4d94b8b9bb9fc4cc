"""The page about p-values and intervals lists each that a table has, no other, and links to tables that exist."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import numpy as np
import pandas as pd
import pytest

from pgxeval.evaluation import (
    Agreement,
    Evaluator,
    Nonadditivity,
    across_genes,
    compare_genes,
    direction_curve,
    heritability,
    power,
)
from pgxeval.evaluation.tables import TABLES
from pgxeval.tables.predictions import Predictions

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "inference.md"
INFERRED = re.compile(r".*_(low|high|p|se)|low|high|p|q|[pq]_value|p_predicts|q_en|q_rf")


def _rows(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading, without its header."""
    part = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def _listed(heading: str, number: int, table: int | None = None) -> dict[str, set[str]]:
    """Return the numbers listed for each table of a list."""
    listed: dict[str, set[str]] = {}
    for row in _rows(heading):
        for name in ["per_gene"] if table is None else row[table].replace("`", "").split(", "):
            listed.setdefault(name, set()).update(re.findall(r"`(\w+)`", row[number]))
    return listed


def _inferred(columns: object) -> set[str]:
    return {name for name in map(str, columns) if INFERRED.fullmatch(name)}


@pytest.fixture(scope="module")
def evaluation(top_variant):
    made = top_variant(40, 60, replicates=5, seed=3)
    fitted = made.predictions()
    other = fitted.table.assign(predictor="other", prediction=-fitted.table["prediction"])
    settings = {**fitted.settings, "other": next(iter(fitted.settings.values()))}
    table = pd.concat([fitted.table.astype({"predictor": str}), other], ignore_index=True)
    return Evaluator(made.expression_table()).evaluate(Predictions.from_table(table, settings))


def test_every_number_of_an_evaluation_is_listed_and_no_other(evaluation) -> None:
    listed = _listed("Numbers of single genes", 0) | _listed("Numbers over genes", 1, 0)
    made = {name: _inferred(getattr(evaluation, name).columns) for name in TABLES}
    made = {name: columns for name, columns in made.items() if columns}
    assert listed == made
    assert sum(map(len, made.values())) > 60


def test_every_number_of_other_tables_is_listed_and_no_other(evaluation) -> None:
    one, two = evaluation.per_gene["predictor"].unique()
    random = np.random.default_rng(1)
    made = {
        "compare_genes": compare_genes(evaluation, one, two).columns,
        "heritability": heritability(random.normal(size=40), random.binomial(2, 0.3, size=(40, 5))).columns,
        "nonadditivity": [field.name for field in attrs.fields(Nonadditivity)],
        "compare_effects": [field.name for field in attrs.fields(Agreement)],
        "across_genes": across_genes(evaluation.predictions, evaluation.target).columns,
        "direction_curve": direction_curve(evaluation, "predicted_effect", bins=2).columns,
        "power": power([90], [20]).columns,
    }
    assert _listed("Other tables", 1, 0) == {name: _inferred(columns) for name, columns in made.items()}


def test_tables_that_are_linked_exist_and_have_numbers() -> None:
    for heading in ("Numbers of single genes", "Numbers over genes", "Other tables", "Where they were shown to hold"):
        rows = _rows(heading)
        assert len(rows) > 5, heading
        for row in rows:
            for name in re.findall(r"`(validation/\w+\.md)`", row[-1]):
                text = (ROOT / name).read_text(encoding="utf-8")
                assert len(re.findall(r"\d\.\d", text)) > 5, name
            assert "validation/" in row[-1] or row[-1].startswith(("as above", "same", "no ")), row
