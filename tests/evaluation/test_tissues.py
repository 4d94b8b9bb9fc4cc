"""Several tissues: pairs keep the numbers of their tissue, blocks hold all tissues of a gene, gaps have a reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pgxeval import plots
from pgxeval.errors import SettingError, TableError, UnknownNameError
from pgxeval.evaluation import (
    Evaluation,
    Evaluator,
    by_tissue,
    compare_genes,
    compare_pairs,
    direction_curve,
    evaluate_tissues,
    flips,
    tissue_sharing,
)
from pgxeval.evaluation.direction_curve import predicted_effects
from pgxeval.evaluation.per_gene import NOT_IN_TABLE
from pgxeval.tables import Predictions

GENES = 40


def _tissue(
    seed: int, people: int, predictors: dict[str, float], genes: int = GENES
) -> tuple[pd.DataFrame, pd.DataFrame]:
    random = np.random.default_rng(seed)
    names = [f"P{i:03d}" for i in range(people)]
    ids = [f"G{g}" for g in range(genes)]
    expression = random.normal(size=(genes, people))
    place = pd.DataFrame({"#chr": "chr1", "start": np.arange(genes) * 1_500_000, "gene_id": ids})
    place.insert(2, "end", place["start"] + 1)
    tables = [
        pd.DataFrame(
            {
                "predictor": name,
                "gene_id": np.repeat(ids, people),
                "individual": names * genes,
                "prediction": (weight * expression + random.normal(size=expression.shape)).ravel(),
            }
        )
        for name, weight in predictors.items()
    ]
    return pd.concat([place, pd.DataFrame(expression, columns=names)], axis=1), pd.concat(tables, ignore_index=True)


@pytest.fixture
def two() -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    blood = _tissue(1, 60, {"good": 0.6, "bad": 0.0})
    brain = _tissue(2, 45, {"good": 0.6, "bad": 0.0}, genes=30)
    return {"blood": blood[0], "brain": brain[0]}, {"blood": blood[1], "brain": brain[1]}


def test_pairs_have_the_numbers_of_their_tissue(two) -> None:
    cohorts, predictions = two
    evaluation = evaluate_tissues(cohorts, predictions)
    assert evaluation.per_gene.columns[:3].tolist() == ["predictor", "tissue", "gene_id"]
    assert len(evaluation.per_gene) == 2 * (40 + 30)
    for tissue in cohorts:
        alone = Evaluator(cohorts[tissue]).evaluate(predictions[tissue]).per_gene
        part = (
            evaluation.per_gene[evaluation.per_gene["tissue"] == tissue].drop(columns="tissue").reset_index(drop=True)
        )
        order = ["predictor", "gene_id"]
        pd.testing.assert_frame_equal(
            part.sort_values(order, ignore_index=True).drop(columns="q_value"),
            alone.sort_values(order, ignore_index=True).drop(columns="q_value"),
        )


def test_one_table_with_a_column_tissue_gives_the_same(two) -> None:
    cohorts, predictions = two
    parts = [Predictions.from_table(table).with_tissue(tissue) for tissue, table in predictions.items()]
    joined = Predictions.concat(parts)
    separate, together = evaluate_tissues(cohorts, predictions), evaluate_tissues(cohorts, joined)
    for name in ("per_gene", "summary", "concordance", "comparison", "strata", "exclusions"):
        pd.testing.assert_frame_equal(getattr(separate, name), getattr(together, name))
    pd.testing.assert_frame_equal(separate.per_gene, evaluate_tissues(cohorts, joined.table).per_gene)
    mapped = {tissue: parts[k] for k, tissue in enumerate(predictions)}
    pd.testing.assert_frame_equal(separate.per_gene, evaluate_tissues(cohorts, mapped).per_gene)
    with pytest.raises(TableError, match=r"holds 2 tissues \(blood, brain\).* Call evaluate_tissues"):
        Evaluator(cohorts["blood"]).evaluate(joined)
    alone = Evaluator(cohorts["blood"]).evaluate(parts[0])
    pd.testing.assert_frame_equal(alone.per_gene, Evaluator(cohorts["blood"]).evaluate(predictions["blood"]).per_gene)
    with pytest.raises(TableError, match="must be a mapping from tissue to predictions"):
        evaluate_tissues(cohorts, predictions["blood"])
    with pytest.raises(TableError, match="same tissues"):
        evaluate_tissues({"blood": cohorts["blood"]}, joined)


def test_individuals_are_counted_per_tissue_and_once_over_tissues(two) -> None:
    evaluation = evaluate_tissues(*two)
    assert evaluation.settings["n_individuals_by_tissue"] == {"blood": 60, "brain": 45}
    assert evaluation.settings["n_individuals"] == 60
    assert evaluation.settings["tissues"]["brain"]["n_individuals"] == 45
    assert "70 gene-tissue pairs in 2 tissues, 60 individuals" in repr(evaluation)
    cohorts, predictions = two
    renamed = predictions["brain"].assign(individual="B" + predictions["brain"]["individual"])
    columns = {name: f"B{name}" for name in cohorts["brain"] if str(name).startswith("P")}
    others = {**cohorts, "brain": cohorts["brain"].rename(columns=columns)}
    again = evaluate_tissues(others, {**predictions, "brain": renamed})
    assert again.settings["n_individuals"] == 105


def test_shares_are_over_pairs_and_blocks_hold_all_tissues_of_a_gene(two) -> None:
    evaluation = evaluate_tissues(*two)
    summary = evaluation.summary[evaluation.summary["stratum"] == "all"].set_index("predictor")
    good = evaluation.per_gene[evaluation.per_gene["predictor"] == "good"]
    assert summary.loc["good", "n_right"] == (good["direction"] == 1).sum()
    assert summary.loc["good", "n_genes"] == 70
    alone = Evaluator(two[0]["blood"]).evaluate(two[1]["blood"]).summary
    assert summary.loc["good", "n_blocks"] == alone.loc[alone["stratum"] == "all", "n_blocks"].iloc[0]
    assert evaluation.settings["tissues"].keys() == {"blood", "brain"}


def test_a_predictor_of_one_tissue_only_is_undefined_in_the_other(two) -> None:
    cohorts, predictions = two
    brain = predictions["brain"]
    only = {"blood": predictions["blood"], "brain": brain[brain["predictor"] == "good"]}
    evaluation = evaluate_tissues(cohorts, only)
    bad = evaluation.per_gene[evaluation.per_gene["predictor"] == "bad"].set_index("tissue")
    assert (bad.loc["brain", "reason"] == NOT_IN_TABLE).all()
    assert bad.loc["brain", "spearman"].isna().all()
    assert bad.loc["blood", "spearman"].notna().all()
    swapped = {"brain": only["brain"], "blood": only["blood"]}
    evaluation = evaluate_tissues({tissue: cohorts[tissue] for tissue in swapped}, swapped)
    assert set(evaluation.settings["predictors"]) == {"good", "bad"}


def test_the_same_model_cannot_be_trained_here_and_zero_shot_there(two) -> None:
    cohorts, predictions = two
    folded = predictions["brain"].assign(fold=1, training_mean=0.0)
    with pytest.raises(TableError, match="in different tissues"):
        evaluate_tissues(cohorts, {"blood": predictions["blood"], "brain": folded})
    with pytest.raises(TableError, match="same tissues"):
        evaluate_tissues(cohorts, {"blood": predictions["blood"]})


def test_sharing_counts_tissues_per_gene(two) -> None:
    evaluation = evaluate_tissues(*two)
    sharing = tissue_sharing(evaluation.per_gene)
    good = evaluation.per_gene[evaluation.per_gene["predictor"] == "good"]
    both = good.groupby("gene_id")["direction"].agg(["size", lambda d: (d > 0).sum()])
    expected = ((both["size"] == 2) & (both.iloc[:, 1] == 2)).sum()
    row = sharing[(sharing["predictor"] == "good") & (sharing["tissues"] == 2) & (sharing["right"] == 2)]
    assert row["genes"].iloc[0] == expected
    assert sharing.groupby("predictor")["genes"].sum().eq(40).all()
    with pytest.raises(TableError, match="one tissue"):
        tissue_sharing(good.drop(columns="tissue"))


def test_figures_and_report_show_pairs(two, tmp_path: Path) -> None:
    evaluation = evaluate_tissues(*two)
    ax = plots.scatter_predictors(evaluation, "good", "bad")
    assert sum(len(points.get_offsets()) for points in ax.collections) == 70
    page = evaluation.to_html(tmp_path / "report.html").read_text()
    assert "(brain)" in page
    assert "(blood)" in page


def test_each_tissue_has_the_summary_of_its_own_evaluation(two) -> None:
    cohorts, predictions = two
    evaluation = evaluate_tissues(cohorts, predictions)
    found = by_tissue(evaluation).set_index(["tissue", "predictor"])
    for tissue in cohorts:
        alone = Evaluator(cohorts[tissue]).evaluate(predictions[tissue]).summary.set_index("predictor")
        for predictor in ("good", "bad"):
            row, expected = found.loc[(tissue, predictor)], alone.loc[predictor]
            for name in ("n_genes", "defined", "mean_correlation", "median_correlation", "n_right", "share_right"):
                assert row[name] == pytest.approx(expected[name]), name
    assert found["n"].groupby("tissue").max().to_dict() == {"blood": 60, "brain": 45}
    with pytest.raises(SettingError, match="one tissue"):
        by_tissue(Evaluator(cohorts["blood"]).evaluate(predictions["blood"]))


def test_the_report_shows_tissues_side_by_side(two, tmp_path: Path) -> None:
    evaluation = evaluate_tissues(*two)
    html = evaluation.to_html(tmp_path / "report.html", sections=["answer", "summary", "tissues", "genes"]).read_text()
    assert "Predictors side by side in each tissue" in html
    assert "Mean correlation in each tissue" in html
    assert "G0 (blood)" in html


class TestValuesOfIndividuals:
    """What needs values of individuals reads them tissue by tissue, and equals the analysis of each tissue alone."""

    @pytest.mark.parametrize("method", ["intervals", "bootstrap"])
    def test_comparison_of_genes(self, two, method) -> None:
        cohorts, predictions = two
        evaluation = evaluate_tissues(cohorts, predictions)
        table = compare_genes(evaluation, "good", "bad", method=method, samples=100)
        assert table.columns[:3].tolist() == ["tissue", "gene_id", "gene_name"]
        assert len(table) == 40 + 30
        for tissue, cohort in cohorts.items():
            alone = compare_genes(
                Evaluator(cohort).evaluate(predictions[tissue]), "good", "bad", method=method, samples=100
            )
            part = table[table["tissue"] == tissue].drop(columns="tissue").reset_index(drop=True)
            over_pairs = ["q_value", "better"]
            pd.testing.assert_frame_equal(part.drop(columns=over_pairs), alone.drop(columns=over_pairs))
        np.testing.assert_allclose(
            table["q_value"], stats.false_discovery_control(table["p_value"].to_numpy()), rtol=1e-12
        )

    def test_flips_are_counted_over_tissues_and_named_with_theirs(self, two) -> None:
        cohorts, predictions = two
        together = flips(evaluate_tissues(cohorts, predictions), "good", "bad").set_index("right")
        alone = [
            flips(Evaluator(cohort).evaluate(predictions[tissue]), "good", "bad").set_index("right")
            for tissue, cohort in cohorts.items()
        ]
        for name in ("genes", "both_clear", "one_clear", "neither_clear", "expected_by_chance"):
            np.testing.assert_allclose(together[name], alone[0][name] + alone[1][name])
        names = [f"{name} (blood)" for name in alone[0].loc["a", "names"].split(", ") if name]
        assert together.loc["a", "names"].split(", ")[: len(names)] == names or not names

    def test_curve_over_pairs(self, two) -> None:
        cohorts, predictions = two
        evaluation = evaluate_tissues(cohorts, predictions)
        sizes = predicted_effects(evaluation)
        one = predictions["brain"].query("predictor == 'good' and gene_id == 'G3'")["prediction"]
        assert sizes["brain", "good", "G3"] == pytest.approx(one.std(ddof=1))
        curve = direction_curve(evaluation, "predicted_effect", bins=4)
        assert curve.groupby("predictor")["n_directed"].sum().tolist() == [70, 70]
        given = sizes.xs("good", level="predictor")
        by_value = direction_curve(evaluation, given.rename("size"), bins=4)
        ours = ["bin", "lowest", "highest", "n_directed", "n_right", "share_right", "share_low", "share_high"]
        good = [table[table["predictor"] == "good"][ours] for table in (curve, by_value)]
        pd.testing.assert_frame_equal(*(table.reset_index(drop=True) for table in good))
        with pytest.raises(TableError, match="index of 2 levels"):
            direction_curve(Evaluator(cohorts["blood"]).evaluate(predictions["blood"]), given)

    def test_observed_and_predicted(self, two) -> None:
        cohorts, predictions = two
        evaluation = evaluate_tissues(cohorts, predictions)
        table = evaluation.observed_predicted("G3", "good", "brain")
        alone = Evaluator(cohorts["brain"]).evaluate(predictions["brain"]).observed_predicted("G3", "good")
        pd.testing.assert_frame_equal(table, alone)
        with pytest.raises(SettingError, match="G3: name the tissue; this evaluation has blood, brain"):
            evaluation.observed_predicted("G3", "good")
        with pytest.raises(UnknownNameError, match="tissue liver is not in this evaluation; it has blood, brain"):
            evaluation.observed_predicted("G3", "good", "liver")

    def test_a_predictor_of_one_tissue_has_pairs_there_only(self, two) -> None:
        cohorts, predictions = two
        only = dict(predictions, brain=predictions["brain"].query("predictor == 'good'"))
        table = compare_pairs(evaluate_tissues(cohorts, only))
        assert table["tissue"].unique().tolist() == ["blood"]
        apart = {"blood": only["blood"].query("predictor == 'bad'"), "brain": only["brain"]}
        assert compare_pairs(evaluate_tissues(cohorts, apart)).empty

    def test_a_folder_has_none(self, two, tmp_path: Path) -> None:
        evaluation = Evaluation.read(evaluate_tissues(*two).write(tmp_path / "kept"))
        for purpose in (
            lambda: compare_genes(evaluation, "good", "bad"),
            lambda: direction_curve(evaluation, "predicted_effect"),
            lambda: evaluation.observed_predicted("G3", "good", "brain"),
        ):
            with pytest.raises(SettingError, match="this evaluation was read from a folder, which holds no values"):
                purpose()
