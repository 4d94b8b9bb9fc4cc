"""Dosages of arrays: what genotypes and genotype probabilities of many individuals say about the number of copies."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pgxeval.genome.layout import MISSING

_TOLERANCE = 0.1


def dosages_of_pairs(pairs: npt.NDArray[np.int8], allele: int) -> npt.NDArray[np.float32]:
    """Count the copies of an allele; as the other decoders do, -1 less the copies where one of two is not known."""
    copies: npt.NDArray[np.float32] = (pairs == allele).sum(axis=1).astype(np.float32)
    unknown = (pairs < 0).all(axis=1)
    half = (pairs == MISSING).any(axis=1) & ~unknown
    copies[half] = -1 - copies[half]
    copies[unknown] = np.nan
    return copies


def dosages_of_probabilities(
    read: npt.NDArray[np.float32], n_alternatives: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Return float32 ``(n_records, n_individuals, n_alternatives)`` from GP, and which records hold no probabilities.

    A haploid call has one probability per allele, and a diploid one as many as there are genotypes.
    """
    n_alleles = n_alternatives + 1
    n_genotypes = n_alleles * (n_alleles + 1) // 2
    shape = (*read.shape[:2], n_alternatives)
    values = np.full(shape, np.nan, np.float32)
    if read.shape[2] < n_alleles:
        return values, np.ones(read.shape[0], np.bool_)
    with np.errstate(invalid="ignore"):  # missing values are signalling NaN
        numbers = read.astype(np.float64)
    present = ~np.isnan(numbers)
    n_known = present.sum(axis=2)
    total = np.where(n_known > 0, np.nansum(numbers, axis=2), np.nan)
    with np.errstate(invalid="ignore"):
        wrong = ((total != 0) & (np.abs(total - 1) > _TOLERANCE)).any(axis=1) | (numbers < 0).any(axis=(1, 2))
    diploid = (n_known == n_genotypes) & (total > 0)
    haploid = present[..., :n_alleles].all(axis=2) & (n_known == n_alleles) & (total > 0) & ~diploid
    for allele in range(1, n_alleles):
        values[..., allele - 1][haploid] = (numbers[..., allele][haploid] / total[haploid]).astype(np.float32)
        if read.shape[2] >= n_genotypes:
            copies = np.zeros(read.shape[:2])
            for other in range(n_alleles):
                low, high = min(allele, other), max(allele, other)
                copies += numbers[..., high * (high + 1) // 2 + low] * (2 if other == allele else 1)
            values[..., allele - 1][diploid] = (copies[diploid] / total[diploid]).astype(np.float32)
    return values, wrong
