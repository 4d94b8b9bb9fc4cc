"""TinyWorld: a small genome with individuals and a gene whose expression depends on one variant, made in a second."""

from __future__ import annotations

import os
from pathlib import Path

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.genome.formats.memory import InMemoryGenotypes
from pgxeval.genome.intervals import Gene
from pgxeval.genome.personal import PersonalGenome
from pgxeval.genome.reference import ReferenceGenome

_CONTIG, _LENGTH, _TSS = "chr1", 1_200_000, 600_000
_INDIVIDUALS = 40
_TRAINING = 30
_SPACING = 400
_VARIANTS = 81


@attrs.frozen(kw_only=True, eq=False)
class TinyWorld:
    """A small cohort on which predictors are checked.

    40 individuals with 81 phased SNVs, 400 bp apart around a TSS at 600,000 (0-based) in 1.2 Mb of random DNA.
    Expression is the dosage of the central variant, 5 bp downstream of the TSS, plus a little noise. The individuals
    ``twin_a`` and ``twin_b`` have the same genome; ``variant_0`` and ``variant_2`` differ only in the central variant,
    of which they carry no copy and two copies.

    Parameters
    ----------
    genome
        Genotypes and reference.
    strangers
        The same, with other genotypes for the individuals that are not in `training`.
    gene, minus_gene
        A gene on the plus strand, and its mirror image with the same TSS.
    expression
        float64, indexed by individual.
    training
        Individuals that a predictor may learn from.
    """

    genome: PersonalGenome
    strangers: PersonalGenome
    gene: Gene
    minus_gene: Gene
    expression: pd.Series = attrs.field(repr=False)
    training: tuple[str, ...] = attrs.field(repr=False)

    @property
    def individuals(self) -> tuple[str, ...]:
        """All names."""
        return self.genome.individuals

    @classmethod
    def make(cls, folder: str | os.PathLike[str], seed: int = 0) -> TinyWorld:
        """Make the world; its reference FASTA is written into `folder`, all else is in memory."""
        rng = np.random.default_rng(seed)
        bases = rng.choice(np.frombuffer(b"ACGT", dtype=np.uint8), size=_LENGTH)
        middle = _VARIANTS // 2
        starts = _TSS + 5 + _SPACING * (np.arange(_VARIANTS, dtype=np.int64) - middle)
        other = dict(zip("ACGT", "CTAG", strict=True))
        ref = tuple(chr(base) for base in bases[starts])
        alt = tuple(other[base] for base in ref)
        path = Path(folder) / "tiny.fa"
        path.write_text(f">{_CONTIG}\n{bases.tobytes().decode()}\n", encoding="ascii")
        reference = ReferenceGenome(path)

        names = ["twin_a", "twin_b", "variant_0", "variant_2", *(f"p{i:02d}" for i in range(_INDIVIDUALS - 4))]
        haplotypes = rng.integers(0, 2, size=(_INDIVIDUALS, 2, _VARIANTS)).astype(np.int8)
        haplotypes[1], haplotypes[3] = haplotypes[0], haplotypes[2]
        haplotypes[2, :, middle], haplotypes[3, :, middle] = 0, 1
        training = tuple(names[-_TRAINING:])
        changed = haplotypes.copy()
        changed[: _INDIVIDUALS - _TRAINING] = 1 - changed[: _INDIVIDUALS - _TRAINING]

        def personal(alleles: npt.NDArray[np.int8]) -> PersonalGenome:
            blocks = {_CONTIG: [(starts, ref, alt, alleles)]}
            return PersonalGenome(InMemoryGenotypes.from_haplotypes(names, blocks), reference)

        dosage = haplotypes[:, :, middle].sum(axis=1)
        return cls(
            genome=personal(haplotypes),
            strangers=personal(changed),
            gene=_gene("plus", "+", _TSS, _TSS + 3_000),
            minus_gene=_gene("minus", "-", _TSS - 2_999, _TSS + 1),
            expression=pd.Series(2.0 * dosage + rng.normal(0, 0.1, _INDIVIDUALS), index=names, dtype=np.float64),
            training=training,
        )


def _gene(name: str, strand: str, start: int, end: int) -> Gene:
    exons = ((start, start + 600), (end - 600, end))
    return Gene(
        gene_id=name,
        contig=_CONTIG,
        start=start,
        end=end,
        strand=strand,  # type: ignore[arg-type]  # one of the two
        tss=_TSS,
        exons=exons,
    )
