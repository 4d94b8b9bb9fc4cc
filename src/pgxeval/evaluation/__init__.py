"""Evaluation of a predictions table against measured expression."""

from pgxeval.evaluation.concordance import OddsRatio, PairedTable, Share
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.evaluator import Evaluator
from pgxeval.evaluation.measured import MeasuredExpression
from pgxeval.evaluation.strata import gain_of, gain_test

__all__ = [
    "Evaluation",
    "Evaluator",
    "MeasuredExpression",
    "OddsRatio",
    "PairedTable",
    "Share",
    "gain_of",
    "gain_test",
]


def __dir__() -> list[str]:
    return sorted(__all__)
