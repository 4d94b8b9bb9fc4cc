"""Mutants prove the kit: predictors that keep the contract pass, and each check catches the one that breaks it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pandas as pd
import pytest

from pgxeval.errors import SettingError
from pgxeval.genome.intervals import Interval
from pgxeval.predictors.protocol import Prediction
from pgxeval.predictors.trained.elastic_net import ElasticNetPredictor
from pgxeval.predictors.trained.random_forest import RandomForestPredictor
from pgxeval.testing import PREDICTOR_CHECKS, InMemoryGenotypes, PredictorTests, TinyWorld, check_predictor


def _burden(gene: Any, genome: Any, individuals: Sequence[str]) -> Any:
    """Count the alternative alleles around the TSS, the near ones more."""
    near = genome.dosages(Interval(gene.contig, gene.tss - 10_000, gene.tss + 10_000), list(individuals))
    distance = np.abs(near.variants["position"].to_numpy() - 1 - gene.tss)
    return near.values.astype(np.float64) @ (1 / (1 + distance))


class Burden:
    """A zero-shot predictor that keeps the contract."""

    name = "burden"

    def predict(self, gene: Any, genome: Any, individuals: Sequence[str]) -> Any:
        return Prediction(values=self.compute(gene, genome, individuals), used={"window_bp": 20_000})

    def compute(self, gene: Any, genome: Any, individuals: Sequence[str]) -> Any:
        return _burden(gene, genome, individuals)


class Named(Burden):
    name = 3  # type: ignore[assignment]  # the fault


class OneTooFew(Burden):
    def compute(self, gene: Any, genome: Any, individuals: Sequence[str]) -> Any:
        return super().compute(gene, genome, individuals)[1:]


class AnArray(Burden):
    def predict(self, gene: Any, genome: Any, individuals: Sequence[str]) -> Any:
        return self.compute(gene, genome, individuals)


class InFileOrder(Burden):
    def compute(self, gene: Any, genome: Any, individuals: Sequence[str]) -> Any:
        asked = set(individuals)
        known = [name for name in genome.individuals if name in asked]
        return super().compute(gene, genome, [*known, *(asked - set(known))])


class NeedsSomebody(Burden):
    def compute(self, gene: Any, genome: Any, individuals: Sequence[str]) -> Any:
        return np.concatenate([super(NeedsSomebody, self).compute(gene, genome, [name]) for name in individuals])


class Scales(Burden):
    def compute(self, gene: Any, genome: Any, individuals: Sequence[str]) -> Any:
        values = super().compute(gene, genome, individuals)
        return values - values.mean() if values.size else values


class Noise(Burden):
    def __init__(self) -> None:
        self.generator = np.random.default_rng(1)

    def compute(self, gene: Any, genome: Any, individuals: Sequence[str]) -> Any:
        return super().compute(gene, genome, individuals) + self.generator.normal()


class SilentNan(Burden):
    def compute(self, gene: Any, genome: Any, individuals: Sequence[str]) -> Any:
        values = super().compute(gene, genome, individuals)
        return np.where(values > np.median(values), np.nan, values) if values.size > 5 else values


class SaysNothing(Burden):
    def predict(self, gene: Any, genome: Any, individuals: Sequence[str]) -> Any:
        return Prediction(values=np.full(len(individuals), np.nan), reasons="I never know")


class KeepsObjects(Burden):
    def predict(self, gene: Any, genome: Any, individuals: Sequence[str]) -> Any:
        return Prediction(values=self.compute(gene, genome, individuals), used={"gene": gene})


class SortsTheList(Burden):
    def compute(self, gene: Any, genome: Any, individuals: Sequence[str]) -> Any:
        values = super().compute(gene, genome, individuals)
        if isinstance(individuals, list):
            individuals.sort()
        return values


class DrawsFromPython(Burden):
    def compute(self, gene: Any, genome: Any, individuals: Sequence[str]) -> Any:
        random.random()
        return super().compute(gene, genome, individuals)


class KnowsEverybody(Burden):
    def compute(self, gene: Any, genome: Any, individuals: Sequence[str]) -> Any:
        values = np.zeros(len(individuals))
        known = [row for row, name in enumerate(individuals) if name in genome.individuals]
        values[known] = super().compute(gene, genome, [individuals[row] for row in known])
        return values


class ReadsNames(Burden):
    def compute(self, gene: Any, genome: Any, individuals: Sequence[str]) -> Any:
        return super().compute(gene, genome, individuals) + [name.endswith("b") for name in individuals]


class FarVariantsOnly(Burden):
    def compute(self, gene: Any, genome: Any, individuals: Sequence[str]) -> Any:
        far = Interval(gene.contig, gene.tss - 15_000, gene.tss - 100)
        return genome.dosages(far, list(individuals)).values.sum(axis=1).astype(np.float64)


class PlusOnly(Burden):
    def predict(self, gene: Any, genome: Any, individuals: Sequence[str]) -> Any:
        if gene.strand != "+":
            return Prediction(values=np.full(len(individuals), np.nan))
        return super().predict(gene, genome, individuals)


class HoldsAHandle(Burden):
    def __init__(self) -> None:
        self.handle = lambda: None


class WithGenes(Burden):
    def predict_genes(self, genes: Any, genome: Any, individuals: Any) -> Iterator[Any]:
        for gene in genes:
            yield gene, self.predict(gene, genome, individuals)


class GenesInAnyOrder(WithGenes):
    def predict_genes(self, genes: Any, genome: Any, individuals: Any) -> Iterator[Any]:
        yield from super().predict_genes(sorted(genes, key=lambda gene: gene.strand), genome, individuals)


class GenesOtherwise(WithGenes):
    def predict_genes(self, genes: Any, genome: Any, individuals: Any) -> Iterator[Any]:
        for gene, made in super().predict_genes(genes, genome, individuals):
            yield gene, attrs.evolve(made, values=made.values + 1)


class Fitted(Burden):
    name = "slope"

    def __init__(self, slope: float = 1.0) -> None:
        self.slope = slope

    def compute(self, gene: Any, genome: Any, individuals: Sequence[str]) -> Any:
        return super().compute(gene, genome, individuals) * self.slope


class Slope:
    """A trainable predictor that keeps the contract."""

    name = "slope"

    def fit(self, gene: Any, genome: Any, expression: pd.Series, *, seed: int = 0) -> Any:
        return Fitted(self.learn(gene, genome, expression))

    def learn(self, gene: Any, genome: Any, expression: pd.Series) -> float:
        ordered = expression.sort_index()
        burden = _burden(gene, genome, list(ordered.index))
        return float(np.cov(burden, ordered.to_numpy())[0, 1] / burden.var())


class FitsItself(Slope):
    def fit(self, gene: Any, genome: Any, expression: pd.Series, *, seed: int = 0) -> Any:
        self.last = float(expression.mean())
        return super().fit(gene, genome, expression, seed=seed)


class PeeksAtGenotypes(Slope):
    def learn(self, gene: Any, genome: Any, expression: pd.Series) -> float:
        return super().learn(gene, genome, expression) / float(_burden(gene, genome, genome.individuals).std())


class FirstPersonCounts(Slope):
    def learn(self, gene: Any, genome: Any, expression: pd.Series) -> float:
        return super().learn(gene, genome, expression) + float(expression.iloc[0])


class UnseededFit(Slope):
    def learn(self, gene: Any, genome: Any, expression: pd.Series) -> float:
        return super().learn(gene, genome, expression) + float(np.random.default_rng().normal())


class CentresInPlace(Slope):
    def learn(self, gene: Any, genome: Any, expression: pd.Series) -> float:
        slope = super().learn(gene, genome, expression)
        expression -= 1
        return slope


class RenamesItself(Slope):
    def fit(self, gene: Any, genome: Any, expression: pd.Series, *, seed: int = 0) -> Any:
        fitted = super().fit(gene, genome, expression, seed=seed)
        fitted.name = f"slope of {gene.gene_id}"
        return fitted


class DrawsFromNumpy(Slope):
    def learn(self, gene: Any, genome: Any, expression: pd.Series) -> float:
        np.random.normal()  # noqa: NPY002 (the fault)
        return super().learn(gene, genome, expression)


class Doubled(Burden):
    def compute(self, gene: Any, genome: Any, individuals: Sequence[str]) -> Any:
        return 2 * super().compute(gene, genome, individuals)


MUTANTS: list[tuple[type[Any], str]] = [
    (Named, "name"),
    (RenamesItself, "name"),
    (OneTooFew, "shape"),
    (AnArray, "shape"),
    (InFileOrder, "order"),
    (NeedsSomebody, "nobody"),
    (Scales, "one_by_one"),
    (Noise, "repeatable"),
    (UnseededFit, "repeatable"),
    (SilentNan, "reasons"),
    (SaysNothing, "reasons"),
    (KeepsObjects, "settings"),
    (SortsTheList, "input_unchanged"),
    (CentresInPlace, "input_unchanged"),
    (DrawsFromPython, "global_state"),
    (DrawsFromNumpy, "global_state"),
    (KnowsEverybody, "unknown_individual"),
    (ReadsNames, "genotype_alone"),
    (FarVariantsOnly, "central_snv"),
    (PlusOnly, "minus_strand"),
    (HoldsAHandle, "pickling"),
    (GenesInAnyOrder, "predict_genes"),
    (GenesOtherwise, "predict_genes"),
    (FitsItself, "fit_leaves_self"),
    (PeeksAtGenotypes, "learns_from_training_only"),
    (FirstPersonCounts, "order_of_training"),
    (Doubled, "golden"),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> TinyWorld:
    return TinyWorld.make(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def golden(world: TinyWorld) -> dict[str, float]:
    values = Burden().compute(world.gene, world.genome, world.individuals)
    return dict(zip(world.individuals, values.tolist(), strict=True))


def _outcomes(predictor: Any, world: TinyWorld, **settings: Any) -> dict[str, str]:
    table = check_predictor(predictor, world=world, **settings)
    assert list(table["check"]) == list(PREDICTOR_CHECKS)
    return dict(zip(table["check"], table["outcome"], strict=True))


@pytest.mark.parametrize("predictor", [Burden(), WithGenes(), Slope()], ids=lambda p: type(p).__name__)
def test_a_predictor_that_keeps_the_contract_passes(predictor: Any, world: TinyWorld) -> None:
    outcomes = _outcomes(predictor, world)
    assert {name for name, outcome in outcomes.items() if outcome == "not applicable"} == (
        {"golden", "predict_genes"}
        if isinstance(predictor, Slope)
        else {"golden", "fit_leaves_self", "learns_from_training_only", "order_of_training"}
        | (set() if isinstance(predictor, WithGenes) else {"predict_genes"})
    )
    assert set(outcomes.values()) == {"passed", "not applicable"}


@pytest.mark.parametrize(
    "predictor", [ElasticNetPredictor(), RandomForestPredictor(n_estimators=20)], ids=lambda p: p.name
)
def test_our_own_trainable_predictors_pass(predictor: Any, world: TinyWorld) -> None:
    assert set(_outcomes(predictor, world).values()) == {"passed", "not applicable"}


@pytest.mark.parametrize(("mutant", "check"), MUTANTS, ids=lambda value: getattr(value, "__name__", value))
def test_each_check_catches_its_mutant(
    mutant: type[Any], check: str, world: TinyWorld, golden: dict[str, float]
) -> None:
    outcomes = _outcomes(mutant(), world, golden=golden if check == "golden" else None)
    assert outcomes[check] == "failed"


@pytest.mark.parametrize(
    "mutant", [KeepsObjects, DrawsFromPython, KnowsEverybody, FitsItself, PeeksAtGenotypes, HoldsAHandle]
)
def test_other_checks_let_a_mutant_pass(mutant: type[Any], world: TinyWorld) -> None:
    outcomes = _outcomes(mutant(), world)
    caught = {name for name, outcome in outcomes.items() if outcome == "failed"}
    assert caught == {dict(MUTANTS)[mutant]}


def test_every_check_has_a_mutant() -> None:
    assert {check for _, check in MUTANTS} == set(PREDICTOR_CHECKS)


def test_golden_values_that_hold(world: TinyWorld, golden: dict[str, float]) -> None:
    assert _outcomes(Burden(), world, golden=golden)["golden"] == "passed"


def test_a_world_of_its_own_and_a_class_for_an_instance() -> None:
    assert len(check_predictor(Burden(), on_failure="raise")) == len(PREDICTOR_CHECKS)
    with pytest.raises(SettingError, match="Burden is a class"):
        check_predictor(Burden)


def test_the_tiny_world_is_what_it_says(world: TinyWorld, tmp_path: Path) -> None:
    assert isinstance(world.genome.source, InMemoryGenotypes)
    window = Interval("chr1", world.gene.tss - 20_000, world.gene.tss + 20_000)  # type: ignore[operator]
    rows = world.genome.dosages(window, ["twin_a", "twin_b", "variant_0", "variant_2"]).values
    assert (rows[0] == rows[1]).all()
    differ = np.flatnonzero(rows[2] != rows[3])
    positions = world.genome.dosages(window).variants["position"].to_numpy()
    assert (positions[differ] - 1 - world.gene.tss).tolist() == [5]
    assert (rows[2][differ], rows[3][differ]) == (0, 2)
    haplotypes = world.genome.haplotypes(window, ["variant_0", "variant_2"], world.gene.tss)  # REF fits the FASTA
    assert haplotypes.counts["ref_mismatch"] == 0
    training = list(world.training)
    assert np.array_equal(
        world.genome.dosages(window, training).values, world.strangers.dosages(window, training).values
    )
    others = [name for name in world.individuals if name not in training]
    assert not np.array_equal(
        world.genome.dosages(window, others).values, world.strangers.dosages(window, others).values
    )
    assert TinyWorld.make(tmp_path).expression.equals(world.expression)


class TestSuiteOfATrainablePredictor(PredictorTests):
    @pytest.fixture
    def predictor(self) -> Slope:
        return Slope()


class TestSuiteWithAnExcuse(PredictorTests):
    @pytest.fixture
    def predictor(self) -> Burden:
        return ReadsNames()

    @pytest.fixture
    def expected_failures(self) -> dict[str, str]:
        return {"genotype_alone": "reads names, to see the excuse work"}
