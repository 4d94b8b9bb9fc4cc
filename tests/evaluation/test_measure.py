"""Pearson's r as the measure: every table is made of it, compared with SciPy and with a slow re-implementation."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pgxeval.evaluation import Evaluation, EvaluationSettings, Evaluator, compare_genes, gain_of
from pgxeval.evaluation.inference import GENE_PERMUTATION
from pgxeval.evaluation.resampling import label_permutations
from pgxeval.evaluation.settings import MEASURES
from pgxeval.tables.predictions import Predictions

PEOPLE = [f"S{i:03d}" for i in range(60)]
PEARSON = EvaluationSettings(measure="pearson", permutations=30)
few_blocks = pytest.mark.filterwarnings("ignore:fewer than 5 effective")


def _data(genes: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Return expression and two predictions that agree with it, the second after a steep monotone transformation."""
    random = np.random.default_rng(5)
    y = random.normal(size=(genes, len(PEOPLE)))
    x = 0.25 * y + random.normal(size=y.shape)
    return y, np.stack([x, np.exp(2 * (0.1 * y + random.normal(size=y.shape)))])


@pytest.fixture(scope="module")
def both(bed, long) -> tuple[Evaluation, Evaluation]:
    y, (a, b) = _data()
    table = pd.concat([long("a", a[None], PEOPLE, None, None), long("b", b[None], PEOPLE, None, None)])
    evaluator = Evaluator(bed(y, PEOPLE))
    settings = [EvaluationSettings(measure=measure, permutations=30, block_bp=1_000_000) for measure in MEASURES]
    return tuple(evaluator.evaluate(table, settings=one) for one in settings)


def test_directions_and_shares_are_those_of_scipy(both) -> None:
    y, predictions = _data()
    for evaluation, name in zip(both, ("spearmanr", "pearsonr"), strict=True):
        for predictor, x in zip("ab", predictions, strict=True):
            r = np.array([getattr(stats, name)(one, other).statistic for one, other in zip(x, y, strict=True)])
            rows = evaluation.per_gene[evaluation.per_gene["predictor"] == predictor]
            np.testing.assert_allclose(rows["correlation"], r, atol=1e-12)
            np.testing.assert_allclose(rows[name[:-1]], r, atol=1e-12)
            assert (rows["direction"] == np.sign(r)).all()
            row = evaluation.summary.set_index("predictor").loc[predictor]
            assert row["n_right"] == (r > 0).sum()
            assert row["mean_correlation"] == pytest.approx(r.mean())
            assert row["median_correlation"] == pytest.approx(np.median(r))
    spearman, pearson = both
    # the two measures disagree about some genes, so that a mistaken measure would be seen
    assert (spearman.per_gene["direction"] != pearson.per_gene["direction"]).sum() >= 3
    assert spearman.settings["measure"] == "spearman"
    assert (pearson.settings["measure"], pearson.measure_name) == ("pearson", "Pearson's r")
    for column in ("spearman", "pearson", "n"):
        np.testing.assert_array_equal(spearman.per_gene[column], pearson.per_gene[column])


def test_paired_tables_and_differences_are_of_the_measure(both) -> None:
    for evaluation, measure in zip(both, ("spearman", "pearson"), strict=True):
        r = evaluation.per_gene.pivot_table(index="gene_id", columns="predictor", values=measure, dropna=False)
        pair = evaluation.concordance.iloc[0]
        for name, (a, b) in {
            "both_right": (True, True), "only_a": (True, False), "only_b": (False, True), "neither": (False, False)
        }.items():  # fmt: skip
            assert pair[name] == (((r["a"] > 0) == a) & ((r["b"] > 0) == b)).sum()
        assert evaluation.comparison.iloc[0]["mean_difference"] == pytest.approx((r["a"] - r["b"]).mean())
        table = compare_genes(evaluation, "a", "b")
        np.testing.assert_array_equal(table["correlation_a"], r["a"])
        x = _data()[1]
        function = stats.spearmanr if measure == "spearman" else stats.pearsonr
        between = [function(one, other).statistic for one, other in zip(*x, strict=True)]
        np.testing.assert_allclose(table["correlation_between"], between, atol=1e-12)


def test_the_reference_is_pearson_after_label_permutation(both) -> None:
    y, (a, _) = _data()
    row = both[1].summary.iloc[0]
    null = [
        [stats.pearsonr(x[partner], e).statistic for x, e in zip(a, y, strict=True)]
        for partner in label_permutations(PEOPLE, 30, 0)
    ]
    assert row["reference_mean_correlation"] == pytest.approx(np.mean(null), abs=1e-12)
    assert row["reference_share"] == pytest.approx(np.mean(np.array(null) > 0), abs=1e-12)


