"""Whether a model is as good as the random forest at nonlinear pairs."""

from __future__ import annotations

import math
from typing import Any

import attrs
import numpy as np

from pgxeval.evaluation.strata import NONLINEAR
from pgxeval.study.finding import Answer, Finding
from pgxeval.study.questions.rows import NO_INTERVAL, difference_of, pair_row, why
from pgxeval.study.results import StudyResults
from pgxeval.study.roles import NO_MODEL
from pgxeval.wording import counted

_CONTAINS_MARGIN = "the interval contains the margin and smaller differences"


def ask_nonlinear(study: StudyResults) -> Finding:
    """Test the equivalence of the model and the random forest at nonlinear pairs."""
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
    row = pair_row(study.evaluation.comparison, model, forest, NONLINEAR)
    if row is None or not row["n_genes"]:
        return attrs.evolve(frame, reason=f"{model} was not run at any nonlinear pair")
    if margin is None:
        return attrs.evolve(frame, reason="no equivalence margin was given")
    value, low, high = difference_of(row, "mean_difference", row["predictor_a"] != model)
    answer: Answer = {"yes": "yes", "no": "no"}.get(str(row["equivalent"]), "undecided")  # type: ignore[assignment]
    words = {
        "yes": f"Their mean correlations differ by less than the margin of {margin:g}.",
        "no": f"{model if value > 0 else forest} is better by more than the margin of {margin:g}.",
        "undecided": f"The data neither show nor exclude a difference of the margin of {margin:g}.",
    }
    reason = NO_INTERVAL if math.isnan(low) else _CONTAINS_MARGIN
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
    reason = why(answer, low, _CONTAINS_MARGIN)
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
