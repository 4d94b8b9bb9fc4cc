"""From any sequence model to one number per individual and gene."""

from pgxeval.predictors.sequence.cache import ScoreCache
from pgxeval.predictors.sequence.combine import combine_haplotypes
from pgxeval.predictors.sequence.model import ModelInfo, PredictsTargets, SequenceModel, make_track_table
from pgxeval.predictors.sequence.plan import Plan
from pgxeval.predictors.sequence.predictor import SequencePredictor
from pgxeval.predictors.sequence.readout import ExonMask, GeneBody, IntervalReadout, Output, Readout, TssBins
from pgxeval.predictors.sequence.target import Target
from pgxeval.predictors.sequence.tracks import TrackChoice, enformer_tracks, find_tracks

__all__ = [
    "ExonMask",
    "GeneBody",
    "IntervalReadout",
    "ModelInfo",
    "Output",
    "Plan",
    "PredictsTargets",
    "Readout",
    "ScoreCache",
    "SequenceModel",
    "SequencePredictor",
    "Target",
    "TrackChoice",
    "TssBins",
    "combine_haplotypes",
    "enformer_tracks",
    "find_tracks",
    "make_track_table",
]


def __dir__() -> list[str]:
    return sorted(__all__)
