"""Results with and without components of the genotypes, against two evaluations made by hand."""

from __future__ import annotations

import warnings

import attrs
import numpy as np
import pandas as pd
import pytest

import pgxeval
from pgxeval import Cohort, Evaluation, Evaluator
from pgxeval.cohort import Expression
from pgxeval.errors import PgxevalWarning
from pgxeval.evaluation import evaluate_tissues
from pgxeval.evaluation.tables import STRUCTURE
from pgxeval.simulation.families import draw_haplotypes, genome_of, names

pytestmark = pytest.mark.filterwarnings("ignore::pgxeval.errors.PgxevalWarning")

N = 120
POPULATION = np.arange(N) % 2
SHARED = [name for name in STRUCTURE if name not in ("adjustment", "main")]


def _parts(seed: int, fst: float) -> tuple[pgxeval.PersonalGenome, Expression, pd.DataFrame]:
    """Return genomes of two populations, expression that differs between them, and a predictor of ancestry."""
    rng = np.random.default_rng(seed)
    genome, genes = genome_of(draw_haplotypes(N, 2_400, rng, fst=fst))
    values = rng.normal(size=(len(genes), N)) + POPULATION
    ancestry = POPULATION + 0.3 * rng.normal(size=(len(genes), N))
    individuals = names(N)
    predictions = pd.DataFrame(
        {
            "predictor": "ancestry",
            "gene_id": np.repeat([gene.gene_id for gene in genes], N),
            "individual": individuals * len(genes),
            "prediction": ancestry.ravel(),
        }
    )
    return genome, Expression(values=values, genes=genes, individuals=individuals), predictions


@pytest.fixture(scope="module")
def world() -> tuple[dict[int, Cohort], pd.DataFrame]:
    genome, expression, predictions = _parts(1, 0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PgxevalWarning)
        cohorts = {k: Cohort.from_parts(genome=genome, expression=expression, genotype_pcs=k) for k in (0, 1, 3)}
    return cohorts, predictions


def _all(evaluation: Evaluation) -> pd.DataFrame:
    return evaluation.summary.query("stratum == 'all'")[SHARED].reset_index(drop=True)


def test_without_components_the_table_adds_them(world: tuple[dict[int, Cohort], pd.DataFrame]) -> None:
    cohorts, predictions = world
    plain = cohorts[0]
    assert plain.components is not None
    count = plain.components.shape[1]
    evaluation = Evaluator(plain).evaluate(predictions)
    assert list(evaluation.structure.columns) == list(STRUCTURE)
    assert evaluation.structure["main"].tolist() == [True, False]
    plural = "s" if count > 1 else ""
    assert evaluation.structure["adjustment"].tolist() == [
        "without genotype components",
        f"with {count} genotype component{plural}",
    ]
    by_hand = Evaluator(plain.with_covariates(plain.genotype_pcs(count))).evaluate(predictions)
    for row, expected in enumerate((_all(evaluation), _all(by_hand))):
        pd.testing.assert_frame_equal(
            evaluation.structure[SHARED].iloc[[row]].reset_index(drop=True), expected, check_dtype=False, rtol=1e-9
        )
    without, within = evaluation.structure["n_significant"]
    assert without > 0.7 * evaluation.structure["n_genes"][0]
    assert within == 0
    assert "follow ancestry" in evaluation.show("structure").to_text()


@pytest.mark.parametrize("count", [1, 3])
def test_with_components_the_table_takes_them_out(world: tuple[dict[int, Cohort], pd.DataFrame], count: int) -> None:
    cohorts, predictions = world
    sex = pd.DataFrame({"sex": np.arange(N) // 2 % 2}, index=names(N), dtype=float)
    evaluation = Evaluator(cohorts[count].with_covariates(sex)).evaluate(predictions)
    by_hand = Evaluator(cohorts[0].with_covariates(sex)).evaluate(predictions)
    plural = "s" if count > 1 else ""
    assert evaluation.structure["adjustment"].tolist() == [
        f"with {count} genotype component{plural}",
        "without genotype components",
    ]
    for row, expected in enumerate((_all(evaluation), _all(by_hand))):
        pd.testing.assert_frame_equal(
            evaluation.structure[SHARED].iloc[[row]].reset_index(drop=True), expected, check_dtype=False, rtol=1e-9
        )


def test_one_population_has_no_such_table_and_halves_and_tissues_keep_it(
    world: tuple[dict[int, Cohort], pd.DataFrame],
) -> None:
    genome, expression, predictions = _parts(2, 0.0)
    one = Cohort.from_parts(genome=genome, expression=expression)
    assert one.components is None
    assert Evaluator(one).evaluate(predictions).structure.empty
    cohorts, predictions = world
    half, _ = cohorts[0].halves(1)
    assert half.components is not None
    assert half.components.index.tolist() == list(half.individuals)
    chosen = predictions[predictions["individual"].isin(half.individuals)]
    assert len(Evaluator(half).evaluate(chosen).structure) == 2
    tissues = evaluate_tissues(
        {"blood": cohorts[0], "liver": cohorts[0]}, {"blood": predictions, "liver": predictions}
    ).structure
    assert len(tissues) == 2
    assert tissues["n_genes"].tolist() == [2 * len(cohorts[0].genes)] * 2
    mixed = {"blood": cohorts[0], "liver": cohorts[3]}
    assert evaluate_tissues(mixed, {"blood": predictions, "liver": predictions}).structure.empty


class TestExpressionComponents:
    """Expression components among the covariates: results with and without, against an evaluation made by hand."""

    @pytest.fixture
    def judged(self) -> tuple[Cohort, pd.DataFrame, Evaluation]:
        genome, expression, predictions = _parts(3, 0.0)
        factor = np.random.default_rng(5).normal(size=N)
        mixed = attrs.evolve(expression, values=expression.values + 2 * factor)
        predictions["prediction"] += np.tile(factor, len(expression.genes))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PgxevalWarning)
            plain = Cohort.from_parts(genome=genome, expression=mixed, screen_genotypes=False)
            adjusted = plain.with_pcs(expression=2)
            return plain, predictions, Evaluator(adjusted).evaluate(predictions)

    def test_both_analyses_are_next_to_each_other(self, judged: tuple[Cohort, pd.DataFrame, Evaluation]) -> None:
        plain, predictions, evaluation = judged
        table = evaluation.structure.set_index("adjustment")
        assert table.index.tolist() == ["with 2 expression components", "without expression components"]
        assert table["main"].tolist() == [True, False]
        without = Evaluator(plain).evaluate(predictions)
        for adjustment, expected in zip(table.index, (evaluation, without), strict=True):
            row = expected.summary.iloc[0]
            for name in ("mean_correlation", "mean_low", "share_right", "n_significant"):
                assert table.loc[adjustment, name] == pytest.approx(row[name])
        assert table["mean_correlation"].iloc[1] > table["mean_correlation"].iloc[0] + 0.1
        assert without.structure.empty

    def test_the_table_for_reading_names_them(self, judged: tuple[Cohort, pd.DataFrame, Evaluation]) -> None:
        shown = " ".join(str(judged[2].show("structure")).split())
        assert "Hidden factors: results with and without components of the expression" in shown
        assert "follow hidden factors" in shown
