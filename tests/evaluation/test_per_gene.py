"""One predictor, judged: which inference is used, on which null, and why something is undefined."""

from __future__ import annotations

import attrs
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pgxeval.errors import SettingError, TableError
from pgxeval.evaluation import EvaluationSettings, Evaluator, inference
from pgxeval.evaluation.correlation import RankedExpression
from pgxeval.evaluation.inference import NullDistribution, normal_score, tail_p
from pgxeval.evaluation.standard_errors import StandardErrors
from pgxeval.seeding import permute_individuals
from pgxeval.tables.predictions import Predictions

pytestmark = pytest.mark.filterwarnings("ignore:fewer than 5 effective genomic blocks")
N = 64
PEOPLE = [f"S{k:02d}" for k in range(N)]


@pytest.fixture(scope="module")
def cross_fitted(top_variant):
    return top_variant(40, 60, replicates=3, seed=1)


def influence_by_hand(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Return correlation, standard error of Fisher's z and its degrees of freedom, written out for one gene."""
    n = len(x)
    x, y = ((values - values.mean()) / np.sqrt(((values - values.mean()) ** 2).sum()) for values in (x, y))
    r = (x * y).sum()
    terms = (x * y - r * (x**2 + y**2) / 2) ** 2 / ((1 - 0.75 * x**2) * (1 - 0.75 * y**2))
    variance = terms.sum() * n / (n - 1)
    df = 2 * terms.sum() ** 2 / ((terms - terms.mean()) ** 2).sum()
    return r, np.sqrt(variance) / (1 - r**2), min(df, n - 2)


def test_zero_shot_is_judged_by_its_own_standard_error(bed, long) -> None:
    random = np.random.default_rng(0)
    y = random.normal(size=(20, N))
    x = 0.3 * y + random.normal(size=y.shape)
    found = Evaluator(bed(y, PEOPLE)).evaluate(long("m", x[None], PEOPLE, None, None)).per_gene
    for row in found.itertuples():
        assert row.spearman == pytest.approx(stats.spearmanr(x[row.Index], y[row.Index]).statistic)
        assert row.pearson == pytest.approx(stats.pearsonr(x[row.Index], y[row.Index]).statistic)
        r, se, df = influence_by_hand(stats.rankdata(x[row.Index]), stats.rankdata(y[row.Index]))
        assert row.p_value == pytest.approx(2 * stats.t.sf(abs(np.arctanh(r)) / se, df))
        assert row.p_predicts == pytest.approx(stats.t.sf(np.arctanh(r) / se, df))
        half = stats.t.isf(0.025, df) * se * np.sqrt(1 + 6 * r**2 / N)
        assert (row.ci_low, row.ci_high) == pytest.approx(tuple(np.tanh(np.arctanh(r) + np.array([-half, half]))))
        r, se, df = influence_by_hand(x[row.Index], y[row.Index])
        half = stats.t.isf(0.025, df) * se * np.sqrt(1 + 6 * r**2 / N)
        assert (row.pearson_low, row.pearson_high) == pytest.approx(
            tuple(np.tanh(np.arctanh(r) + np.array([-half, half])))
        )
        assert row.pearson_p == pytest.approx(2 * stats.t.sf(abs(np.arctanh(r)) / se, df))
    assert set(found["inference"]) == {inference.STUDENTISED}
    assert found["direction"].tolist() == np.sign(found["spearman"]).astype(int).tolist()
    assert found[["reason", "withheld"]].isna().all(axis=None)


def test_textbook_inference_is_that_of_scipy(bed, long) -> None:
    y, x = np.random.default_rng(5).normal(size=(2, 10, N))
    table = long("m", x[None], PEOPLE, None, None)
    found = (
        Evaluator(bed(y, PEOPLE)).evaluate(table, settings=EvaluationSettings(zero_shot_inference="textbook")).per_gene
    )
    for row in found.itertuples():
        result = stats.spearmanr(x[row.Index], y[row.Index])
        assert row.p_value == pytest.approx(result.pvalue)
        assert row.p_predicts == pytest.approx(
            stats.spearmanr(x[row.Index], y[row.Index], alternative="greater").pvalue
        )
    assert set(found["inference"]) == {inference.TEXTBOOK}


def test_few_carriers_are_permuted_gene_by_gene(bed, long) -> None:
    random = np.random.default_rng(6)
    y, x = random.normal(size=(2, 4, N))
    x[1] = np.arange(N) < 3
    found = Evaluator(bed(y, PEOPLE)).evaluate(long("m", x[None], PEOPLE, None, None)).per_gene
    assert found["inference"].tolist() == [
        inference.STUDENTISED,
        inference.GENE_PERMUTATION,
        inference.STUDENTISED,
        inference.STUDENTISED,
    ]
    exact = stats.mannwhitneyu(y[1, :3], y[1, 3:], method="exact").pvalue
    assert found.loc[1, "p_value"] == pytest.approx(exact, rel=0.25)
    assert found.loc[1, ["ci_low", "ci_high", "pearson_low", "pearson_p"]].isna().all()
    assert found.loc[1, "withheld"].startswith("Spearman interval: too few individuals differ")
    assert found.loc[[0, 2, 3], "withheld"].isna().all()


@pytest.mark.parametrize(("n", "spearman", "pearson"), [(19, False, False), (20, True, False), (60, True, True)])
def test_few_individuals_have_no_interval(bed, long, n: int, spearman: bool, pearson: bool) -> None:
    y, x = np.random.default_rng(8).normal(size=(2, 5, n))
    found = Evaluator(bed(y, PEOPLE[:n])).evaluate(long("m", x[None], PEOPLE[:n], None, None)).per_gene
    assert found["p_value"].notna().all()
    assert (found["spearman_low"].notna() == spearman).all()
    assert (found[["pearson_low", "pearson_p"]].notna() == pearson).all(axis=None)
    reasons = "; ".join(found["withheld"].dropna().unique())
    assert ("Spearman interval: fewer than 20 individuals" in reasons) == (not spearman)
    assert ("Pearson interval and p-value: fewer than 60 individuals" in reasons) == (not pearson)


@pytest.mark.parametrize(("n", "carriers", "given"), [(59, 6, False), (59, 7, True), (60, 6, True), (60, 2, True)])
def test_few_carriers_among_few_individuals_are_not_judged(bed, long, n: int, carriers: int, given: bool) -> None:
    """An effect cannot be told from a variance that depends on the genotype."""
    y, x = np.random.default_rng(9).normal(size=(2, 2, n))
    x[0] = np.arange(n) < carriers
    y[1] = np.maximum(np.arange(n) - n + 1 + carriers, 0)
    table, evaluator = long("m", x[None], PEOPLE[:n], None, None), Evaluator(bed(y, PEOPLE[:n]))
    found = evaluator.evaluate(table).per_gene
    assert found["spearman"].notna().all()
    assert (found[["p_value", "p_predicts", "q_value"]].notna() == given).all(axis=None)
    assert ((found["inference"] != inference.FEW_DIFFER) == given).all()
    assert found["spearman_low"].isna().all() == (n < 60 or carriers < 5)
    if n < 60:
        what = "interval" if given else "interval and p-value"
        withheld = f"Spearman {what}: {inference.WITHHELD_FEW_DIFFER}; Pearson interval and p-value"
        assert found["withheld"].str.startswith(withheld).all()
    chosen = evaluator.evaluate(table, settings=EvaluationSettings(zero_shot_inference="permutation")).per_gene
    assert chosen["p_value"].notna().all()


def test_heavy_tails_withhold_pearson_but_not_spearman(bed, long) -> None:
    random = np.random.default_rng(7)
    y, x = random.normal(size=(2, 3, N))
    y[0, 0] = 1e6
    found = Evaluator(bed(y, PEOPLE)).evaluate(long("m", x[None], PEOPLE, None, None)).per_gene
    assert found.loc[0, ["pearson_low", "pearson_high", "pearson_p"]].isna().all()
    assert found.loc[0, ["pearson", "ci_low", "ci_high", "p_value"]].notna().all()
    assert found.loc[0, "withheld"] == f"Pearson interval and p-value: {inference.WITHHELD['pearson']}"


def test_zero_shot_is_scored_within_the_folds_of_the_cross_fitted(cross_fitted, long) -> None:
    made = cross_fitted
    x = made.variants[:, :, 0].round(0)
    table = pd.concat([made.predictions().table, long("m", x[None], made.people, None, None)])
    found = Evaluator(made.expression_table()).evaluate(table).per_gene.query("predictor == 'm'")
    expected = RankedExpression(made.expression).correlate(x, folds=made.fold)
    np.testing.assert_allclose(found["spearman"], expected.spearman, atol=1e-12)
    np.testing.assert_allclose(found["pearson"], expected.pearson, atol=1e-12)


def test_families_enter_the_standard_error_as_wholes(bed, long) -> None:
    """Twins: the influences of both are added up, and permutations of single individuals are not used."""
    random = np.random.default_rng(8)
    y, x = random.normal(size=(2, 3, N))
    x[2] = np.arange(N) < 2
    families = tuple(f"F{k // 2:02d}" for k in range(N))
    evaluator = Evaluator(bed(y, PEOPLE))
    object.__setattr__(evaluator, "target", attrs.evolve(evaluator.target, groups=families))
    found = evaluator.evaluate(long("m", x[None], PEOPLE, None, None)).per_gene
    for gene in (0, 1):
        a, b = (stats.zscore(stats.rankdata(values[gene])) / np.sqrt(N) for values in (x, y))
        r = (a * b).sum()
        influence = (a * b - r * (a**2 + b**2) / 2) / np.sqrt((1 - 0.75 * a**2) * (1 - 0.75 * b**2))
        squares = influence.reshape(N // 2, 2).sum(axis=1) ** 2
        se = np.sqrt(squares.sum() * (N // 2) / (N // 2 - 1)) / (1 - r**2)
        df = min(2 * squares.sum() ** 2 / ((squares - squares.mean()) ** 2).sum(), N // 2 - 1)
        assert found.loc[gene, "p_value"] == pytest.approx(2 * stats.t.sf(abs(np.arctanh(r)) / se, df))
    assert found["inference"].tolist() == [inference.STUDENTISED_FAMILIES] * 2 + [inference.FEW_FAMILIES]
    assert np.isnan(found.loc[2, "p_value"])


def test_label_permutation_is_joint_over_genes(bed, long) -> None:
    random = np.random.default_rng(1)
    y, x = random.normal(size=(2, 30, N))
    table = Predictions.from_table(long("m", x[None], PEOPLE, None, None))
    found = Evaluator(bed(y, PEOPLE)).evaluate(
        table, settings=EvaluationSettings(zero_shot_inference="permutation", permutations=50, seed=9)
    )
    null = np.array(
        [
            [stats.spearmanr(x[g, permute_individuals(PEOPLE, b, 9)], y[g]).statistic for g in range(30)]
            for b in range(1, 51)
        ]
    )
    assert set(found.per_gene["inference"]) == {inference.GENE_PERMUTATION}
    textbook = [stats.spearmanr(x[g], y[g]).pvalue for g in range(30)]
    np.testing.assert_allclose(found.per_gene["p_value"], textbook, atol=0.1)
    summary = found.summary.iloc[0]
    directed = np.abs(null) > 1e-12
    assert summary["reference_share"] == pytest.approx((null > 1e-12).sum() / directed.sum())
    by_replicate = (null > 1e-12).sum(axis=1) / directed.sum(axis=1)
    assert summary["reference_sd"] == pytest.approx(by_replicate.std(ddof=1))
    assert summary["reference_mean_correlation"] == pytest.approx(null.mean())


def test_cross_fitted_is_judged_by_its_replicates(cross_fitted) -> None:
    made = cross_fitted
    found = Evaluator(made.expression_table()).evaluate(made.predictions()).per_gene
    expression = RankedExpression(made.expression)
    replicates = []
    for b in range(4):
        folds = made.fold
        replicates.append(expression.correlate(made.prediction[b] - made.mean[b], folds=folds, tie_noise=True))
    np.testing.assert_allclose(found["spearman"], replicates[0].spearman, atol=1e-12)
    scores = np.array([normal_score(one.spearman, one.spearman_errors) for one in replicates])
    expected = tail_p(scores[0], scores[1:])
    np.testing.assert_allclose(found["p_value"], expected)
    np.testing.assert_allclose(found["p_predicts"], expected)
    assert found["spearman"].corr(found["p_value"], method="spearman") < -0.9
    errors = StandardErrors(
        se=np.array([one.spearman_errors.se for one in replicates[1:]]),
        df=np.array([one.spearman_errors.df for one in replicates[1:]]),
    )
    null = NullDistribution.of(np.array([one.spearman for one in replicates[1:]]), errors)
    assert np.mean(null.scores**2) > 1.2
    given = found["ci_low"].notna()
    low, _ = null.interval(replicates[0].spearman, replicates[0].spearman_errors)
    np.testing.assert_allclose(found.loc[given, "ci_low"], low[given])
    assert given.sum() > 20
    undefined = found[found["spearman"].isna()]
    assert 0 < len(undefined) < 20
    assert set(undefined["reason"]) == {"constant prediction"}
    assert undefined[["ci_low", "p_value", "q_value", "pearson", "direction"]].isna().all(axis=None)
    assert set(undefined["inference"]) == {"none: correlation undefined"}


def test_genes_with_constant_folds_are_compared_with_all_null_genes(top_variant) -> None:
    made = top_variant(60, 60, replicates=3, seed=2)
    evaluation = Evaluator(made.expression_table()).evaluate(made.predictions())
    found = evaluation.per_gene
    expression = RankedExpression(made.expression)
    results = [
        expression.correlate(made.prediction[b] - made.mean[b], folds=made.fold, tie_noise=True) for b in range(4)
    ]
    scores = np.array([normal_score(one.spearman, one.spearman_errors) for one in results])
    whole = results[0].informative == 1
    assert min(whole.sum(), (~whole & ~np.isnan(scores[0])).sum()) > 5
    np.testing.assert_allclose(found["p_value"], tail_p(scores[0], scores[1:]))
    (recorded,) = evaluation.settings["predictors"].values()
    assert recorded["null_draws"] == np.isfinite(scores[1:]).sum()
    assert recorded["smallest_counted_p"] == 1 / (1 + recorded["null_draws"])


def test_without_replicates_there_is_no_p_value(cross_fitted) -> None:
    made = cross_fitted
    table = made.predictions().table.query("replicate == 0")
    found = Evaluator(made.expression_table()).evaluate(table)
    defined = found.per_gene[found.per_gene["spearman"].notna()]
    assert len(defined) > 20
    assert defined[["p_value", "q_value", "ci_low", "ci_high"]].isna().all(axis=None)
    assert set(defined["inference"]) == {inference.NO_REPLICATES}
    assert set(defined["withheld"]) == {inference.WITHHELD_REPLICATES}
    summary = found.summary.iloc[0]
    assert np.isnan(summary["reference_share"])
    assert summary["reference"].startswith("none: the table holds no permuted replicates")
    assert summary[["n_significant"]].isna().all()


def test_genes_with_missing_expression_are_pooled_with_all_others(cross_fitted) -> None:
    made = cross_fitted
    expression = made.expression_table()
    expression.loc[0, made.people[:20]] = np.nan
    found = Evaluator(expression).evaluate(made.predictions()).per_gene
    defined = found[found["spearman"].notna()]
    assert set(defined["inference"]) == {inference.PERMUTED}


def test_prequential_is_judged_within_folds_by_its_standard_error(bed, long) -> None:
    random = np.random.default_rng(2)
    fold = np.arange(N) % 4 + 1
    y = random.normal(size=(15, N))
    x = 0.5 * y + random.normal(size=y.shape) + 10 * fold
    x[:, fold == 1] = np.nan
    table = Predictions.from_table(
        long("p", x[None], PEOPLE, fold, np.zeros((1, 15, N))), {"p": {"cross_fitting": "prequential"}}
    )
    found = Evaluator(bed(y, PEOPLE)).evaluate(table).per_gene
    used = fold > 1
    expected = RankedExpression(y[:, used]).correlate(x[:, used], folds=fold[used])
    np.testing.assert_allclose(found["spearman"], expected.spearman, atol=1e-12)
    t = np.arctanh(expected.spearman) / expected.spearman_errors.se
    np.testing.assert_allclose(found["p_value"], 2 * stats.t.sf(np.abs(t), expected.spearman_errors.df))
    assert (found["n"] == N * 3 // 4).all()
    assert ((found["ci_low"] < found["spearman"]) & (found["spearman"] < found["ci_high"])).all()
    assert set(found["inference"]) == {inference.STUDENTISED}


def test_missing_predictions_say_the_predictors_reason(bed, long) -> None:
    random = np.random.default_rng(3)
    table = long("m", random.normal(size=(1, 4, N)), PEOPLE, None, None)
    table["reason"] = None
    gene = table["gene_id"] == "G0001"
    table.loc[gene, ["prediction", "reason"]] = [np.nan, "no variant in the window"]
    table.loc[table.index[:5], ["prediction", "reason"]] = [np.nan, "sequence too short"]
    found = Evaluator(bed(random.normal(size=(4, N)), PEOPLE)).evaluate(table)
    per_gene = found.per_gene.set_index("gene_id")
    assert per_gene.loc["G0001", "reason"] == "fewer than 10 individuals: no variant in the window"
    assert per_gene.loc["G0001", "n"] == 0
    assert per_gene.loc["G0000", "n"] == N - 5
    assert not np.isnan(per_gene.loc["G0000", "spearman"])
    exclusions = found.exclusions.set_index("reason")
    assert exclusions.loc["missing: no variant in the window", "count"] == N
    assert exclusions.loc["missing: sequence too short", "count"] == 5
    assert exclusions.loc["undefined: fewer than 10 individuals", "count"] == 1
    assert exclusions.loc["undefined: fewer than 10 individuals", "detail"] == "no variant in the window"


def test_an_exact_zero_has_no_direction(bed, long) -> None:
    people = PEOPLE[:40]
    y = np.tile(np.arange(10.0), (1, 4))
    x = np.tile([1.0, 2, 3, 4, 5, 5, 4, 3, 2, 1], (1, 4))
    found = Evaluator(bed(y, people)).evaluate(long("m", x[None], people, None, None))
    row = found.per_gene.iloc[0]
    assert row["spearman"] == 0
    assert row["p_value"] == 1
    assert row["reason"] == "correlation is exactly 0"
    assert found.per_gene["direction"].isna().all()
    assert found.summary.iloc[0]["defined"] == 1
    assert found.summary.iloc[0]["n_directed"] == 0


def test_replicates_alone_are_refused(cross_fitted) -> None:
    table = cross_fitted.predictions().table.query("replicate > 0")
    with pytest.raises(TableError, match=r"none of the observed predictions \(replicate 0\)"):
        Evaluator(cross_fitted.expression_table()).evaluate(table)


def test_an_unknown_way_of_cross_fitting_is_refused(cross_fitted) -> None:
    table = Predictions(table=cross_fitted.predictions().table, settings={"top": {"cross_fitting": "leave-one-out"}})
    with pytest.raises(SettingError, match="cross_fitting must be crossfit"):
        Evaluator(cross_fitted.expression_table()).evaluate(table)