@few_blocks
def test_textbook_p_values_are_those_of_scipy(bed, long) -> None:
    y, (a, _) = _data(8)
    settings = EvaluationSettings(measure="pearson", permutations=0, zero_shot_inference="textbook")
    found = Evaluator(bed(y, PEOPLE)).evaluate(long("a", a[None], PEOPLE, None, None), settings=settings).per_gene
    np.testing.assert_allclose(found["p_value"], [stats.pearsonr(*pair).pvalue for pair in zip(a, y, strict=True)])
    np.testing.assert_array_equal(found["p_value"], found["pearson_p"])
    np.testing.assert_array_equal(found["ci_low"], found["pearson_low"])
    np.testing.assert_allclose(found["q_value"], stats.false_discovery_control(found["p_value"]))


@few_blocks
def test_skewed_genes_are_permuted_one_by_one(bed, long) -> None:
    random = np.random.default_rng(8)
    y = np.exp(1.5 * random.normal(size=(3, len(PEOPLE))))
    x = random.normal(size=(1, 3, len(PEOPLE)))
    found = Evaluator(bed(y, PEOPLE)).evaluate(long("a", x, PEOPLE, None, None), settings=PEARSON).per_gene
    assert (found["inference"] == GENE_PERMUTATION).all()
    assert found["ci_low"].isna().all()
    assert found["withheld"].str.startswith("Pearson interval: expression is too skewed").all()
    for g in range(3):
        exact = stats.permutation_test(
            (x[0, g],), lambda one, g=g: stats.pearsonr(one, y[g]).statistic, permutation_type="pairings",
            n_resamples=4000, rng=random,
        ).pvalue  # fmt: skip
        assert abs(found["p_value"][g] - exact) < 0.05
    spearman = Evaluator(bed(y, PEOPLE)).evaluate(long("a", x, PEOPLE, None, None)).per_gene
    assert spearman["pearson_p"].isna().all()
    assert spearman["p_value"].notna().all()


@few_blocks
def test_missing_values_and_covariates_against_a_slow_loop(bed, long) -> None:
    random = np.random.default_rng(9)
    y, (x, _) = _data(6)
    y[random.random(y.shape) < 0.1] = np.nan
    x = np.where(random.random(x.shape) < 0.1, np.nan, x)
    covariate = random.normal(size=len(PEOPLE))
    design = pd.DataFrame({"age": covariate}, index=PEOPLE)
    evaluation = Evaluator(bed(y, PEOPLE), design).evaluate(long("a", x[None], PEOPLE, None, None), settings=PEARSON)
    null = []
    for g, partner in itertools.product(range(6), [np.arange(len(PEOPLE)), *label_permutations(PEOPLE, 30, 0)]):
        one = x[g, partner]
        use = np.isfinite(one) & np.isfinite(y[g])
        basis = np.column_stack([np.ones(use.sum()), covariate[use]])
        residuals = [v[use] - basis @ np.linalg.lstsq(basis, v[use], rcond=None)[0] for v in (one, y[g])]
        null.append(stats.pearsonr(*residuals).statistic)
    null = np.reshape(null, (6, -1))
    np.testing.assert_allclose(evaluation.per_gene["correlation"], null[:, 0], atol=1e-12)
    assert evaluation.summary.iloc[0]["reference_mean_correlation"] == pytest.approx(null[:, 1:].mean(), abs=1e-12)


@few_blocks
def test_cross_fitted_p_values_and_strata_are_of_the_measure(top_variant) -> None:
    made = top_variant(60, 80, replicates=4, seed=11, effect=0.3)
    one, two = made.predictions("elastic_net"), made.predictions("random_forest")
    two.table["prediction"] += 0.02 * np.random.default_rng(1).normal(size=len(two.table))
    predictions = Predictions.concat([one, two])
    tables = {
        measure: Evaluator(made.expression_table()).evaluate(predictions, settings=EvaluationSettings(measure=measure))
        for measure in MEASURES
    }
    ranks, values = (tables[measure].per_gene for measure in MEASURES)
    for column in ("spearman", "spearman_p", "spearman_low", "pearson", "pearson_p", "pearson_high"):
        np.testing.assert_array_equal(ranks[column], values[column])
    assert ranks["spearman"].notna().sum() > 60
    for measure, table in (("spearman", ranks), ("pearson", values)):
        for name, own in (("correlation", ""), ("ci_low", "_low"), ("ci_high", "_high"), ("p_value", "_p")):
            np.testing.assert_array_equal(table[name], table[f"{measure}{own}"])
        strata = tables[measure].strata
        r = table.pivot_table(index="gene_id", columns="predictor", values=measure, dropna=False)
        np.testing.assert_array_equal(strata["correlation_en"], r["elastic_net"])
        np.testing.assert_allclose(strata["gain"], gain_of(r["random_forest"], r["elastic_net"]))
        assert strata["p"].notna().sum() > 30
    assert not np.allclose(tables["spearman"].strata["p"], tables["pearson"].strata["p"], equal_nan=True)
    assert tables["spearman"].summary["difference"].tolist() != tables["pearson"].summary["difference"].tolist()
