"""Whether a model stays below the accuracy that cis heritability allows."""

from __future__ import annotations

import attrs

from pgxeval.study.ceiling import HERITABLE
from pgxeval.study.finding import Answer, Finding
from pgxeval.study.questions.rows import why
from pgxeval.study.results import StudyResults
from pgxeval.wording import percent


def ask_ceiling(study: StudyResults) -> Finding:
    """Compare the mean correlation of the model with the mean ceiling over heritable pairs."""
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
    reason = why(answer, low, "the interval contains 100 %")
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
