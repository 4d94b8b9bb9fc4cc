"""Decoding: the room that decoders fill block by block, and what their complaints mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.errors import InputFileError
from pgxeval.genome import layout
from pgxeval.genome.formats.calls import Calls, Field, make_records
from pgxeval.genome.layout import ALT_END, ID_BEGIN, MAX_ALLELES, NO_SET, TABLE_WIDTH

FIELD_CODES: dict[Field, int] = {"GT": layout.GENOTYPES, "DS": layout.DOSAGES, "GP": layout.PROBABILITIES}

_FIXED = 9
_ROOM_BYTES = 1 << 24

Array = TypeVar("Array", bound=np.generic)


@attrs.define(kw_only=True, eq=False)
class Room:
    """Arrays that a decoder fills; their rows are those of the records, of `values` those of the ALT alleles.

    Parameters
    ----------
    table
        int64 ``(n_records, TABLE_WIDTH)``, see `pgxeval.genome.layout`.
    alleles, phased
        As in `Calls`; no rows where DS or GP is read.
    values
        As `Calls.field_values`; no rows where GT is read.
    sets
        As `Calls.phase_sets`; no rows until a record has PS.
    """

    table: npt.NDArray[np.int64]
    alleles: npt.NDArray[np.int8]
    phased: npt.NDArray[np.bool_]
    values: npt.NDArray[np.float32]
    sets: npt.NDArray[np.int32]


class CallsBuilder:
    """Collects decoded records, block by block.

    Records are decoded into a room of fixed size; a full room is put aside and another is begun. A window that fits
    into one room stays where it was decoded, and the rest of the room is given back. Otherwise the rooms are joined
    at the end, and given back one by one, so that memory never holds the window twice.

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
        self._rooms: list[Room] = []
        self._begin()

    def grow(self, ended: int) -> None:
        """Make the room for which decoding stopped: for phase sets, or a new one for more records.

        With a new room, `n_records` and `n_values` are 0 again.
        """
        if ended == layout.NO_SETS:
            self.room.sets = np.full((len(self.room.table), self._n), NO_SET, np.int32)
        else:
            self._put_aside()
            self._begin()

    def _begin(self) -> None:
        n = self._n
        genotypes = self._field == "GT"
        n_records = max(_ROOM_BYTES // ((3 if genotypes else 4) * n + 8 * TABLE_WIDTH), 64)
        n_calls, n_values = (n_records, 0) if genotypes else (0, n_records + MAX_ALLELES)
        self.room = Room(
            table=np.empty((n_records, TABLE_WIDTH), np.int64),
            alleles=np.empty((n_calls, n, 2), np.int8),
            phased=np.empty((n_calls, n), np.bool_),
            values=np.empty((n_values, n), np.float32),
            sets=np.empty((0, n), np.int32),
        )
        self.n_records = 0
        self.n_values = 0

    def _put_aside(self) -> None:
        room, n_calls = self.room, min(self.n_records, len(self.room.alleles))
        _shrink(room.table, self.n_records)
        _shrink(room.alleles, n_calls)
        _shrink(room.phased, n_calls)
        _shrink(room.values, self.n_values)
        _shrink(room.sets, min(self.n_records, len(room.sets)))
        self._rooms.append(room)
        del self.room

    def keep(self, buffer: bytes | bytearray | memoryview, n_records: int, n_values: int) -> None:
        """Keep the rows of the room up to these numbers; `buffer` holds the text of the new ones."""
        table = self.room.table[self.n_records : n_records]
        begins, ends = table[:, ID_BEGIN], table[:, ALT_END]
        sizes = ends - begins
        shift = np.cumsum(sizes) - sizes - begins
        letters = np.arange(int(sizes.sum())) - np.repeat(shift, sizes)
        self._text.append(np.frombuffer(buffer, np.uint8)[letters].tobytes())
        table[:, ID_BEGIN : ALT_END + 1] += self._text_bytes + shift[:, None]
        self._text_bytes += letters.size
        self.n_records, self.n_values = n_records, n_values

    def finish(self) -> Calls:
        """Return all records that were kept. The builder cannot be used afterwards."""
        self._put_aside()
        rooms, self._rooms = self._rooms, []
        if any(len(room.sets) for room in rooms):
            for room in rooms:
                if not len(room.sets):
                    room.sets = np.full((len(room.table), self._n), NO_SET, np.int32)
        table = _joined([room.table for room in rooms])
        alleles, phased, values, sets = [], [], [], []
        for room in rooms:
            alleles.append(room.alleles)
            phased.append(room.phased)
            values.append(room.values)
            sets.append(room.sets)
        del rooms, room
        return Calls(
            records=make_records(self._contig, table, b"".join(self._text)),
            alleles=_joined(alleles),
            phased=_joined(phased),
            field_values=None if self._field == "GT" else _joined(values),
            phase_sets=_joined(sets) if any(len(part) for part in sets) else None,
        )


def _shrink(array: npt.NDArray[Array], n_rows: int) -> None:
    """Cut an array to its first rows and give the rest of its memory back, without a copy."""
    array.resize((n_rows, *array.shape[1:]), refcheck=False)


def _joined(parts: list[npt.NDArray[Array]]) -> npt.NDArray[Array]:
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


def decoding_error(
    where: str, ended: int, *, field: Field, n_individuals: int, n_alternatives: int, previous: int
) -> InputFileError:
    """Return the error that names the reason why a record could not be decoded."""
    reasons = {
        layout.FEW_COLUMNS: f"fewer columns than expected ({_FIXED}, and one for each individual)",
        layout.NO_POSITION: "its position is not a whole number from 0 to 2,147,483,647",
        layout.NOT_SORTED: f"not sorted: it follows position {previous}; run `bcftools sort` and index the result",
        layout.NO_FIELD: f"no {field} among its FORMAT fields" + ("" if field == "GT" else ", and no GT either"),
        layout.NO_ALLELE: "REF or ALT is empty",
        layout.MANY_ALLELES: f"{n_alternatives} ALT alleles; at most {MAX_ALLELES - 1} are read",
        layout.FEW_INDIVIDUALS: f"fewer genotypes than the {n_individuals} individuals of the header",
        layout.MANY_INDIVIDUALS: f"more genotypes than the {n_individuals} individuals of the header",
        layout.BAD_GENOTYPE: "a genotype that cannot be read (expected something like 0|1, 0/1, 1 or .)",
        layout.MANY_COPIES: "a genotype of more than two copies; one or two are read",
        layout.UNKNOWN_ALLELE: f"a genotype names an allele beyond its {n_alternatives} ALT alleles",
        layout.BAD_NUMBER: f"a {field} value that is not a number",
        layout.WRONG_COUNT: (
            f"the number of {field} values does not fit {n_alternatives} ALT alleles "
            f"({'one per ALT allele' if field == 'DS' else 'one per possible genotype'} expected)"
        ),
        layout.NO_PROBABILITIES: "GP values that are not probabilities of the genotypes: they do not sum to 1",
        layout.DAMAGED: "damaged: its lengths contradict each other",
    }
    return InputFileError(f"{where}: {reasons[ended]}")


def header_individuals(path: str, line: bytes) -> tuple[str, ...]:
    """Return the names of the individuals in the ``#CHROM`` line.

    Raises
    ------
    InputFileError
        If this is not such a line, it names no individual, or one twice.
    """
    columns = line.decode("utf-8", "replace").rstrip("\r").split("\t")
    if columns[0] != "#CHROM" or len(columns) <= _FIXED:
        raise InputFileError(
            f"{path}: no header line `#CHROM ... FORMAT <individuals>` before the first record: this is not a "
            "VCF file with genotypes"
        )
    return unique_individuals(f"{path}, header", columns[_FIXED:])


def unique_individuals(where: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return names of individuals, of which each must be given once.

    Raises
    ------
    InputFileError
        If a name is empty or occurs twice.
    """
    repeated = sorted(name for name, count in Counter(names).items() if count > 1 or not name)
    if repeated:
        raise InputFileError(
            f"{where}: {len(repeated)} names of individuals are empty or occur twice, the first: {repeated[0][:80]!r}"
        )
    return tuple(names)


def choose_field(keys: Sequence[frozenset[str]], declared: frozenset[str] | None = None) -> Field:
    """Return the FORMAT field that dosages are read from where the user names none.

    Parameters
    ----------
    keys
        FORMAT fields of each of the first records.
    declared
        FORMAT fields that the header declares; None where the file has no such header.

    Returns
    -------
    str
        ``"GT"`` where all of the first records have it, else ``"DS"`` or ``"GP"``, the first of these that some have.
    """
    if not keys or all("GT" in record for record in keys):
        if keys or declared is None or "GT" in declared:
            return "GT"
        return "DS" if "DS" in declared else "GP" if "GP" in declared else "GT"
    if any("DS" in record for record in keys):
        return "DS"
    return "GP" if any("GP" in record for record in keys) else "GT"
