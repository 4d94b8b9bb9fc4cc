"""Prediction: one number per individual, NaN only with a reason; what `predict` may return; optional abilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from pgxeval.errors import TableError
from pgxeval.predictors.protocol import Prediction, Predictor, PredictsGenes, RecordsSettings, TrainablePredictor
from pgxeval.predictors.trained.elastic_net import ElasticNetPredictor

INDIVIDUALS = ["ann", "bob", "cid"]


def test_reasons_apply_to_nan_only() -> None:
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
    with pytest.raises(TableError, match="1 of 2 predictions are infinite; expected finite numbers"):
        Prediction(values=[np.inf, 1.0])
    with pytest.raises(TableError, match="one dimension"):
        Prediction(values=np.zeros((2, 2)))


@pytest.mark.parametrize(
    "answer",
    [
        [1, 2, 3],
        (1.0, 2.0, 3.0),
        np.array([1, 2, 3], dtype=np.float32),
        pd.Series([1.0, 2.0, 3.0]),
        pd.Series([1.0, 2.0, 3.0], index=INDIVIDUALS),
        pd.Series([3.0, 1.0, 2.0], index=["cid", "ann", "bob"]),
        Prediction(values=[1.0, 2.0, 3.0]),
    ],
    ids=["list", "tuple", "float32", "numbered Series", "Series", "Series in another order", "Prediction"],
)
def test_vectors_of_numbers_become_a_prediction(answer: Any) -> None:
    prediction = Prediction.of(answer, INDIVIDUALS)
    assert prediction.values.tolist() == [1.0, 2.0, 3.0]
    assert prediction.values.dtype == np.float64


def test_missing_numbers_of_a_series_stay_missing() -> None:
    prediction = Prediction.of(pd.Series([3.0, np.nan, 2.0], index=["cid", "ann", "bob"]), INDIVIDUALS)
    np.testing.assert_array_equal(prediction.values, [np.nan, 2.0, 3.0])
    assert Prediction.of([], []).values.shape == (0,)
    assert Prediction.of(pd.Series([], dtype=float), []).values.shape == (0,)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "must return a Prediction, or one number per individual .* got NoneType"),
        (1.0, "got float"),
        ({"ann": 1.0}, "got dict"),
        (pd.DataFrame({"ann": [1.0]}), "got DataFrame"),
        ([1.0, 2.0], "expected 3, got 2"),
        (Prediction(values=[1.0]), "expected 3, got 1"),
        (np.zeros((3, 1)), "one dimension"),
        (["high", "low", "high"], "must return numbers"),
        ([1.0, None, [2.0]], "must return numbers"),
        (pd.Series([1.0, 2.0, 3.0], index=["ann", "bob", "dot"]), "1 individuals are missing: cid"),
        (pd.Series([1.0, 2.0, 3.0], index=["x", "y", "z"]), "3 individuals are missing: ann, bob, cid"),
        (pd.Series([1.0, 2.0, 3.0, 4.0], index=[*INDIVIDUALS, "ann"]), "it has 4 values for 3 individuals"),
        (pd.Series([1.0, 2.0]), "expected 3, got 2"),
    ],
)
def test_other_answers_are_refused(answer: Any, message: str) -> None:
    with pytest.raises(TableError, match=message):
        Prediction.of(answer, INDIVIDUALS)


def test_names_of_individuals_may_be_numbers() -> None:
    assert Prediction.of(pd.Series([2.0, 1.0], index=[7, 3]), ["3", "7"]).values.tolist() == [1.0, 2.0]


def test_protocols_require_no_inheritance() -> None:
    class Mine:
        name = "mine"

        def predict(self, gene, genome, individuals):
            return Prediction(values=np.zeros(len(individuals)))

    assert isinstance(Mine(), Predictor)
    assert not isinstance(Mine(), TrainablePredictor)
    assert not isinstance(Mine(), PredictsGenes | RecordsSettings)
    assert isinstance(ElasticNetPredictor(), TrainablePredictor)

    class Batched(Mine):
        @property
        def settings(self):
            return {"version": 1}

        def predict_genes(self, genes, genome, individuals, *, progress=None):
            for gene in genes:
                yield gene, self.predict(gene, genome, individuals)

    assert isinstance(Batched(), PredictsGenes)
    assert isinstance(Batched(), RecordsSettings)


def test_what_is_masked_is_missing_and_complex_numbers_are_refused() -> None:
    masked = np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False])
    for values in (masked, np.ma.array([1, 2, 3], mask=[False, True, False])):
        np.testing.assert_array_equal(Prediction.of(values, INDIVIDUALS).values, [1, np.nan, 3])
        np.testing.assert_array_equal(Prediction(values=values).values, [1, np.nan, 3])
    for wrong in (np.ones(3) * 1j, [1j, 2, 3], pd.Series([1j, 2, 3], index=INDIVIDUALS)):
        with pytest.raises(TableError, match="real numbers"):
            Prediction.of(wrong, INDIVIDUALS)
