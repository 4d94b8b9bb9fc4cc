"""What a plan promises is what the run takes."""

from __future__ import annotations

import html
import re
from pathlib import Path

import numpy as np
import pytest
from tests.prediction.cheap import Cheap, CheapZeroShot, cheap_cohort
from tests.predictors import toy_models

from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import SettingError, UnknownNameError
from pgxeval.prediction.plan import RunPlan, plan
from pgxeval.prediction.run import predict_cohort
from pgxeval.predictors.protocol import Prediction
from pgxeval.predictors.sequence import ExonMask, SequencePredictor


class Ready:
    """Needs no training."""

    name = "ready"

    def predict(self, gene, genome, individuals) -> Prediction:
        return Prediction(values=np.zeros(len(individuals)))


def _row(made: RunPlan, name: str) -> dict:
    return made.predictors.set_index("predictor").loc[name].to_dict()


def test_fits_are_those_that_the_run_makes(tmp_path: Path) -> None:
    cohort = cheap_cohort(n_genes=4, n_individuals=30)
    made = plan(cohort, [Cheap(), Ready()], folds=3, replicates=2, timed_genes=0)
    predict_cohort(cohort, [Cheap(calls=tmp_path), Ready()], folds=3, replicates=2, workers=1, progress=False)
    assert _row(made, "cheap")["fits"] == sum(len(path.read_bytes()) for path in tmp_path.iterdir())
    assert np.isnan(made.seconds)
    assert _row(made, "cheap")["basis"] == "not timed"


def test_genes_that_are_finished_in_the_store_are_subtracted(tmp_path: Path) -> None:
    cohort = cheap_cohort(n_genes=6, n_individuals=30)
    predictors, asked = [Cheap(die_at=["G00001"]), CheapZeroShot()], {"folds": 3, "replicates": 2}
    store, calls = tmp_path / "store", tmp_path / "calls"
    calls.mkdir()
    new = plan(cohort, predictors, store=store, timed_genes=0, **asked)
    assert not store.exists()
    assert new.predictors["stored"].tolist() == [0, 0]
    predict_cohort(
        cohort, predictors, genes=["G00000", "G00001", "G00004"], store=store, workers=1, progress=False, **asked
    )
    before = sorted(store.rglob("*"))
    made = plan(cohort, predictors, store=store, timed_genes=0, **asked)
    assert sorted(store.rglob("*")) == before
    assert made.predictors["genes"].tolist() == [6, 6]
    assert made.predictors["stored"].tolist() == [2, 3]  # one gene failed and is tried again
    assert (6 * made.predictors["disk_bytes"] == new.predictors["disk_bytes"] * [4, 3]).all()
    smaller = plan(cohort.subset(genes=["G00000", "G00002"]), predictors, store=store, timed_genes=0, **asked)
    assert smaller.predictors["stored"].tolist() == [1, 1]
    other = plan(cohort, [Cheap(weight=2.0)], store=store, timed_genes=0, **asked)
    assert other.predictors["stored"].tolist() == [0]
    measured_again = plan(cheap_cohort(n_genes=6, n_individuals=30, seed=1), predictors, store=store, **asked)
    assert measured_again.predictors["stored"].tolist() == [0, 3]  # no expression in predictions without training
    predict_cohort(cohort, [Cheap(calls=calls)], store=store, workers=1, progress=False, **asked)
    assert _row(made, "cheap")["fits"] == sum(len(path.read_bytes()) for path in calls.iterdir())
    finished = _row(plan(cohort, [Cheap()], store=store, **asked), "cheap")
    assert (finished["fits"], finished["seconds"], finished["disk_bytes"]) == (0, 0.0, 0)
    assert finished["basis"] == "all genes are in the store"


def test_size_of_the_predictions(tmp_path: Path) -> None:
    cohort = cheap_cohort(n_genes=40, n_individuals=200)
    asked = {"folds": 3, "replicates": 4, "workers": 1}
    made = plan(cohort, [Cheap()], timed_genes=0, **asked)
    table = predict_cohort(cohort, [Cheap()], progress=False, **asked).table
    in_table = int(table.memory_usage(index=False, deep=False).sum())
    assert in_table < made.predictors["memory_bytes"].sum() < 2 * in_table  # with the results it is made from
    predict_cohort(cohort, [Cheap()], progress=False, store=tmp_path, **asked)
    on_disk = sum(path.stat().st_size for path in tmp_path.rglob("*.parquet"))
    assert on_disk / 2 < made.disk_bytes < 2 * on_disk


