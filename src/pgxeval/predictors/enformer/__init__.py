"""Enformer on personal haplotypes."""

from pgxeval.predictors.enformer.model import EnformerModel
from pgxeval.predictors.enformer.predictor import EnformerPredictor
from pgxeval.predictors.enformer.tracks import enformer_tracks
from pgxeval.predictors.enformer.weights import LoadedEnformer, load_enformer

__all__ = [
    "EnformerModel",
    "EnformerPredictor",
    "LoadedEnformer",
    "enformer_tracks",
    "load_enformer",
]


def __dir__() -> list[str]:
    return sorted(__all__)
