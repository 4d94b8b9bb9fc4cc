"""The predictions table, the contract between predictors and the evaluator."""

from pgxeval.tables.predictions import COLUMNS, Predictions, check_predictions

__all__ = [
    "COLUMNS",
    "Predictions",
    "check_predictions",
]


def __dir__() -> list[str]:
    return sorted(__all__)
