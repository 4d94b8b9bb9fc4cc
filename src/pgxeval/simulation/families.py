"""Genotypes of populations and families with known truth: independent variants in 60 regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from pgxeval.cohort.common_variants import CommonVariants
from pgxeval.genome.formats.memory import Block, InMemoryGenotypes
from pgxeval.genome.intervals import Gene
from pgxeval.genome.personal import PersonalGenome

N_REGIONS = 60
REGION_BP = 3_000_000


def draw_haplotypes(
    n: int,
    n_variants: int,
    rng: np.random.Generator,
    *,
    fst: float = 0.0,
    children: Mapping[int, tuple[int, int]] | None = None,
    copies: Mapping[int, int] | None = None,
) -> npt.NDArray[np.int8]:
    """Draw int8 haplotypes (n, 2, n_variants) of independent variants in 60 regions.

    Individuals alternate between two populations where `fst` is above 0 (Balding-Nichols). `children` maps an
    individual to its parents, which transmit whole regions; `copies` maps an individual to the one it repeats.
    """
    frequency = rng.uniform(0.1, 0.9, n_variants)
    haplotypes = np.zeros((n, 2, n_variants), dtype=np.int8)
    for population in (0, 1):
        members = np.arange(n) % 2 == population
        own = frequency if fst == 0 else rng.beta(frequency * (1 - fst) / fst, (1 - frequency) * (1 - fst) / fst)
        haplotypes[members] = rng.random((int(members.sum()), 2, n_variants)) < own
    region = np.arange(n_variants) * N_REGIONS // n_variants
    for child, parents in (children or {}).items():
        for side, parent in enumerate(parents):
            parental_copy = rng.integers(2, size=N_REGIONS)[region]
            haplotypes[child, side] = haplotypes[parent][parental_copy, np.arange(n_variants)]
    for copy, original in (copies or {}).items():
        haplotypes[copy] = haplotypes[original]
    return haplotypes


def places(n_variants: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the region of each variant and its 0-based position in it."""
    region = np.arange(n_variants) * N_REGIONS // n_variants
    return region, 1_000_000 + 200 * (np.arange(n_variants) - np.searchsorted(region, region))


def names(n: int) -> list[str]:
    """Return the names of n individuals: I000, I001 ..."""
    return [f"I{i:03d}" for i in range(n)]


def variants_of(haplotypes: npt.NDArray[np.int8]) -> CommonVariants:
    """Return the haplotypes as common variants, one contig per region."""
    n, _, m = haplotypes.shape
    region, positions = places(m)
    return CommonVariants(
        dosages=haplotypes.sum(axis=1).astype(np.float32),
        contigs=tuple(f"chr{r}" for r in region.tolist()),
        positions=positions + 1,
        individuals=tuple(names(n)),
    )


def genome_of(
    haplotypes: npt.NDArray[np.int8], individuals: Sequence[str] | None = None
) -> tuple[PersonalGenome, list[Gene]]:
    """Return a genome with 60 regions on 20 contigs, and one gene in the middle of each region."""
    n, _, m = haplotypes.shape
    region, positions = places(m)
    blocks: dict[str, list[Block]] = {}
    genes = []
    for r in range(N_REGIONS):
        mine = region == r
        starts = positions[mine] + (r % 3) * REGION_BP
        alleles = int(mine.sum())
        blocks.setdefault(f"chr{r // 3 + 1}", []).append(
            (starts, ("A",) * alleles, ("C",) * alleles, np.ascontiguousarray(haplotypes[:, :, mine]))
        )
        middle = int(starts[alleles // 2])
        genes.append(
            Gene(gene_id=f"G{r}", contig=f"chr{r // 3 + 1}", start=middle, end=middle + 500, strand="+", tss=middle)
        )
    source = InMemoryGenotypes.from_haplotypes(list(individuals or names(n)), blocks)
    return PersonalGenome(genotypes=source), genes
