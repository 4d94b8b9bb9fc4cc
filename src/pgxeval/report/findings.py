"""The answer in a few plain sentences, made from the numbers, with words that say how sure they are."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from pgxeval.evaluation.resampling import FEWEST_BLOCKS
from pgxeval.plots.drawing import ALL, of_stratum
from pgxeval.report.ranking import mean_difference
from pgxeval.report.wording import (
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
    probability,
)

Row = dict[str, Any]
_SHOWN = 3


def findings(evaluation: Any) -> list[str]:
    """Say what an evaluation found.

    Parameters
    ----------
    evaluation
        An `Evaluation`.

    Returns
    -------
    list of str
        Three to five statements, names between backquotes: which predictor ranks the individuals best, how
        often each points the right way against its own permuted reference, the odds ratio of the best two,
        how many genes are nonlinear. A difference is called one only where its interval excludes none.
    """
    summary = of_stratum(evaluation.summary, ALL)
    if summary.empty or "mean_spearman" not in summary or summary["mean_spearman"].isna().all():
        return ["No predictor has a gene with a defined correlation, so nothing can be said about any of them."]
    order = _by_rank(summary)
    said = [_ranking(evaluation, order), _directions(evaluation, order)]
    if len(order) > 1:
        said.append(_odds_ratio(evaluation, order))
    said.append(_nonlinear(evaluation))
    return [words for words in said if words]


def cautions(evaluation: Any) -> list[str]:
    """Say what a reader must know before trusting the numbers: too few replicates, blocks or genes."""
    summary = of_stratum(evaluation.summary, ALL)
    predictors = dict(getattr(evaluation, "settings", {})).get("predictors", {})
    said = []
    genes = _largest(summary, "n_genes")
    if genes and "replicates" in summary:
        from pgxeval.prediction.run import default_replicates

        wanted = default_replicates(genes)
        few = {
            row["predictor"]: int(row["replicates"])
            for row in _records(summary)
            if predictors.get(row["predictor"], {}).get("kind") == "crossfit" and row["replicates"] < wanted
        }
        short = [f"`{name}` ({counted(n, 'replicate')})" for name, n in few.items()]
        if few:
            fewest = min(few.values())
            said.append(
                f"Fewer replicates on permuted expression than the default of {wanted} for {counted(genes, 'gene')}: "
                f"{listed(short)}. Permuted references of these predictors are coarse, and "
                f"{_smallest_p(fewest, genes)}; run `predict_cohort` with its default `replicates` before drawing "
                "conclusions."
            )
    blocks = _largest(summary, "n_blocks")
    if blocks and blocks < FEWEST_BLOCKS:
        said.append(
            f"The genes lie in only {counted(blocks, 'genomic block')}; below {FEWEST_BLOCKS} the block-bootstrap "
            "intervals are too narrow."
        )
    return said


def _smallest_p(replicates: int, genes: int) -> str:
    if replicates == 0:
        return "without a single replicate there are no p-values"
    return f"p-values below about {probability(10 / (1 + replicates * genes))} rest on an extrapolated tail"


def level_words(evaluation: Any) -> str:
    """Return what counts as significant: ``"q < 0.05"``."""
    return f"q < {dict(getattr(evaluation, 'settings', {})).get('level', 0.05):g}"


def interval_words(evaluation: Any) -> str:
    """Return what an interval is called: ``"95 % interval"``."""
    return f"{100 * dict(getattr(evaluation, 'settings', {})).get('confidence', 0.95):g} % interval"


def _largest(table: pd.DataFrame, column: str) -> int:
    return int(table[column].max()) if column in table and table[column].notna().any() else 0


def _by_rank(summary: pd.DataFrame) -> list[Row]:
    key = "mean_spearman_undefined_as_0" if "mean_spearman_undefined_as_0" in summary else "mean_spearman"
    return _records(summary.sort_values(key, ascending=False, kind="stable"))


def _records(table: pd.DataFrame) -> list[Row]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _ranking(evaluation: Any, order: list[Row]) -> str:
    best = order[0]
    called, level = interval_words(evaluation), level_words(evaluation)
    bounds = correlation_interval(best.get("mean_low"), best.get("mean_high"))
    mean = correlation(best["mean_spearman"]) + (f" ({called} {bounds})" if bounds != UNDEFINED else "")
    significant = _significant(best, level)
    if len(order) == 1:
        return (
            f"`{best['predictor']}` ranks the individuals with a mean Spearman correlation of {mean} over "
            f"{_defined(best)}{significant}."
        )
    second = order[1]
    words = (
        f"`{best['predictor']}` has the highest mean Spearman correlation of {counted(len(order), 'predictor')}: "
        f"{mean} over {_defined(best)}{significant}; next is `{second['predictor']}` with "
        f"{correlation(second['mean_spearman'])} over {_defined(second)}{_significant(second, level)}."
    )
    gap = mean_difference(evaluation, best["predictor"], second["predictor"])
    if is_undefined(gap.low):
        return f"{words} Whether the two differ was not tested."
    size = f"mean difference {correlation(gap.difference)}, {called} {correlation_interval(gap.low, gap.high)}"
    if gap.reference:
        size += f"; on permuted expression {correlation(gap.reference)}"
    verdict = (
        f"ranks individuals better on average than `{second['predictor']}`"
        if gap.decided
        else f"is not shown to rank individuals better than `{second['predictor']}`"
    )
    return f"{words} On the same {counted(gap.genes, 'gene')}, `{best['predictor']}` {verdict} ({size})."


def _defined(row: Row) -> str:
    undefined = row.get("undefined", 0)
    genes = counted(int(row["defined"]), "gene") if "defined" in row else "its genes"
    return f"{genes} ({count(undefined)} undefined)" if undefined else genes


def _significant(row: Row, level: str) -> str:
    if is_undefined(row.get("n_significant")):
        return ", p-values not available"
    wrong = row.get("n_significant_wrong")
    against = f", {count(wrong)} of them in the wrong direction" if not is_undefined(wrong) and wrong else ""
    return f", {count(row['n_significant'])} with {level}{against}"


def _directions(evaluation: Any, order: list[Row]) -> str:
    called = interval_words(evaluation)
    said = "; ".join(_direction(row, called) for row in order[:_SHOWN])
    others = len(order) - _SHOWN
    more = f" {counted(others, 'further predictor')} below." if others > 0 else ""
    return (
        f"Genes in the right direction, against what the same procedure reaches on permuted expression: {said}.{more}"
    )


def _direction(row: Row, called: str) -> str:
    name = f"`{row['predictor']}`"
    if is_undefined(row.get("share_right")):
        return f"{name} has no gene with a direction"
    bounds = percent_interval(row.get("share_low"), row.get("share_high"))
    share = f"{name} {percent(row['share_right'])}" + (f" ({called} {bounds})" if bounds != UNDEFINED else "")
    if is_undefined(row.get("reference_share")):
        return f"{share}, with no permuted replicates to hold this against"
    against = f"{share} against {percent(row['reference_share'])}"
    low, high = _bound(row.get("difference_low")), _bound(row.get("difference_high"))
    if math.isnan(low) or math.isnan(high):
        return against
    verdict = "more often" if low > 0 else "less often" if high < 0 else "not distinguishable"
    points = f"difference {_points(row['difference'])}, interval {_points(low)} to {_points(high)} points"
    return f"{against}, {verdict} ({points})"


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"


def _odds_ratio(evaluation: Any, order: list[Row]) -> str:
    a, b = order[0]["predictor"], order[1]["predictor"]
    table = of_stratum(evaluation.concordance, ALL)
    pairs = [row for row in _records(table) if {row["predictor_a"], row["predictor_b"]} == {a, b}]
    if not pairs or not {"n", "only_a", "only_b", "mcnemar_or"} <= pairs[0].keys():
        return ""
    row = pairs[0]
    a, b = row["predictor_a"], row["predictor_b"]
    genes = (
        f"Of {counted(int(row['n']), 'gene')} with a direction under both, only `{a}` is right at "
        f"{count(row['only_a'])} and only `{b}` at {count(row['only_b'])}"
    )
    ratio = row["mcnemar_or"]
    if is_undefined(ratio):
        return f"{genes}: they never disagree, so there is no odds ratio to tell them apart."
    low, high = row.get("mcnemar_or_low"), row.get("mcnemar_or_high")
    reference = row.get("reference_mcnemar_or")
    chance = "" if is_undefined(reference) else f"; {number(reference)} on permuted expression"
    numbers = f"odds ratio {number(ratio)}, {interval_words(evaluation)} {interval(low, high)}{chance}"
    verdict = _right_more_often(row, a, b)
    others = math.comb(len(order), 2) - 1
    return f"{genes} ({numbers}): {verdict}." + (f" {counted(others, 'further pair')} below." if others else "")


def _right_more_often(row: Row, a: str, b: str) -> str:
    ratio, chance = float(row["mcnemar_or"]), _bound(row.get("reference_mcnemar_or"))
    low, high = (_bound(row.get(f"mcnemar_over_reference_{end}")) for end in ("low", "high"))
    if ratio == 0 or math.isinf(ratio) or math.isnan(low) or math.isnan(high):
        # an empty cell stays empty in every bootstrap draw: only the exact interval says how sure 0 or infinity is
        low, high = (_bound(row.get(f"mcnemar_or_{end}")) / (chance or 1.0) for end in ("low", "high"))
    reference = "its permuted reference"
    if math.isnan(chance):
        reference = "1"
        low, high = (_bound(row.get(f"mcnemar_or_{end}")) for end in ("low", "high"))
    if math.isnan(low) or math.isnan(high):
        return "how sure this is cannot be said"
    if low > 1 or high < 1:
        return f"`{a if low > 1 else b}` points right more often, the odds ratio held against {reference}"
    return f"held against {reference}, the data do not decide which of the two points right more often"


def _bound(value: Any) -> float:
    return math.nan if is_undefined(value) else float(value)


def _nonlinear(evaluation: Any) -> str:
    table = getattr(evaluation, "strata", None)
    if not isinstance(table, pd.DataFrame) or "stratum" not in table or table.empty:
        return ""
    strata = table["stratum"].astype(str)
    tested = strata != "untested"
    if not tested.any():
        reasons = table["reason"].dropna().tolist() if "reason" in table else []
        why = f": {reasons[0]}" if reasons else ""
        return f"Genes were not sorted into linear and nonlinear ones{why}."
    counts = strata[tested].value_counts()
    if not {"linear", "nonlinear", "unpredictable"} & set(strata):
        parts = [f"{name} {count(n)}" for name, n in counts.items()]
        return f"Genes in the strata that were given: {listed(parts)}."
    n, total = int(counts.get("nonlinear", 0)), int(tested.sum())
    if n:
        words = f"{count(n)} of {counted(total, 'gene')} {'is' if n == 1 else 'are'} nonlinear ({percent(n / total)})"
    else:
        words = f"None of {counted(total, 'gene')} is shown to be nonlinear"
    if "q" in table and (strata == "nonlinear").any():
        words += f", the smallest q of a gain {probability(table.loc[strata == 'nonlinear', 'q'].min())}"
    rest = (
        f"; {count(counts.get('linear', 0))} are predicted by the elastic net without a shown gain of the random "
        f"forest, {count(counts.get('unpredictable', 0))} are left over as unpredictable{_forest_alone(evaluation)}. "
        "A gene that is not called nonlinear is not shown to be linear."
    )
    return words + rest


def _forest_alone(evaluation: Any) -> str:
    table = evaluation.strata
    if "q_rf" not in table:
        return ""
    level = float(dict(getattr(evaluation, "settings", {})).get("level", 0.05))
    alone = int(((table["stratum"].astype(str) == "unpredictable") & (table["q_rf"] < level)).sum())
    return f", {count(alone)} of them with a significant random forest but no shown gain" if alone else ""
