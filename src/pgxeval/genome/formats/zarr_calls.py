"""Calls in the arrays of a VCF Zarr store: genotypes, phase sets and dosages of the individuals."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from pgxeval.errors import PgxevalWarning
from pgxeval.genome.formats.calls import Field, Records
from pgxeval.genome.formats.decoding import decoding_error
from pgxeval.genome.formats.dosage_values import dosages_of_pairs, dosages_of_probabilities
from pgxeval.genome.formats.zarr_records import Ints, some_records
from pgxeval.genome.layout import (
    ABSENT,
    BAD_GENOTYPE,
    MANY_COPIES,
    NO_PROBABILITIES,
    NO_SET,
    UNKNOWN_ALLELE,
    WRONG_COUNT,
)

if TYPE_CHECKING:
    from pgxeval.genome.formats.zarr_store import ZarrFolder

Value = TypeVar("Value", bound=np.generic)

_FILL_BITS = 0x7F800002


class ZarrCalls:
    """The calls of a VCF Zarr store, by the rows of their records.

    Parameters
    ----------
    folder
        The store.
    n_individuals
        Length of the second dimension of its ``call_`` arrays.
    warned
        Whether a warning of absent chunks was given before.
    """

    def __init__(self, folder: ZarrFolder, n_individuals: int, *, warned: bool) -> None:
        self.folder, self.n_individuals, self.warned = folder, n_individuals, warned

    def rows(self, name: str, rows: Ints) -> npt.NDArray[np.generic]:
        """Read the rows of an array that are given in rising order."""
        if not rows.size:
            return np.empty((0, *self.folder.shape(name)[1:]), self.folder.dtype(name))
        parts = []
        cuts = np.flatnonzero(np.diff(rows) > self.folder.chunk_length(name)) + 1
        for part in np.split(rows, cuts):
            begin, end = int(part[0]), int(part[-1]) + 1
            read = self.folder.read(name, begin, end)
            parts.append(read if part.size == end - begin else read[part - begin])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def genotypes(self, rows: Ints, records: Records) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.bool_]]:
        """Return the alleles, int8 ``(n_records, n_individuals, 2)``, and which calls are phased."""
        read = self.rows("call_genotype", rows)
        n, ploidy = self.n_individuals, read.shape[2]
        if ploidy > 2:
            self._refuse(MANY_COPIES, records, np.logical_not((_flat(read[:, :, 2:]) == ABSENT).all(axis=1)))
        alleles: npt.NDArray[np.int8]
        if ploidy == 2 and read.dtype == np.int8:
            alleles = np.ascontiguousarray(read)
        else:
            alleles = np.full((rows.size, n, 2), ABSENT, np.int8)
            alleles[:, :, : min(ploidy, 2)] = read[:, :, :2]  # more than 127 alleles are refused before
        self._warn_of_absent_chunks()
        phased = np.zeros((rows.size, n), np.bool_)
        if "call_genotype_phased" in self.folder:
            phased = np.ascontiguousarray(self.rows("call_genotype_phased", rows).astype(np.bool_, copy=False))
        flat = _flat(alleles)
        lowest = flat.min(axis=1, initial=0)
        self._refuse(UNKNOWN_ALLELE, records, np.greater_equal(flat.max(axis=1, initial=0), records.n_alleles))
        short = np.flatnonzero(lowest <= ABSENT)  # records with haploid calls
        haploid = alleles[short, :, 1] == ABSENT
        wrong = (lowest[short] < ABSENT) | (alleles[short, :, 0] == ABSENT).any(axis=1)
        self._refuse(BAD_GENOTYPE, records, wrong, short)
        phased[short] |= haploid
        return alleles, phased

    def _warn_of_absent_chunks(self) -> None:
        chunk = self.folder.absent_chunk("call_genotype")
        if chunk is not None and not self.warned:
            self.warned = True
            warnings.warn(
                f"{self.folder.path}: chunk {chunk} of call_genotype, and perhaps others, is not there and reads as "
                "genotypes without ALT alleles. Programs that write Zarr leave out chunks without any other value; if "
                "the store was copied, check that the copy is complete",
                PgxevalWarning,
                stacklevel=6,
            )

    def phase_sets(self, rows: Ints) -> npt.NDArray[np.int32] | None:
        """Return the phase set of each call, int32 ``(n_records, n_individuals)``; None if there is none."""
        if "call_PS" not in self.folder:
            return None
        read = self.rows("call_PS", rows)
        sets = _flat(read, 2)[:, :, 0].astype(np.int64)
        if not (sets >= 0).any():
            return None
        return np.where(sets < 0, NO_SET, sets).astype(np.int32)

    def dosages(
        self, rows: Ints, records: Records, field: Field
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Return float32 ``(n_alt_alleles, n_individuals)``, and which records have no value of the field."""
        n = self.n_individuals
        n_alternatives = records.n_alleles - 1
        first = np.cumsum(n_alternatives) - n_alternatives
        read = _flat(np.asarray(self.rows(f"call_{field}", rows), np.float32), 2)
        values = np.full((int(n_alternatives.sum()), n), np.nan, np.float32)
        finite = ~np.isnan(read)
        present = finite | (read.view(np.uint32) == _FILL_BITS)  # `.` is written as one missing value and fill values
        typed_only: npt.NDArray[np.bool_] = np.logical_not(_flat(present).any(axis=1))
        for n_alt in np.unique(n_alternatives[~typed_only]).tolist():
            mine = np.flatnonzero((n_alternatives == n_alt) & ~typed_only)
            if field == "DS":
                surplus = _flat(finite[mine][:, :, n_alt:]).any(axis=1)
                few = np.full(mine.size, n_alt > read.shape[2])
                self._refuse(WRONG_COUNT, records, surplus | few, mine, field)
                dosages = read[mine][:, :, :n_alt]
            else:
                dosages, wrong = dosages_of_probabilities(read[mine], n_alt)
                self._refuse(NO_PROBABILITIES, records, wrong, mine, field)
            for k in range(n_alt):
                values[first[mine] + k] = dosages[:, :, k]
        if "call_genotype" in self.folder:
            self._count_typed(rows, records, values)
        return values, typed_only

    def _count_typed(self, rows: Ints, records: Records, values: npt.NDArray[np.float32]) -> None:
        """Fill in dosages from GT where a call has no value of the field."""
        n_alternatives = records.n_alleles - 1
        first = np.cumsum(n_alternatives) - n_alternatives
        some = np.flatnonzero(n_alternatives)
        lacks = np.isnan(values[first[some]])
        typed = np.flatnonzero(lacks.any(axis=1))
        if not typed.size:
            return
        part = some[typed]
        alleles, _ = self.genotypes(rows[part], some_records(records, part))
        for pairs, row, who in zip(alleles, part.tolist(), lacks[typed], strict=True):
            for k in range(int(n_alternatives[row])):
                values[first[row] + k, who] = dosages_of_pairs(pairs[who], k + 1)

    def _refuse(
        self,
        ended: int,
        records: Records,
        wrong: npt.NDArray[np.bool_],
        of: Ints | None = None,
        field: Field = "GT",
    ) -> None:
        """Raise the error of the first wrong record."""
        if not wrong.any():
            return
        at = int(np.flatnonzero(wrong)[0])
        record = at if of is None else int(of[at])
        raise decoding_error(
            f"{self.folder.path}: record {records.contig}:{int(records.starts[record]) + 1}",
            ended,
            field=field,
            n_individuals=self.n_individuals,
            n_alternatives=int(records.n_alleles[record]) - 1,
            previous=0,
        )


def _flat(array: npt.NDArray[Value], keep: int = 1) -> npt.NDArray[Value]:
    """Join all dimensions after the first `keep`."""
    return array.reshape(*array.shape[:keep], math.prod(array.shape[keep:]))
