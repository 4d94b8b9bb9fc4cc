"""Calls: the records of a window and what each individual carries there, whatever file they come from."""

from __future__ import annotations

from typing import Any, Literal

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

MISSING = -1
ABSENT = -2
MAX_ALLELES = 127

Field = Literal["GT", "DS"]

# Columns of the table that a decoder fills: where a record starts, and where its text stands.
START, ID_BEGIN, ID_END, REF_BEGIN, REF_END, ALT_BEGIN, ALT_END, N_ALLELES, PASSED, PHASE_SETS = range(10)
TABLE_WIDTH = 10

_ROOM_BYTES = 1 << 24

Room = tuple[npt.NDArray[np.int64], npt.NDArray[np.int8], npt.NDArray[np.bool_], npt.NDArray[np.float32]]


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
        int64 ``(n_records, 2)``: where the ID of a record stands in `text`.
    allele_bounds
        int64 ``(n_alleles, 2)``: where each allele stands in `text`, REF first, record by record.
    first_allele
        int64 ``(n_records + 1,)``: row of `allele_bounds` at which each record's REF stands.
    passed
        bool ``(n_records,)``: FILTER is ``PASS`` or not given.
    phase_sets
        bool ``(n_records,)``: FORMAT has PS, so that phase holds within a phase set only; False where not said.
    """

    contig: str
    starts: npt.NDArray[np.int64]
    text: npt.NDArray[np.uint8] = attrs.field(repr=False)
    id_bounds: npt.NDArray[np.int64] = attrs.field(repr=False)
    allele_bounds: npt.NDArray[np.int64] = attrs.field(repr=False)
    first_allele: npt.NDArray[np.int64] = attrs.field(repr=False)
    passed: npt.NDArray[np.bool_] = attrs.field(repr=False)
    phase_sets: npt.NDArray[np.bool_] = attrs.field(
        default=attrs.Factory(lambda self: np.zeros(self.starts.size, np.bool_), takes_self=True), repr=False
    )

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
        -2 for the copy that a haploid call has not. No records where another field was asked.
    phased
        bool ``(n_records, n_individuals)``: the two copies are phased (a haploid call is).
    field_values
        float32 ``(n_alt_alleles, n_individuals)`` of the FORMAT field that was asked, NaN missing; None
        for genotypes.
    """

    records: Records
    alleles: npt.NDArray[np.int8] = attrs.field(repr=False)
    phased: npt.NDArray[np.bool_] = attrs.field(repr=False)
    field_values: npt.NDArray[np.float32] | None = attrs.field(default=None, repr=False)

    @property
    def nbytes(self) -> int:
        """Memory of the genotypes [bytes]."""
        extra = 0 if self.field_values is None else self.field_values.nbytes
        return self.alleles.nbytes + self.phased.nbytes + extra


class CallsBuilder:
    """Collects decoded records, block by block.

    Records are decoded into a room of fixed size; one that is full is put aside for another. A window that fits
    into one room stays where it was decoded; else the rooms are joined at the end, and given back one by
    one, so that memory never holds the window twice. What was never written to takes no memory.

    Parameters
    ----------
    contig
        Contig name as in the file.
    n_individuals
        Number of individuals.
    field
        FORMAT field that is decoded.
    """

    def __init__(self, contig: str, n_individuals: int, field: Field) -> None:
        self._contig, self._n, self._field = contig, n_individuals, field
        self._text: list[bytes] = []
        self._text_bytes = 0
        self._parts: tuple[list[npt.NDArray[Any]], ...] = ([], [], [], [])
        self._begin()

    def grow(self) -> None:
        """Put what is in the room aside and begin another: `n_records` and `n_values` are 0 again."""
        self._put_aside()
        self._begin()

    def _begin(self) -> None:
        n = self._n
        n_records = max(_ROOM_BYTES // ((2 if self._field == "GT" else 4) * n + 8 * TABLE_WIDTH), 64)
        n_calls, n_values = (n_records, 0) if self._field == "GT" else (0, n_records + MAX_ALLELES)
        self.room: Room = (
            np.empty((n_records, TABLE_WIDTH), np.int64),
            np.empty((n_calls, n, 2), np.int8),
            np.empty((n_calls, n), np.bool_),
            np.empty((n_values, n), np.float32),
        )
        self.n_records = 0
        self.n_values = 0

    def _put_aside(self) -> None:
        used = (self.n_records, self.n_records, self.n_records, self.n_values)
        arrays: tuple[npt.NDArray[Any], ...] = self.room
        for parts, array, n in zip(self._parts, arrays, used, strict=True):
            parts.append(array[:n])
        del arrays, array
        del self.room

    def keep(self, buffer: bytes | bytearray | memoryview, n_records: int, n_values: int) -> None:
        """Keep the rows of the room up to these numbers; `buffer` holds the text of the new ones."""
        table = self.room[0][self.n_records : n_records]
        begins, ends = table[:, ID_BEGIN], table[:, ALT_END]
        sizes = ends - begins
        shift = np.cumsum(sizes) - sizes - begins
        wanted = np.arange(int(sizes.sum())) - np.repeat(shift, sizes)
        self._text.append(np.frombuffer(buffer, np.uint8)[wanted].tobytes())
        table[:, ID_BEGIN : ALT_END + 1] += self._text_bytes + shift[:, None]
        self._text_bytes += wanted.size
        self.n_records, self.n_values = n_records, n_values

    def finish(self) -> Calls:
        """Return all records that were kept; this is the last that is asked of a builder."""
        self._put_aside()
        table, alleles, phased, values = (_joined(parts) for parts in self._parts)
        return Calls(
            records=make_records(self._contig, table, b"".join(self._text)),
            alleles=alleles,
            phased=phased,
            field_values=None if self._field == "GT" else values,
        )


def make_records(contig: str, table: npt.NDArray[np.int64], text: bytes) -> Records:
    """Make records of a table of `TABLE_WIDTH` columns that points into `text`, where ALT stands as in a VCF."""
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
        phase_sets=table[:, PHASE_SETS] != 0,
    )


def _joined(parts: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Concatenate arrays along the first axis, giving each back once it is copied."""
    if len(parts) == 1:
        return parts.pop()
    end = sum(len(part) for part in parts)
    joined = np.empty((end, *parts[0].shape[1:]), parts[0].dtype)
    while parts:
        part = parts.pop()
        joined[end - len(part) : end] = part
        end -= len(part)
    return joined
