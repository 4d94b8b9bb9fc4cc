"""Pairing of expression and genotypes in a replicate."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pgxeval.cohort.cohort import Cohort
from pgxeval.prediction.run import predict_cohort
from pgxeval.predictors.protocol import Prediction
from pgxeval.predictors.trained.elastic_net import ElasticNetPredictor
from pgxeval.predictors.trained.random_forest import RandomForestPredictor
from pgxeval.seeding import assign_folds, permute_individuals
from pgxeval.tables.predictions import Predictions

Planted = tuple[Cohort, pd.DataFrame]

QUICK = [ElasticNetPredictor(n_alphas=30), RandomForestPredictor(n_estimators=8)]


def _run(cohort: Cohort, predictors: list | None = None, **settings: object) -> Predictions:
    asked = {"folds": 4, "seed": 1, "replicates": 0, "workers": 1, "progress": False, **settings}
    return predict_cohort(cohort, QUICK if predictors is None else predictors, **asked)


def _rows(predictions: Predictions, **keys: object) -> pd.DataFrame:
    table = predictions.table
    for name, value in keys.items():
        table = table[table[name] == value]
    return table.set_index(pd.Index(table["individual"].astype(str), name="who")).sort_index()


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


def test_replicates_pair_expression_with_the_genotypes_of_the_permuted_partner(planted: Planted) -> None:
    cohort, _ = planted
    gene = cohort.genes[0]
    echo = Echo()
    rows = _rows(_run(cohort, [echo], replicates=2), gene_id=gene.gene_id, replicate=2)
    partner = permute_individuals(cohort.individuals, 2, 1)
    assert sorted(partner) == list(range(80))
    of = {name: cohort.individuals[partner[i]] for i, name in enumerate(cohort.individuals)}
    owner = {genotypes: name for name, genotypes in of.items()}
    folds = dict(zip(cohort.individuals, assign_folds(cohort.individuals, 4, 1), strict=True))
    assert all(rows.loc[name, "fold"] == folds[of[name]] for name in cohort.individuals)
    expression = cohort.expression_of(gene.gene_id)
    # fits come by gene, fold and replicate
    for gene_id, trained, _, _ in echo.seen[2:12:3]:
        assert gene_id == gene.gene_id
        np.testing.assert_array_equal(trained, [expression[owner[name]] for name in trained.index])
