"""Calls: the records of a window and what each individual carries there, whatever file they come from."""

from __future__ import annotations

from typing import Literal

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.genome.layout import (
    ALT_BEGIN,
    ALT_END,
    ID_BEGIN,
    ID_END,
    N_ALLELES,
    PASSED,
    REF_BEGIN,
    REF_END,
    START,
    TYPED_ONLY,
)
from pgxeval.signatures import show_defaults

Field = Literal["GT", "DS", "GP"]


@show_defaults
@attrs.frozen(kw_only=True, eq=False)
class Records:
    """The records of a window, without genotypes.

    Parameters
    ----------
    contig
        Contig name as in the file.
    starts
        int64 ``(n_records,)``: 0-based position of the first REF base (POS - 1).
    text
        uint8 ``(n_bytes,)``: ASCII of all names and alleles of the records.
    id_bounds
        int64 ``(n_records, 2)``: where the ID of each record is in `text`.
    allele_bounds
        int64 ``(n_alleles, 2)``: where each allele is in `text`, REF first, record by record.
    first_allele
        int64 ``(n_records + 1,)``: row of `allele_bounds` that holds the REF of each record.
    passed
        bool ``(n_records,)``: FILTER is ``PASS`` or not given.
    typed_only
        bool ``(n_records,)``: the record lacks the FORMAT field that was read, and its GT was counted instead.
    """

    contig: str
    starts: npt.NDArray[np.int64]
    text: npt.NDArray[np.uint8] = attrs.field(repr=False)
    id_bounds: npt.NDArray[np.int64] = attrs.field(repr=False)
    allele_bounds: npt.NDArray[np.int64] = attrs.field(repr=False)
    first_allele: npt.NDArray[np.int64] = attrs.field(repr=False)
    passed: npt.NDArray[np.bool_] = attrs.field(repr=False)
    typed_only: npt.NDArray[np.bool_] = attrs.field(
        default=attrs.Factory(lambda self: np.zeros(self.starts.size, np.bool_), takes_self=True), repr=False
    )

    @property
    def nbytes(self) -> int:
        """Memory of all arrays [bytes]."""
        arrays = (self.starts, self.text, self.id_bounds, self.allele_bounds, self.first_allele, self.passed)
        return sum(array.nbytes for array in arrays) + self.typed_only.nbytes

    @property
    def n_records(self) -> int:
        """Number of records."""
        return int(self.starts.size)

    @property
    def n_alleles(self) -> npt.NDArray[np.int64]:
        """int64 ``(n_records,)``: number of alleles of each record, REF counted."""
        return np.diff(self.first_allele)

    @property
    def record_of(self) -> npt.NDArray[np.int64]:
        """int64 ``(n_alleles,)``: the record of each row of `allele_bounds`."""
        return np.repeat(np.arange(self.n_records), self.n_alleles)

    @property
    def ref_lengths(self) -> npt.NDArray[np.int64]:
        """int64 ``(n_records,)``: number of reference bases that each record spans."""
        bounds = self.allele_bounds[self.first_allele[:-1]]
        return bounds[:, 1] - bounds[:, 0]

    @property
    def ends(self) -> npt.NDArray[np.int64]:
        """int64 ``(n_records,)``: one past the last REF base, 0-based."""
        return self.starts + self.ref_lengths

    def strings(self, bounds: npt.NDArray[np.int64]) -> list[str]:
        """Return the text between bounds, int64 ``(n, 2)``."""
        text = self.text.tobytes().decode("latin-1")
        return [text[begin:end] for begin, end in bounds.tolist()]

    def variants(self, rows: npt.NDArray[np.int64]) -> pd.DataFrame:
        """Return a table of ALT alleles, given as rows of `allele_bounds`.

        Returns
        -------
        pandas.DataFrame
            contig, position (1-based, as in the VCF), id, ref, alt.
        """
        record = np.searchsorted(self.first_allele, rows, side="right") - 1
        return pd.DataFrame(
            {
                "contig": pd.Series([self.contig] * len(rows), dtype="str"),
                "position": self.starts[record] + 1,
                "id": pd.Series(self.strings(self.id_bounds[record]), dtype="str"),
                "ref": pd.Series(self.strings(self.allele_bounds[self.first_allele[record]]), dtype="str"),
                "alt": pd.Series(self.strings(self.allele_bounds[rows]), dtype="str"),
            }
        )


@attrs.frozen(kw_only=True, eq=False)
class Calls:
    """The records of a window and what each individual carries there.

    Parameters
    ----------
    records
        The records, in file order, which is order of position.
    alleles
        int8 ``(n_records, n_individuals, 2)``: number of the allele of each copy, 0 for REF, -1 missing,
        -2 for the second copy of a haploid call. No records where DS or GP was read.
    phased
        bool ``(n_records, n_individuals)``: the two copies are phased (a haploid call is).
    field_values
        float32 ``(n_alt_alleles, n_individuals)``, dosages by DS or GP; None for genotypes. NaN is missing; where the
        GT of a typed-only record has one known copy of two, -1 less the known copies of the allele.
    phase_sets
        int32 ``(n_records, n_individuals)``: equal numbers are equal phase sets (PS), -1 where a call names none;
        None where no record has PS.
    """

    records: Records
    alleles: npt.NDArray[np.int8] = attrs.field(repr=False)
    phased: npt.NDArray[np.bool_] = attrs.field(repr=False)
    field_values: npt.NDArray[np.float32] | None = attrs.field(default=None, repr=False)
    phase_sets: npt.NDArray[np.int32] | None = attrs.field(default=None, repr=False)

    @property
    def nbytes(self) -> int:
        """Memory of genotypes and records [bytes]."""
        optional = (self.field_values, self.phase_sets)
        extra = sum(array.nbytes for array in optional if array is not None)
        return self.alleles.nbytes + self.phased.nbytes + self.records.nbytes + extra


def make_records(contig: str, table: npt.NDArray[np.int64], text: bytes) -> Records:
    """Make records of a table of `TABLE_WIDTH` columns that points into `text`, where ALT is written as in a VCF."""
    letters = np.frombuffer(text, np.uint8)
    first_allele = np.concatenate([[0], np.cumsum(table[:, N_ALLELES])])
    bounds = np.empty((int(first_allele[-1]), 2), np.int64)
    bounds[first_allele[:-1]] = table[:, REF_BEGIN : REF_END + 1]
    alternative = table[:, N_ALLELES] > 1
    bounds[first_allele[:-1][alternative] + 1] = table[alternative, ALT_BEGIN : ALT_END + 1]
    for record in np.flatnonzero(table[:, N_ALLELES] > 2).tolist():
        begin, end = table[record, ALT_BEGIN : ALT_END + 1].tolist()
        commas = begin + np.flatnonzero(letters[begin:end] == ord(","))
        first, last = first_allele[record] + 1, first_allele[record + 1]
        bounds[first + 1 : last, 0] = commas + 1
        bounds[first : last - 1, 1] = commas
        bounds[last - 1, 1] = end
    return Records(
        contig=contig,
        starts=table[:, START].copy(),
        text=letters,
        id_bounds=table[:, ID_BEGIN : ID_END + 1].copy(),
        allele_bounds=bounds,
        first_allele=first_allele,
        passed=table[:, PASSED] != 0,
        typed_only=table[:, TYPED_ONLY] != 0,
    )
