"""Views with one row per predictor: the summary, and the summary by adjustment for ancestry."""

from __future__ import annotations

from typing import Any

from pgxeval.evaluation.structure import WITHOUT_EXPRESSION
from pgxeval.evaluation.view_legends import (
    HoldsTables,
    full_table,
    interval_of,
    no_reference,
    read_as,
    stratum_column,
    symbol_of,
    with_genes,
)
from pgxeval.view import Column, TableView, cells
from pgxeval.wording import (
    bracketed,
    bracketed_correlation,
    bracketed_percent,
    correlation,
    count,
    is_undefined,
    percent,
    points,
)


def summary_view(evaluation: HoldsTables, rows: int | None = None) -> TableView:
    """Return the summary for reading: ranking and direction of each predictor, all genes first."""
    table = with_genes(evaluation.summary, "n_genes").iloc[:rows]
    level = f"{evaluation.settings['level']:g}"
    return TableView(
        title="How well individuals are ranked, and how many genes point the right way",
        columns=(
            Column(title="predictor", cells=cells(table, str, "predictor"), numeric=False),
            *stratum_column(table),
            Column(title="genes", cells=cells(table, _of, "defined", "n_genes")),
            Column(
                title=f"mean {symbol_of(evaluation)}",
                cells=cells(table, bracketed_correlation, "mean_correlation", "mean_low", "mean_high"),
            ),
            Column(title="permuted", cells=cells(table, correlation, "reference_mean_correlation")),
            Column(
                title=f"q < {level}",
                cells=cells(table, _significant, "n_significant", "n_significant_wrong"),
            ),
            Column(title="right", cells=cells(table, bracketed_percent, "share_right", "share_low", "share_high")),
            Column(title="permuted", cells=cells(table, percent, "reference_share")),
            Column(
                title="difference",
                cells=cells(table, _points_interval, "difference", "difference_low", "difference_high"),
            ),
        ),
        legend=(
            f"genes: with a defined correlation, of all; {interval_of(evaluation)}",
            "permuted: the same statistic on permuted expression, the reference of the mean and of right; difference: "
            "right less permuted, in percentage points",
            f"q < {level}: genes with a significant correlation, in brackets those of them in the wrong direction",
            *read_as(table),
            *no_reference(table),
            full_table("summary", evaluation.summary, table),
        ),
        table=evaluation.summary,
    )


def structure_view(evaluation: HoldsTables, rows: int | None = None) -> TableView:
    """Return the summary with and without components of the genotypes or of the expression, for reading."""
    table = evaluation.structure.iloc[:rows]
    learned = bool((table["adjustment"] == WITHOUT_EXPRESSION).any())
    level = f"{evaluation.settings['level']:g}"
    return TableView(
        title=(
            "Hidden factors: results with and without components of the expression"
            if learned
            else "Population structure: results with and without components of the genotypes"
        )
        if len(table)
        else "No population structure was found, or it was not tested",
        columns=(
            Column(title="predictor", cells=cells(table, str, "predictor"), numeric=False),
            Column(title="adjustment", cells=cells(table, str, "adjustment"), numeric=False),
            Column(title="main", cells=cells(table, _yes_or_no, "main"), numeric=False),
            Column(title="genes", cells=cells(table, _of, "defined", "n_genes")),
            Column(
                title=f"mean {symbol_of(evaluation)}",
                cells=cells(table, bracketed_correlation, "mean_correlation", "mean_low", "mean_high"),
            ),
            Column(title=f"q < {level}", cells=cells(table, _significant, "n_significant", "n_significant_wrong")),
            Column(title="right", cells=cells(table, bracketed_percent, "share_right", "share_low", "share_high")),
            Column(title="permuted", cells=cells(table, percent, "reference_share")),
        ),
        legend=(
            *(
                (
                    "main: the adjustment of all other tables; predictions are the same in both",
                    "results that appear only without components follow "
                    f"{'hidden factors' if learned else 'ancestry'}, not variants of the gene",
                )
                if len(table)
                else ()
            ),
            full_table("structure", evaluation.structure, table),
        ),
        table=evaluation.structure,
    )


def _of(part: Any, whole: Any) -> str:
    return count(part) if is_undefined(whole) or part == whole else f"{count(part)} of {count(whole)}"


def _significant(significant: Any, wrong: Any) -> str:
    return count(significant) if is_undefined(wrong) or not wrong else f"{count(significant)} ({count(wrong)})"


def _yes_or_no(value: Any) -> str:
    return "yes" if value else "no"


def _points_interval(value: Any, low: Any, high: Any) -> str:
    return bracketed(value, low, high, points)
