"""Relatives leak between folds, and `groups=` stops it; training expression given covariates."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from pgxeval.cohort import Cohort, Expression
from pgxeval.errors import TableError
from pgxeval.evaluation import EvaluationSettings, Evaluator
from pgxeval.genome.intervals import Gene, Interval
from pgxeval.genome.personal import PersonalGenome
from pgxeval.prediction import predict_cohort
from pgxeval.prediction.crossfit import residualise
from pgxeval.predictors.protocol import Prediction
from pgxeval.predictors.trained import ElasticNetPredictor
from pgxeval.seeding import assign_folds
from pgxeval.simulation.families import draw_haplotypes, genome_of, names


def dosages(gene: Gene, genome: PersonalGenome, individuals: Sequence[str]) -> np.ndarray:
    return genome.dosages(Interval(gene.contig, gene.start - 9_000, gene.start + 9_000), individuals).values.astype(
        float
    )


@attrs.frozen
class Fitted:
    name: str
    training: np.ndarray
    expression: np.ndarray

    def predict(self, gene: Gene, genome: PersonalGenome, individuals: Sequence[str]) -> Prediction:
        distance = ((dosages(gene, genome, individuals)[:, None] - self.training) ** 2).sum(axis=2)
        return Prediction(values=self.expression[distance.argmin(axis=1)])


@attrs.frozen
class Nearest:
    """Predicts the expression of the most similar training individual, and records the groups it was given."""

    name: str = "nearest"
    given: list[list[str]] = attrs.field(factory=list)

    def fit(self, gene: Gene, genome: PersonalGenome, expression: pd.Series, *, seed: int = 0) -> Fitted:
        return Fitted(self.name, dosages(gene, genome, list(expression.index)), expression.to_numpy())

    def fit_groups(
        self, gene: Gene, genome: PersonalGenome, expression: pd.Series, groups: Sequence[str], *, seed: int = 0
    ) -> Fitted:
        assert len(groups) == len(expression)
        self.given.append([f"{name} {group}" for name, group in zip(expression.index, groups, strict=True)])
        return self.fit(gene, genome, expression, seed=seed)


@pytest.fixture(scope="module")
def twice() -> tuple[Cohort, dict[str, str]]:
    """Return 40 donors with two samples each: no effect of any variant, samples of a donor correlated by 0.8."""
    rng = np.random.default_rng(5)
    genome, genes = genome_of(draw_haplotypes(80, 900, rng, copies={i: i - 40 for i in range(40, 80)}))
    shared = rng.normal(size=(60, 40))
    values = np.sqrt(0.8) * np.tile(shared, 2) + np.sqrt(0.2) * rng.normal(size=(60, 80))
    expression = Expression(values=values, genes=genes, individuals=names(80))
    cohort = Cohort.from_parts(genome=genome, expression=expression, screen_genotypes=False)
    return cohort, {name: f"donor {i % 40}" for i, name in enumerate(names(80))}


@pytest.mark.filterwarnings("ignore::pgxeval.errors.PgxevalWarning")
def test_repeated_samples_leak_without_groups_and_not_with_them(twice: tuple[Cohort, dict[str, str]]) -> None:
    cohort, donors = twice
    shares = {}
    for unit, labels in (("sample", None), ("donor", tuple(donors.values()))):
        grouped = attrs.evolve(cohort, groups=labels)
        predictions = predict_cohort(grouped, [Nearest()], seed=1, replicates=3, workers=1, progress=False)
        evaluation = Evaluator(grouped).evaluate(predictions, settings=EvaluationSettings(seed=1))
        summary = evaluation.summary.query("stratum == 'all'").iloc[0]
        shares[unit] = (summary["share_right"], summary["reference_share"])
        rejected = (evaluation.per_gene["p_value"] < 0.05).mean()
        assert (rejected > 0.9) == (unit == "sample")
        if unit == "donor":
            assert rejected < 0.15
    assert shares["sample"][0] > 0.97
    assert abs(shares["sample"][1] - 0.5) < 0.15
    assert abs(shares["donor"][0] - shares["donor"][1]) < 0.2


def test_rows_of_a_group_are_in_one_fold_in_every_replicate(twice: tuple[Cohort, dict[str, str]]) -> None:
    cohort, donors = twice
    grouped = attrs.evolve(cohort.subset(genes=cohort.gene_ids[:2]), groups=tuple(donors.values()))
    nearest = Nearest()
    table = predict_cohort(grouped, [nearest], seed=2, replicates=2, workers=1, progress=False).table
    table = table.assign(donor=table["individual"].astype(str).map(donors))
    folds = table.drop_duplicates(["gene_id", "replicate", "donor", "fold"])
    assert len(folds) == len(table.drop_duplicates(["gene_id", "replicate", "donor"]))
    observed = table.query("replicate == 0").drop_duplicates("individual").set_index("individual")["fold"]
    expected = assign_folds(list(donors), 5, 2, groups=list(donors.values()))
    assert observed.loc[list(donors)].tolist() == expected.tolist()
    assert len(nearest.given) == 2 * 3 * 5
    assert all(donors[pair.split(" ", 1)[0]] == pair.split(" ", 1)[1] for pairs in nearest.given for pair in pairs)


def test_inner_folds_of_the_elastic_net_keep_groups_together(
    twice: tuple[Cohort, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort, donors = twice
    seen: list[tuple[list[str], list[str] | None]] = []

    def spy(individuals: Sequence[str], folds: int, seed: int, purpose: str = "outer", groups: object = None) -> object:
        labels = None if groups is None else list(groups)  # type: ignore[call-overload]
        seen.append((list(individuals), labels))
        return assign_folds(individuals, folds, seed, purpose, labels)

    monkeypatch.setattr("pgxeval.predictors.trained.elastic_net.assign_folds", spy)
    series = cohort.expression_of(cohort.gene_ids[0])
    groups = [donors[name] for name in series.index]
    predictor = ElasticNetPredictor()
    predictor.fit_groups(cohort.genes[0], cohort.genome, series, groups, seed=3)
    predictor.fit(cohort.genes[0], cohort.genome, series, seed=3)
    (individuals, labels), (_, without) = seen
    assert labels == [donors[name] for name in individuals]
    assert without is None


@pytest.mark.parametrize("kind", ["free", "collinear", "scales"])
def test_training_expression_is_residualised_as_statsmodels_does(kind: str) -> None:
    rng = np.random.default_rng(7)
    free = rng.normal(size=(40, 3))
    covariates = {
        "free": free,
        "collinear": np.column_stack([free, free @ [1, 2, 3], np.ones(40)]),
        "scales": free * [1e-9, 1, 1e12] + [0, 50, 3e13],
    }[kind]
    y = rng.normal(size=40)
    oracle = sm.OLS(y, sm.add_constant(free)).fit().resid
    np.testing.assert_allclose(residualise(y, covariates), oracle, atol=1e-9)
    with pytest.raises(TableError, match=r"fold 3: 4 training individuals and 3 covariates leave no degrees"):
        residualise(y[:4], free[:4], where="fold 3")
