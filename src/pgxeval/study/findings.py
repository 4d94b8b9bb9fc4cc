"""The five questions of a study, each answered with yes, no, undecided, or not asked, and the reason."""

from __future__ import annotations

from pgxeval.study.finding import Finding
from pgxeval.study.questions.baseline import ask_baseline
from pgxeval.study.questions.ceiling import ask_ceiling
from pgxeval.study.questions.direction import ask_direction
from pgxeval.study.questions.mechanism import ask_mechanism
from pgxeval.study.questions.nonlinear import ask_nonlinear
from pgxeval.study.results import StudyResults


def find_answers(study: StudyResults) -> tuple[Finding, ...]:
    """Answer the five questions, in their order."""
    return (
        ask_direction(study),
        ask_nonlinear(study),
        ask_mechanism(study),
        ask_baseline(study),
        ask_ceiling(study),
    )
