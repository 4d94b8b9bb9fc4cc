"""The answer in a few plain sentences, made from the tables; every claim follows from an interval."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from pgxeval.evaluation.conclude import FEW_BLOCKS
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.orientation import above_one
from pgxeval.evaluation.strata import ALL, LINEAR, NONLINEAR, UNPREDICTABLE, UNTESTED
from pgxeval.plots.drawing import of_stratum
from pgxeval.prediction.replicates import default_replicates
from pgxeval.wording import (
    UNDEFINED,
    correlation,
    correlation_interval,
    count,
    counted,
    interval,
    is_undefined,
    listed,
    number,
    percent,
    percent_interval,
    points,
    probability,
)

Row = dict[str, Any]
_SHOWN = 3


NOTHING = "No predictor has a gene with a defined correlation, so nothing can be said about any of them."


def best_first(evaluation: Evaluation) -> list[Row]:
    """Return the rows of the summary over all genes, the highest mean first; none without a defined correlation."""
    summary = of_stratum(evaluation.summary, ALL)
    if summary.empty or summary["mean_correlation"].isna().all():
        return []
    return _records(summary.sort_values("mean_correlation_undefined_as_0", ascending=False, kind="stable"))


def findings(evaluation: Evaluation) -> list[str]:
    """Return what an evaluation found.

    Parameters
    ----------
    evaluation
        The evaluation to summarise.

    Returns
    -------
    list of str
        Three to six statements, names between backquotes: which predictor ranks the individuals best, how
        often each points the right way compared with its own permuted reference, the odds ratio of the best two and
        what sampling noise does to it, how many genes are nonlinear. A difference is claimed only if its interval
        excludes no difference.
    """
    order = best_first(evaluation)
    if not order:
        return [NOTHING]
    statements = [ranking(evaluation, order), directions(evaluation, order)]
    if len(order) > 1:
        statements += [odds_ratio(evaluation, order), attenuation(evaluation)]
    statements.append(nonlinear(evaluation))
    return [words for words in statements if words]


def cautions(evaluation: Evaluation) -> list[str]:
    """Return what a reader must know before trusting the numbers: too few replicates or too few blocks."""
    summary = of_stratum(evaluation.summary, ALL)
    predictors = evaluation.settings.get("predictors", {})
    warnings = []
    genes = _largest(summary, "n_genes")
    if genes:
        default = default_replicates(genes)
        few = {
            row["predictor"]: int(row["replicates"])
            for row in _records(summary)
            if predictors.get(row["predictor"], {}).get("kind") == "crossfit" and row["replicates"] < default
        }
        if few:
            short = [f"`{name}` ({counted(n, 'replicate')})" for name, n in few.items()]
            fewest = min(few.values())
            warnings.append(
                f"Fewer replicates on permuted expression than the default of {default} for {counted(genes, 'gene')}: "
                f"{listed(short)}. Permuted references of these predictors are coarse, and "
                f"{_smallest_p(fewest, genes)}; run `predict_cohort` with its default `replicates` before drawing "
                "conclusions."
            )
    effective = summary["effective_blocks"].min()
    if effective < FEW_BLOCKS or (genes and summary["effective_blocks"].isna().all()):
        warnings.append(
            f"The genes lie in only {counted(_largest(summary, 'n_blocks'), 'genomic block')}. With fewer than "
            f"{FEW_BLOCKS} effective blocks the intervals are very wide, and below 2 there are none."
        )
    return warnings


def _smallest_p(replicates: int, genes: int) -> str:
    if replicates == 0:
        return "p-values need at least one replicate"
    return f"p-values below about {probability(10 / (1 + replicates * genes))} rest on an extrapolated tail"


def level_words(evaluation: Evaluation) -> str:
    """Return what counts as significant: ``"q < 0.05"``."""
    return f"q < {evaluation.settings['level']:g}"


def interval_words(evaluation: Evaluation) -> str:
    """Return the name of an interval: ``"95 % interval"``."""
    return f"{100 * evaluation.settings['confidence']:g} % interval"


def _largest(table: pd.DataFrame, column: str) -> int:
    return int(table[column].max()) if table[column].notna().any() else 0


def _records(table: pd.DataFrame) -> list[Row]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def pair_row(table: pd.DataFrame, a: str, b: str) -> tuple[Row, bool] | None:
    """Return the row of a pair of predictors over all genes, and whether the table has them in the order b, a."""
    for row in _records(of_stratum(table, ALL)):
        if {row["predictor_a"], row["predictor_b"]} == {a, b}:
            return row, row["predictor_a"] != a
    return None


def _kind(evaluation: Evaluation) -> str:
    return evaluation.measure.capitalize()


def ranking(evaluation: Evaluation, order: list[Row]) -> str:
    """Return which predictor ranks the individuals best, and whether its lead is shown."""
    best = order[0]
    interval_name, level = interval_words(evaluation), level_words(evaluation)
    bounds = correlation_interval(best["mean_low"], best["mean_high"])
    mean = correlation(best["mean_correlation"]) + (f" ({interval_name} {bounds})" if bounds != UNDEFINED else "")
    significant = _significant(best, level)
    if len(order) == 1:
        return (
            f"`{best['predictor']}` ranks the individuals with a mean {_kind(evaluation)} correlation of {mean} over "
            f"{_defined(best)}{significant}."
        )
    second = order[1]
    words = (
        f"`{best['predictor']}` has the highest mean {_kind(evaluation)} correlation of "
        f"{counted(len(order), 'predictor')}: {mean} over {_defined(best)}{significant}; next is "
        f"`{second['predictor']}` with {correlation(second['mean_correlation'])} over {_defined(second)}"
        f"{_significant(second, level)}."
    )
    comparison = pair_row(evaluation.comparison, best["predictor"], second["predictor"])
    if comparison is None or is_undefined(comparison[0]["mean_difference_low"]):
        return f"{words} Whether the two differ was not tested."
    row, is_reversed = comparison
    difference, low, high = _oriented(row, "mean_difference", is_reversed)
    over, _, _ = _oriented(row, "over_reference", is_reversed)
    size = (
        f"mean difference {correlation(difference)}, {interval_name} {correlation_interval(low, high)}, "
        f"p = {probability(row['p_value'])} by block jackknife"
    )
    if is_undefined(over):
        verdict = "the two have no joint permuted replicates to compare the difference with, so it is not tested"
        return f"{words} On the same {counted(row['n_genes'], 'gene')}, {verdict} ({size})."
    size += f"; on permuted expression {correlation(difference - over)}"
    is_ahead = leads(evaluation, order)
    verdict = "ranks individuals better on average than" if is_ahead else "is not shown to rank individuals better than"
    return (
        f"{words} On the same {counted(row['n_genes'], 'gene')}, `{best['predictor']}` {verdict} "
        f"`{second['predictor']}` ({size})."
    )


def leads(evaluation: Evaluation, order: list[Row]) -> bool | None:
    """Whether the best predictor is shown to differ from the next in its mean; None where that was not tested.

    Both intervals must exclude 0: that of the difference, and that of the difference to permuted expression.
    """
    comparison = pair_row(evaluation.comparison, order[0]["predictor"], order[1]["predictor"])
    if (
        comparison is None
        or is_undefined(comparison[0]["mean_difference_low"])
        or is_undefined(comparison[0]["over_reference"])
    ):
        return None
    _, low, high = _oriented(comparison[0], "mean_difference", comparison[1])
    _, over_low, over_high = _oriented(comparison[0], "over_reference", comparison[1])
    return (low > 0 and over_low > 0) or (high < 0 and over_high < 0)


def _oriented(row: Row, name: str, turned: bool) -> tuple[float, float, float]:
    value, low, high = (float(row[column]) for column in (name, f"{name}_low", f"{name}_high"))
    return (-value, -high, -low) if turned else (value, low, high)


def _defined(row: Row) -> str:
    genes = counted(int(row["defined"]), "gene")
    return f"{genes} ({count(row['undefined'])} undefined)" if row["undefined"] else genes


def _significant(row: Row, level: str) -> str:
    if is_undefined(row["n_significant"]):
        return ", p-values not available"
    wrong = row["n_significant_wrong"]
    against = f", {count(wrong)} of them in the wrong direction" if not is_undefined(wrong) and wrong else ""
    return f", {count(row['n_significant'])} with {level}{against}"


def directions(evaluation: Evaluation, order: list[Row]) -> str:
    """Return how often each predictor points the right way, compared with its permuted reference."""
    interval_name = interval_words(evaluation)
    shares = "; ".join(_direction(row, interval_name) for row in order[:_SHOWN])
    others = len(order) - _SHOWN
    more = f" {counted(others, 'further predictor')} below." if others > 0 else ""
    return (
        "Genes in the right direction, compared with what the same procedure reaches on permuted expression: "
        f"{shares}.{more}"
    )


def _direction(row: Row, called: str) -> str:
    name = f"`{row['predictor']}`"
    if is_undefined(row["share_right"]):
        return f"{name} has no gene with a direction"
    bounds = percent_interval(row["share_low"], row["share_high"])
    share = f"{name} {percent(row['share_right'])}" + (f" ({called} {bounds})" if bounds != UNDEFINED else "")
    if is_undefined(row["reference_share"]):
        return f"{share}, with no permuted replicates to compare it with"
    against = f"{share} against {percent(row['reference_share'])}"
    verdict = against_chance(row)
    if not verdict:
        return against
    ends = f"{points(row['difference_low'])} to {points(row['difference_high'])} points"
    return f"{against}, {verdict} (difference {points(row['difference'])}, interval {ends})"


def against_chance(row: Row) -> str:
    """Return how a share of right directions compares with its permuted reference; "" where that is not known."""
    low, high = _bound(row["difference_low"]), _bound(row["difference_high"])
    if math.isnan(low) or math.isnan(high):
        return ""
    return "more often" if low > 0 else "less often" if high < 0 else "not distinguishable"


def odds_ratio(evaluation: Evaluation, order: list[Row]) -> str:
    """Return the odds ratio of the best two predictors and its verdict; "" for a single predictor."""
    comparison = pair_row(evaluation.concordance, order[0]["predictor"], order[1]["predictor"])
    if comparison is None:
        return ""
    row = _records(above_one(pd.DataFrame([comparison[0]])))[0]
    a, b = row["predictor_a"], row["predictor_b"]
    genes = (
        f"Of {counted(int(row['n']), 'gene')} with a direction under both, only `{a}` is right at "
        f"{count(row['only_a'])} and only `{b}` at {count(row['only_b'])}"
    )
    ratio = row["mcnemar_or"]
    if is_undefined(ratio):
        return f"{genes}: they never disagree, so a McNemar odds ratio cannot tell them apart."
    bounds = interval(row["mcnemar_or_low"], row["mcnemar_or_high"])
    chance = row["reference_mcnemar_or"]
    reference = "" if is_undefined(chance) else f"; {number(chance)} on permuted expression"
    numbers = f"McNemar odds ratio of `{a}` to `{b}` {number(ratio)}, {interval_words(evaluation)} {bounds}{reference}"
    others = math.comb(len(order), 2) - 1
    more = f" {counted(others, 'further pair')} below." if others else ""
    return f"{genes} ({numbers}): {right_more_often(row)}.{more}"


def right_more_often(row: Row) -> str:
    """Return which of two predictors points right more often, as far as the intervals decide it."""
    a, b = row["predictor_a"], row["predictor_b"]
    ratio, chance = float(row["mcnemar_or"]), _bound(row["reference_mcnemar_or"])
    low, high = (_bound(row[f"mcnemar_over_reference_{end}"]) for end in ("low", "high"))
    if ratio == 0 or math.isinf(ratio) or math.isnan(low) or math.isnan(high):
        # an empty cell is empty whichever block is left out: only the exact interval shows the uncertainty
        low, high = (_bound(row[f"mcnemar_or_{end}"]) / (chance or 1.0) for end in ("low", "high"))
    reference = "its permuted reference"
    if math.isnan(chance):
        reference = "1"
        low, high = (_bound(row[f"mcnemar_or_{end}"]) for end in ("low", "high"))
    if math.isnan(low) or math.isnan(high):
        return "with too few genomic blocks for an interval, this is not tested"
    if low > 1 or high < 1:
        return f"`{a if low > 1 else b}` points right more often, compared with {reference}"
    return f"compared with {reference}, the data do not decide which of the two points right more often"


def _bound(value: Any) -> float:
    return math.nan if is_undefined(value) else float(value)


def attenuation(evaluation: Evaluation) -> str:
    """Return what sampling noise does to shares and odds ratios, with the shares that it does not affect."""
    rows = _records(of_stratum(evaluation.summary, ALL))
    shares = [
        f"`{row['predictor']}` {percent(row['share_right_significant'])} "
        f"of {counted(int(row['n_significant']), 'gene')}"
        for row in rows
        if not is_undefined(row["n_significant"]) and row["n_significant"] > 0
    ]
    words = (
        "Sampling noise pulls shares towards 50 % and odds ratios towards 1, the more so the fewer individuals there "
        "are and the weaker the genes: do not compare them between cohorts, tissues or strata of different size."
    )
    if not shares:
        return words
    return f"{words} Among genes with {level_words(evaluation)} of the predictor it does not: {listed(shares)} right."


def nonlinear(evaluation: Evaluation) -> str:
    """Return how many genes are nonlinear, and what became of the others."""
    table = evaluation.strata
    if table.empty:
        return ""
    strata = table["stratum"].astype(str)
    has_test = strata != UNTESTED
    if not has_test.any():
        return f"Genes were not sorted into linear and nonlinear ones: {table['reason'].iloc[0]}."
    counts = strata[has_test].value_counts()
    if not {LINEAR, NONLINEAR, UNPREDICTABLE} & set(strata):
        parts = [f"{name} {count(n)}" for name, n in counts.items()]
        return f"Genes in the strata that were given: {listed(parts)}."
    n, total = int(counts.get(NONLINEAR, 0)), int(has_test.sum())
    if n:
        words = f"{count(n)} of {counted(total, 'gene')} {'is' if n == 1 else 'are'} nonlinear ({percent(n / total)})"
        words += f", the smallest q of a gain {probability(table.loc[strata == NONLINEAR, 'q'].min())}"
    else:
        words = f"None of {counted(total, 'gene')} is shown to be nonlinear"
    rest = (
        f"; {count(counts.get(LINEAR, 0))} are predicted by the elastic net without a shown gain of the random "
        f"forest, {count(counts.get(UNPREDICTABLE, 0))} remain as unpredictable{_forest_alone(evaluation)}. "
        "A gene that is not called nonlinear is not shown to be linear: the test finds most overdominant genes, a "
        "third of epistatic ones and almost no recessive ones."
    )
    return words + rest


def _forest_alone(evaluation: Evaluation) -> str:
    table = evaluation.strata
    significant = table["q_rf"] < evaluation.settings["level"]
    alone = int(((table["stratum"].astype(str) == UNPREDICTABLE) & significant).sum())
    return f", {count(alone)} of them with a significant random forest but no shown gain" if alone else ""
