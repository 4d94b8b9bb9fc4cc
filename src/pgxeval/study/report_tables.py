"""Tables of the study report."""

from __future__ import annotations

import pandas as pd

from pgxeval.report.markup import paragraph, table
from pgxeval.study.results import StudyResults
from pgxeval.view import Column
from pgxeval.wording import UNDEFINED


def table_of(frame: pd.DataFrame, caption: str) -> str:
    """Return a frame as an HTML table, with its columns as headings and a dash for what is undefined."""
    columns = []
    for name in frame.columns:
        numeric = pd.api.types.is_numeric_dtype(frame[name])
        cells = [UNDEFINED if pd.isna(cell) else f"{cell:,}" if numeric else str(cell) for cell in frame[name]]
        columns.append(Column(title=str(name), cells=cells, numeric=numeric))
    return table(columns, caption)


def counts(study: StudyResults) -> str:
    """Return what is left after each step, one column per predictor."""
    rows = study.counts.assign(predictor=study.counts["predictor"].replace("", "all"))
    wide = rows.pivot_table(index=["step", "tissue"], columns="predictor", values="count", sort=False).reset_index()
    names = [name for name in ("all", *study.settings["kinds"]) if name in wide]
    shown = wide[["step", "tissue", *names]].astype(dict.fromkeys(names, "Int64"))
    return table_of(shown.rename(columns={"step": "Step", "tissue": "Tissue"}), "What is left after each step.")


def exclusions(study: StudyResults) -> str:
    """Return what was excluded or is undefined, without names of individuals."""
    rows = study.exclusions
    if not len(rows):
        return paragraph("Nothing was excluded.")
    shown = rows[["kind", "predictor", "reason", "count"]]
    return table_of(shown.rename(columns=str.capitalize), "What was excluded or is undefined.")


def failures(study: StudyResults) -> str:
    """Return what failed, counted by step, tissue, predictor and reason."""
    rows = study.failures
    if not len(rows):
        return paragraph("Nothing failed.")
    counted = rows.groupby(["step", "tissue", "predictor", "reason"], sort=False).size().rename("count").reset_index()
    return table_of(counted.rename(columns=str.capitalize), "What failed; each failure concerns these genes only.")
