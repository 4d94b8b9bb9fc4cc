"""Named checks for sequence models and predictors."""

from pgxeval.testing.checks.checking import CheckFailedError, CheckOutcome
from pgxeval.testing.checks.golden import Golden
from pgxeval.testing.checks.predictor import PREDICTOR_CHECKS, check_predictor
from pgxeval.testing.checks.sequence_model import SEQUENCE_MODEL_CHECKS, check_sequence_model

__all__ = [
    "PREDICTOR_CHECKS",
    "SEQUENCE_MODEL_CHECKS",
    "CheckFailedError",
    "CheckOutcome",
    "Golden",
    "check_predictor",
    "check_sequence_model",
]


def __dir__() -> list[str]:
    return sorted(__all__)
