"""The predictions table, the contract between predictors and the evaluator."""

from pgxeval.tables.checking import COLUMNS, check_predictions
from pgxeval.tables.predictions import Predictions

__all__ = [
    "COLUMNS",
    "Predictions",
    "check_predictions",
]


def __dir__() -> list[str]:
    return sorted(__all__)
