"""Units of work: failures are recorded with their gene and without the predictor's words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import (
    GenotypeError,
    PgxevalError,
    RemoteServiceError,
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


class Broken:
    """Fails at some genes."""

    name = "broken"

    def __init__(self, at: set[str] | None = None, error: type[BaseException] = RuntimeError) -> None:
        self.at, self.error = at, error

    def fit(self, gene, genome, expression, *, seed=0):
        if self.at is None or gene.gene_id in self.at:
            raise self.error("GATTACA")
        return Echo("broken").fit(gene, genome, expression)


def test_a_failing_predictor_is_named_with_its_gene_and_without_its_words(planted: Planted) -> None:
    first = planted[0].gene_ids[0]
    with pytest.raises(PgxevalError, match=rf"'broken' failed at gene {first} with RuntimeError .*test_tasks") as error:
        _run(planted[0], [Broken()], on_error="raise")
    assert "GATTACA" not in str(error.value)


def test_a_predictor_that_fails_at_every_gene_ends_the_run(planted: Planted) -> None:
    with pytest.raises(PgxevalError, match=r"at 3 more, that is, at every gene.*on_error=\"raise\"") as error:
        _run(planted[0], [Broken(), Echo()])
    assert "GATTACA" not in str(error.value)


@pytest.mark.parametrize("error", [RuntimeError, SystemExit, MemoryError])
def test_a_gene_that_fails_is_nan_with_its_reason_and_all_else_goes_on(planted: Planted, error: type) -> None:
    cohort, _ = planted
    bad = cohort.gene_ids[2]
    predictions = _run(cohort, [Broken({bad}, error), Echo()], replicates=1)
    whole = _run(cohort, [Echo("broken"), Echo()], replicates=1)
    (row,) = predictions.failures.itertuples(index=False)
    assert (row.predictor, row.gene_id) == ("broken", bad)
    assert row.reason.startswith(f"{error.__name__} (test_tasks.py, line ")
    assert "GATTACA" not in row.reason
    table = predictions.table
    failed = (table["predictor"] == "broken") & (table["gene_id"] == bad)
    assert failed.sum() == 80 * 2
    assert table.loc[failed, "prediction"].isna().all()
    assert set(table.loc[failed, "reason"]) == {f"failed: {row.reason}"}
    pd.testing.assert_frame_equal(
        table[~failed].drop(columns="reason"), whole.table[~failed].drop(columns="reason"), check_exact=True
    )
    assert whole.failures.empty


def test_an_error_of_this_library_is_recorded_in_its_own_words(planted: Planted) -> None:
    class Fussy:
        name = "fussy"

        def predict(self, gene, genome, individuals):
            if gene.gene_id == planted[0].gene_ids[1]:
                raise GenotypeError("record chr1:12 has three copies")
            return [1.0] * 79 + [np.nan]

    predictions = _run(planted[0], [Fussy()])
    assert predictions.failures["reason"].tolist() == ["record chr1:12 has three copies"]
    with pytest.raises(GenotypeError, match=f"'fussy' failed at gene {planted[0].gene_ids[1]}: record chr1:12"):
        _run(planted[0], [Fussy()], on_error="raise")


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


def test_a_service_that_cannot_be_used_ends_the_run(planted: Planted) -> None:
    predictor = Together((planted[0].gene_ids[1],), RemoteServiceError("quota is used up"))
    with pytest.raises(RemoteServiceError, match="quota is used up"):
        _run(planted[0], [predictor])
    assert len(predictor.calls) == 1
