"""The five questions of a study, each answered with yes, no, undecided, or not asked, and the reason."""

from __future__ import annotations

import math
from typing import Any, Literal

import attrs
import numpy as np
import pandas as pd

from pgxeval.evaluation.blocks import block_sums
from pgxeval.evaluation.comparison import CORRELATION_DIFFERENCES
from pgxeval.evaluation.jackknife import BlockEstimate
from pgxeval.evaluation.strata import ALL, NONLINEAR
from pgxeval.study.ceiling import HERITABLE
from pgxeval.study.results import StudyResults
from pgxeval.study.roles import FEWER_THAN_TWO, NO_MODEL, NO_TRAINED
from pgxeval.wording import correlation, counted, is_undefined, number, percent

Answer = Literal["yes", "no", "undecided", "not asked"]
FEWEST_PAIRS = 5
"""Smallest number of gene-tissue pairs from which mechanisms are compared."""
_NO_INTERVAL = "there are too few genomic blocks for an interval"


@attrs.frozen(kw_only=True)
class Finding:
    """One question of a study and its answer.

    Parameters
    ----------
    key
        ``"direction"``, ``"nonlinear"``, ``"mechanism"``, ``"baseline"`` or ``"ceiling"``.
    question
        The question, with the names of the predictors.
    answer
        ``"yes"``, ``"no"``, ``"undecided"`` (asked, and the data do not decide) or ``"not asked"``.
    quantity, value, low, high
        The number that answers it, what it is, and its interval; NaN where it is not defined.
    n_pairs
        Number of gene-tissue pairs that the number is computed from.
    statement
        The answer in one or two sentences.
    reason
        Why the question was not asked or is undecided; empty for yes and no.
    method
        How the number was made, in two sentences.
    caveats
        What a reader must know before relying on it.
    """

    key: str
    question: str
    answer: Answer
    quantity: str = ""
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    n_pairs: int = 0
    statement: str = ""
    reason: str = ""
    method: str = ""
    caveats: tuple[str, ...] = ()

    def row(self) -> dict[str, Any]:
        """Return the fields as a row of the findings table."""
        fields = ("key", "question", "answer", "quantity", "value", "low", "high", "n_pairs", "statement", "reason")
        return {name: getattr(self, name) for name in fields}

    def number_words(self) -> str:
        """Return number and interval in words, or the reason why there is none."""
        if math.isnan(self.value):
            return self.reason
        write = percent if self.key == "ceiling" else number if self.key == "direction" else correlation
        bounds = "" if math.isnan(self.low) else f" ({write(self.low)} to {write(self.high)})"
        return f"{self.quantity} {write(self.value)}{bounds}, {counted(self.n_pairs, 'pair')}"


def find_answers(study: StudyResults) -> tuple[Finding, ...]:
    """Answer the five questions, in their order."""
    return _direction(study), _nonlinear(study), _mechanism(study), _baseline(study), _ceiling(study)


