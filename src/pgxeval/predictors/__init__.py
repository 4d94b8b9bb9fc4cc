"""Predictors: their protocols, and one room per family of models."""

from pgxeval.predictors.alphagenome import AlphaGenomePredictor
from pgxeval.predictors.enformer import EnformerPredictor
from pgxeval.predictors.protocol import (
    Prediction,
    Predictor,
    PredictsGenes,
    RecordsSettings,
    TrainablePredictor,
    Travels,
)
from pgxeval.predictors.registry import available_predictors, make_predictor
from pgxeval.predictors.sequence import (
    ExonMask,
    GeneBody,
    IntervalReadout,
    ModelInfo,
    SequenceModel,
    SequencePredictor,
    TssBins,
)
from pgxeval.predictors.trained import CisVariants, ElasticNetPredictor, RandomForestPredictor, SklearnPredictor

__all__ = [
    "AlphaGenomePredictor",
    "CisVariants",
    "ElasticNetPredictor",
    "EnformerPredictor",
    "ExonMask",
    "GeneBody",
    "IntervalReadout",
    "ModelInfo",
    "Prediction",
    "Predictor",
    "PredictsGenes",
    "RandomForestPredictor",
    "RecordsSettings",
    "SequenceModel",
    "SequencePredictor",
    "SklearnPredictor",
    "TrainablePredictor",
    "Travels",
    "TssBins",
    "available_predictors",
    "make_predictor",
]


def __dir__() -> list[str]:
    return sorted(__all__)
