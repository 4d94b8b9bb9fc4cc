"""What a run states about itself before it begins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from tests.prediction.cheap import Cheap, cheap_cohort

from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import (
    SettingError,
)
from pgxeval.prediction.request import Request
from pgxeval.prediction.run import predict_cohort
from pgxeval.predictors.protocol import Prediction
from pgxeval.predictors.trained.elastic_net import ElasticNetPredictor
from pgxeval.predictors.trained.random_forest import RandomForestPredictor
from pgxeval.tables.predictions import Predictions


def _request(**settings: Any) -> Request:
    asked = {"folds": 3, "seed": 0, "replicates": None, "method": "crossfit", "genes": None, **settings}
    return Request.of(cheap_cohort(n_genes=4), [Cheap()], **asked)


@pytest.mark.parametrize(
    ("settings", "end"),
    [
        ({}, "3 folds, 20 permuted replicates; smallest counted p-value 0.012"),
        ({"replicates": 1}, "1 permuted replicate; smallest counted p-value 0.2"),
        ({"replicates": 0}, "p-values and references of trained predictors are undefined"),
        ({"method": "prequential"}, "3 folds, prequential"),
    ],
)
def test_one_line(settings: dict[str, Any], end: str) -> None:
    text = str(_request(**settings))
    assert text.startswith("4 genes x 12 individuals: cheap; ")
    assert text.endswith(end)
    assert "\n" not in text


def test_slices_of_an_array_job_make_the_replicates_of_the_whole() -> None:
    part = _request(genes=slice(0, 1))
    assert (len(part.genes), part.replicates) == (1, _request().replicates)
    assert "1 gene x" in str(part)
    assert "p-value 0.012" in str(part)


Planted = tuple[Cohort, pd.DataFrame]

QUICK = [ElasticNetPredictor(n_alphas=30), RandomForestPredictor(n_estimators=8)]


def _run(cohort: Cohort, predictors: list | None = None, **settings: object) -> Predictions:
    asked = {"folds": 4, "seed": 1, "replicates": 0, "workers": 1, "progress": False, **settings}
    return predict_cohort(cohort, QUICK if predictors is None else predictors, **asked)


class Echo:
    """Remembers what it was given; its prediction is the number of training individuals."""

    def __init__(self, name: str = "echo") -> None:
        self.name = name
        self.seen: list[tuple[str, pd.Series, list[str], int]] = []

    def fit(self, gene, genome, expression, *, seed=0):
        outer = self

        class Fitted:
            name = outer.name

            def predict(self, gene, genome, individuals):
                outer.seen.append((gene.gene_id, expression, list(individuals), seed))
                return Prediction(values=np.full(len(individuals), float(len(expression))))

        return Fitted()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"folds": 1}, "folds must be a whole number from 2 to 80"),
        ({"folds": 81}, "folds must be"),
        ({"folds": 2.5}, "folds must be"),
        ({"method": "leave-one-out"}, 'method must be "crossfit" or "prequential"'),
        ({"replicates": -1}, "replicates must be a whole number"),
        ({"workers": 0}, "workers must be a whole number, 1 or more, or -1"),
        ({"workers": -2}, "workers must be"),
        ({"on_error": "ignore"}, 'on_error must be "nan" or "raise"'),
        ({"executor": "dask"}, "executor must be a concurrent.futures.Executor, got str"),
        ({"genes": slice(7, 9)}, "holds none of the cohort's 4 genes"),
        ({"genes": "SIMG000001"}, "genes must be a slice or a list"),
        ({"genes": []}, "at least one gene"),
        ({"predictors": []}, "a list of at least one predictor"),
        ({"predictors": [ElasticNetPredictor]}, r"is a class; give an instance: ElasticNetPredictor\(\)"),
        ({"predictors": [Echo(), Echo()]}, "different names; echo occurs more than once"),
        ({"predictors": [3]}, "int is not a predictor"),
    ],
)
def test_bad_settings_are_named(planted: Planted, settings: dict, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        _run(planted[0], **settings)


def test_what_is_not_a_cohort_or_a_predictor_is_answered() -> None:
    with pytest.raises(SettingError, match=r"expected a Cohort, such as .*, got a str"):
        predict_cohort("cohort", [Cheap()])  # type: ignore[arg-type,call-overload]
    with pytest.raises(SettingError, match=r"Ridge is not a predictor: .* wrap it: SklearnPredictor\(Ridge\(\)\)"):
        predict_cohort(cheap_cohort(n_genes=4), [Ridge()])  # type: ignore[list-item,call-overload]
    for name in ("", " ", 3):
        with pytest.raises(SettingError, match="the name of a predictor must be a text"):
            predict_cohort(cheap_cohort(n_genes=4), [Cheap(name=name)])
