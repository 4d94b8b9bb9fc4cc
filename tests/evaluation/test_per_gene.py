"""One predictor, judged: which inference is used, on which null, and why something is undefined."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pgxeval.errors import SettingError, TableError
from pgxeval.evaluation.evaluator import Evaluator
from pgxeval.evaluation.inference import fisher_interval, fisher_z, null_inflation, stouffer, tail_p
from pgxeval.seeding import permute_individuals
from pgxeval.tables.predictions import Predictions

pytestmark = pytest.mark.filterwarnings("ignore:fewer than 5 effective genomic blocks")
PEOPLE = [f"S{k:02d}" for k in range(40)]


@pytest.fixture(scope="module")
def cross_fitted(top_variant):
    return top_variant(40, 60, replicates=3, seed=1)


def test_zero_shot_is_textbook(bed, long) -> None:
    random = np.random.default_rng(0)
    y = random.normal(size=(20, 40))
    x = 0.3 * y + random.normal(size=y.shape)
    found = Evaluator(bed(y, PEOPLE)).evaluate(long("m", x[None], PEOPLE, None, None)).per_gene
    for row in found.itertuples():
        expected = stats.spearmanr(x[row.Index], y[row.Index])
        assert row.spearman == pytest.approx(expected.statistic)
        assert row.p_value == pytest.approx(expected.pvalue)
        assert row.pearson == pytest.approx(stats.pearsonr(x[row.Index], y[row.Index]).statistic)
    low, high = fisher_interval(found["spearman"], 38)
    np.testing.assert_allclose(found["ci_low"], low)
    np.testing.assert_allclose(found["ci_high"], high)
    assert set(found["inference"]) == {"textbook: t on n - 2 - c degrees of freedom"}
    assert found["direction"].tolist() == np.sign(found["spearman"]).astype(int).tolist()
    assert found["reason"].isna().all()


def test_label_permutation_is_joint_over_genes(bed, long) -> None:
    random = np.random.default_rng(1)
    y, x = random.normal(size=(2, 30, 40))
    table = Predictions.from_table(long("m", x[None], PEOPLE, None, None))
    found = Evaluator(bed(y, PEOPLE)).evaluate(table, zero_shot_inference="permutation", permutations=50, seed=9)
    null = np.array(
        [
            [stats.spearmanr(x[g, permute_individuals(PEOPLE, b, 9)], y[g]).statistic for g in range(30)]
            for b in range(1, 51)
        ]
    )
    np.testing.assert_allclose(found.per_gene["p_value"], tail_p(fisher_z(found.per_gene["spearman"]), fisher_z(null)))
    summary = found.summary.iloc[0]
    directed = np.abs(null) > 1e-12
    assert summary["reference_share"] == pytest.approx((null > 1e-12).sum() / directed.sum())
    by_replicate = (null > 1e-12).sum(axis=1) / directed.sum(axis=1)
    assert summary["reference_sd"] == pytest.approx(by_replicate.std(ddof=1))
    assert summary["reference_mean_spearman"] == pytest.approx(null.mean())


def test_cross_fitted_is_centred_and_judged_by_its_replicates(cross_fitted) -> None:
    made = cross_fitted
    evaluator = Evaluator(made.expression_table())
    found = evaluator.evaluate(made.predictions()).per_gene
    centred = made.prediction - made.mean
    centred[np.abs(centred) < 1e-12] = 0
    with np.errstate(invalid="ignore"):
        r = np.array(
            [
                [
                    stats.spearmanr(x, y).statistic if np.ptp(x) else np.nan
                    for x, y in zip(xs, made.expression, strict=True)
                ]
                for xs in centred
            ]
        )
    np.testing.assert_allclose(found["spearman"], r[0], atol=1e-12)
    np.testing.assert_allclose(found["p_value"], tail_p(fisher_z(r[0]), fisher_z(r[1:])))
    inflation = null_inflation(r[1:], np.full(r[1:].shape, 58))
    assert inflation > 1.1
    np.testing.assert_allclose(found["ci_low"], fisher_interval(r[0], 58, inflation=inflation)[0])
    undefined = found[found["spearman"].isna()]
    assert 0 < len(undefined) < 20
    assert set(undefined["reason"]) == {"constant prediction"}
    assert undefined[["ci_low", "p_value", "q_value", "pearson", "direction"]].isna().all(axis=None)
    assert set(undefined["inference"]) == {"none: correlation undefined"}


def test_without_replicates_there_is_no_p_value(cross_fitted) -> None:
    made = cross_fitted
    table = made.predictions().table.query("replicate == 0")
    found = Evaluator(made.expression_table()).evaluate(table)
    defined = found.per_gene[found.per_gene["spearman"].notna()]
    assert len(defined) > 20
    assert defined[["p_value", "q_value", "ci_low", "ci_high"]].isna().all(axis=None)
    assert set(defined["inference"]) == {"none: cross-fitted without permuted replicates"}
    summary = found.summary.iloc[0]
    assert np.isnan(summary["reference_share"])
    assert summary["reference"].startswith("none: the table holds no permuted replicates")
    assert summary[["n_significant"]].isna().all()


def test_genes_of_too_few_draws_are_pooled_on_the_z_scale(cross_fitted) -> None:
    made = cross_fitted
    expression = made.expression_table()
    expression.loc[0, made.people[:20]] = np.nan
    found = Evaluator(expression).evaluate(made.predictions()).per_gene
    defined = found[found["spearman"].notna()]
    assert set(defined["inference"]) == {
        "permuted expression: pooled over all n on the scale z * sqrt(df), exponential tail"
    }


def test_prequential_combines_folds_by_stouffer(bed, long) -> None:
    random = np.random.default_rng(2)
    fold = np.arange(40) % 4 + 1
    y = random.normal(size=(15, 40))
    x = 0.5 * y + random.normal(size=y.shape) + 10 * fold
    x[:, fold == 1] = np.nan
    table = Predictions.from_table(
        long("p", x[None], PEOPLE, fold, np.zeros((1, 15, 40))), {"p": {"cross_fitting": "prequential"}}
    )
    found = Evaluator(bed(y, PEOPLE)).evaluate(table).per_gene
    r = np.array([[stats.spearmanr(x[g, fold == f], y[g, fold == f]).statistic for g in range(15)] for f in (2, 3, 4)])
    combined, p, _ = stouffer(r, np.full(r.shape, 8))
    np.testing.assert_allclose(found["spearman"], combined)
    np.testing.assert_allclose(found["p_value"], p)
    assert (found["n"] == 30).all()
    assert ((found["ci_low"] < combined) & (combined < found["ci_high"])).all()
    assert set(found["inference"]) == {"prequential: Stouffer over folds"}


def test_missing_predictions_say_the_predictors_reason(bed, long) -> None:
    random = np.random.default_rng(3)
    table = long("m", random.normal(size=(1, 4, 40)), PEOPLE, None, None)
    table["reason"] = None
    gene = table["gene_id"] == "G0001"
    table.loc[gene, ["prediction", "reason"]] = [np.nan, "no variant in the window"]
    table.loc[table.index[:5], ["prediction", "reason"]] = [np.nan, "sequence too short"]
    found = Evaluator(bed(random.normal(size=(4, 40)), PEOPLE)).evaluate(table)
    per_gene = found.per_gene.set_index("gene_id")
    assert per_gene.loc["G0001", "reason"] == "fewer than 10 individuals: no variant in the window"
    assert per_gene.loc["G0001", "n"] == 0
    assert per_gene.loc["G0000", "n"] == 35
    assert not np.isnan(per_gene.loc["G0000", "spearman"])
    exclusions = found.exclusions.set_index("reason")["count"]
    assert exclusions["missing: no variant in the window"] == 40
    assert exclusions["missing: sequence too short"] == 5
    assert exclusions["undefined: fewer than 10 individuals: no variant in the window"] == 1


def test_an_exact_zero_has_no_direction(bed, long) -> None:
    y = np.tile(np.arange(10.0), (1, 4))
    x = np.tile([1.0, 2, 3, 4, 5, 5, 4, 3, 2, 1], (1, 4))
    found = Evaluator(bed(y, PEOPLE)).evaluate(long("m", x[None], PEOPLE, None, None))
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
