"""The front door of the evaluator: what goes in, what comes out, and what is refused."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pgxeval.cohort import Cohort
from pgxeval.errors import PgxevalWarning, SettingError, TableError
from pgxeval.evaluation import EvaluationSettings, Evaluator
from pgxeval.evaluation.strata import gain_of
from pgxeval.genome.intervals import Gene
from pgxeval.tables.predictions import Predictions

few_blocks = pytest.mark.filterwarnings("ignore:fewer than 5 effective genomic blocks")
PEOPLE = [f"S{k:02d}" for k in range(40)]


@pytest.fixture(scope="module")
def made(top_variant):
    return top_variant(60, 60, replicates=4, seed=2, effect=0.4)


@pytest.fixture(scope="module")
def three(made, top_variant, long):
    """Return an elastic net and a random forest of sorts, and a zero-shot predictor, in one table."""
    forest = made.predictions("random_forest")
    net_values = made.prediction.copy()
    net_values[:, :20] = made.mean[:, :20]
    net = long("elastic_net", net_values, made.people, made.fold, made.mean)
    random = np.random.default_rng(0)
    shot = made.expression + 3 * random.normal(size=made.expression.shape)
    table = pd.concat([net, forest.table, long("shot", shot[None], made.people, None, None)])
    settings = dict.fromkeys(("elastic_net", "random_forest"), forest.settings["random_forest"])
    return Predictions.from_table(table, settings)


@pytest.fixture(scope="module")
def evaluation(made, three):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PgxevalWarning)
        return Evaluator(made.expression_table()).evaluate(three)


def test_strata_are_the_designs(evaluation) -> None:
    strata = evaluation.strata
    assert strata.columns.tolist() == [
        "gene_id", "correlation_en", "correlation_rf", "gain", "p", "q", "q_en", "q_rf", "stratum", "assignment",
        "reason",
    ]  # fmt: skip
    np.testing.assert_allclose(strata["gain"], gain_of(strata["correlation_rf"], strata["correlation_en"]))
    assert strata["correlation_en"].isna().sum() >= 20
    called = strata["stratum"].to_numpy()
    assert set(called) == {"linear", "nonlinear", "unpredictable"}
    # the net was silenced at the first twenty genes, where the forest still speaks
    assert (called[:20] == "nonlinear").sum() > 10
    assert (called[20:] == "nonlinear").sum() == 0
    assert (called[20:] == "linear").sum() > 15
    for row in strata.itertuples():
        if row.stratum == "nonlinear":
            assert row.q < 0.05
            assert row.q_rf < 0.05
        if row.stratum == "linear":
            assert row.q_en < 0.05
            assert row.correlation_en > 0


def test_every_predictor_is_summed_up_in_each_stratum(evaluation) -> None:
    summary = evaluation.summary
    assert summary["stratum"].drop_duplicates().tolist() == ["all", "linear", "nonlinear", "unpredictable"]
    assert len(summary) == 12
    sizes = evaluation.strata["stratum"].value_counts()
    for row in summary[summary["stratum"] != "all"].itertuples():
        assert row.n_genes == sizes[row.stratum]
        assert row.assignment == ("same individuals" if row.predictor == "shot" else "naive")
        assert row.naive == (row.predictor != "shot")
    assert (summary["defined"] + summary["undefined"] == summary["n_genes"]).all()
    pairs = evaluation.concordance
    assert len(pairs) == 12
    assert (pairs["n"] + pairs["undefined"] == np.repeat(summary["n_genes"].to_numpy()[::3], 3)).all()
    joint = pairs[pairs["stratum"] == "all"]
    # the labels of the zero-shot predictor go through the same permutations as the cross-fitted ones
    assert joint["replicates"].tolist() == [4, 4, 4]


def test_an_anti_predicted_gene_is_not_linear(made, long) -> None:
    table = pd.concat(
        [
            long(name, 2 * made.mean - made.prediction, made.people, made.fold, made.mean)
            for name in ("elastic_net", "random_forest")
        ]
    )
    found = Evaluator(made.expression_table()).evaluate(table)
    assert found.per_gene["ci_high"].lt(0).sum() > 30
    assert found.summary["n_significant"].iloc[0] == 0
    assert set(found.strata["stratum"]) == {"unpredictable"}


def test_strata_from_other_individuals_are_independent(made, three, evaluation) -> None:
    given = pd.DataFrame({"gene_id": evaluation.strata["gene_id"][:50], "stratum": ["x", "y"] * 25})
    found = Evaluator(made.expression_table()).evaluate(three, strata=given)
    with pytest.warns(PgxevalWarning, match=r"effective genomic blocks in all \(3\), x \(2\), y \(2\)"):
        Evaluator(made.expression_table()).evaluate(
            three, strata=given, settings=EvaluationSettings(block_bp=25_000_000)
        )
    assert found.strata["stratum"].tolist() == ["x", "y"] * 25 + ["untested"] * 10
    assert found.summary["stratum"].drop_duplicates().tolist() == ["all", "x", "y"]
    assert set(found.summary["assignment"]) == {"all genes", "independent"}
    assert not found.summary["naive"].any()
    np.testing.assert_array_equal(found.strata["p"], evaluation.strata["p"])
    evaluator = Evaluator(made.expression_table())
    for spoiled, message in (
        (given[["gene_id"]], r"missing column\(s\) stratum"),
        (pd.concat([given, given]), "occurs more than once"),
        (given.assign(stratum="all"), "denotes all genes"),
    ):
        with pytest.raises(TableError, match=message):
            evaluator.evaluate(three, strata=spoiled)


@few_blocks
def test_the_strata_of_one_half_are_given_to_the_other(made, three, evaluation) -> None:
    found = Evaluator(made.expression_table()).evaluate(three, strata=evaluation.strata)
    assert found.strata["stratum"].tolist() == evaluation.strata["stratum"].tolist()
    assert set(found.strata["assignment"]) == {"given: independent of these predictions"}
    assert set(found.summary["assignment"]) == {"all genes", "independent"}


def test_without_replicates_nothing_is_sorted(made, three) -> None:
    found = Evaluator(made.expression_table()).evaluate(three.table.query("replicate == 0"))
    assert set(found.strata["stratum"]) == {"untested"}
    assert set(found.summary["stratum"]) == {"all"}
    assert found.strata["p"].isna().all()
    assert found.strata["gain"].notna().any()
    assert "no permuted replicates of elastic_net" in found.strata["reason"].iloc[0]
    alone = Evaluator(made.expression_table()).evaluate(three.table.query("predictor == 'shot'"))
    assert alone.strata["reason"].iloc[0] == "the table lacks elastic_net or random_forest"
    assert alone.concordance.empty


def _same(a, b) -> None:
    for name in ("summary", "per_gene", "concordance", "strata"):
        pd.testing.assert_frame_equal(getattr(a, name), getattr(b, name))


def test_same_seed_same_answers_another_seed_other_draws(made, three, evaluation) -> None:
    with pytest.warns(PgxevalWarning):
        _same(Evaluator(made.expression_table()).evaluate(three), evaluation)
    with pytest.warns(PgxevalWarning):
        other = Evaluator(made.expression_table(), threads=1).evaluate(three, settings=EvaluationSettings(seed=1))
    pd.testing.assert_frame_equal(other.per_gene, evaluation.per_gene)
    assert (other.summary["share_low"] != evaluation.summary["share_low"]).any()


def test_order_of_rows_individuals_and_genes_changes_nothing(made, three, evaluation) -> None:
    random = np.random.default_rng(3)
    expression = made.expression_table()
    people = random.permutation(made.people).tolist()
    shuffled = expression[["#chr", "start", "end", "gene_id", *people]].sample(frac=1, random_state=1)
    rows = three.table.sample(frac=1, random_state=2)
    order = rows["predictor"].drop_duplicates().tolist()
    with pytest.warns(PgxevalWarning):
        found = Evaluator(shuffled).evaluate(Predictions(table=rows, settings=three.settings))
    for name, keys in (
        ("per_gene", ["predictor", "gene_id"]),
        ("strata", ["gene_id"]),
        ("summary", ["predictor", "stratum"]),
    ):
        a, b = (getattr(one, name).sort_values(keys).reset_index(drop=True) for one in (found, evaluation))
        pd.testing.assert_frame_equal(a, b, rtol=1e-12)
    assert found.summary["predictor"].drop_duplicates().tolist() == order


@few_blocks
def test_a_gene_or_a_predictor_more_changes_no_correlation(made, three, evaluation) -> None:
    part = three.table.query("predictor == 'elastic_net' and gene_id != 'G0003'")
    with pytest.warns(PgxevalWarning, match=r"1 gene\(s\) measured, but without any prediction \(G0003\)"):
        found = Evaluator(made.expression_table()).evaluate(part)
    whole = evaluation.per_gene.query("predictor == 'elastic_net' and gene_id != 'G0003'")
    for name in ("spearman", "pearson", "n"):
        np.testing.assert_array_equal(found.per_gene[name], whole[name])


@pytest.mark.parametrize("ending", ["csv", "tsv.gz", "parquet"])
def test_a_table_from_anywhere_is_judged_alike(made, three, evaluation, tmp_path, ending: str) -> None:
    path = three.write(tmp_path / f"predictions.{ending}")
    made.expression_table().to_csv(tmp_path / "expression.bed", sep="\t", index=False)
    with pytest.warns(PgxevalWarning):
        found = Evaluator(tmp_path / "expression.bed").evaluate(path)
    for name in ("per_gene", "summary", "strata"):
        pd.testing.assert_frame_equal(getattr(found, name), getattr(evaluation, name))


@few_blocks
def test_a_cohort_brings_its_covariates(bed, long) -> None:
    random = np.random.default_rng(5)
    age = random.normal(size=40)
    y = random.normal(size=(8, 40)) + 2 * age
    x = random.normal(size=y.shape) + 2 * age
    cohort = Cohort(
        genome=SimpleNamespace(individuals=PEOPLE, contigs=["chr1"], source=None),
        genes=[Gene(gene_id=f"G{k:04d}", contig="chr1", start=k, end=k + 1) for k in range(8)],
        individuals=PEOPLE,
        expression=y,
        covariates=pd.DataFrame({"age": age}, index=PEOPLE),
    )
    table = long("m", x[None], PEOPLE, None, None)
    found = Evaluator(cohort).evaluate(table)
    plain = Evaluator(bed(y, PEOPLE)).evaluate(table)
    given = Evaluator(bed(y, PEOPLE), cohort.covariates).evaluate(table)
    pd.testing.assert_frame_equal(found.per_gene, given.per_gene)
    assert found.settings["covariates"] == ["age"]
    assert plain.per_gene["spearman"].min() > 0.5
    assert found.per_gene["spearman"].abs().max() < plain.per_gene["spearman"].min()
    design = np.column_stack([np.ones(40), age])
    for gene, row in enumerate(found.per_gene.itertuples()):
        ranks = [stats.rankdata(v) for v in (x[gene], y[gene])]
        residuals = [v - design @ np.linalg.lstsq(design, v, rcond=None)[0] for v in ranks]
        r = stats.pearsonr(*residuals).statistic
        assert row.spearman == pytest.approx(r)
    textbook = Evaluator(cohort).evaluate(table, settings=EvaluationSettings(zero_shot_inference="textbook")).per_gene
    expected = 2 * stats.t.sf(
        np.abs(found.per_gene["spearman"]) * np.sqrt(37 / (1 - found.per_gene["spearman"] ** 2)), 37
    )
    np.testing.assert_allclose(textbook["p_value"], expected)


@few_blocks
def test_individuals_without_expression_are_excluded_and_counted(bed, long) -> None:
    random = np.random.default_rng(6)
    y, x = random.normal(size=(2, 5, 40))
    table = long("m", x[None], [*PEOPLE[:30], *[f"X{k}" for k in range(10)]], None, None)
    with pytest.warns(PgxevalWarning, match=r"10 individual\(s\) predicted, but without measured expression"):
        found = Evaluator(bed(y, PEOPLE)).evaluate(table)
    assert (found.per_gene["n"] == 30).all()
    exclusions = found.exclusions.set_index("reason")
    assert exclusions.loc["predicted, but without measured expression", "count"] == 10
    assert exclusions.loc["measured, but without any prediction", "count"] == 10
    assert exclusions.loc["predicted, but without measured expression", "name"] == "X0, X1, X2, X3, X4 and 5 more"


@few_blocks
def test_individuals_without_covariates_are_named_as_that(bed, long) -> None:
    random = np.random.default_rng(16)
    y, x = random.normal(size=(2, 5, 40))
    covariates = pd.DataFrame({"age": random.normal(size=37), "site": ["a", "b"] * 18 + ["a"]}, index=PEOPLE[3:])
    covariates.loc[PEOPLE[5], "age"] = np.nan
    table = long("m", x[None], [*PEOPLE[:-1], "X0"], None, None)
    with pytest.warns(PgxevalWarning, match=r"3 individual\(s\) predicted, but excluded: not in the covariates"):
        found = Evaluator(bed(y, PEOPLE), covariates).evaluate(table)
    assert (found.per_gene["n"] == 35).all()
    assert found.settings["covariates"] == ["age", "site=b"]
    counts = found.exclusions.set_index("reason")["count"]
    assert counts["predicted, but without measured expression"] == 1
    assert counts["predicted, but excluded: a covariate is missing"] == 1
    assert counts["not in the covariates"] == 3


@few_blocks
def test_a_predictor_that_lacks_genes_is_not_flattered(bed, long) -> None:
    random = np.random.default_rng(7)
    y = random.normal(size=(40, 40))
    whole = long("a", y[None] + random.normal(size=(1, 40, 40)), PEOPLE, None, None)
    table = pd.concat([whole, whole[whole["gene_id"] < "G0030"].assign(predictor="b")])
    found = Evaluator(bed(y, PEOPLE)).evaluate(table)
    b = found.summary.set_index("predictor").loc["b"]
    assert (b["n_genes"], b["defined"], b["undefined"]) == (40, 30, 10)
    reasons = found.per_gene.query("predictor == 'b'")["reason"]
    assert (reasons == "not in the predictions table").sum() == 10
    assert found.concordance.iloc[0]["undefined"] == 10
    assert found.exclusions.set_index("reason").loc["not in the predictions table", "count"] == 10


@few_blocks
def test_unknown_genes_are_refused_or_dropped(bed, long) -> None:
    random = np.random.default_rng(8)
    x = random.normal(size=(1, 6, 40))
    expression = bed(random.normal(size=(4, 40)), PEOPLE)
    with pytest.raises(TableError, match=r"2 gene\(s\) have no measured expression: G0004, G0005"):
        Evaluator(expression).evaluate(long("m", x, PEOPLE, None, None))
    with pytest.warns(PgxevalWarning, match=r"2 gene\(s\) predicted, but without"):
        found = Evaluator(expression).evaluate(long("m", x, PEOPLE, None, None), unknown_genes="drop")
    assert len(found.per_gene) == 4
    turned = pd.DataFrame(x[0, :4].T, index=PEOPLE, columns=expression["gene_id"])
    with pytest.raises(TableError, match=r"shares no gene .* give the transpose of the matrix"):
        Evaluator(expression).evaluate(turned)
    expression["gene_id"] += ".7"
    with pytest.raises(TableError, match="shares no gene"):
        Evaluator(expression).evaluate(long("m", x, PEOPLE, None, None))
    mixed = long("m", x[:, :4], PEOPLE, None, None)
    mixed["gene_id"] = mixed["gene_id"].where(mixed["gene_id"] == "G0000", mixed["gene_id"] + ".7")
    with pytest.raises(TableError, match="some would match without their version suffix"):
        Evaluator(expression).evaluate(mixed)


def test_bad_input_is_one_clear_error(bed, long) -> None:
    random = np.random.default_rng(9)
    evaluator = Evaluator(bed(random.normal(size=(2, 40)), PEOPLE))
    good = long("m", random.normal(size=(1, 2, 40)), PEOPLE, None, None)
    for spoiled, message in (
        (good.drop(columns="prediction"), r"missing column\(s\) prediction"),
        (good.assign(prediction=np.inf), "infinite"),
        (good.assign(individual="X" + good["individual"]), "shares no individual"),
        (good.iloc[:0], "it has no rows"),
        ([1, 2], "must be Predictions, a store, a table"),
    ):
        with pytest.raises(TableError, match=message):
            evaluator.evaluate(spoiled)
    with pytest.raises(SettingError, match="unknown_genes"):
        evaluator.evaluate(good, unknown_genes="guess")


@few_blocks
def test_nan_predictions_and_too_few_people_are_undefined_and_not_zero(bed, long) -> None:
    random = np.random.default_rng(10)
    y = random.normal(size=(3, 40))
    y[1, 9:] = np.nan
    x = random.normal(size=(1, 3, 40))
    x[0, 2] = 0.7
    found = Evaluator(bed(y, PEOPLE)).evaluate(long("m", x, PEOPLE, None, None))
    assert found.per_gene["reason"].tolist()[1:] == ["fewer than 10 individuals", "constant prediction"]
    assert found.per_gene["n"].tolist() == [40, 9, 40]
    row = found.summary.iloc[0]
    assert (row["defined"], row["undefined"], row["n_directed"]) == (1, 2, 1)
    assert found.per_gene.loc[1:, ["spearman", "p_value", "ci_low", "pearson"]].isna().all(axis=None)
