"""GeneResult: replicates are joined in order, and failures are NaN with their reason."""

from __future__ import annotations

import numpy as np

from pgxeval.prediction.crossfit import CrossFit
from pgxeval.prediction.results import GeneResult
from pgxeval.predictors.protocol import Prediction


def test_replicates_are_joined_in_their_order() -> None:
    fits = [
        CrossFit(
            predictor="p",
            replicate=replicate,
            fold=np.array([1, 2], np.int16),
            prediction=np.array([replicate, np.nan]),
            training_mean=np.array([0.5, 0.25]),
            reason={1: f"why {replicate}"},
            used=[{"replicate": replicate}],
        )
        for replicate in range(3)
    ]
    result = GeneResult.from_cross_fits("G", fits)
    np.testing.assert_array_equal(result.prediction, [[0, np.nan], [1, np.nan], [2, np.nan]])
    assert [reasons[1] for reasons in result.reasons] == ["why 0", "why 1", "why 2"]
    assert result.used == ({"replicate": 0},)
    assert result.failure is None


def test_a_prediction_without_training_has_no_fold() -> None:
    prediction = Prediction(values=np.array([1.0, np.nan]), reasons={1: "no strand"}, used={"tracks": 2})
    result = GeneResult.from_prediction("p", "G", prediction)
    assert result.fold is None
    assert result.training_mean is None
    assert result.reasons == ({1: "no strand"},)


def test_a_failure_fills_every_replicate() -> None:
    result = GeneResult.failed("p", "G", "too little memory", n_replicates=2, n_individuals=3)
    assert np.isnan(result.prediction).all()
    assert result.prediction.shape == (2, 3)
    assert {text for reasons in result.reasons for text in reasons.values()} == {"failed: too little memory"}
