"""Calls to a hosted model: pacing, retries and failures."""

from pgxeval.predictors.hosted.calls import BadAnswerError, CallFailedError, HostedCalls
from pgxeval.predictors.hosted.pacing import InterruptedCallError, Pacer

__all__ = [
    "BadAnswerError",
    "CallFailedError",
    "HostedCalls",
    "InterruptedCallError",
    "Pacer",
]


def __dir__() -> list[str]:
    return sorted(__all__)
