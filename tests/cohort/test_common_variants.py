"""Sampling and pruning of common variants, against a slow re-implementation."""

from __future__ import annotations

import numpy as np
import pytest

from pgxeval.cohort.common_variants import prune, sample_common_variants, standardise
from pgxeval.errors import InputFileError
from pgxeval.genome.dosages import Dosages
from pgxeval.genome.intervals import Gene, Interval
from pgxeval.genome.personal import PersonalGenome
from pgxeval.simulation.families import draw_haplotypes, genome_of, names


def test_pruned_variants_are_uncorrelated_and_those_dropped_are_not() -> None:
    rng = np.random.default_rng(0)
    base = rng.integers(0, 3, (100, 40)).astype(np.float32)
    values = np.repeat(base, 3, axis=1)
    flip = rng.random(values.shape) < 0.1
    values[flip] = rng.integers(0, 3, int(flip.sum()))
    values[rng.random(values.shape) < 0.02] = np.nan
    values[:, 7] = 1
    kept = prune(values)
    standard = standardise(values)
    r2 = (standard.T @ standard / 100) ** 2
    assert 7 not in kept
    assert len(kept) >= 30
    for column in set(range(120)) - {7}:
        earlier = [other for other in kept if other < column]
        correlated = bool(earlier) and max(r2[column, other] for other in earlier) > 0.1
        assert (column in kept) != correlated


def test_variants_come_from_windows_around_the_genes() -> None:
    haplotypes = draw_haplotypes(40, 1_200, np.random.default_rng(1))
    haplotypes[:, :, ::7] = 0  # monomorphic
    genome, genes = genome_of(haplotypes)
    found = sample_common_variants(genome, genes, names(40))
    frequency = np.nanmean(found.dosages, axis=0) / 2
    assert found.dosages.shape[1] > 300
    assert (np.minimum(frequency, 1 - frequency) >= 0.05).all()
    assert found.n_blocks >= 60
    assert found.genotype_counts["genotypes"] == 1_200 * 40
    place = dict(zip(zip(found.contigs, found.positions.tolist(), strict=True), found.dosages.T, strict=True))
    whole = genome.dosages(Interval("chr2", 0, 10_000_000))
    for i, position in enumerate(whole.variants["position"].tolist()):
        if ("chr2", position) in place:
            np.testing.assert_array_equal(place["chr2", position], whole.values[:, i])


def test_the_time_is_bounded_for_any_number_of_genes() -> None:
    asked: list[Interval] = []

    class Counting:
        individuals = tuple(names(20))

        def dosages(self, interval: Interval, individuals: list[str]) -> Dosages:
            asked.append(interval)
            raise InputFileError("a record is damaged")

    genes = [Gene(gene_id=f"G{i}", contig=f"chr{i % 22 + 1}", start=10**6 * i, end=10**6 * i + 9) for i in range(5_000)]
    genes += [Gene(gene_id=name, contig=name, start=5, end=9) for name in ("chrX", "Y", "MT", "chrM", "23")]
    found = sample_common_variants(Counting(), genes, names(20))  # type: ignore[arg-type]
    assert len(asked) == 200
    assert sum(window.length for window in asked) <= 5_000_000
    assert len({window.contig for window in asked}) == 22
    assert found.dosages.shape == (20, 0)
    assert len(found.unreadable) == 200


@pytest.mark.parametrize("n_genes", [1, 3])
def test_few_genes_are_read_widely(n_genes: int) -> None:
    genome, genes = genome_of(draw_haplotypes(30, 600, np.random.default_rng(2)))
    found = sample_common_variants(genome, genes[:n_genes], names(30))
    assert found.n_blocks <= 2 * n_genes
    assert isinstance(genome, PersonalGenome)
