"""From a cohort and predictors to the predictions table."""

from pgxeval.prediction.crossfit import CrossFit, CrossFitter
from pgxeval.prediction.plan import RunPlan, plan
from pgxeval.prediction.replicates import default_replicates
from pgxeval.prediction.run import predict_cohort
from pgxeval.prediction.store import PredictionStore
from pgxeval.prediction.stored import StoredPredictions
from pgxeval.prediction.stored_run import StoredRun
from pgxeval.prediction.workers import begin_worker

__all__ = [
    "CrossFit",
    "CrossFitter",
    "PredictionStore",
    "RunPlan",
    "StoredPredictions",
    "StoredRun",
    "begin_worker",
    "default_replicates",
    "plan",
    "predict_cohort",
]


def __dir__() -> list[str]:
    return sorted(__all__)
