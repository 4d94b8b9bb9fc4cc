"""Which model can read a personal genome? Judge expression predictors on the genomes of individuals.

>>> import pgxeval
>>> "Cohort" in dir(pgxeval)
True
"""

from pgxeval.cohort import Cohort
from pgxeval.errors import (
    GenotypeError,
    InputFileError,
    InputFileNotFoundError,
    PgxevalError,
    PgxevalWarning,
    RemoteServiceError,
    SettingError,
    TableError,
    UnknownNameError,
)
from pgxeval.evaluation.evaluator import Evaluation, Evaluator
from pgxeval.genome.intervals import Gene, Interval
from pgxeval.genome.personal import PersonalGenome
from pgxeval.genome.reference import ReferenceGenome
from pgxeval.genome.variant_filter import VariantFilter
from pgxeval.prediction import predict_cohort
from pgxeval.predictors.alphagenome import AlphaGenomePredictor
from pgxeval.predictors.cis_variants import CisVariants
from pgxeval.predictors.elastic_net import ElasticNetPredictor
from pgxeval.predictors.enformer import EnformerPredictor
from pgxeval.predictors.protocol import Prediction, Predictor, TrainablePredictor
from pgxeval.predictors.random_forest import RandomForestPredictor
from pgxeval.predictors.readout import ExonMask, GeneBody, IntervalReadout, TssBins
from pgxeval.predictors.registry import available_predictors, make_predictor
from pgxeval.predictors.sequence import SequencePredictor
from pgxeval.predictors.sequence_model import ModelInfo, SequenceModel
from pgxeval.simulate import simulate_cohort
from pgxeval.tables import Predictions

__version__ = "0.1.0"

__all__ = [
    "AlphaGenomePredictor",
    "CisVariants",
    "Cohort",
    "ElasticNetPredictor",
    "EnformerPredictor",
    "Evaluation",
    "Evaluator",
    "ExonMask",
    "Gene",
    "GeneBody",
    "GenotypeError",
    "InputFileError",
    "InputFileNotFoundError",
    "Interval",
    "IntervalReadout",
    "ModelInfo",
    "PersonalGenome",
    "PgxevalError",
    "PgxevalWarning",
    "Prediction",
    "Predictions",
    "Predictor",
    "RandomForestPredictor",
    "ReferenceGenome",
    "RemoteServiceError",
    "SequenceModel",
    "SequencePredictor",
    "SettingError",
    "TableError",
    "TrainablePredictor",
    "TssBins",
    "UnknownNameError",
    "VariantFilter",
    "__version__",
    "available_predictors",
    "make_predictor",
    "predict_cohort",
    "simulate_cohort",
]


def __dir__() -> list[str]:
    return sorted(__all__)
