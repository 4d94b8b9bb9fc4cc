"""A whole study: predict, evaluate, compare and explain in all tissues, in one call."""

from pgxeval.study.finding import Finding
from pgxeval.study.random_weights import RandomWeights, RandomWeightSettings, random_weights
from pgxeval.study.results import StudyEvaluation, StudyResults
from pgxeval.study.run import run_study
from pgxeval.study.settings import ANALYSES, StudySettings
from pgxeval.study.split_halves import SplitSettings, SplitStrata, split_strata
from pgxeval.study.study import Study

__all__ = [
    "ANALYSES",
    "Finding",
    "RandomWeightSettings",
    "RandomWeights",
    "SplitSettings",
    "SplitStrata",
    "Study",
    "StudyEvaluation",
    "StudyResults",
    "StudySettings",
    "random_weights",
    "run_study",
    "split_strata",
]


def __dir__() -> list[str]:
    return sorted(__all__)
