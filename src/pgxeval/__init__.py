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
    SettingError,
    TableError,
    UnknownNameError,
)
from pgxeval.evaluation.evaluator import Evaluation, Evaluator
from pgxeval.genome.intervals import Gene, Interval
from pgxeval.genome.personal import PersonalGenome
from pgxeval.genome.reference import ReferenceGenome
from pgxeval.prediction import predict_cohort
from pgxeval.predictors.cis_variants import CisVariants
from pgxeval.predictors.elastic_net import ElasticNetPredictor
from pgxeval.predictors.protocol import Prediction, Predictor, TrainablePredictor
from pgxeval.predictors.random_forest import RandomForestPredictor
from pgxeval.simulate import simulate_cohort
from pgxeval.tables import Predictions

__version__ = "0.1.0"

__all__ = [
    "CisVariants",
    "Cohort",
    "ElasticNetPredictor",
    "Evaluation",
    "Evaluator",
    "Gene",
    "GenotypeError",
    "InputFileError",
    "InputFileNotFoundError",
    "Interval",
    "PersonalGenome",
    "PgxevalError",
    "PgxevalWarning",
    "Prediction",
    "Predictions",
    "Predictor",
    "RandomForestPredictor",
    "ReferenceGenome",
    "SettingError",
    "TableError",
    "TrainablePredictor",
    "UnknownNameError",
    "__version__",
    "predict_cohort",
    "simulate_cohort",
]


def __dir__() -> list[str]:
    return sorted(__all__)
