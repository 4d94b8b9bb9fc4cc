"""Whether a model points in the right direction more often than another one."""

from __future__ import annotations

import math

import attrs

from pgxeval.evaluation.strata import ALL
from pgxeval.study.finding import Answer, Finding
from pgxeval.study.questions.rows import pair_row, ratio_of, why
from pgxeval.study.results import StudyResults
from pgxeval.study.roles import FEWER_THAN_TWO
from pgxeval.wording import counted, is_undefined, number


def ask_direction(study: StudyResults) -> Finding:
    """Compare the right directions of the two zero-shot models by their odds ratio."""
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
    row = pair_row(study.evaluation.concordance, model, other, ALL)
    if row is None or not row["n"]:
        return attrs.evolve(frame, answer="undecided", reason="no pair has a direction under both models")
    turned = row["predictor_a"] != model
    value, low, high = ratio_of(row, "marginal_or", turned)
    over, over_low, over_high = ratio_of(row, "marginal_over_reference", turned)
    if not math.isnan(over_low):
        low_, high_ = over_low, over_high
    else:
        low_, high_ = low, high
    only = (row["only_b"], row["only_a"]) if turned else (row["only_a"], row["only_b"])
    paired, _, _ = ratio_of(row, "mcnemar_or", turned)
    answer: Answer = "yes" if low_ > 1 else "no" if high_ < 1 else "undecided"
    reason = why(answer, low_, "the interval contains 1")
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


def _true_directions(study: StudyResults, model: str, other: str) -> str:
    """Return what the mixture model says of the directions of the true correlations."""
    row = pair_row(study.evaluation.true_directions, model, other, ALL)
    words = "Without sampling noise, by a model of the true correlations, the marginal odds ratio"
    if row is None or is_undefined(row["true_or"]):
        reason = "" if row is None or is_undefined(row["reason"]) else f": {row['reason']}"
        return f"{words} is not identified{reason}."
    turned = row["predictor_a"] != model
    value, low, high = ratio_of(row, "true_or", turned)
    return f"{words} is {number(value)} ({number(low)} to {number(high)})."
