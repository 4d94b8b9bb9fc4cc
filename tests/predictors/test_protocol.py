"""Prediction: one number for each individual, NaN only with a reason."""

from __future__ import annotations

import numpy as np
import pytest

from pgxeval.errors import TableError
from pgxeval.predictors.protocol import Prediction, Predictor, TrainablePredictor
from pgxeval.predictors.trained.elastic_net import ElasticNetPredictor


def test_reasons_belong_to_nan_alone() -> None:
    prediction = Prediction(values=[1.0, np.nan, np.nan], reasons={1: "no exon in the window"})
    assert prediction.reason(0) is None
    assert prediction.reason(1) == "no exon in the window"
    assert prediction.reason(2) == "the predictor gave no reason"
    assert Prediction(values=[np.nan], reasons="all failed").reason(0) == "all failed"


def test_values_are_read_only_and_copied() -> None:
    mine = np.array([1.0, 2.0])
    prediction = Prediction(values=mine)
    mine[0] = 9
    assert prediction.values.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="read-only"):
        prediction.values[0] = 5


def test_infinite_and_two_dimensional_values_are_refused() -> None:
    with pytest.raises(TableError, match="1 of 2 predictions are infinite"):
        Prediction(values=[np.inf, 1.0])
    with pytest.raises(TableError, match="one dimension"):
        Prediction(values=np.zeros((2, 2)))


def test_protocols_ask_for_no_inheritance() -> None:
    class Mine:
        name = "mine"

        def predict(self, gene, genome, individuals):
            return Prediction(values=np.zeros(len(individuals)))

    assert isinstance(Mine(), Predictor)
    assert not isinstance(Mine(), TrainablePredictor)
    assert isinstance(ElasticNetPredictor(), TrainablePredictor)
