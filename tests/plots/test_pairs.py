"""Figures of differences, gains, p-values, tissues and genotypes: what is drawn is counted in the obvious way."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from scipy import stats

from pgxeval import plots
from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import SettingError, UnknownNameError
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.evaluator import Evaluator
from pgxeval.evaluation.tissues import evaluate_tissues
from pgxeval.simulation.simulate import simulate_cohort

pytestmark = pytest.mark.filterwarnings("ignore::pgxeval.errors.PgxevalWarning")
GENES, PEOPLE = 60, 40


def _tables(seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    random = np.random.default_rng(seed)
    people = [f"P{i}" for i in range(PEOPLE)]
    measured = random.normal(size=(GENES, PEOPLE))
    place = pd.DataFrame({"#chr": "chr1", "start": np.arange(GENES) * 5_000_000})
    place["end"], place["gene_id"] = place["start"] + 1, [f"G{g}" for g in range(GENES)]
    rows = []
    for name, weight in (("weak", 0.2), ("strong", 0.6)):
        values = weight * measured + random.normal(size=measured.shape)
        values[4] = 0.0 if name == "weak" else values[4]
        rows.append(
            pd.DataFrame(
                {
                    "predictor": name,
                    "gene_id": np.repeat(place["gene_id"].to_numpy(), PEOPLE),
                    "individual": people * GENES,
                    "prediction": values.ravel(),
                }
            )
        )
    return pd.concat([place, pd.DataFrame(measured, columns=people)], axis=1), pd.concat(rows, ignore_index=True)


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    expression, predictions = _tables()
    return Evaluator(expression, threads=1).evaluate(predictions)


def _bars(ax: Axes) -> np.ndarray:
    return np.asarray(ax.patches[0].get_data().values)


def test_a_difference_counts_every_gene_and_shows_the_mean_of_the_table(evaluation: Evaluation) -> None:
    ax = plots.paired_difference(evaluation, "strong", "weak")
    assert _bars(ax).sum() == GENES
    wide = evaluation.per_gene.pivot_table(index="gene_id", columns="predictor", values="correlation").fillna(0)
    difference = wide["strong"] - wide["weak"]
    row = evaluation.comparison.iloc[0]  # weak less strong
    title = ax.get_title(loc="left")
    assert f"strong higher at {(difference > 0).sum()}, weak at {(difference < 0).sum()} of 60 genes" in title
    low, high = -row["mean_difference_high"], -row["mean_difference_low"]
    assert f"mean difference {difference.mean():.3f} [{low:.3f}, {high:.3f}]" in title
    squares = [line for line in ax.lines if line.get_marker() == "s"]
    assert squares[0].get_xdata()[0] == pytest.approx(difference.mean())
    turned = plots.paired_difference(evaluation, "weak", "strong")
    np.testing.assert_array_equal(_bars(turned), _bars(ax)[::-1])
    with pytest.raises(UnknownNameError, match="other is not in the table"):
        plots.paired_difference(evaluation, "strong", "other")


def test_gains_are_ranked_and_the_largest_nonlinear_genes_are_named(evaluation: Evaluation) -> None:
    gain = np.linspace(-0.2, 0.5, GENES)
    strata = pd.DataFrame({"gene_id": [f"G{g}" for g in range(GENES)], "gain": gain, "stratum": "unpredictable"})
    strata.loc[strata["gain"] > 0.4, "stratum"] = "nonlinear"
    named = evaluation.per_gene.assign(gene_name="symbol of " + evaluation.per_gene["gene_id"])
    ax = plots.ranked_gain(attrs.evolve(evaluation, strata=strata, per_gene=named))
    points = np.concatenate([one.get_offsets() for one in ax.collections])
    np.testing.assert_allclose(points[np.argsort(points[:, 0]), 1], gain[::-1])
    labels = {text.get_text() for text in ax.texts}
    assert labels == {f"symbol of G{g}" for g in range(GENES - 1, GENES - 6, -1)}
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {"nonlinear (9)", "unpredictable (51)"}
    empty = plots.ranked_gain(attrs.evolve(evaluation, strata=strata[:0]))
    assert "no gain" in empty.texts[0].get_text()


def test_quantiles_are_sorted_p_values_against_their_ranks(evaluation: Evaluation) -> None:
    null = pd.DataFrame({"predictor": "strong", "gene_id": "G", "p_value": np.linspace(0.01, 0.99, 30)})
    ax = plots.p_value_quantiles(evaluation, null)
    lines = {line.get_label(): line for line in ax.lines}
    p = np.sort(evaluation.per_gene.loc[evaluation.per_gene["predictor"] == "weak", "p_value"].dropna())
    assert len(p) == GENES - 1
    np.testing.assert_allclose(lines["weak"].get_ydata(), -np.log10(p))
    np.testing.assert_allclose(lines["weak"].get_xdata(), -np.log10(np.arange(1, GENES) / GENES))
    np.testing.assert_allclose(lines["strong, permuted"].get_ydata(), -np.log10(null["p_value"]))
    assert "weak, permuted" not in lines
    band = ax.collections[0].get_paths()[0].vertices
    assert band[:, 1].max() == pytest.approx(-np.log10(stats.beta.ppf(0.025, 1, GENES)), rel=1e-6)


def test_tissues_are_rows_with_one_marker_per_predictor() -> None:
    tissues = {"blood": _tables(1), "brain": _tables(2)}
    evaluation = evaluate_tissues({k: v[0] for k, v in tissues.items()}, {k: v[1] for k, v in tissues.items()})
    ax = plots.tissue_comparison(evaluation)
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert {label.split("  ")[0] for label in labels} == {"blood", "brain"}
    means = evaluation.per_gene.groupby(["predictor", "tissue"])["correlation"].mean()
    drawn = {
        round(float(x), 6) for line in ax.lines for x in np.atleast_1d(line.get_xdata()) if line.get_marker() != "None"
    }
    assert {round(float(one), 6) for one in means} <= drawn
    with pytest.raises(SettingError, match="one tissue"):
        plots.tissue_comparison(Evaluator(tissues["blood"][0], threads=1).evaluate(tissues["blood"][1]))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    pytest.importorskip("msprime", reason="needs msprime")
    made = simulate_cohort(tmp_path_factory.mktemp("cohort"), individuals=80, genes=2, window_bp=20_000, seed=1)
    return Cohort.from_files(**made.files)


def _leading(cohort: Cohort, expression: np.ndarray, gene_id: str) -> tuple[int, str, str]:
    """The slow way: one analysis of variance of the ranks per variant."""
    gene = cohort.gene(gene_id)
    dosages = cohort.genome.dosages(gene.cis_window(10_000, "tss"), list(cohort.individuals))
    best, ranks = (2.0, 0.0, -1), stats.rankdata(expression)
    for column in range(dosages.values.shape[1]):
        copies = dosages.values[:, column]
        groups = [ranks[copies == k] for k in range(3) if (copies == k).sum() >= 5]
        if len(groups) > 1:
            f, p = stats.f_oneway(*groups)
            best = min(best, (p, -f, column))
    row = dosages.variants.iloc[best[2]]
    return int(row["position"]), str(row["ref"]), str(row["alt"])


def test_expression_by_genotype_takes_the_variant_whose_classes_differ_most(cohort: Cohort) -> None:
    gene_id = cohort.gene_ids[0]
    ax = plots.genotype_expression(cohort, gene_id, flank_bp=10_000, around="tss")
    expression = cohort.expression_of(gene_id).to_numpy()
    position, ref, alt = _leading(cohort, expression, gene_id)
    assert f"{position:,} {ref[:7]}" in ax.get_title()
    points = [line for line in ax.lines if line.get_marker() == "o"]
    assert sum(len(line.get_xdata()) for line in points) == len(expression)
    again = plots.genotype_expression(cohort, gene_id, variant=(position, ref, alt), flank_bp=10_000, around="tss")
    assert again.get_title() == ax.get_title()
    medians = sorted(float(line.get_ydata()[0]) for line in ax.lines if line.get_linewidth() == 2)
    gene = cohort.gene(gene_id)
    dosages = cohort.genome.dosages(gene.cis_window(10_000, "tss"), list(cohort.individuals))
    copies = dosages.values[:, int(np.flatnonzero(dosages.variants["position"] == position)[0])]
    assert medians == pytest.approx(sorted(float(np.median(expression[copies == k])) for k in np.unique(copies)))


def test_unknown_genes_and_variants(cohort: Cohort) -> None:
    with pytest.raises(UnknownNameError, match="NOPE"):
        plots.genotype_expression(cohort, "NOPE")
    with pytest.raises(UnknownNameError, match="is not in its window"):
        plots.genotype_expression(cohort, cohort.gene_ids[0], variant=(1, "A", "C"), flank_bp=10_000)
    nothing = plots.genotype_expression(cohort, cohort.gene_ids[0], flank_bp=0, around="tss")
    assert "No variant" in nothing.texts[0].get_text()


def test_the_report_draws_expression_by_genotype(cohort: Cohort, tmp_path: Path) -> None:
    ids = cohort.gene_ids
    random = np.random.default_rng(0)
    predictions = pd.DataFrame(
        {
            "predictor": "deep",
            "gene_id": np.repeat(ids, len(cohort.individuals)),
            "individual": list(cohort.individuals) * len(ids),
            "prediction": random.normal(size=len(ids) * len(cohort.individuals)),
        }
    )
    evaluation = Evaluator(cohort, threads=1).evaluate(predictions)
    page = evaluation.to_html(
        tmp_path / "report.html", sections=["genes"], show_individuals_of=True, cohort=cohort
    ).read_text()
    assert page.count(": expression by genotype.") == 2
    assert page.count(": observed against predicted.") == 2
