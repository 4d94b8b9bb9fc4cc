"""A whole study: predict, evaluate, compare and explain in all tissues, in one call."""

from pgxeval.study.findings import Finding
from pgxeval.study.results import StudyEvaluation, StudyResults
from pgxeval.study.run import run_study
from pgxeval.study.settings import ANALYSES, StudySettings
from pgxeval.study.study import Study

__all__ = [
    "ANALYSES",
    "Finding",
    "Study",
    "StudyEvaluation",
    "StudyResults",
    "StudySettings",
    "run_study",
]


def __dir__() -> list[str]:
    return sorted(__all__)
