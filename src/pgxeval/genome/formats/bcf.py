"""BCF: records of an interval, decoded from the decompressed bytes."""

from __future__ import annotations

import re
import struct

import attrs
import numpy as np

from pgxeval.errors import InputFileError
from pgxeval.genome.formats.bgzf import BgzfFile, read_placed_blocks
from pgxeval.genome.formats.bgzf_source import BgzfSource
from pgxeval.genome.formats.calls import Calls, Field
from pgxeval.genome.formats.decoding import (
    FIELD_CODES,
    CallsBuilder,
    choose_field,
    decoding_error,
    header_individuals,
)
from pgxeval.genome.formats.index_checks import check_extent, open_index, with_index
from pgxeval.genome.formats.vcf import declared_contigs, declared_fields, known_contigs
from pgxeval.genome.layout import NO_ROOM, NO_SETS, NOT_SORTED, OK, PAST_END

_MAGIC = b"BCF\x02"
_BUFFER_BYTES = 1 << 19
_MAX_HEADER = 1 << 28
_NO_KEY = -(1 << 40)
_FIRST_BYTES = 1 << 20
_FIRST_RECORDS = 100
_WIDTHS = {1: 1, 2: 2, 3: 4, 5: 4, 7: 1}


class BcfSource(BgzfSource):
    """Genotypes in a BCF file with a CSI index.

    Parameters
    ----------
    path
        Local path, or an address that htslib opens.

    Raises
    ------
    InputFileError
        If the file is truncated or not BCF, or its index is missing or belongs to another version of the file.
    """

    format_name = "BCF"

    def _read_header(self) -> None:
        header = _read_header(self.path)
        lines = header.text.rstrip(b"\n\0").split(b"\n")
        self.individuals = header_individuals(self.path, lines[-1])
        self._contig_rows = _numbered(lines, ("contig",))
        self._keys = _numbered(lines, ("FILTER", "INFO", "FORMAT"), first="PASS")
        names = {number: name for name, number in self._keys.items()}
        keys = [frozenset(names.get(key, "") for key in record) for record in header.keys]
        self.fields = declared_fields(lines)
        self.default_field = choose_field(keys, self.fields)
        self._index = open_index(self.path, suffixes=(".csi",))
        if self._file.is_local:
            check_extent(self.path, self._index, header.first_record, text=False)
        by_row = {row: name for name, row in self._contig_rows.items()}
        indexed = [by_row.get(row, "") for row in range(max(by_row, default=-1) + 1)]
        self.contigs_with_records = tuple(name for row, name in enumerate(indexed) if self._index.has_records(row))
        self.contig_names = known_contigs(self.contigs_with_records, indexed, declared_contigs(lines))

    def read(self, contig: str, start: int, end: int, field: Field = "GT") -> Calls:
        """Return the records that overlap ``[start, end)``, 0-based; see `GenotypeSource.read`."""
        reader = _Reader(self, contig, start, end, field)
        for begin, stop in self._index.chunks(self._contig_rows[contig], start, end):
            if reader.go(begin, stop):
                break
        return reader.builder.finish()

    def number_of(self, contig: str) -> int:
        """Return the number by which the file knows a contig."""
        return self._contig_rows[contig]

    def key_of(self, field: str) -> int:
        """Return the number by which the file knows a FORMAT field; one that no record can hold if it has none."""
        return self._keys.get(field, _NO_KEY)

    def complaint(self, error: InputFileError, ended: int) -> InputFileError:
        """Return an error of a record, with the index named as the cause where it may be."""
        return with_index(error, self.path, self._index, suspect=ended == NOT_SORTED)

    @property
    def file(self) -> BgzfFile:
        """The file that blocks are read from."""
        return self._file


class _Reader:
    """Decodes the chunks of one interval."""

    def __init__(self, source: BcfSource, contig: str, start: int, end: int, field: Field) -> None:
        self.source, self.contig = source, contig
        self.field: Field = field
        self.span = (source.number_of(contig), start, end)
        self.builder = CallsBuilder(contig, len(source.individuals), field)
        self.previous = 0
        self.buffer = bytearray(_BUFFER_BYTES)
        self.filled = 0

    def go(self, begin: int, stop: int) -> bool:
        """Decode one chunk; return whether the interval's end has been passed."""
        self.filled = 0
        where = f"{self.contig}:{self.span[1]}-{self.span[2]} (0-based)"
        for block in self.source.file.blocks(begin, stop, where):
            if self.filled + len(block) > len(self.buffer):
                if self._decode():
                    return True
                if self.filled + len(block) > len(self.buffer):  # a record as long as the buffer
                    self.buffer += bytes(self.filled + len(block))
            self.buffer[self.filled : self.filled + len(block)] = block
            self.filled += len(block)
        if self._decode():
            return True
        if self.filled:
            raise InputFileError(
                f"{self.source.path}: damaged: a record on {self.contig} does not end where the index says"
            )
        return False

    def _decode(self) -> bool:
        from pgxeval.genome.formats.bcf_kernel import decode_records

        raw = bytes(memoryview(self.buffer)[: self.filled])
        buffer = np.frombuffer(raw, np.uint8)
        text = np.empty(self.filled + 64, np.uint8)
        builder = self.builder
        contig, start, end = self.span
        at, ended = 0, NO_ROOM
        while ended in (NO_ROOM, NO_SETS):
            room = builder.room
            n_records, n_values, self.previous, ended, at = decode_records(
                buffer,
                at,
                contig,
                start,
                end,
                self.previous,
                FIELD_CODES[self.field],
                self.source.key_of(self.field),
                self.source.key_of("GT"),
                self.source.key_of("PS"),
                len(self.source.individuals),
                builder.n_records,
                builder.n_values,
                text,
                room.table,
                room.alleles,
                room.phased,
                room.values,
                room.sets,
            )
            del room
            builder.keep(text.data, n_records, n_values)
            if ended in (NO_ROOM, NO_SETS):
                builder.grow(ended)
        if ended not in (OK, PAST_END):
            position = struct.unpack_from("<i", raw, at + 12)[0] + 1 if at + 16 <= buffer.size else "?"
            n_alternatives = struct.unpack_from("<H", raw, at + 26)[0] - 1 if at + 28 <= buffer.size else 0
            error = decoding_error(
                f"{self.source.path}: record {self.contig}:{position}",
                ended,
                field=self.field,
                n_individuals=len(self.source.individuals),
                n_alternatives=n_alternatives,
                previous=self.previous,
            )
            raise self.source.complaint(error, ended)
        self.buffer[: self.filled - at] = self.buffer[at : self.filled]
        self.filled -= at
        return bool(ended == PAST_END)


