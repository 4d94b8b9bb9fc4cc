"""Views with one row per pair of predictors: odds ratios, true directions, differences of mean correlations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from pgxeval.evaluation.concordance import OddsRatioKind
from pgxeval.evaluation.orientation import above_one
from pgxeval.evaluation.strata import ALL
from pgxeval.evaluation.view_legends import (
    Codes,
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
    number,
    probability,
)

_MEANING = {
    "mcnemar": "genes that only A gets right / genes that only B gets right",
    "marginal": "odds of right under A / odds of right under B",
    "association": "above 1: A and B get the same genes right; it does not show which is better",
}
_SENTENCES = 3


def concordance_view(evaluation: HoldsTables, *, kind: OddsRatioKind = "mcnemar", rows: int | None = None) -> TableView:
    """Return an odds ratio of each pair for reading, turned so that it is above 1: A is right more often."""
    table = with_genes(above_one(evaluation.concordance, kind), "n").iloc[:rows]
    value, over = f"{kind}_or", f"{kind}_over_reference"
    defined = table[over].notna()
    p = table[f"{over}_p"].where(defined, table[f"{kind}_p"])
    name = f"{'McNemar' if kind == 'mcnemar' else kind.capitalize()} odds ratio"
    return TableView(
        title=f"{name} of two predictors",
        columns=(
            Column(title="A", cells=cells(table, str, "predictor_a"), numeric=False),
            Column(title="B", cells=cells(table, str, "predictor_b"), numeric=False),
            *stratum_column(table),
            Column(title="genes", cells=cells(table, count, "n")),
            Column(title="only A : only B", cells=cells(table, _versus, "only_a", "only_b")),
            Column(
                title=name.replace(" ", "\n", 1), cells=cells(table, bracketed, value, f"{value}_low", f"{value}_high")
            ),
            Column(title="permuted", cells=cells(table, number, f"reference_{value}")),
            Column(title="over permuted", cells=cells(table, _ratio_interval, over, f"{over}_low", f"{over}_high")),
            Column(title="p", cells=[probability(one) for one in p]),
        ),
        legend=(
            *_odds_sentences(table, kind),
            f"{name}: {_MEANING[kind]}; {interval_of(evaluation)}",
            "genes: with a direction under both; p: of the odds ratio over its permuted reference, or over 1 where "
            "there is none",
            *read_as(table),
            *no_reference(table),
            full_table("concordance", evaluation.concordance, table),
        ),
        table=evaluation.concordance,
    )


def true_directions_view(evaluation: HoldsTables, rows: int | None = None) -> TableView:
    """Return what a model concludes on the true directions, for reading."""
    table = with_genes(evaluation.true_directions, "n").iloc[:rows]
    codes = Codes(table["reason"])
    shares = [(f"true_share_{side}", f"true_share_{side}_low", f"true_share_{side}_high") for side in "ab"]
    return TableView(
        title="Directions of the true correlations, as a model estimates them",
        columns=(
            Column(title="A", cells=cells(table, str, "predictor_a"), numeric=False),
            Column(title="B", cells=cells(table, str, "predictor_b"), numeric=False),
            *stratum_column(table),
            Column(title="genes", cells=cells(table, count, "n")),
            Column(title="observed", cells=cells(table, number, "observed_or")),
            Column(title="right, A", cells=cells(table, bracketed_percent, *shares[0])),
            Column(title="right, B", cells=cells(table, bracketed_percent, *shares[1])),
            Column(
                title="marginal\nodds ratio", cells=cells(table, bracketed, "true_or", "true_or_low", "true_or_high")
            ),
            Column(title="why", cells=codes.cells, numeric=False),
        ),
        legend=(
            "A model's answer: a mixture of true correlations of any size, right with a probability that does not "
            "depend on the size; observed: odds of right in A / in B, attenuated by sampling noise",
            "right: share of genes with an effect at which the true direction is right; limits include genomic blocks",
            *codes.legend("why there is no value"),
            *read_as(table),
            full_table("true_directions", evaluation.true_directions, table),
        ),
        table=evaluation.true_directions,
    )


def comparison_view(evaluation: HoldsTables, rows: int | None = None) -> TableView:
    """Return differences of mean correlations for reading, turned so that the difference is positive."""
    table = with_genes(_higher_first(evaluation.comparison), "n_genes").iloc[:rows]
    defined = table["over_reference"].notna()
    p = table["over_reference_p"].where(defined, table["p_value"])
    margin = evaluation.settings.get("margin")
    last = Column(title="permuted", cells=cells(table, correlation, "reference_difference"))
    if margin is not None:
        last = Column(title=f"within {number(margin)}", cells=cells(table, str, "equivalent"), numeric=False)
    over = ("over_reference", "over_reference_low", "over_reference_high")
    difference = ("mean_difference", "mean_difference_low", "mean_difference_high")
    return TableView(
        title="Difference of the mean correlations of two predictors over the same genes",
        columns=(
            Column(title="A", cells=cells(table, str, "predictor_a"), numeric=False),
            Column(title="B", cells=cells(table, str, "predictor_b"), numeric=False),
            *stratum_column(table),
            Column(title="genes", cells=cells(table, count, "n_genes")),
            Column(
                title=f"mean {symbol_of(evaluation)}, A : B", cells=cells(table, _two_correlations, "mean_a", "mean_b")
            ),
            Column(title="A − B", cells=cells(table, bracketed_correlation, *difference)),
            last,
            Column(title="over permuted", cells=cells(table, bracketed_correlation, *over)),
            Column(title="p", cells=[probability(one) for one in p]),
        ),
        legend=(
            f"An undefined correlation counts as 0 in this table; {interval_of(evaluation)}",
            "over permuted: A − B less the same difference on permuted expression; p: of that, or of A − B where "
            "there is no reference",
            *read_as(table),
            *no_reference(table),
            full_table("comparison", evaluation.comparison, table),
        ),
        table=evaluation.comparison,
    )


def odds_sentence(row: Mapping[Any, Any], kind: OddsRatioKind = "mcnemar") -> str:
    """Return an odds ratio above 1 in words that name both predictors, without a verdict."""
    a, b, ratio = row["predictor_a"], row["predictor_b"], row[f"{kind}_or"]
    if is_undefined(ratio):
        return f"{a} and {b} never disagree, so no odds ratio can tell them apart"
    if kind == "marginal":
        return f"The odds of a right direction under {a} are {number(ratio)} times those under {b}"
    where = f"Of the genes at which exactly one of {a} and {b} is right"
    if math.isinf(ratio):
        return f"{where}, it is {a} at all {count(row['only_a'])}"
    if ratio == 1:
        return f"{where}, each is right at {count(row['only_a'])}"
    return f"{where}, it is {a} {number(ratio)} times as often as {b}"


def _odds_sentences(table: pd.DataFrame, kind: OddsRatioKind) -> tuple[str, ...]:
    if kind == "association":
        return ()
    rows = table[table["stratum"].astype(str) == ALL].head(_SENTENCES)
    return tuple(odds_sentence(row, kind) for row in rows.to_dict("records"))


def _higher_first(table: pd.DataFrame) -> pd.DataFrame:
    """Return the comparison table with a and b exchanged where b has the higher mean."""
    turn = table["mean_difference"] < 0
    swapped = table.copy()
    for one, other in (("predictor_a", "predictor_b"), ("mean_a", "mean_b"), ("n_a_higher", "n_b_higher")):
        swapped[one], swapped[other] = table[one].where(~turn, table[other]), table[other].where(~turn, table[one])
    for name in ("mean_difference", "over_reference"):
        low, high = f"{name}_low", f"{name}_high"
        swapped[low], swapped[high] = table[low].where(~turn, -table[high]), table[high].where(~turn, -table[low])
        swapped[name] = table[name].where(~turn, -table[name])
    for name in ("median_difference", "reference_difference"):
        swapped[name] = table[name].where(~turn, -table[name])
    return swapped


def _versus(a: Any, b: Any) -> str:
    return f"{count(a)} : {count(b)}"


def _two_correlations(a: Any, b: Any) -> str:
    return f"{correlation(a)} : {correlation(b)}"


def _ratio_interval(value: Any, low: Any, high: Any) -> str:
    """Write a ratio with its block interval; 0 and infinity have none, because no single block changes them."""
    return number(value) if not is_undefined(value) and value in (0.0, math.inf) else bracketed(value, low, high)
