"""The first screen: one number and one sentence per question, claimed only where intervals decide."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.report.answers import Answer, answers
from pgxeval.report.findings import best_first, leads

RANKING, SIGNIFICANT, DIRECTION, ODDS, NONLINEAR = QUESTIONS = (
    "Which predictor ranks individuals best?",
    "At how many genes is a prediction significant?",
    "Do predictions point the right way?",
    "Which of the best two is right more often?",
    "How many genes are nonlinear?",
)


def _by_question(evaluation: Evaluation) -> dict[str, Answer]:
    return {one.question: one for one in answers(evaluation)}


def test_five_questions_with_a_number_each(evaluation: Evaluation) -> None:
    found = _by_question(evaluation)
    assert tuple(found) == QUESTIONS
    row = evaluation.summary.iloc[1]
    assert row["predictor"] == "random_forest"
    assert found[RANKING].value == f"{row['mean_correlation']:.3f}"
    assert found[DIRECTION].value == f"{100 * row['share_right']:.1f} %"
    assert found[SIGNIFICANT].value == f"{row['n_significant']} of 40"
    assert found[NONLINEAR].value == "0 of 40"
    assert all(len(one.sentence) < 220 for one in found.values())
    assert all(one.details for question, one in found.items() if question != SIGNIFICANT)


@pytest.mark.parametrize(
    ("low", "over", "verdict", "words"),
    [
        (0.01, 0.01, True, "ranks individuals better on average than"),
        (-0.01, 0.01, False, "is not shown to rank individuals better than"),
        (0.01, -0.01, False, "is not shown to rank individuals better than"),
        (np.nan, 0.01, None, "was not tested against"),
    ],
)
def test_a_lead_is_claimed_only_where_both_intervals_exclude_zero(
    evaluation: Evaluation, low: float, over: float, verdict: bool | None, words: str
) -> None:
    comparison = evaluation.comparison.assign(
        predictor_a="random_forest", predictor_b="elastic_net", mean_difference_low=low, over_reference_low=over
    ).assign(mean_difference_high=0.2, over_reference_high=0.2)
    changed = attrs.evolve(evaluation, comparison=comparison)
    assert leads(changed, best_first(changed)) is verdict
    assert words in answers(changed)[0].sentence


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.1, 0.3, "more often than chance"),
        (-0.3, -0.1, "less often than chance"),
        (-0.1, 0.3, "not distinguishable from it"),
    ],
)
def test_a_share_is_compared_with_its_permuted_reference(
    evaluation: Evaluation, low: float, high: float, words: str
) -> None:
    changed = attrs.evolve(evaluation, summary=evaluation.summary.assign(difference_low=low, difference_high=high))
    assert words in _by_question(changed)[DIRECTION].sentence


def test_without_defined_genes_there_is_no_answer(evaluation: Evaluation) -> None:
    assert answers(attrs.evolve(evaluation, summary=evaluation.summary.assign(mean_correlation=np.nan))) == []


def test_one_predictor_is_not_compared(evaluation: Evaluation) -> None:
    one = attrs.evolve(
        evaluation,
        summary=evaluation.summary[evaluation.summary["predictor"] == "elastic_net"],
        concordance=evaluation.concordance[:0],
        comparison=evaluation.comparison[:0],
    )
    found = _by_question(one)
    assert ODDS not in found
    assert found[RANKING].sentence == "mean ρ of `elastic_net` over 39 genes."
