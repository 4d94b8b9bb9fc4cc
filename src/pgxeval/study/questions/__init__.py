"""The five questions of a study, each in a file of its own."""

from pgxeval.study.questions.baseline import ask_baseline
from pgxeval.study.questions.ceiling import ask_ceiling
from pgxeval.study.questions.direction import ask_direction
from pgxeval.study.questions.mechanism import ask_mechanism
from pgxeval.study.questions.nonlinear import ask_nonlinear

__all__ = ["ask_baseline", "ask_ceiling", "ask_direction", "ask_mechanism", "ask_nonlinear"]


def __dir__() -> list[str]:
    return sorted(__all__)