@pytest.fixture(scope="module")
def toy_cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    small = toy_models.random_genome(tmp_path_factory.mktemp("genome"), seed=21, n_individuals=12, every_bp=60)
    genes = (toy_models.gene_at(800, gene_id="a"), toy_models.gene_at(1_500, gene_id="b"))
    expression = np.random.default_rng(0).normal(size=(2, 12))
    return Cohort(genome=small.genome, genes=genes, expression=expression, individuals=small.individuals)


def test_passes_of_a_sequence_model_are_those_of_its_plan_and_a_batch_is_timed(toy_cohort: Cohort) -> None:
    predictor = SequencePredictor(toy_models.ToyModel(), ExonMask(), tracks=[0], batch_size=4)
    made = plan(toy_cohort, [predictor, Ready()], workers=1)
    row = _row(made, predictor.name)
    assert row["passes"] == predictor.plan(toy_cohort, progress=False).calls > 0
    assert row["basis"] == "one batch timed"
    assert made.seconds > 0
    assert len(predictor.model.seen) == 8  # two batches, and no sequence of the cohort among them
    assert {bytes(sequence) for sequence in predictor.model.seen} == {b"A" * predictor.context_length}


def test_a_remote_model_is_never_called(toy_cohort: Cohort) -> None:
    predictor = SequencePredictor(
        toy_models.ToyModel(), ExonMask(), tracks=[0], batch_size=4, remote=True, allow_remote=True
    )
    made = plan(toy_cohort, [predictor], workers=1)
    assert _row(made, predictor.name)["basis"] == "the quota is unknown"
    assert np.isnan(made.seconds)
    assert predictor.model.seen == []


def test_scores_in_the_cache_cost_nothing(toy_cohort: Cohort, tmp_path: Path) -> None:
    predictor = SequencePredictor(toy_models.ToyModel(), ExonMask(), tracks=[0], score_cache=tmp_path)
    predict_cohort(toy_cohort, [predictor], progress=False, workers=1)
    row = _row(plan(toy_cohort, [predictor], workers=1), predictor.name)
    assert (row["passes"], row["seconds"], row["basis"]) == (0, 0.0, "all scores are in the cache")
    assert row["cached"] > 0


def test_a_plan_reads_like_a_table_and_hides_nothing() -> None:
    made = plan(cheap_cohort(n_genes=4), [Cheap(name="<b>"), Ready()], folds=3, replicates=1, workers=2)
    text = repr(made)
    assert re.match(r"In all .* on 2 workers, .* of memory\n", text)
    assert "4 genes x 12 individuals: <b>, ready; 3 folds, 1 permuted replicate;" in text
    assert "Fits" in text
    assert "Model passes" not in text  # there are none
    assert html.escape("<b>") in made._repr_html_()
    assert "<b>" not in made._repr_html_()
    assert made.memory_bytes > 2 * made.worker_bytes > 50e6


def test_a_predictor_that_fails_is_named_and_the_others_are_planned() -> None:
    cohort = cheap_cohort(n_genes=4)
    made = plan(cohort, [Cheap(name="bad", die_at=cohort.gene_ids), Ready()], folds=3, workers=1)
    assert _row(made, "bad")["basis"].startswith("failed: predictor 'bad' failed at gene")
    assert np.isnan(_row(made, "bad")["seconds"])
    assert np.isfinite(_row(made, "ready")["seconds"])


def test_arguments_are_checked_as_those_of_a_run() -> None:
    cohort = cheap_cohort()
    with pytest.raises(UnknownNameError, match="near: elastic_net"):
        plan(cohort, ["elastic_ne"])
    with pytest.raises(SettingError, match="timed_genes must be a whole number, 0 or more, got -1"):
        plan(cohort, [Cheap()], timed_genes=-1)
