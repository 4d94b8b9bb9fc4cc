"""Which model can read a personal genome? Judge expression predictors on the genomes of individuals.

>>> import pgxeval
>>> "Cohort" in dir(pgxeval)
True
"""

import importlib
from types import ModuleType

from pgxeval.attribution import AttributionSettings, attribute
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
from pgxeval.evaluation import Evaluation, EvaluationSettings, Evaluator, PowerSettings, power
from pgxeval.genome import Gene, Interval, PersonalGenome, ReferenceGenome, VariantFilter
from pgxeval.prediction import plan, predict_cohort
from pgxeval.predictors import (
    AlphaGenomePredictor,
    CisVariants,
    ElasticNetPredictor,
    EnformerPredictor,
    ExonMask,
    GeneBody,
    IntervalReadout,
    ModelInfo,
    Prediction,
    Predictor,
    RandomForestPredictor,
    SequenceModel,
    SequencePredictor,
    SklearnPredictor,
    TrainablePredictor,
    TssBins,
    available_predictors,
    make_predictor,
)
from pgxeval.provenance import __version__
from pgxeval.simulation import simulate_cohort
from pgxeval.study import Study, StudySettings, run_study
from pgxeval.tables import Predictions

__all__ = [
    "AlphaGenomePredictor",
    "AttributionSettings",
    "CisVariants",
    "Cohort",
    "ElasticNetPredictor",
    "EnformerPredictor",
    "Evaluation",
    "EvaluationSettings",
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
    "PowerSettings",
    "Prediction",
    "Predictions",
    "Predictor",
    "RandomForestPredictor",
    "ReferenceGenome",
    "RemoteServiceError",
    "SequenceModel",
    "SequencePredictor",
    "SettingError",
    "SklearnPredictor",
    "Study",
    "StudySettings",
    "TableError",
    "TrainablePredictor",
    "TssBins",
    "UnknownNameError",
    "VariantFilter",
    "__version__",
    "attribute",
    "available_predictors",
    "make_predictor",
    "plan",
    "power",
    "predict_cohort",
    "run_study",
    "simulate_cohort",
]


_ROOMS = ("datasets", "plots", "report")  # imported when they are first used


def __dir__() -> list[str]:
    return sorted([*__all__, *_ROOMS])


def __getattr__(name: str) -> ModuleType:
    if name in _ROOMS:
        return importlib.import_module(f"pgxeval.{name}")
    raise AttributeError(f"module 'pgxeval' has no attribute {name!r}")
