"""Common variants of a cohort, sampled around its genes and pruned for linkage disequilibrium."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.errors import PgxevalError
from pgxeval.genome.intervals import Gene, Interval

if TYPE_CHECKING:
    from pgxeval.genome.personal import PersonalGenome

MIN_MAF = 0.05
MAX_MISSING = 0.05
MAX_R2 = 0.1
BLOCK_BP = 2_000_000
"""Variants that lie farther apart than this are counted as independent regions."""

_TOTAL_BP = 5_000_000
_SHORTEST_FLANK_BP = 12_500
_LONGEST_FLANK_BP = 500_000
_PRUNING_DEPTH = 200
_MAX_HETEROZYGOUS = 0.8
_NOT_AUTOSOMES = frozenset({"X", "Y", "XY", "M", "MT", "W", "Z", "23", "24", "25", "26"})


@attrs.frozen(kw_only=True, eq=False)
class CommonVariants:
    """Dosages of common biallelic autosomal variants that are nearly in linkage equilibrium.

    Parameters
    ----------
    dosages
        float32 (n_individuals, n_variants): number of ALT alleles, 0 to 2; NaN where the genotype is missing.
    contigs
        str (n_variants,), names as in the gene models.
    positions
        int64 (n_variants,), 1-based positions as in the VCF.
    ref, alt
        str (n_variants,), alleles: one base each.
    individuals
        Names of the rows.
    genotype_counts
        Sums over all records of the sampled windows, common or not: records, missing, half_missing ... as
        `pgxeval.genome.dosages.Dosages.counts` defines them, and genotypes, the number of genotypes read.
    unreadable
        Messages of the windows that could not be read.
    windows, empty_windows
        Number of windows that were read, and of those without any record.
    """

    dosages: npt.NDArray[np.float32] = attrs.field(repr=False)
    contigs: tuple[str, ...] = attrs.field(repr=False)
    positions: npt.NDArray[np.int64] = attrs.field(repr=False)
    individuals: tuple[str, ...] = attrs.field(repr=False)
    genotype_counts: dict[str, int] = attrs.field(factory=dict)
    unreadable: tuple[str, ...] = ()
    ref: tuple[str, ...] = attrs.field(default=(), repr=False)
    alt: tuple[str, ...] = attrs.field(default=(), repr=False)
    windows: int = 0
    empty_windows: int = 0

    @property
    def blocks(self) -> npt.NDArray[np.int64]:
        """int64 (n_variants,): number of the region of 2 Mb that each variant lies in, from 0."""
        keys = list(zip(self.contigs, (self.positions // BLOCK_BP).tolist(), strict=True))
        number = {key: i for i, key in enumerate(dict.fromkeys(keys))}
        return np.array([number[key] for key in keys], dtype=np.int64)

    @property
    def n_blocks(self) -> int:
        """Number of regions of 2 Mb that hold a variant."""
        return int(self.blocks.max(initial=-1)) + 1


def sample_common_variants(
    genome: PersonalGenome, genes: Sequence[Gene], individuals: Sequence[str], max_windows: int = 200
) -> CommonVariants:
    """Sample common variants from windows around genes that are spread evenly over the autosomes.

    At most about 5 Mb are read, so that the time is bounded for any number of genes, and files that hold
    only the cis windows of the genes suffice. Within a window, variants are kept from left to right unless
    their squared correlation with one of the 200 kept before exceeds 0.1.

    Parameters
    ----------
    genome
        Genotypes.
    genes
        Genes of the cohort; those on X, Y and the mitochondrion are skipped.
    individuals
        Individuals over whom frequencies and correlations are computed.
    max_windows
        Largest number of genes whose surroundings are read.

    Returns
    -------
    CommonVariants
        Single-nucleotide variants with a minor allele frequency of at least 0.05, at most 5 % missing
        genotypes and at most 80 % heterozygotes; possibly none.
    """
    dosages: list[npt.NDArray[np.float32]] = []
    contigs: list[str] = []
    positions: list[npt.NDArray[np.int64]] = []
    ref: list[str] = []
    alt: list[str] = []
    totals: dict[str, int] = {}
    windows = _windows(genes, max_windows)
    empty = 0
    unreadable: list[str] = []
    for window in windows:
        try:
            window_dosages = genome.dosages(window, list(individuals))
        except PgxevalError as error:
            unreadable.append(str(error))
            continue
        for name, count in window_dosages.counts.items():
            totals[name] = totals.get(name, 0) + count
        totals["genotypes"] = totals.get("genotypes", 0) + window_dosages.counts.get("records", 0) * len(
            genome.individuals
        )
        values = window_dosages.values.astype(np.float32)
        values[values < 0] = np.nan
        usable = np.flatnonzero(_single_nucleotide(window_dosages.variants) & _common(values))
        independent = usable[prune(values[:, usable])]
        dosages.append(values[:, independent])
        empty += window_dosages.counts.get("records", 0) == 0
        ref += window_dosages.variants["ref"].iloc[independent].tolist()
        alt += window_dosages.variants["alt"].iloc[independent].tolist()
        contigs += [window.contig] * len(independent)
        positions.append(window_dosages.variants["position"].to_numpy(dtype=np.int64)[independent])
    return CommonVariants(
        dosages=np.concatenate(dosages, axis=1) if dosages else np.empty((len(individuals), 0), np.float32),
        contigs=tuple(contigs),
        positions=np.concatenate(positions) if positions else np.empty(0, np.int64),
        individuals=tuple(individuals),
        genotype_counts=totals,
        unreadable=tuple(unreadable),
        ref=tuple(ref),
        alt=tuple(alt),
        windows=len(windows),
        empty_windows=empty,
    )


def _windows(genes: Sequence[Gene], max_windows: int) -> list[Interval]:
    """Return disjoint windows around evenly spread genes."""
    centres = sorted(
        {
            (gene.contig, gene.start if gene.tss is None else gene.tss)
            for gene in genes
            if gene.contig.removeprefix("chr").upper() not in _NOT_AUTOSOMES
        }
    )
    if len(centres) > max_windows:
        chosen = np.linspace(0, len(centres) - 1, max_windows).round().astype(int)
        centres = [centres[i] for i in chosen.tolist()]
    if not centres:
        return []
    flank = int(np.clip(_TOTAL_BP // (2 * len(centres)), _SHORTEST_FLANK_BP, _LONGEST_FLANK_BP))
    windows: list[Interval] = []
    for contig, centre in centres:
        start, end = max(0, centre - flank), centre + flank
        if windows and windows[-1].contig == contig and windows[-1].end >= start:
            windows[-1] = Interval(contig, windows[-1].start, end)
        else:
            windows.append(Interval(contig, start, end))
    return windows


def _single_nucleotide(variants: pd.DataFrame) -> npt.NDArray[np.bool_]:
    single = (variants["ref"].str.len() == 1) & (variants["alt"].str.len() == 1)
    biallelic = ~variants.duplicated("position", keep=False)
    return np.asarray(single & biallelic, dtype=np.bool_)


def _common(values: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    present = ~np.isnan(values)
    number = present.sum(axis=0)
    frequency = np.where(present, values, 0).sum(axis=0) / np.maximum(2 * number, 1)
    heterozygous = (np.abs(values - 1) < 0.5).sum(axis=0)
    usable: npt.NDArray[np.bool_] = (
        (np.minimum(frequency, 1 - frequency) >= MIN_MAF)
        & (number >= (1 - MAX_MISSING) * len(values))
        & (heterozygous <= _MAX_HETEROZYGOUS * number)
    )
    return usable


def prune(values: npt.NDArray[np.float32], max_r2: float = MAX_R2) -> npt.NDArray[np.int64]:
    """Return the columns to keep so that no two nearby ones are correlated.

    Columns are kept from left to right unless their squared correlation with one of the 200 columns kept
    before exceeds `max_r2`.

    Parameters
    ----------
    values
        float32 (n_individuals, n_variants), in order of position; NaN is replaced by the mean.
    max_r2
        Largest squared correlation allowed.

    Returns
    -------
    numpy.ndarray
        int64, ascending. Columns without variation are not kept.
    """
    standard = standardise(values)
    independent: list[int] = []
    for column in range(values.shape[1]):
        own = standard[:, column]
        if not own.any():
            continue
        earlier = standard[:, independent[-_PRUNING_DEPTH:]]
        correlation = own @ earlier / len(own)
        if not independent or float(np.max(correlation**2)) <= max_r2:
            independent.append(column)
    return np.array(independent, dtype=np.int64)


def standardise(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return columns with mean 0 and variance 1, NaN replaced by the mean; columns without variation are 0."""
    present = ~np.isnan(values)
    mean = np.where(present, values, 0).sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    centred = np.where(present, values - mean, 0)
    spread = centred.std(axis=0)
    scaled: npt.NDArray[np.float32] = (centred / np.where(spread > 1e-6, spread, np.inf)).astype(np.float32)
    return scaled
