"""A small study in two tissues: two trained predictors, two zero-shot ones, and predictors that fail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import attrs
import numpy as np

from pgxeval.cohort import Cohort
from pgxeval.evaluation import MechanismSettings, NonadditivitySettings
from pgxeval.genome import Gene, PersonalGenome
from pgxeval.predictors import CisVariants, ElasticNetPredictor, Predictor, RandomForestPredictor, TrainablePredictor
from pgxeval.seeding import hash64
from pgxeval.simulation import simulate_cohort_in_memory
from pgxeval.study import StudySettings

VARIANTS = CisVariants(flank_bp=8_000, around="tss", min_minor_alleles=3)
SETTINGS = StudySettings(
    folds=3,
    replicates=2,
    cis_variants=VARIANTS,
    max_attributed=3,
    nonadditivity=NonadditivitySettings(permutations=19),
    mechanism=MechanismSettings(draws=19),
)
Predictors: TypeAlias = list[Predictor | TrainablePredictor]


@attrs.frozen
class RandomWeights:
    """A zero-shot predictor: a sum of dosages with weights that depend on the gene and on its own name."""

    name: str

    def predict(self, gene: Gene, genome: PersonalGenome, individuals: Sequence[str]) -> np.ndarray:
        dosages = genome.dosages(gene.cis_window(8_000, "tss"), individuals).values.astype(float)
        weights = np.random.default_rng(hash64(self.name, gene.gene_id) % 2**32).normal(size=dosages.shape[1])
        return dosages @ weights


@attrs.frozen
class Failing:
    """A zero-shot predictor that fails at the genes in its list; at all genes for None."""

    name: str
    genes: tuple[str, ...] | None = None

    def predict(self, gene: Gene, genome: PersonalGenome, individuals: Sequence[str]) -> np.ndarray:
        if self.genes is None or gene.gene_id in self.genes:
            raise ValueError("no answer here")
        return RandomWeights("alpha").predict(gene, genome, individuals)


def predictors() -> Predictors:
    return [
        ElasticNetPredictor(cis_variants=VARIANTS, inner_folds=3),
        RandomForestPredictor(cis_variants=VARIANTS, n_estimators=15),
        RandomWeights("alpha"),
        RandomWeights("beta"),
    ]


def make_cohorts() -> dict[str, Cohort]:
    """Blood in 60 individuals at 8 genes, brain in 45 of them at 6 of these genes."""
    blood, _ = simulate_cohort_in_memory(
        individuals=60, kinds={"null": 2, "additive": 4, "overdominant": 2}, heritability=0.6, window_bp=16_000, seed=5
    )
    return {"blood": blood, "brain": blood.subset(individuals=blood.individuals[10:55], genes=blood.gene_ids[:6])}
