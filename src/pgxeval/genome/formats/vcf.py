"""VCF text: records of an interval, decoded from the decompressed bytes.

Lines of diploid genotypes of one digit and no other field have a fixed stride of four bytes and are
decoded as one array; all others are parsed cell by cell. Both in compiled code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.errors import InputFileError
from pgxeval.genome.contigs import ContigNames
from pgxeval.genome.formats.bgzf import read_placed_blocks
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
from pgxeval.genome.layout import NO_ROOM, NO_SETS, NOT_SORTED, OK, PAST_END

_FIXED = 9
_NEWLINE = 10
_BUFFER_BYTES = 1 << 19
_MAX_HEADER = 1 << 28
_FIRST_RECORDS = 100


class VcfSource(BgzfSource):
    """Genotypes in a VCF file that ``bgzip`` compressed and ``tabix`` indexed.

    Parameters
    ----------
    path
        Local path, or an address that htslib opens.

    Raises
    ------
    InputFileError
        If the file is truncated, has no header of individuals, or its index is missing or belongs to another version
        of the file.
    """

    format_name = "VCF"

    def _read_header(self) -> None:
        header = _read_header(self.path)
        self.individuals = header.individuals
        self.default_field = choose_field(header.keys, header.fields)
        self.fields = header.fields.union(*header.keys)
        self._index = open_index(self.path)
        if self._file.is_local:
            check_extent(self.path, self._index, header.first_record, text=True)
        self._index_row = {name: row for row, name in enumerate(self._index.contigs)}
        self.contigs_with_records = tuple(
            name for row, name in enumerate(self._index.contigs) if self._index.has_records(row)
        )
        self.contig_names = known_contigs(self.contigs_with_records, self._index.contigs, header.lengths)

    def read(self, contig: str, start: int, end: int, field: Field = "GT") -> Calls:
        """Return the records that overlap ``[start, end)``, 0-based; see `GenotypeSource.read`."""
        from pgxeval.genome.formats.vcf_kernel import decode_lines

        n = len(self.individuals)
        builder = CallsBuilder(contig, n, field)
        row = self._index_row.get(contig)
        chunks = [] if row is None else self._index.chunks(row, start, end)
        name = np.frombuffer(contig.encode(), np.uint8)
        previous = 0
        for begin, stop in chunks:
            for lines in _whole_lines(self._file.blocks(begin, stop, f"{contig}:{start}-{end} (0-based)")):
                at, ended = 0, NO_ROOM
                while ended in (NO_ROOM, NO_SETS):
                    room = builder.room
                    n_records, n_values, previous, ended, at = decode_lines(
                        lines,
                        at,
                        name,
                        start,
                        end,
                        previous,
                        FIELD_CODES[field],
                        n,
                        builder.n_records,
                        builder.n_values,
                        room.table,
                        room.alleles,
                        room.phased,
                        room.values,
                        room.sets,
                    )
                    del room
                    builder.keep(lines.data, n_records, n_values)
                    if ended in (NO_ROOM, NO_SETS):
                        builder.grow(ended)
                if ended == PAST_END:
                    return builder.finish()
                if ended != OK:
                    raise self._complaint(contig, ended, lines[at : at + 4096].tobytes(), previous, field)
        return builder.finish()

    def _complaint(self, contig: str, ended: int, line: bytes, previous: int, field: Field) -> InputFileError:
        columns = line.split(b"\n", 1)[0].split(b"\t", _FIXED)
        position = columns[1][:20].decode("latin-1") if len(columns) > 1 else "?"
        error = decoding_error(
            f"{self.path}: record {contig}:{position}",
            ended,
            field=field,
            n_individuals=len(self.individuals),
            n_alternatives=columns[4].count(b",") + 1 if len(columns) > 4 else 0,
            previous=previous,
        )
        return with_index(error, self.path, self._index, suspect=ended == NOT_SORTED)


def known_contigs(
    with_records: Sequence[str], indexed: Sequence[str], lengths: Mapping[str, int | None]
) -> ContigNames:
    """Return the contigs of a file: those with records, then declared ones that mean none of these.

    Parameters
    ----------
    with_records
        Contigs that have records.
    indexed
        Contig names in the order of the index.
    lengths
        Contigs that the header declares, and their lengths [bp] where it does.
    """
    declared = {name: length for name, length in lengths.items() if length is not None}
    recorded = ContigNames(names=tuple(with_records), lengths=declared)
    others = [name for name in dict.fromkeys([*indexed, *lengths]) if name not in with_records]
    names = (*with_records, *(name for name in others if not recorded.candidates(name)))
    length_of = {name: declared[name] for name in names if name in declared}
    for name in others:
        if name in declared:
            for twin in recorded.candidates(name):
                length_of.setdefault(twin, declared[name])
    return ContigNames(names=names, lengths=length_of)


def _whole_lines(blocks: Iterator[bytes]) -> Iterator[npt.NDArray[np.uint8]]:
    """Collect blocks to whole lines, ended by a newline; each array is overwritten by the next."""
    room = bytearray(_BUFFER_BYTES)
    buffer = np.frombuffer(room, np.uint8)
    filled = 0
    for block in blocks:
        if filled + len(block) >= len(room):
            cut = room.rfind(b"\n", 0, filled) + 1
            if cut:
                yield buffer[:cut]
            rest = room[cut:filled]
            filled = len(rest)
            if filled + len(block) >= len(room):  # a line as long as the buffer
                room = bytearray(2 * (filled + len(block)))
                buffer = np.frombuffer(room, np.uint8)
            buffer[:filled] = np.frombuffer(rest, np.uint8)
        buffer[filled : filled + len(block)] = np.frombuffer(block, np.uint8)
        filled += len(block)
    if filled:
        if buffer[filled - 1] != _NEWLINE:
            buffer[filled] = _NEWLINE
            filled += 1
        yield buffer[:filled]


@attrs.frozen(kw_only=True)
class _Header:
    """The header of a VCF file and where its records begin.

    Parameters
    ----------
    individuals
        Names.
    lengths
        Declared contigs, and their lengths [bp] or None.
    fields
        Declared FORMAT fields.
    first_record
        Virtual offset of the first record; None where there is none.
    keys
        FORMAT fields of each of the first records.
    """

    individuals: tuple[str, ...]
    lengths: dict[str, int | None]
    fields: frozenset[str]
    first_record: int | None
    keys: tuple[frozenset[str], ...]


def _read_header(path: str) -> _Header:
    declarations: list[bytes] = []
    individuals: tuple[str, ...] | None = None
    first_record: int | None = None
    keys: list[frozenset[str]] = []
    for at, line in _lines_before_damage(path):
        if line.startswith(b"#"):
            if line.startswith(b"#CHROM"):
                individuals = header_individuals(path, line)
            elif keys:
                break  # the header of a file that was appended
            else:
                declarations.append(line)
        elif line.strip():
            if individuals is None:
                individuals = header_individuals(path, line)  # which raises: this is a record
            first_record = at if first_record is None else first_record
            columns = line.split(b"\t", _FIXED)
            keys.append(frozenset(columns[8].decode("latin-1").split(":") if len(columns) > _FIXED else ()))
            if len(keys) == _FIRST_RECORDS:
                break
    if individuals is None:
        individuals = header_individuals(path, b"")
    return _Header(
        individuals=individuals,
        lengths=declared_contigs(declarations),
        fields=declared_fields(declarations),
        first_record=first_record,
        keys=tuple(keys),
    )


def declared_contigs(lines: Sequence[bytes]) -> dict[str, int | None]:
    """Return the contigs of ``##contig`` lines, and their lengths [bp] or None."""
    lengths: dict[str, int | None] = {}
    for line in lines:
        if name := re.match(rb"##contig=<(?:.*?,)?ID=([^,>]+)", line):
            length = re.search(rb"[<,]length=(\d{1,18})[,>]", line)
            lengths.setdefault(name[1].decode("utf-8", "replace"), int(length[1]) if length else None)
    return lengths


