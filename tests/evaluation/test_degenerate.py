"""Degenerate tables have a defined answer with its reason, and at most one warning: never a silent number."""

from __future__ import annotations

import math
import warnings

import attrs
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pgxeval.errors import PgxevalWarning, SettingError, TableError
from pgxeval.evaluation import (
    Evaluation,
    EvaluationSettings,
    Evaluator,
    evaluate_populations,
    genes_selected_by,
    heritability,
    share_of_ceiling,
)
from pgxeval.prediction import predict_cohort
from pgxeval.predictors.trained import TopVariantPredictor
from pgxeval.simulation import simulate_cohort_in_memory

PEOPLE = [f"P{i:02d}" for i in range(40)]
GENES = [f"G{g:02d}" for g in range(20)]
SETTINGS = EvaluationSettings(margin=0.1, permutations=20)


def _bed(expression: np.ndarray) -> pd.DataFrame:
    start = np.arange(len(GENES)) * 2_000_000
    place = pd.DataFrame({"#chr": "chr1", "start": start, "end": start + 1, "gene_id": GENES})
    return pd.concat([place, pd.DataFrame(expression, columns=PEOPLE)], axis=1)


def _judge(expression: np.ndarray, strata: object = None, **predictions: np.ndarray) -> Evaluation:
    """Evaluate matrices of genes x individuals; any warning fails the test."""
    tables = [
        pd.DataFrame(
            {
                "predictor": name,
                "gene_id": np.repeat(GENES, len(PEOPLE)),
                "individual": PEOPLE * len(GENES),
                "prediction": values.ravel(),
            }
        )
        for name, values in predictions.items()
    ]
    settings = EvaluationSettings(margin=0.1, permutations=20, block_bp=1_000_000)
    return Evaluator(_bed(expression)).evaluate(pd.concat(tables), settings=settings, strata=strata)


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(5, len(GENES), len(PEOPLE)))


def test_no_significant_gene(noise) -> None:
    evaluation = _judge(noise[0], a=noise[1], b=noise[2])
    row = evaluation.summary.iloc[0]
    assert (row["n_significant"], row["n_significant_wrong"]) == (0, 0)
    assert row[["share_right_significant", "share_right_significant_low"]].isna().all()
    assert row[["mean_correlation", "mean_low", "share_right", "share_low"]].notna().all()
    selected = genes_selected_by(evaluation, "a")
    assert selected.empty
    again = _judge(noise[0], selected, a=noise[1])
    assert again.summary["stratum"].tolist() == ["all"]


def test_a_stratum_without_evaluated_genes(noise) -> None:
    evaluation = _judge(noise[0], {"elsewhere": ["G98", "G99"], "here": GENES[:12]}, a=noise[1], b=noise[2])
    row = evaluation.summary[(evaluation.summary["stratum"] == "elsewhere")].iloc[0]
    assert row[["n_genes", "defined", "n_directed", "n_right"]].tolist() == [0, 0, 0, 0]
    undefined = ["mean_correlation", "mean_low", "median_correlation", "share_right", "share_low", "reference_share"]
    assert row[undefined].isna().all()
    pair = evaluation.comparison[evaluation.comparison["stratum"] == "elsewhere"].iloc[0]
    assert pair["n_genes"] == 0
    assert math.isnan(pair["mean_difference"])
    assert pair["equivalent"] in ("", "undecided")
    odds = evaluation.concordance[evaluation.concordance["stratum"] == "elsewhere"].iloc[0]
    assert odds["n"] == 0
    assert odds[["mcnemar_or", "marginal_or", "association_or"]].isna().all()
    true = evaluation.true_directions[evaluation.true_directions["stratum"] == "elsewhere"].iloc[0]
    assert true["reason"].startswith("0 genes with a correlation")
    with pytest.raises(TableError, match="empty has no gene; leave a set without genes out"):
        _judge(noise[0], {"empty": []}, a=noise[1])


