"""Bootstrap of individuals by products of matrices: the plain loop as oracle, families, and stores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pgxeval.errors import SettingError
from pgxeval.evaluation import EvaluationSettings, Evaluator, compare_genes, compare_pairs
from pgxeval.evaluation.bootstrap import (
    bootstrap_correlations,
    bootstrap_weights,
    percentile_limits,
    weighted_sums,
)
from pgxeval.tables.predictions import Predictions

pytestmark = pytest.mark.filterwarnings("ignore:fewer than 5 effective")
N, SAMPLES = 60, 200
PEOPLE = [f"S{i:02d}" for i in range(N)]


def drawn_individuals(weights: np.ndarray) -> list[np.ndarray]:
    return [np.repeat(np.arange(N), row.astype(int)) for row in weights]


@pytest.fixture(scope="module")
def study(bed, long):
    """Return an evaluation of Pearson's r of two zero-shot predictors and a cross-fitted one, and what it judged."""
    random = np.random.default_rng(1)
    y = np.exp(random.normal(size=(12, N)) / 2)
    a, b = 0.5 * y + random.normal(size=y.shape), random.normal(size=y.shape)
    a[2, 7] = np.nan
    b[5] = 1.0
    fold, mean = np.arange(N) % 3 + 1, np.zeros((30, 12, N))
    fitted = random.normal(size=mean.shape)
    tables = [long("a", a[None], PEOPLE, None, None), long("b", b[None], PEOPLE, None, None)]
    return Evaluator(bed(y, PEOPLE)), pd.concat(tables), long("fitted", fitted, PEOPLE, fold, mean), (y, a, b)


def test_intervals_are_those_of_the_plain_loop(study) -> None:
    evaluator, tables, _, (y, a, b) = study
    evaluation = evaluator.evaluate(tables, settings=EvaluationSettings(measure="pearson", permutations=0))
    table = compare_genes(evaluation, "a", "b", method="bootstrap", samples=SAMPLES, seed=3)
    drawn = drawn_individuals(bootstrap_weights(N, SAMPLES, 3))
    for gene in (0, 1, 2, 9):
        difference = []
        for people in drawn:
            kept = people[np.isfinite(a[gene][people])]
            r_a = np.corrcoef(a[gene][kept], y[gene][kept])[0, 1]
            difference.append(r_a - np.corrcoef(b[gene][people], y[gene][people])[0, 1])
        low, high = np.quantile(difference, [0.025, 0.975])
        row = table.iloc[gene]
        assert row["difference_low"] == pytest.approx(low, abs=2e-5)
        assert row["difference_high"] == pytest.approx(high, abs=2e-5)
        other = min((np.array(difference) <= 0).sum(), (np.array(difference) >= 0).sum())
        assert row["p_value"] == pytest.approx(min(2 * (1 + other) / (SAMPLES + 1), 1))
        assert row["better"] == ("a" if low > 0 else "b" if high < 0 else "")
    assert np.isnan(table.loc[5, ["difference", "difference_low", "p_value"]].to_numpy(dtype=float)).all()
    assert table["reason"][5] == "correlation undefined for at least one of the two"


def test_ranks_are_drawn_with_the_individuals(study) -> None:
    evaluator, tables, _, (y, a, b) = study
    evaluation = evaluator.evaluate(tables, settings=EvaluationSettings(permutations=0))
    table = compare_genes(evaluation, "a", "b", method="bootstrap", samples=SAMPLES, seed=3)
    ranks = [stats.rankdata(one[0]) for one in (y, a, b)]
    difference, again = [], []
    for people in drawn_individuals(bootstrap_weights(N, SAMPLES, 3)):
        target, one, other = (rank[people] for rank in ranks)
        difference.append(np.corrcoef(one, target)[0, 1] - np.corrcoef(other, target)[0, 1])
        again.append(stats.spearmanr(one, target).statistic - stats.spearmanr(other, target).statistic)
    limits = table.loc[0, ["difference_low", "difference_high"]].to_numpy(dtype=float)
    np.testing.assert_allclose(limits, np.quantile(difference, [0.025, 0.975]), atol=2e-5)
    # ranking again within each sample changes little
    np.testing.assert_allclose(limits, np.quantile(again, [0.025, 0.975]), atol=0.05)


class Batches:
    """Predictions some genes at a time, in an order of their own for each predictor."""

    def __init__(self, whole: Predictions) -> None:
        self.whole, self.predictors, self.replicates = whole, whole.predictors, whole.replicates
        self.settings, self.failures = whole.settings, whole.failures

    def batches(self, predictor: str):
        table = self.whole.table[self.whole.table["predictor"] == predictor]
        genes = list(table["gene_id"].unique())[:: 1 if predictor == "a" else -1]
        for start in range(0, len(genes), 5):
            yield table[table["gene_id"].isin(genes[start : start + 5])]

    def rows_of(self, gene_id: str) -> pd.DataFrame:
        return self.whole.rows_of(gene_id)