def declared_fields(lines: Sequence[bytes]) -> frozenset[str]:
    """Return the FORMAT fields of ``##FORMAT`` lines."""
    matches = (re.match(rb"##FORMAT=<(?:.*?,)?ID=([^,>]+)", line) for line in lines)
    return frozenset(name[1].decode("utf-8", "replace") for name in matches if name)


def _lines_before_damage(path: str) -> Iterator[tuple[int, bytes]]:
    """Yield as `_lines`; damage after the first record ends it, and is an error when the damaged block is read."""
    in_header = True
    try:
        for at, line in _lines(path):
            in_header = in_header and line.startswith(b"#")
            yield at, line
    except InputFileError:
        if in_header:
            raise


def _lines(path: str) -> Iterator[tuple[int, bytes]]:
    """Yield (virtual offset, line without its end) from the beginning of a BGZF file on."""
    parts: list[bytes] = []
    begin, size = 0, 0
    for at, block in read_placed_blocks(path, 0):
        cursor = 0
        while (end := block.find(b"\n", cursor)) >= 0:
            if not parts:
                begin = at + cursor
            yield begin, b"".join([*parts, block[cursor:end]])
            parts.clear()
            size = 0
            cursor = end + 1
        if cursor < len(block):
            if not parts:
                begin = at + cursor
            parts.append(block[cursor:])
            size += len(block) - cursor
            if size > _MAX_HEADER or (parts[0][:1] != b"#" and b"\t" not in parts[0] and size > _BUFFER_BYTES):
                raise InputFileError(f"{path}: a line of more than {size:,} bytes: this is not a VCF file")
    if parts:
        yield begin, b"".join(parts)
