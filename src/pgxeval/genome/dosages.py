"""Dosages: how many copies of each ALT allele each individual carries."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Literal

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.genome.edits import describe
from pgxeval.genome.formats.calls import Calls, Field
from pgxeval.genome.intervals import Interval
from pgxeval.genome.layout import ABSENT, MISSING, PLAIN, SKIPPED_KINDS
from pgxeval.genome.notebook import html_table


@attrs.frozen(kw_only=True, eq=False)
class Dosages:
    """Dosages of one window.

    Parameters
    ----------
    values
        ``(n_individuals, n_variants)``, read-only. int8 counts of the ALT allele: 0, 1 or 2, 0 or 1 for
        a haploid call, -1 where a copy is missing (or, by ``half_missing="reference"``, where all copies are).
        float32 with NaN for dosages by DS or GP.
    variants
        One row per column of `values`: contig, position (1-based, as in the VCF), id, ref, alt.
    individuals
        Names of the rows.
    counts
        What was seen and what was excluded, over the whole cohort: ``records``, ``variants``,
        ``no_alt`` (records without ALT), ``multi_allelic`` (records with several ALT alleles), alleles
        skipped as ``symbolic``, ``breakend``, ``star`` or ``other``. Of genotypes (individual and
        record), those that are ``missing``, ``half_missing`` (one known copy of two), ``half_missing_carriers`` (of
        these, the known copy is an ALT allele), ``haploid`` or ``unphased_heterozygous``; of DS and GP, values that are
        ``missing`` or ``half_missing``, and records that are ``typed_only`` (their GT was counted).
    field
        FORMAT field that `values` come from.
    """

    values: npt.NDArray[np.int8] | npt.NDArray[np.float32]
    variants: pd.DataFrame
    individuals: tuple[str, ...]
    counts: Mapping[str, int]
    field: Field = "GT"

    def __repr__(self) -> str:
        n_individuals, n_variants = self.values.shape
        return f"Dosages({n_individuals} individuals, {n_variants} variants, {self.values.dtype})"

    def _repr_html_(self) -> str:
        n_individuals, n_variants = self.values.shape
        rows: list[tuple[str, str | int]] = [
            ("individuals", n_individuals),
            ("variants", n_variants),
            ("FORMAT field", self.field),
            *self.counts.items(),
        ]
        return html_table("Dosages", rows)

    @property
    def is_called(self) -> npt.NDArray[np.bool_]:
        """Bool of the shape of `values`: the dosage is known."""
        called: npt.NDArray[np.bool_] = self.values >= 0  # neither -1 nor NaN is
        return called

    @cached_property
    def nbytes(self) -> int:
        """Memory of `values` and `variants` [bytes]."""
        return self.values.nbytes + int(self.variants.memory_usage(deep=True).sum())

    def take(self, rows: npt.NDArray[np.int64]) -> Dosages:
        """Return the dosages of some rows, in the order given."""
        values = self.values[rows]
        values.flags.writeable = False
        return attrs.evolve(self, values=values, individuals=tuple(self.individuals[row] for row in rows))


def make_dosages(
    calls: Calls,
    interval: Interval,
    individuals: tuple[str, ...],
    *,
    field: Field = "GT",
    half_missing: Literal["missing", "reference"] = "missing",
) -> Dosages:
    """Count ALT alleles.

    Parameters
    ----------
    calls
        Records of the window; those that begin outside of `interval` are excluded.
    interval
        0-based half-open.
    individuals
        Names, in the order of `calls`.
    field
        FORMAT field that was read.
    half_missing
        What becomes of genotypes with one known copy of two; see `Policies`.
    """
    records = calls.records
    inside = np.flatnonzero((records.starts >= interval.start) & (records.starts < interval.end))
    _, kinds, _ = describe(records)
    record_of = records.record_of
    alternative = np.ones(record_of.size, np.bool_)
    alternative[records.first_allele[:-1]] = False
    shown = alternative & (records.starts[record_of] >= interval.start) & (records.starts[record_of] < interval.end)
    rows = np.flatnonzero(shown & (kinds == PLAIN))
    n_alleles = records.n_alleles[inside]
    counts = {
        "records": int(inside.size),
        "variants": int(rows.size),
        "no_alt": int((n_alleles == 1).sum()),
        "multi_allelic": int((n_alleles > 2).sum()),
        **{name: int((shown & (kinds == kind)).sum()) for name, kind in SKIPPED_KINDS.items()},
    }
    table = np.stack([record_of[rows], rows - records.first_allele[record_of[rows]], rows], axis=1)
    variants = records.variants(rows)
    values: npt.NDArray[np.int8] | npt.NDArray[np.float32]
    if calls.field_values is None:
        values = _count_alleles(calls, table, half_missing)
        _count_genotypes(calls, inside, counts)
    else:
        # Row of an ALT allele among ALT alleles: all rows less the REF rows up to its record.
        values = np.ascontiguousarray(calls.field_values[table[:, 2] - table[:, 0] - 1].T)
        half = values < 0
        values[half] = -1 - values[half] if half_missing == "reference" else np.nan
        counts["missing"] = int(np.isnan(values).sum()) - (int(half.sum()) if half_missing == "missing" else 0)
        counts["half_missing"] = int(half.sum())
        counts["typed_only"] = int(records.typed_only[inside].sum())
    values.flags.writeable = False
    return Dosages(values=values, variants=variants, individuals=individuals, counts=counts, field=field)


def _count_alleles(
    calls: Calls, table: npt.NDArray[np.int64], half_missing: Literal["missing", "reference"]
) -> npt.NDArray[np.int8]:
    values = np.empty((calls.alleles.shape[1], len(table)), np.int8)
    step = max(1, 2**22 // max(1, calls.alleles.shape[1]))
    for begin in range(0, len(table), step):
        part = table[begin : begin + step]
        alleles = calls.alleles[part[:, 0]]
        dosage = (alleles == part[:, 1, None, None]).sum(axis=2, dtype=np.int8)
        unknown = (alleles < 0).all(axis=2) if half_missing == "reference" else (alleles == MISSING).any(axis=2)
        dosage[unknown] = MISSING
        values[:, begin : begin + step] = dosage.T
    return values


def _count_genotypes(calls: Calls, records: npt.NDArray[np.int64], counts: dict[str, int]) -> None:
    first, second = calls.alleles[records, :, 0], calls.alleles[records, :, 1]
    haploid = second == ABSENT
    missing = first == MISSING
    both = missing & ((second == MISSING) | haploid)
    counts["missing"] = int(both.sum())
    half = (missing | (second == MISSING)) & ~both
    counts["half_missing"] = int(half.sum())
    counts["half_missing_carriers"] = int((half & (np.maximum(first, second) > 0)).sum())
    counts["haploid"] = int(haploid.sum())
    heterozygous = (first != second) & (first >= 0) & (second >= 0)
    counts["unphased_heterozygous"] = int((heterozygous & ~calls.phased[records]).sum())