@attrs.frozen(kw_only=True)
class _Header:
    """The header of a BCF file and where its records begin.

    Parameters
    ----------
    text
        As in VCF.
    first_record
        Virtual offset of the first record; None where there is none.
    keys
        Numbers of the FORMAT fields of each of the first records.
    """

    text: bytes
    first_record: int | None
    keys: tuple[tuple[int, ...], ...]


def _read_header(path: str) -> _Header:
    data = bytearray()
    size = 9
    first_record: int | None = None
    blocks = read_placed_blocks(path, 0)
    while True:
        try:
            at, block = next(blocks)
        except StopIteration:
            break
        except InputFileError:
            if len(data) >= size > 9:
                break  # damage among the records, which is an error when the damaged block is read
            raise
        data += block
        if size == 9 and len(data) >= 9:
            if data[:4] != _MAGIC:
                raise InputFileError(f"{path}: this is not a BCF file of version 2")
            size += struct.unpack_from("<I", data, 5)[0]
            if size > _MAX_HEADER:
                raise InputFileError(f"{path}: damaged: a header of {size:,} bytes")
        if first_record is None and len(data) > size > 9:
            first_record = at + size - (len(data) - len(block))
        if len(data) > size + _FIRST_BYTES and size > 9:
            break
    if not len(data) >= size > 9:
        raise InputFileError(f"{path}: truncated within its header")
    return _Header(text=bytes(data[9:size]), first_record=first_record, keys=_first_keys(bytes(data[size:])))


def _first_keys(records: bytes) -> tuple[tuple[int, ...], ...]:
    """Return the numbers of the FORMAT fields of the first records, as far as they can be read."""
    record_keys: list[tuple[int, ...]] = []
    at = 0
    try:
        while len(record_keys) < _FIRST_RECORDS and at < len(records):
            n_shared, n_calls = struct.unpack_from("<II", records, at)
            n_individuals, n_fields = struct.unpack_from("<I", records, at + 28)[0] & 0xFFFFFF, records[at + 31]
            cursor, end = at + 8 + n_shared, at + 8 + n_shared + n_calls
            keys = []
            for _ in range(n_fields):
                _, _, cursor = _typed(records, cursor)
                width = _WIDTHS[records[cursor - 1] & 15]
                keys.append(int.from_bytes(records[cursor : cursor + width], "little"))
                kind, count, cursor = _typed(records, cursor + width)
                cursor += n_individuals * count * _WIDTHS.get(kind, 0)
            if cursor != end or end > len(records):
                break
            record_keys.append(tuple(keys))
            at = end
    except (struct.error, IndexError, KeyError):
        pass  # a record that is cut here, or that decoding will refuse when it is read
    return tuple(record_keys)


def _typed(data: bytes, at: int) -> tuple[int, int, int]:
    """Read a type descriptor: (type, number of values, where they begin)."""
    kind, count = data[at] & 15, data[at] >> 4
    if count < 15:
        return kind, count, at + 1
    width = _WIDTHS[data[at + 1] & 15]
    return kind, int.from_bytes(data[at + 2 : at + 2 + width], "little"), at + 2 + width


def _numbered(lines: list[bytes], kinds: tuple[str, ...], first: str | None = None) -> dict[str, int]:
    """Return the number of each name that the header declares: by order of appearance, or as ``IDX`` says."""
    numbers: dict[str, int] = {} if first is None else {first: 0}
    free = len(numbers)
    declaration = re.compile(rb"##(?:" + "|".join(kinds).encode() + rb")=<(.*)>\s*$")
    for line in lines:
        match = declaration.match(line)
        identifier = match and re.search(rb"(?:^|,)ID=([^,>]+)", match[1])
        if not (match and identifier):
            continue
        name = identifier[1].decode("utf-8", "replace")
        stated = re.search(rb",IDX=(\d{1,9})", match[1])
        if name in numbers:
            continue
        numbers[name] = int(stated[1]) if stated else free
        free = max(free, numbers[name] + 1)
    return numbers
