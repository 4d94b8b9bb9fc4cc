"""The two haplotypes of an individual as one value: lone copies, and sums of single variants."""

from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pgxeval.predictors.sequence.predictor import SequencePredictor
from pgxeval.predictors.sequence.readout import ExonMask, TssBins


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, toys: ModuleType) -> Any:
    return toys.random_genome(tmp_path_factory.mktemp("genome"), seed=11)


EXONS = ((1_440, 1_490), (1_503, 1_540), (1_600, 1_637))


def test_lone_copies_count_as_two(tmp_path: Path, toys: ModuleType) -> None:
    bases = "".join(np.random.default_rng(3).choice(list("ACGT"), 2_000))
    other = "A" if bases[1_005] != "A" else "C"
    records = [("chr1", 1_005, bases[1_005], other, ["0", "0|0", "1", "1|1"])]
    small = toys.write_genome(tmp_path, {"chr1": bases}, ["m0", "f0", "m1", "f1"], records)
    for combine in ("mean", "max", "log_sum"):
        predictor = SequencePredictor(toys.ToyModel(), TssBins(), tracks="rna b", combine=combine)
        values = predictor.predict(toys.gene_at(1_000), small.genome, small.individuals).values
        assert values[0] == values[1] != values[2] == values[3]
    additive = SequencePredictor(toys.ToyModel(), TssBins(), tracks="rna b", mode="additive")
    values = additive.predict(toys.gene_at(1_000), small.genome, small.individuals).values
    np.testing.assert_allclose(values[[0, 2]], values[[1, 3]], rtol=1e-12)


def test_additive_mode_equals_a_slow_sum_of_single_variants(
    toys: ModuleType, slow: ModuleType, small: Any, tmp_path: Path
) -> None:
    unphased = [
        (contig, start, ref, alt, [genotype.replace("|", "/") for genotype in genotypes])
        for contig, start, ref, alt, genotypes in small.records
    ]
    loose = toys.write_genome(tmp_path, small.reference, small.individuals, unphased)
    gene, model = toys.gene_at(1_500, exons=EXONS), toys.ToyModel()
    predictor = SequencePredictor(model, ExonMask(), tracks=[0, 2], mode="additive")
    values = predictor.predict(gene, loose.genome, small.individuals).values

    def score(records: list[tuple[int, str, str]]) -> float:
        seen = slow.window(slow.haplotype(small.reference["chr1"], records), gene.tss, 512)
        indices = slow.members(seen, EXONS)
        logs = [math.log(slow.read(model, seen, indices, track, "mean", log_bins=False) + 0.001) for track in (0, 2)]
        return sum(logs) / 2

    bare = score([])
    wanted = np.full(len(small.individuals), bare)
    for _, start, ref, alt, genotypes in small.records:
        dosages = np.array([genotype.count("1") for genotype in genotypes])
        if 1_200 <= start < 1_800 and dosages.any():
            wanted += dosages / 2 * (score([(start, ref, alt)]) - bare)
    np.testing.assert_allclose(values, wanted, rtol=2e-6)
    assert np.ptp(wanted) > 1e-3