def _direction(study: StudyResults) -> Finding:
    model, other = study.settings["roles"]["model"], study.settings["roles"]["other_model"]
    frame = Finding(
        key="direction",
        question=f"Does {model or 'the model'} point in the right direction more often than "
        f"{other or 'another model'}?",
        answer="not asked",
        method="A prediction points in the right direction at a gene-tissue pair if it correlates positively with "
        "expression across individuals. The marginal odds ratio is the odds of the right direction under the one "
        "model over those under the other, over pairs with a direction under both; its interval is a block jackknife "
        "over the genome in which all tissues of a gene are one block.",
        caveats=(
            "Sampling noise pulls shares towards 50 % and odds ratios towards 1: do not compare this number with that "
            "of a study of another size.",
        ),
    )
    if model is None or other is None:
        return attrs.evolve(frame, reason=f"{FEWER_THAN_TWO}")
    row = _row(study.evaluation.concordance, model, other, ALL)
    if row is None or not row["n"]:
        return attrs.evolve(frame, answer="undecided", reason="no pair has a direction under both models")
    turned = row["predictor_a"] != model
    value, low, high = _ratio(row, "marginal_or", turned)
    over, over_low, over_high = _ratio(row, "marginal_over_reference", turned)
    if not math.isnan(over_low):
        low_, high_ = over_low, over_high
    else:
        low_, high_ = low, high
    only = (row["only_b"], row["only_a"]) if turned else (row["only_a"], row["only_b"])
    paired, _, _ = _ratio(row, "mcnemar_or", turned)
    answer: Answer = "yes" if low_ > 1 else "no" if high_ < 1 else "undecided"
    reason = _why(answer, low_, "the interval contains 1")
    return attrs.evolve(
        frame,
        answer=answer,
        quantity="marginal odds ratio",
        value=value,
        low=low,
        high=high,
        n_pairs=int(row["n"]),
        statement=f"Of {counted(int(row['n']), 'pair')} with a direction under both, only {model} is right at "
        f"{int(only[0]):,} and only {other} at {int(only[1]):,} (McNemar odds ratio {number(paired)}; relative to "
        f"permuted expression the marginal odds ratio is {number(over)}). {_true_directions(study, model, other)}",
        reason=reason,
    )


def _why(answer: Answer, limit: float, words: str) -> str:
    """Return why an answer is undecided: there is no interval, or what it contains; empty where it is decided."""
    if answer != "undecided":
        return ""
    return _NO_INTERVAL if math.isnan(limit) else words


def _true_directions(study: StudyResults, model: str, other: str) -> str:
    """Return what the mixture model says of the directions of the true correlations."""
    row = _row(study.evaluation.true_directions, model, other, ALL)
    words = "Without sampling noise, by a model of the true correlations, the marginal odds ratio"
    if row is None or is_undefined(row["true_or"]):
        reason = "" if row is None or is_undefined(row["reason"]) else f": {row['reason']}"
        return f"{words} is not identified{reason}."
    turned = row["predictor_a"] != model
    value, low, high = _ratio(row, "true_or", turned)
    return f"{words} is {number(value)} ({number(low)} to {number(high)})."


def _nonlinear(study: StudyResults) -> Finding:
    roles, settings = study.settings["roles"], study.evaluation.settings
    model, forest = roles["model"], roles["random_forest"]
    frame = Finding(
        key="nonlinear",
        question=f"At nonlinear pairs, is {model or 'the model'} as good as {forest or 'the random forest'}?",
        answer="not asked",
        method="A pair is nonlinear if the gain of the random forest over the elastic net exceeds that on permuted "
        "expression at the false discovery rate of the study and the forest is significant itself. Equivalence is "
        "decided by two one-sided tests of the mean difference of correlations against the margin.",
        caveats=(
            "The pairs were chosen with the random forest on the same individuals, which favours it (winner's curse).",
        ),
    )
    if model is None:
        return attrs.evolve(frame, reason=NO_MODEL)
    if forest is None or roles["elastic_net"] is None:
        return attrs.evolve(frame, reason="the study does not have both a random forest and an elastic net")
    strata = study.evaluation.strata
    if not len(strata) or not (strata["stratum"].astype(str) == NONLINEAR).any():
        return attrs.evolve(frame, reason="no gene-tissue pair was found to be nonlinear")
    margin = settings["margin"]
    if margin is not None and (halves := _from_halves(study, model, forest, float(margin))) is not None:
        return attrs.evolve(frame, **halves)
    row = _row(study.evaluation.comparison, model, forest, NONLINEAR)
    if row is None or not row["n_genes"]:
        return attrs.evolve(frame, reason=f"{model} was not run at any nonlinear pair")
    if margin is None:
        return attrs.evolve(frame, reason="no equivalence margin was given")
    value, low, high = _difference(row, "mean_difference", row["predictor_a"] != model)
    answer: Answer = {"yes": "yes", "no": "no"}.get(str(row["equivalent"]), "undecided")  # type: ignore[assignment]
    words = {
        "yes": f"Their mean correlations differ by less than the margin of {margin:g}.",
        "no": f"{model if value > 0 else forest} is better by more than the margin of {margin:g}.",
        "undecided": f"The data neither show nor exclude a difference of the margin of {margin:g}.",
    }
    reason = _NO_INTERVAL if math.isnan(low) else _CONTAINS_MARGIN
    return attrs.evolve(
        frame,
        answer=answer,
        quantity="difference of mean correlations",
        value=value,
        low=low,
        high=high,
        n_pairs=int(row["n_genes"]),
        statement=words[answer],
        reason=reason if answer == "undecided" else "",
    )


