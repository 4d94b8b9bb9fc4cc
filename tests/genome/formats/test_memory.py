"""Genotypes in memory give the same calls as the VCF of the same cohort."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pgxeval.errors import InputFileError
from pgxeval.genome.formats.memory import InMemoryGenotypes
from pgxeval.genome.formats.opening import open_genotypes
from pgxeval.genome.formats.source import GenotypeSource
from pgxeval.genome.intervals import Interval
from pgxeval.genome.personal import PersonalGenome
from pgxeval.simulation.files import write_genotypes
from pgxeval.simulation.genes import SimulatedGene, simulate_gene

NAMES = tuple(f"i{i}" for i in range(13))


@pytest.fixture(scope="module")
def genes() -> list[SimulatedGene]:
    places = [Interval("chr1", 1_000, 91_000), Interval("chr1", 100_000, 200_000), Interval("chr2", 7, 90_007)]
    return [
        simulate_gene(number, "null", individuals=13, interval=place, seed=8) for number, place in enumerate(places)
    ]


@pytest.fixture(scope="module")
def memory(genes: list[SimulatedGene]) -> InMemoryGenotypes:
    blocks: dict[str, list] = {}
    for gene in genes:
        starts = gene.interval.start + gene.window.positions
        blocks.setdefault(gene.interval.contig, []).append((starts, gene.ref, gene.alt, gene.window.haplotypes))
    return InMemoryGenotypes.from_haplotypes(NAMES, blocks)


@pytest.fixture(scope="module")
def vcf(genes: list[SimulatedGene], tmp_path_factory: pytest.TempPathFactory) -> GenotypeSource:
    path: Path = tmp_path_factory.mktemp("memory") / "genotypes.vcf.gz"
    write_genotypes(path, genes, NAMES, {"chr1": 210_000, "chr2": 100_000})
    return open_genotypes(path)


def _assert_same(memory: InMemoryGenotypes, vcf: GenotypeSource, contig: str, start: int, end: int) -> int:
    a, b = memory.read(contig, start, end), vcf.read(contig, start, end)
    for name in ("alleles", "phased"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    for name in ("starts", "first_allele", "passed", "ref_lengths"):
        np.testing.assert_array_equal(getattr(a.records, name), getattr(b.records, name), err_msg=name)
    alternates = a.records.first_allele[:-1] + 1
    pd.testing.assert_frame_equal(a.records.variants(alternates), b.records.variants(alternates))
    assert a.records.contig == b.records.contig
    return a.records.n_records


def test_same_calls_as_the_vcf(memory: InMemoryGenotypes, vcf: GenotypeSource) -> None:
    assert isinstance(memory, GenotypeSource)
    assert memory.individuals == vcf.individuals
    assert memory.contigs == ("chr1", "chr2")
    assert _assert_same(memory, vcf, "chr1", 0, 210_000) > 200
    rng = np.random.default_rng(1)
    for start, length in zip(rng.integers(0, 202_000, 60), rng.integers(1, 8_000, 60), strict=True):
        _assert_same(memory, vcf, "chr1", int(start), int(start + length))


def test_windows_that_begin_inside_a_deletion(
    memory: InMemoryGenotypes, vcf: GenotypeSource, genes: list[SimulatedGene]
) -> None:
    seen = 0
    for gene in genes:
        for offset, ref in zip(gene.window.positions.tolist(), gene.ref, strict=True):
            if len(ref) > 1:
                last = gene.interval.start + offset + len(ref) - 1
                contig = gene.interval.contig
                assert _assert_same(memory, vcf, contig, last, last + 1) == 1
                _assert_same(memory, vcf, contig, last + 1, last + 2)
                seen += 1
    assert seen > 1


def test_empty_window(memory: InMemoryGenotypes, vcf: GenotypeSource) -> None:
    assert _assert_same(memory, vcf, "chr1", 92_000, 99_000) == 0


def test_personal_genome_uses_it(memory: InMemoryGenotypes, genes: list[SimulatedGene]) -> None:
    genome = pickle.loads(pickle.dumps(PersonalGenome(memory)))
    dosages = genome.dosages(genes[1].interval)
    np.testing.assert_array_equal(dosages.values, genes[1].window.dosages)
    assert dosages.variants["position"].tolist() == (genes[1].window.positions + 100_001).tolist()


def test_shows_no_genotypes(memory: InMemoryGenotypes, genes: list[SimulatedGene]) -> None:
    assert repr(memory).startswith("InMemoryGenotypes(13 individuals, ")
    for shown in (repr(memory), repr(genes[0]), repr(genes[0].window), repr(genes[0].planted)):
        assert "array" not in shown


def test_refuses_imputed_dosages(memory: InMemoryGenotypes) -> None:
    with pytest.raises(InputFileError, match="genotypes only"):
        memory.read("chr1", 0, 10, field="DS")
