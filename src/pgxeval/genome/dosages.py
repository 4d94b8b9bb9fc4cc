"""Dosages: how many copies of each ALT allele each individual carries."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.genome.edits import describe
from pgxeval.genome.formats.calls import ABSENT, MISSING, Calls
from pgxeval.genome.intervals import Interval


@attrs.frozen(kw_only=True, eq=False)
class Dosages:
    """Dosages of one window.

    Parameters
    ----------
    values
        ``(n_individuals, n_variants)``, read-only. int8 counts of the ALT allele: 0, 1 or 2, 0 or 1 for
        a haploid call, -1 where any copy is missing. float32 with NaN for imputed dosages.
    variants
        One row a column of `values`: contig, position (1-based, as in the VCF), id, ref, alt.
    individuals
        Names of the rows.
    counts
        What was seen and what was left out, over the whole cohort: ``records``, ``variants``,
        ``no_alt`` (records without ALT), ``multi_allelic`` (records with several ALT alleles), alleles
        skipped as ``symbolic``, ``breakend``, ``star`` or ``other``, and genotypes (individual and
        record) that are ``missing``, ``half_missing``, ``haploid`` or ``unphased_heterozygous``.
    """

    values: npt.NDArray[np.int8] | npt.NDArray[np.float32]
    variants: pd.DataFrame
    individuals: tuple[str, ...]
    counts: Mapping[str, int]

    def __repr__(self) -> str:
        n_individuals, n_variants = self.values.shape
        return f"Dosages({n_individuals} individuals, {n_variants} variants, {self.values.dtype})"

    @property
    def nbytes(self) -> int:
        """Memory of `values` [bytes]."""
        return self.values.nbytes

    def take(self, rows: npt.NDArray[np.int64]) -> Dosages:
        """Return the dosages of some rows, in the order given."""
        values = self.values[rows]
        values.flags.writeable = False
        return attrs.evolve(self, values=values, individuals=tuple(self.individuals[row] for row in rows))


def make_dosages(calls: Calls, interval: Interval, individuals: tuple[str, ...]) -> Dosages:
    """Count ALT alleles.

    Parameters
    ----------
    calls
        Records of the window; those that begin outside of `interval` are left out.
    interval
        0-based half-open.
    individuals
        Names, in the order of `calls`.
    """
    from pgxeval.genome import haplotype_kernel as kernel

    records = calls.records
    inside = np.flatnonzero((records.starts >= interval.start) & (records.starts < interval.end))
    _, kinds, _ = describe(records)
    record_of = records.record_of
    alternative = np.ones(record_of.size, np.bool_)
    alternative[records.first_allele[:-1]] = False
    shown = alternative & (records.starts[record_of] >= interval.start) & (records.starts[record_of] < interval.end)
    rows = np.flatnonzero(shown & (kinds == kernel.PLAIN))
    n_alleles = records.n_alleles[inside]
    counts = {
        "records": int(inside.size),
        "variants": int(rows.size),
        "no_alt": int((n_alleles == 1).sum()),
        "multi_allelic": int((n_alleles > 2).sum()),
        **{name: int((shown & (kinds == kind)).sum()) for name, kind in kernel.SKIPPED_KINDS.items()},
    }
    table = np.stack([record_of[rows], rows - records.first_allele[record_of[rows]], rows], axis=1)
    variants = records.variants(rows)
    values: npt.NDArray[np.int8] | npt.NDArray[np.float32]
    if calls.field_values is None:
        values = _count_alleles(calls, table)
        _count_genotypes(calls, inside, counts)
    else:
        # Row of an ALT allele among ALT alleles: all rows less the REF rows up to its record.
        values = np.ascontiguousarray(calls.field_values[table[:, 2] - table[:, 0] - 1].T)
    values.flags.writeable = False
    return Dosages(values=values, variants=variants, individuals=individuals, counts=counts)


def _count_alleles(calls: Calls, table: npt.NDArray[np.int64]) -> npt.NDArray[np.int8]:
    values = np.empty((calls.alleles.shape[1], len(table)), np.int8)
    step = max(1, 2**22 // max(1, calls.alleles.shape[1]))
    for begin in range(0, len(table), step):
        part = table[begin : begin + step]
        alleles = calls.alleles[part[:, 0]]
        dosage = (alleles == part[:, 1, None, None]).sum(axis=2, dtype=np.int8)
        dosage[(alleles == MISSING).any(axis=2)] = MISSING
        values[:, begin : begin + step] = dosage.T
    return values


def _count_genotypes(calls: Calls, records: npt.NDArray[np.int64], counts: dict[str, int]) -> None:
    first, second = calls.alleles[records, :, 0], calls.alleles[records, :, 1]
    haploid = second == ABSENT
    missing = first == MISSING
    both = missing & ((second == MISSING) | haploid)
    counts["missing"] = int(both.sum())
    counts["half_missing"] = int(((missing | (second == MISSING)) & ~both).sum())
    counts["haploid"] = int(haploid.sum())
    heterozygous = (first != second) & (first >= 0) & (second >= 0)
    counts["unphased_heterozygous"] = int((heterozygous & ~calls.phased[records]).sum())
