"""Expression by genotype."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pgxeval import plots
from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import UnknownNameError
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.evaluator import Evaluator
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
