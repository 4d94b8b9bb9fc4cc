"""Predictors that are trained on the individuals of the cohort."""

from pgxeval.predictors.trained.blup import BlupPredictor
from pgxeval.predictors.trained.cis_variants import CisVariants, CisWindow, SelectedVariants
from pgxeval.predictors.trained.elastic_net import ElasticNetPredictor, FittedElasticNet
from pgxeval.predictors.trained.linear import FittedLinear
from pgxeval.predictors.trained.random_forest import FittedRandomForest, RandomForestPredictor
from pgxeval.predictors.trained.sklearn import FittedSklearn, SklearnPredictor
from pgxeval.predictors.trained.top_variant import TopVariantPredictor
from pgxeval.predictors.trained.training import (
    FitsTrainingSet,
    FittedOnWindow,
    TrainedOn,
    TrainingGenotypes,
    TrainingSet,
)

__all__ = [
    "BlupPredictor",
    "CisVariants",
    "CisWindow",
    "ElasticNetPredictor",
    "FitsTrainingSet",
    "FittedElasticNet",
    "FittedLinear",
    "FittedOnWindow",
    "FittedRandomForest",
    "FittedSklearn",
    "RandomForestPredictor",
    "SelectedVariants",
    "SklearnPredictor",
    "TopVariantPredictor",
    "TrainedOn",
    "TrainingGenotypes",
    "TrainingSet",
]


def __dir__() -> list[str]:
    return sorted(__all__)