def _from_halves(study: StudyResults, model: str, forest: str, margin: float) -> dict[str, Any] | None:
    """Return the answer from strata that other individuals defined, over tissues by their numbers of pairs."""
    table = study.split_comparison
    if not len(table):
        return None
    rows = table[
        (table["stratum"].astype(str) == NONLINEAR)
        & table["predictor_a"].isin([model, forest])
        & table["predictor_b"].isin([model, forest])
        & (table["n_genes"] > 0)
    ]
    if not len(rows):
        return None
    straight = (rows["predictor_a"] == model).to_numpy()
    weight = rows["n_genes"].to_numpy(dtype=np.float64)
    columns = ("mean_difference", "mean_difference_low", "mean_difference_high")
    middle, below, above = (rows[name].to_numpy(dtype=np.float64) for name in columns)
    value = float(np.average(np.where(straight, middle, -middle), weights=weight))
    low = float(np.average(np.where(straight, below, -above), weights=weight))
    high = float(np.average(np.where(straight, above, -below), weights=weight))
    answer: Answer = "undecided"
    if -margin < low and high < margin:
        answer = "yes"
    elif low > margin or high < -margin:
        answer = "no"
    reason = _why(answer, low, _CONTAINS_MARGIN)
    return {
        "answer": answer,
        "quantity": "difference of mean correlations",
        "value": value,
        "low": low,
        "high": high,
        "n_pairs": round(float(weight.sum())),
        "reason": reason,
        "statement": "The nonlinear pairs were found in one half of the individuals and the predictors were judged in "
        f"the other, averaged over {counted(int(rows['splits'].max()), 'half', 'halves')}.",
        "caveats": (
            "Predictors are fitted to half of the individuals, so their correlations are lower than over all.",
            "Limits are averages over halves, which is conservative.",
        ),
    }


_CONTAINS_MARGIN = "the interval contains the margin and smaller differences"


def _mechanism(study: StudyResults) -> Finding:
    roles = study.settings["roles"]
    model, forest = roles["model"], roles["random_forest"]
    others = [name for name in (roles["elastic_net"], *roles["trained"]) if name not in (None, forest)]
    control = others[0] if others else None
    margin = float(study.settings["settings"]["mechanism_margin"])
    frame = Finding(
        key="mechanism",
        question=f"Where both are right, does {model or 'the model'} use other variants than "
        f"{forest or 'the random forest'}?",
        answer="not asked",
        method="At pairs where both predictors are right and significant, the effects of all variants give the "
        "predictions that they imply, and these are correlated over individuals. This agreement with the forest is "
        f"compared with that of {control or 'another trained predictor'}, which reads the same individuals: the "
        f"mechanism is called different if it is lower by more than {margin:g}.",
        caveats=(
            "Effects are per allele: what a predictor makes of dominance and interactions is not in them.",
            "Two predictors that were trained on the same individuals share their noise, which raises the agreement "
            "that is compared with.",
        ),
    )
    if model is None:
        return attrs.evolve(frame, reason=NO_MODEL)
    if forest is None or control is None:
        return attrs.evolve(frame, reason="it needs a random forest and a second trained predictor")
    if not len(study.mechanism):
        return attrs.evolve(frame, reason="no gene-tissue pair has effects of variants")
    agreement = agreement_table(study, model, forest, control)
    if len(agreement) < FEWEST_PAIRS:
        return attrs.evolve(
            frame,
            answer="undecided",
            n_pairs=len(agreement),
            reason=f"only {counted(len(agreement), 'pair')} at which both are right and significant and all three "
            f"have effects; expected at least {FEWEST_PAIRS}",
        )
    gap = (agreement["control"] - agreement["model"]).to_numpy()
    sums = block_sums(np.column_stack([gap, np.ones(len(gap))]), agreement["block"].to_numpy(dtype=np.int64))
    estimate = BlockEstimate.ratio(sums[:, 0], sums[:, 1])
    low, high = estimate.interval(float(study.evaluation.settings["confidence"]), within=CORRELATION_DIFFERENCES)
    answer: Answer = "yes" if low > margin else "no" if high < margin else "undecided"
    reason = _why(answer, low, f"the interval contains {margin:g}")
    return attrs.evolve(
        frame,
        answer=answer,
        quantity="difference of agreement",
        value=estimate.value,
        low=low,
        high=high,
        n_pairs=len(agreement),
        statement=f"The predictions implied by the effects of {model} correlate with those of {forest} by "
        f"{correlation(agreement['model'].mean())} on average, those of {control} by "
        f"{correlation(agreement['control'].mean())}.",
        reason=reason,
    )


