"""Whether a model is, over all pairs, below a predictor that was trained on these individuals."""

from __future__ import annotations

import math

import attrs

from pgxeval.evaluation.strata import ALL
from pgxeval.study.finding import Answer, Finding
from pgxeval.study.questions.rows import difference_of, pair_row, why
from pgxeval.study.results import StudyResults
from pgxeval.study.roles import NO_MODEL, NO_TRAINED
from pgxeval.wording import correlation


def ask_baseline(study: StudyResults) -> Finding:
    """Compare the mean correlations of the model and of the baseline over all pairs."""
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
    row = pair_row(study.evaluation.comparison, model, baseline, ALL)
    if row is None or not row["n_genes"]:
        return attrs.evolve(frame, answer="undecided", reason="no gene-tissue pair was predicted by both")
    turned = row["predictor_a"] != model
    value, low, high = difference_of(row, "over_reference", turned)
    if math.isnan(value):
        value, low, high = difference_of(row, "mean_difference", turned)
    means = (row["mean_b"], row["mean_a"]) if turned else (row["mean_a"], row["mean_b"])
    answer: Answer = "yes" if high < 0 else "no" if low > 0 else "undecided"
    reason = why(answer, low, "the interval contains 0")
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
