"""Evaluation of a predictions table against measured expression."""

from pgxeval.evaluation.concordance import OddsRatio, PairedTable, Share
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.evaluator import Evaluator
from pgxeval.evaluation.measured import MeasuredExpression
from pgxeval.evaluation.mechanism import Agreement, MechanismSettings, compare_effects
from pgxeval.evaluation.nonadditivity import Nonadditivity, NonadditivitySettings, nonadditivity
from pgxeval.evaluation.power import PowerSettings, power
from pgxeval.evaluation.strata import gain_of, gain_test

__all__ = [
    "Agreement",
    "Evaluation",
    "Evaluator",
    "MeasuredExpression",
    "MechanismSettings",
    "Nonadditivity",
    "NonadditivitySettings",
    "OddsRatio",
    "PairedTable",
    "PowerSettings",
    "Share",
    "compare_effects",
    "gain_of",
    "gain_test",
    "nonadditivity",
    "power",
]


def __dir__() -> list[str]:
    return sorted(__all__)
