"""Noise stays noise with the real predictors; the exhaustive study is validation/null_genes.py."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

import pgxeval
from pgxeval.simulation.simulate import simulate_cohort_in_memory

GENES, PEOPLE, REPLICATES = 40, 90, 4


@pytest.fixture(scope="module")
def null_study() -> tuple[pgxeval.Predictions, pgxeval.Evaluation, pd.DataFrame]:
    pytest.importorskip("msprime", reason="the simulated cohort needs the extra `demo`")
    cohort, _ = simulate_cohort_in_memory(individuals=PEOPLE, kinds={"null": GENES}, window_bp=30_000, seed=21)
    predictors = [pgxeval.ElasticNetPredictor(), pgxeval.RandomForestPredictor()]
    predictions = pgxeval.predict_cohort(cohort, predictors, replicates=REPLICATES, seed=21, workers=1, progress=False)
    expression = pd.DataFrame(cohort.expression, index=list(cohort.gene_ids), columns=list(cohort.individuals))
    return predictions, pgxeval.Evaluator(cohort).evaluate(predictions), expression


def _correlations(
    predictions: pgxeval.Predictions, expression: pd.DataFrame, name: str, *, centred: bool
) -> np.ndarray:
    """Return r and p of scipy for every gene in every replicate: each is a null gene of its own."""
    rows = predictions.table[predictions.table["predictor"] == name].astype({"gene_id": str, "individual": str})
    answers = []
    for (_, gene), block in rows.groupby(["replicate", "gene_id"]):
        values = block["prediction"] - (block["training_mean"] if centred else 0)
        if np.ptp(values) > 1e-12:
            answers.append(spearmanr(values, expression.loc[gene, block["individual"]]))
    return np.array(answers)


@pytest.mark.parametrize("name", ["elastic_net", "random_forest"])
def test_the_share_of_right_directions_is_that_of_the_reference(null_study, name: str) -> None:
    summary = null_study[1].summary.query("predictor == @name and stratum == 'all'").iloc[0]
    assert summary["defined"] > 25
    assert summary["difference_low"] < 0 < summary["difference_high"]


@pytest.mark.parametrize("name", ["elastic_net", "random_forest"])
def test_p_values_do_not_fire(null_study, name: str) -> None:
    genes = null_study[1].per_gene.query("predictor == @name")
    assert np.mean(genes["p_value"].dropna() < 0.05) < 0.15
    assert (genes["q_value"].dropna() > 0.05).all()


def test_no_null_gene_is_called_nonlinear(null_study) -> None:
    assert set(null_study[1].strata["stratum"]) <= {"unpredictable", "linear"}


@pytest.mark.parametrize(
    ("name", "raw_below", "centred_below"), [("elastic_net", 0.35, 0.47), ("random_forest", 0.43, 0.5)]
)
def test_the_usual_readings_fail_on_the_same_genes(
    null_study, name: str, raw_below: float, centred_below: float
) -> None:
    predictions, _, expression = null_study
    raw = _correlations(predictions, expression, name, centred=False)
    centred = _correlations(predictions, expression, name, centred=True)
    assert np.mean(raw[:, 0] > 0) < raw_below
    assert np.mean(centred[:, 0] > 0) < centred_below
    if name == "random_forest":
        # the elastic net's excess is smaller, and takes more genes to show than a quick test has
        assert np.mean(centred[:, 1] < 0.05) > 0.08