def agreement_table(study: StudyResults, model: str, forest: str, control: str) -> pd.DataFrame:
    """Return the agreement of a model, and of a trained predictor, with the random forest.

    Returns
    -------
    pandas.DataFrame
        One row per gene-tissue pair at which `model` and `forest` are right and significant and all three have effects:
        tissue, gene_id, model and control (correlation of the implied predictions with those of the forest), block.
    """
    columns = {"model": _agreement(study, model, forest), "control": _agreement(study, control, forest)}
    blocks = study.mechanism.set_index(_places(study.mechanism))["block"]
    table = pd.DataFrame({**columns, "block": blocks[~blocks.index.duplicated()]}).dropna()
    level = float(study.evaluation.settings["level"])
    per_gene = study.evaluation.per_gene
    right = per_gene[
        (per_gene["direction"].fillna(0) > 0)
        & (per_gene["q_value"].fillna(1.0) < level)
        & per_gene["predictor"].astype(str).isin([model, forest])
    ]
    both = right.groupby(_places(right)).size()
    return table[table.index.isin(both[both == 2].index)].reset_index(names=["tissue", "gene_id"])


def _agreement(study: StudyResults, a: str, b: str) -> pd.Series[float]:
    table = study.mechanism
    rows = table[
        ((table["predictor_a"] == a) & (table["predictor_b"] == b))
        | ((table["predictor_a"] == b) & (table["predictor_b"] == a))
    ]
    return rows.set_index(_places(rows))["prediction_correlation"]


def _places(table: pd.DataFrame) -> list[pd.Series[str]]:
    return [table["tissue"].astype(str), table["gene_id"].astype(str)]


def _baseline(study: StudyResults) -> Finding:
    roles = study.settings["roles"]
    model, baseline = roles["model"], roles["baseline"]
    frame = Finding(
        key="baseline",
        question=f"Over all pairs, is {model or 'the model'} below {baseline or 'a predictor'}, which was trained on "
        "these individuals?",
        answer="not asked",
        method="The mean correlation over all pairs at which both were run, an undefined correlation counting as 0, "
        "less the same difference on permuted expression, where cross-fitted predictors lie below 0. The interval is a "
        "block jackknife with the variance between replicates.",
        caveats=(
            "The trained predictor was fitted on a part of these individuals; with more individuals it improves.",
        ),
    )
    if model is None:
        return attrs.evolve(frame, reason=NO_MODEL)
    if baseline is None:
        return attrs.evolve(frame, reason=NO_TRAINED)
    row = _row(study.evaluation.comparison, model, baseline, ALL)
    if row is None or not row["n_genes"]:
        return attrs.evolve(frame, answer="undecided", reason="no gene-tissue pair was predicted by both")
    turned = row["predictor_a"] != model
    value, low, high = _difference(row, "over_reference", turned)
    if math.isnan(value):
        value, low, high = _difference(row, "mean_difference", turned)
    means = (row["mean_b"], row["mean_a"]) if turned else (row["mean_a"], row["mean_b"])
    answer: Answer = "yes" if high < 0 else "no" if low > 0 else "undecided"
    reason = _why(answer, low, "the interval contains 0")
    return attrs.evolve(
        frame,
        answer=answer,
        quantity="difference of mean correlations",
        value=value,
        low=low,
        high=high,
        n_pairs=int(row["n_genes"]),
        statement=f"The mean correlation of {model} is {correlation(means[0])}, that of {baseline} "
        f"{correlation(means[1])}.",
        reason=reason,
    )