def test_all_ties(noise) -> None:
    """A constant prediction is undefined with its reason; expression with two values has average ranks."""
    tied = np.where(noise[0] > 0, 1.0, 0.0)
    evaluation = _judge(tied, constant=np.ones_like(tied), b=noise[0])
    constant = evaluation.per_gene[evaluation.per_gene["predictor"] == "constant"]
    assert constant[["spearman", "pearson", "p_value", "ci_low", "direction"]].isna().all().all()
    assert set(constant["reason"]) == {"constant prediction"}
    assert evaluation.exclusions.set_index("predictor").loc["constant", "count"] == 20
    row = evaluation.per_gene[evaluation.per_gene["predictor"] == "b"].iloc[0]
    assert row["spearman"] == pytest.approx(stats.spearmanr(tied[0], noise[0, 0]).statistic)
    summary = evaluation.summary.iloc[0]
    assert (summary["n_genes"], summary["defined"], summary["undefined"]) == (20, 0, 20)
    assert summary[["mean_correlation", "share_right", "mean_low"]].isna().all()


def test_zero_cells(noise) -> None:
    """One predictor right everywhere and one wrong: infinity with a one-sided interval; two equal ones: 0/0 is NaN."""
    row = _judge(noise[0], a=noise[0], b=-noise[0]).concordance.iloc[0]
    assert (row["only_a"], row["only_b"]) == (20, 0)
    for name in ("mcnemar", "marginal"):
        assert row[f"{name}_or"] == row[f"{name}_or_high"] == math.inf
        assert 1 < row[f"{name}_or_low"] < 20
    low, _ = stats.binomtest(20, 20).proportion_ci(0.95, method="exact")
    assert row["mcnemar_exact_low"] == pytest.approx(low / (1 - low))
    assert "one-sided" in row["intervals"]
    same = _judge(noise[0], a=noise[0], b=noise[0].copy()).concordance.iloc[0]
    assert same[["mcnemar_or", "marginal_or", "association_or"]].isna().all()
    assert same["mcnemar_exact_p"] == 1
    assert (same["mcnemar_exact_low"], same["mcnemar_exact_high"]) == (0, math.inf)


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort_in_memory(individuals=40, kinds={"additive": 3, "null": 1}, window_bp=16_000, seed=2)[0]


def test_one_population(cohort) -> None:
    """Results by population are those of all individuals; leaving the only population out leaves nobody to train."""
    one = attrs.evolve(cohort, strata=("only",) * 40)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PgxevalWarning)  # four genes lie in one block
        predictions = predict_cohort(one, [TopVariantPredictor()], folds=3, replicates=2, workers=1, progress=False)
        table = evaluate_populations(one, predictions, settings=SETTINGS)
        whole = Evaluator(one).evaluate(predictions, settings=SETTINGS).summary.iloc[0]
    assert table[["population", "n_individuals", "excluded"]].to_numpy().tolist() == [["only", 40, ""]]
    assert table["mean_correlation"].iloc[0] == pytest.approx(whole["mean_correlation"])
    with pytest.raises(SettingError, match=r"1 group\(s\).*at least 10 groups are needed.*for populations use strata="):
        attrs.evolve(cohort, groups=("only",) * 40)
    with pytest.raises(SettingError, match="leave-one-group-out"):
        predict_cohort(one, [TopVariantPredictor()], folds="leave-one-group-out", workers=1, progress=False)


def test_heritability_at_both_borders() -> None:
    """At 0 the estimate is 0 with p of at least one half; without noise it is the largest value, not above 1."""
    random = np.random.default_rng(3)
    dosages = random.binomial(2, 0.3, size=(60, 5)).astype(float)
    centred = dosages - dosages.mean(axis=0)
    pure = centred @ np.ones(5)
    noise = random.normal(size=60)
    orthogonal = noise - centred @ np.linalg.lstsq(centred, noise, rcond=None)[0]
    table = heritability(np.vstack([orthogonal, pure, np.ones(60)]), dosages)
    assert table["h2"].iloc[0] == 0
    assert table["h2_p"].iloc[0] >= 0.5
    assert table["h2_se"].iloc[0] > 0
    assert 0.99 < table["h2"].iloc[1] <= 1
    assert table["h2_p"].iloc[1] < 1e-6
    assert table[["h2", "h2_se", "h2_p"]].iloc[2].isna().all()
    assert table["reason"].iloc[2] != ""
    assert math.isnan(share_of_ceiling([0.1, 0.2], [0.0, 0.0]))