@pytest.mark.parametrize("method", ["intervals", "bootstrap"])
def test_a_store_gives_what_memory_gives(study, method) -> None:
    evaluator, tables, fitted, _ = study
    recorded = {"fitted": {"cross_fitting": "crossfit", "seed": 0}}
    whole = Predictions.from_table(pd.concat([tables, fitted], ignore_index=True), recorded)
    settings = EvaluationSettings(permutations=20)
    memory, store = (evaluator.evaluate(one, settings=settings) for one in (whole, Batches(whole)))
    one, other = (compare_pairs(evaluation, method=method, samples=SAMPLES) for evaluation in (memory, store))
    pd.testing.assert_frame_equal(one, other)
    pairs = one[["predictor_a", "predictor_b"]].drop_duplicates().to_numpy().tolist()
    assert pairs == [["a", "b"], ["a", "fitted"], ["b", "fitted"]]
    alone = compare_genes(memory, "a", "fitted", method=method, samples=SAMPLES)
    chosen = one.query("predictor_a == 'a' and predictor_b == 'fitted'").drop(columns=["predictor_a", "predictor_b"])
    pd.testing.assert_frame_equal(alone, chosen.reset_index(drop=True))
    assert np.isfinite(alone["difference_low"]).sum() >= 9


def test_within_folds_the_observed_correlation_is_that_of_the_evaluation(study) -> None:
    evaluator, tables, fitted, _ = study
    table = pd.concat([tables, fitted], ignore_index=True)
    evaluation = evaluator.evaluate(table, settings=EvaluationSettings(permutations=20))
    bootstrap = compare_genes(evaluation, "a", "fitted", method="bootstrap", samples=2000)
    middle = (bootstrap["difference_low"] + bootstrap["difference_high"]) / 2
    known = bootstrap["reason"].isna()
    assert np.abs(middle - bootstrap["difference"])[known].max() < 0.08
    assert known.sum() == 12


def test_families_are_drawn_as_a_whole() -> None:
    weights = bootstrap_weights(6, 500, 0, np.array([0, 0, 1, 1, 1, 2]))
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 2] == weights[:, 4]).all()
    assert set((weights[:, 0] + weights[:, 2] + weights[:, 5]).tolist()) == {3.0}
    assert weights.mean() == pytest.approx(1, abs=0.1)


def test_means_over_samples_vary_as_the_mean_of_individuals_or_of_families_does() -> None:
    values = np.random.default_rng(1).normal(size=50)
    alone = bootstrap_weights(50, 4_000, 0)
    assert np.std(alone @ values / 50) == pytest.approx(values.std() / np.sqrt(50), rel=0.05)
    pairs = bootstrap_weights(50, 4_000, 0, np.repeat(np.arange(25), 2))
    assert np.std(pairs @ np.repeat(values[:25], 2) / 50) == pytest.approx(values[:25].std() / 5, rel=0.05)


def test_limits_are_those_of_numpy() -> None:
    values = np.random.default_rng(2).normal(size=(123, 7)).astype(np.float32)
    values[4, 6] = np.nan
    low, high = percentile_limits(values, 0.9)
    np.testing.assert_allclose(low[:6], np.quantile(values[:, :6], 0.05, axis=0), rtol=1e-5)
    np.testing.assert_allclose(high[:6], np.quantile(values[:, :6], 0.95, axis=0), rtol=1e-5)
    assert np.isnan([low[6], high[6]]).all()


def test_a_sample_without_spread_is_undefined() -> None:
    x = np.array([[1.0, 0.0, 0.0, -1.0]])
    weights = np.array([[0, 2, 2, 0], [1, 1, 1, 1]], dtype=np.float32)
    r = bootstrap_correlations(x, x, np.ones((1, 4), dtype=bool), factor=np.ones(1), weights=weights)
    assert np.isnan(r[0, 0])
    assert r[1, 0] == 1
    assert weighted_sums(x, weights)[1][:, 0].tolist() == [0, 2]


def test_settings_are_checked(study) -> None:
    evaluator, tables, *_ = study
    evaluation = evaluator.evaluate(tables, settings=EvaluationSettings(permutations=0))
    with pytest.raises(SettingError, match='method must be "intervals" or "bootstrap"'):
        compare_genes(evaluation, "a", "b", method="jackknife")
    with pytest.raises(SettingError, match="samples must be at least 100, got 9"):
        compare_genes(evaluation, "a", "b", method="bootstrap", samples=9)