def _ceiling(study: StudyResults) -> Finding:
    roles = study.settings["roles"]
    table = study.ceiling[study.ceiling["pairs"] == HERITABLE] if len(study.ceiling) else study.ceiling
    defined = table[table["share"].notna()] if len(table) else table
    best = str(defined.sort_values("share")["predictor"].iloc[-1]) if len(defined) else None
    name = roles["model"] or best
    frame = Finding(
        key="ceiling",
        question=f"Does {name or 'the model'} stay below the accuracy that cis heritability allows?",
        answer="not asked",
        method="Cis heritability is estimated by restricted maximum likelihood from the variants of each cis window; "
        "its square root is the largest correlation that an additive predictor can reach. The share is the mean "
        "correlation over the mean ceiling, over pairs with significant heritability, with a block-jackknife interval.",
        caveats=(
            "Pairs with significant heritability have, on average, overestimated heritability, so shares are too low "
            "rather than too high.",
            "The ceiling is additive and of the variants in the window: a nonlinear predictor, or one that reads other "
            "variants, may exceed it.",
        ),
    )
    if not len(study.heritability):
        return attrs.evolve(frame, reason="heritability was not estimated")
    if not len(defined):
        return attrs.evolve(frame, answer="undecided", reason="no gene-tissue pair has significant heritability")
    row = defined[defined["predictor"] == name]
    if not len(row):
        return attrs.evolve(frame, answer="undecided", reason=f"{name} was not run at any heritable pair")
    value, low, high = (float(row[column].iloc[0]) for column in ("share", "low", "high"))
    answer: Answer = "yes" if high < 1 else "no" if low >= 1 else "undecided"
    reason = _why(answer, low, "the interval contains 100 %")
    shares = ", ".join(f"{one.predictor} {percent(one.share)}" for one in defined.itertuples())
    return attrs.evolve(
        frame,
        answer=answer,
        quantity="share of the ceiling",
        value=value,
        low=low,
        high=high,
        n_pairs=int(row["n_pairs"].iloc[0]),
        statement=f"Shares of the ceiling that predictors reach: {shares}.",
        reason=reason,
    )


def _row(table: pd.DataFrame, a: str, b: str, stratum: str) -> dict[str, Any] | None:
    rows = table[table["stratum"].astype(str) == stratum]
    for row in rows.to_dict("records"):
        if {row["predictor_a"], row["predictor_b"]} == {a, b}:
            return {str(name): value for name, value in row.items()}
    return None


def _ratio(row: dict[str, Any], name: str, turned: bool) -> tuple[float, float, float]:
    value, low, high = (_number(row[column]) for column in (name, f"{name}_low", f"{name}_high"))
    return (_inverse(value), _inverse(high), _inverse(low)) if turned else (value, low, high)


def _difference(row: dict[str, Any], name: str, turned: bool) -> tuple[float, float, float]:
    value, low, high = (_number(row[column]) for column in (name, f"{name}_low", f"{name}_high"))
    return (-value, -high, -low) if turned else (value, low, high)


def _number(value: Any) -> float:
    return math.nan if is_undefined(value) else float(value)


def _inverse(value: float) -> float:
    return math.inf if value == 0 else 1 / value
