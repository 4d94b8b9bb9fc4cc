"""Each table of an evaluation for reading: at most ten columns, intervals in one cell, codes with a legend below."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pgxeval.errors import SettingError
from pgxeval.evaluation.concordance import ODDS_RATIO_KINDS, OddsRatioKind
from pgxeval.evaluation.gene_views import genes_view, strata_view
from pgxeval.evaluation.pair_views import comparison_view, concordance_view, true_directions_view
from pgxeval.evaluation.predictor_views import structure_view, summary_view
from pgxeval.evaluation.view_legends import HoldsTables, full_table
from pgxeval.names import near_names
from pgxeval.view import Column, TableView, cells
from pgxeval.wording import UNDEFINED, count, is_undefined


def view_of(
    evaluation: HoldsTables,
    table: str,
    *,
    rows: int = 20,
    genes: Sequence[str] | None = None,
    kind: OddsRatioKind = "mcnemar",
) -> TableView:
    """Return a table of an evaluation for reading. The arguments are those of `Evaluation.show`."""
    if table not in _VIEWS:
        raise SettingError(f"table must be one of {', '.join(_VIEWS)}, got {table!r}{near_names(str(table), _VIEWS)}")
    if rows < 1:
        raise SettingError(f"rows must be 1 or more, got {rows}")
    if kind not in ODDS_RATIO_KINDS:
        raise SettingError(f"kind must be one of {', '.join(ODDS_RATIO_KINDS)}, got {kind!r}")
    if genes is not None and table not in ("per_gene", "strata"):
        raise SettingError(f"genes can be chosen in per_gene and strata, not in {table}")
    if table == "concordance":
        return concordance_view(evaluation, kind=kind, rows=rows)
    if table == "per_gene":
        return genes_view(evaluation, rows=rows, genes=genes)
    if table == "strata":
        return strata_view(evaluation, rows=rows, genes=genes)
    return _VIEWS[table](evaluation, rows)


def exclusions_view(evaluation: HoldsTables, rows: int | None = None) -> TableView:
    """Return what was excluded or is undefined: reason, count and a few names."""
    shown = evaluation.exclusions.iloc[:rows]
    return TableView(
        title="What was excluded or is undefined" if len(shown) else "Nothing was excluded, and nothing is undefined",
        columns=(
            Column(title="what", cells=cells(shown, str, "kind"), numeric=False),
            Column(title="predictor", cells=cells(shown, _or_all, "predictor"), numeric=False),
            Column(title="why", cells=cells(shown, str, "reason"), numeric=False),
            Column(title="detail", cells=cells(shown, _or_dash, "detail"), numeric=False),
            Column(title="count", cells=cells(shown, count, "count")),
            Column(title="which", cells=cells(shown, _or_dash, "name"), numeric=False),
        ),
        legend=(full_table("exclusions", evaluation.exclusions, shown),),
        table=evaluation.exclusions,
    )


_VIEWS: Mapping[str, Callable[[HoldsTables, int], TableView]] = {
    "summary": summary_view,
    "per_gene": lambda evaluation, rows: genes_view(evaluation, rows=rows),
    "concordance": lambda evaluation, rows: concordance_view(evaluation, rows=rows),
    "true_directions": true_directions_view,
    "comparison": comparison_view,
    "strata": lambda evaluation, rows: strata_view(evaluation, rows=rows),
    "structure": structure_view,
    "exclusions": exclusions_view,
}


def _or_all(predictor: Any) -> str:
    return str(predictor) or "all"


def _or_dash(value: Any) -> str:
    return UNDEFINED if is_undefined(value) or not str(value) else str(value)
