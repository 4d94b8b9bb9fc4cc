"""Noise stays noise: null genes, judged honestly, and the three ways in which they are usually misjudged."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pgxeval.evaluation import EvaluationSettings, Evaluator
from pgxeval.tables.predictions import Predictions

GENES, PEOPLE = 1000, 90


@pytest.fixture(scope="module")
def null_world(top_variant):
    made = top_variant(GENES, PEOPLE, replicates=4, seed=11)
    return made, Evaluator(made.expression_table()).evaluate(made.predictions())


def _far_from(share: float, expected: float, n: int) -> bool:
    return abs(share - expected) > 4 * np.sqrt(expected * (1 - expected) / n)


def test_the_share_less_its_reference_covers_zero(null_world) -> None:
    row = null_world[1].summary.iloc[0]
    assert row["difference_low"] < 0 < row["difference_high"]
    assert row["difference_high"] - row["difference_low"] < 0.2


def test_p_values_hold_their_level(null_world) -> None:
    p = null_world[1].per_gene["p_value"].dropna()
    assert len(p) > 200
    assert 0.03 <= np.mean(p < 0.05) <= 0.07
    assert stats.kstest(p, "uniform").pvalue > 1e-3


def test_intervals_of_null_genes_cover_zero(null_world) -> None:
    found = null_world[1].per_gene.dropna(subset="spearman")
    assert 0.92 < np.mean((found["ci_low"] < 0) & (found["ci_high"] > 0)) < 0.985


def test_nothing_is_significant(null_world) -> None:
    assert null_world[1].summary["n_significant"].iloc[0] <= 2


def test_the_raw_pooled_share_fails(null_world) -> None:
    made, _ = null_world
    raw = [stats.spearmanr(x, y).statistic > 0 for x, y in zip(made.prediction[0], made.expression, strict=True)]
    assert np.mean(raw) < 0.3
    assert _far_from(np.mean(raw), 0.5, GENES)


def test_the_centred_share_against_one_half_fails(null_world) -> None:
    row = null_world[1].summary.iloc[0]
    assert row["share_right"] < 0.45
    assert _far_from(row["reference_share"], 0.5, 4 * row["defined"])


def test_the_textbook_p_value_fails(null_world) -> None:
    r = null_world[1].per_gene["spearman"].dropna().to_numpy()
    textbook = 2 * stats.t.sf(np.abs(r) * np.sqrt((PEOPLE - 2) / (1 - r**2)), PEOPLE - 2)
    assert np.mean(textbook < 0.05) > 0.06


@pytest.mark.parametrize("effect", [0.15, 0.3, 0.8])
def test_cross_fitted_intervals_cover_what_the_models_reach_in_new_individuals(top_variant, effect: float) -> None:
    made = top_variant(800, PEOPLE, replicates=3, seed=12, effect=effect)
    found = Evaluator(made.expression_table()).evaluate(made.predictions()).per_gene
    truth = made.correlations_in_new_individuals()
    known = found["spearman"].notna() & ~np.isnan(truth)
    covered = (found["ci_low"] < truth) & (truth < found["ci_high"])
    assert known.sum() > 250
    assert 0.925 < covered[known].mean() < 0.99


def test_prequential_p_values_hold_their_level_without_replicates(top_variant) -> None:
    made = top_variant(600, PEOPLE, replicates=0, seed=16, method="prequential")
    p = Evaluator(made.expression_table()).evaluate(made.predictions()).per_gene["p_value"].dropna()
    assert len(p) > 400
    assert 0.03 <= np.mean(p < 0.05) <= 0.07
    real = top_variant(200, PEOPLE, replicates=0, seed=17, effect=0.8, method="prequential")
    found = Evaluator(real.expression_table()).evaluate(real.predictions()).per_gene
    assert np.mean(found["p_value"] < 0.05) > 0.9
    assert (found["direction"] == 1).mean() > 0.98


@pytest.mark.parametrize("how", ["automatic", "textbook"])
def test_zero_shot_noise_stays_noise(bed, long, how: str) -> None:
    random = np.random.default_rng(13)
    people = [f"S{k:03d}" for k in range(60)]
    x, y = random.normal(size=(2, 1500, 60))
    found = Evaluator(bed(y, people)).evaluate(
        long("m", x[None].round(1), people, None, None), settings=EvaluationSettings(zero_shot_inference=how)
    )
    p = found.per_gene["p_value"]
    assert 0.035 < np.mean(p < 0.05) < 0.06
    assert stats.kstest(p, "uniform").pvalue > 1e-3
    row = found.summary.iloc[0]
    assert row["share_low"] < 0.5 < row["share_high"]
    assert row["difference_low"] < 0 < row["difference_high"]
    covers = (found.per_gene["ci_low"] < 0) & (found.per_gene["ci_high"] > 0)
    assert 0.94 < covers.mean() < 0.97


def test_covariates_that_drive_both_sides_make_no_signal(bed, long) -> None:
    random = np.random.default_rng(14)
    people = [f"S{k:03d}" for k in range(60)]
    batch = random.normal(size=60)
    x, y = random.normal(size=(2, 800, 60)) + batch
    table = long("m", x[None], people, None, None)
    blind = Evaluator(bed(y, people)).evaluate(table).per_gene
    told = Evaluator(bed(y, people), pd.DataFrame({"batch": batch}, index=people)).evaluate(table).per_gene
    assert np.mean(blind["p_value"] < 0.05) > 0.8
    assert 0.03 < np.mean(told["p_value"] < 0.05) < 0.075


def test_two_null_predictors_are_not_set_against_one_half(null_world, long) -> None:
    """A coin-flipping zero-shot model seems to beat a cross-fitted null; its reference says that it does not."""
    made, _ = null_world
    random = np.random.default_rng(15)
    coin = long("coin", random.normal(size=(1, GENES, PEOPLE)), made.people, None, None)
    fitted = made.predictions()
    table = pd.concat([coin, fitted.table])
    found = Evaluator(made.expression_table()).evaluate(Predictions.from_table(table, fitted.settings))
    pair = found.concordance.iloc[0]
    assert pair["mcnemar_or"] > 1.2
    assert pair["reference_mcnemar_or"] > 1.2
    assert pair["mcnemar_over_reference_low"] < 1 < pair["mcnemar_over_reference_high"]
