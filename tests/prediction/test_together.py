"""Predictors that answer all genes together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import (
    PgxevalError,
)
from pgxeval.prediction.run import predict_cohort
from pgxeval.predictors.protocol import Prediction
from pgxeval.predictors.trained.elastic_net import ElasticNetPredictor
from pgxeval.predictors.trained.random_forest import RandomForestPredictor
from pgxeval.tables.predictions import Predictions

Planted = tuple[Cohort, pd.DataFrame]

QUICK = [ElasticNetPredictor(n_alphas=30), RandomForestPredictor(n_estimators=8)]


def _run(cohort: Cohort, predictors: list | None = None, **settings: object) -> Predictions:
    asked = {"folds": 4, "seed": 1, "replicates": 0, "workers": 1, "progress": False, **settings}
    return predict_cohort(cohort, QUICK if predictors is None else predictors, **asked)


class Together:
    """Predicts genes in one call, and stops at some of them."""

    name = "together"

    def __init__(self, stop_at: tuple[str, ...], error: Exception) -> None:
        self.stop_at, self.error, self.calls = stop_at, error, []

    def predict(self, gene, genome, individuals):
        raise NotImplementedError

    def predict_genes(self, genes, genome, individuals, *, progress=None):
        self.calls.append([gene.gene_id for gene in genes])
        for gene in genes:
            if gene.gene_id in self.stop_at:
                raise self.error
            yield gene, Prediction(values=np.arange(len(individuals), dtype=float))


def test_a_generator_that_stops_loses_only_the_gene_it_stopped_at(planted: Planted) -> None:
    cohort, _ = planted
    predictor = Together((cohort.gene_ids[1], cohort.gene_ids[2]), ValueError("GATTACA"))
    predictions = _run(cohort, [predictor])
    assert predictions.failures["gene_id"].tolist() == list(cohort.gene_ids[1:3])
    counts = predictions.table.groupby("gene_id", observed=True)["prediction"].count()
    assert counts.tolist() == [80, 0, 0, 80]
    with pytest.raises(PgxevalError, match=f"'together' failed at gene {cohort.gene_ids[1]} with ValueError"):
        _run(cohort, [predictor], on_error="raise")
