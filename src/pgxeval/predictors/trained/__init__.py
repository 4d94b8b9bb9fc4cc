"""Predictors that are trained on the individuals of the cohort."""

from pgxeval.predictors.trained.cis_variants import CisVariants, SelectedVariants
from pgxeval.predictors.trained.elastic_net import ElasticNetPredictor, FittedElasticNet
from pgxeval.predictors.trained.random_forest import FittedRandomForest, RandomForestPredictor
from pgxeval.predictors.trained.training import Training

__all__ = [
    "CisVariants",
    "ElasticNetPredictor",
    "FittedElasticNet",
    "FittedRandomForest",
    "RandomForestPredictor",
    "SelectedVariants",
    "Training",
]


def __dir__() -> list[str]:
    return sorted(__all__)
