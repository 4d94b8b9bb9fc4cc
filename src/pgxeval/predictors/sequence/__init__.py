"""From any sequence model to one number per individual and gene."""

from pgxeval.predictors.sequence.cache import ScoreCache
from pgxeval.predictors.sequence.input import check_input
from pgxeval.predictors.sequence.model import (
    CountsCalls,
    HasQuota,
    Interruptible,
    ModelInfo,
    PredictsTargets,
    SequenceModel,
)
from pgxeval.predictors.sequence.plan import Plan
from pgxeval.predictors.sequence.predictor import SequencePredictor
from pgxeval.predictors.sequence.readout import ExonMask, GeneBody, IntervalReadout, Output, Readout, TssBins
from pgxeval.predictors.sequence.settings import SequenceSettings
from pgxeval.predictors.sequence.target import Target
from pgxeval.predictors.sequence.track_table import make_track_table
from pgxeval.predictors.sequence.tracks import TrackChoice, find_tracks

__all__ = [
    "CountsCalls",
    "ExonMask",
    "GeneBody",
    "HasQuota",
    "Interruptible",
    "IntervalReadout",
    "ModelInfo",
    "Output",
    "Plan",
    "PredictsTargets",
    "Readout",
    "ScoreCache",
    "SequenceModel",
    "SequencePredictor",
    "SequenceSettings",
    "Target",
    "TrackChoice",
    "TssBins",
    "check_input",
    "find_tracks",
    "make_track_table",
]


def __dir__() -> list[str]:
    return sorted(__all__)
