"""BCF: records of an interval, decoded from the decompressed bytes."""

from __future__ import annotations

import re
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from pgxeval.errors import InputFileError, PgxevalWarning
from pgxeval.genome.formats.bgzf import check_complete, is_remote, read_blocks
from pgxeval.genome.formats.calls import Calls, CallsBuilder, Field
from pgxeval.genome.formats.index import open_index
from pgxeval.genome.formats.vcf import decoding_error, header_individuals

_MAGIC = b"BCF\x02"
_BUFFER_BYTES = 1 << 19
_MAX_HEADER = 1 << 28
_NO_KEY = -(1 << 40)


class BcfSource:
    """Genotypes in a BCF file with a CSI index.

    Parameters
    ----------
    path
        Local path, or an address that htslib opens.

    Raises
    ------
    InputFileError
        If the file is truncated, is no BCF, or its index is missing.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._open()

    def _open(self) -> None:
        if not is_remote(self.path):
            check_complete(Path(self.path))
        header = _read_header(self.path)
        self.individuals = header_individuals(self.path, header.rstrip(b"\n\0").rsplit(b"\n", 1)[-1])
        self._contig_rows = _numbered(header, ("contig",))
        self._keys = _numbered(header, ("FILTER", "INFO", "FORMAT"), first="PASS")
        self.contigs = tuple(self._contig_rows)
        self._index = open_index(self.path, suffixes=(".csi",))

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path = state["path"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PgxevalWarning)  # said where it was opened first
            self._open()

    def __repr__(self) -> str:
        return f"BcfSource({self.path!r}, {len(self.individuals)} individuals)"

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


class _Reader:
    """Decodes the chunks of one interval."""

    def __init__(self, source: BcfSource, contig: str, start: int, end: int, field: Field) -> None:
        self.source, self.contig, self.field = source, contig, field
        self.span = (source.number_of(contig), start, end)
        self.builder = CallsBuilder(contig, len(source.individuals), field)
        self.previous = 0
        self.room = bytearray(_BUFFER_BYTES)
        self.filled = 0

    def go(self, begin: int, stop: int) -> bool:
        """Decode one chunk; return whether the interval's end has been passed."""
        self.filled = 0
        for block in read_blocks(self.source.path, begin, stop):
            if self.filled + len(block) > len(self.room):
                if self._decode():
                    return True
                if self.filled + len(block) > len(self.room):  # a record as long as the buffer
                    self.room += bytes(self.filled + len(block))
            self.room[self.filled : self.filled + len(block)] = block
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
        from pgxeval.genome.formats.vcf_kernel import NO_ROOM, OK, PAST_END

        raw = bytes(memoryview(self.room)[: self.filled])
        buffer = np.frombuffer(raw, np.uint8)
        text = np.empty(self.filled + 64, np.uint8)
        builder = self.builder
        contig, start, end = self.span
        at, ended = 0, NO_ROOM
        while ended == NO_ROOM:
            n_records, n_values, self.previous, ended, at = decode_records(
                buffer,
                at,
                contig,
                start,
                end,
                self.previous,
                self.field == "GT",
                self.source.key_of(self.field),
                self.source.key_of("PS"),
                len(self.source.individuals),
                builder.n_records,
                builder.n_values,
                text,
                *builder.room,
            )
            builder.keep(text.data, n_records, n_values)
            if ended == NO_ROOM:
                builder.grow()
        if ended not in (OK, PAST_END):
            position = struct.unpack_from("<i", raw, at + 12)[0] + 1 if at + 16 <= buffer.size else "?"
            n_alternatives = struct.unpack_from("<H", raw, at + 26)[0] - 1 if at + 28 <= buffer.size else 0
            raise decoding_error(
                f"{self.source.path}: record {self.contig}:{position}",
                ended,
                field=self.field,
                n_individuals=len(self.source.individuals),
                n_alternatives=n_alternatives,
                previous=self.previous,
            )
        self.room[: self.filled - at] = self.room[at : self.filled]
        self.filled -= at
        return bool(ended == PAST_END)


def _read_header(path: str) -> bytes:
    data = bytearray()
    wanted = 9
    for block in read_blocks(path, 0):
        data += block
        if len(data) >= 9:
            if data[:4] != _MAGIC:
                raise InputFileError(f"{path}: this is no BCF file of version 2")
            wanted = 9 + struct.unpack_from("<I", data, 5)[0]
            if wanted > _MAX_HEADER:
                raise InputFileError(f"{path}: damaged: a header of {wanted:,} bytes")
        if len(data) >= wanted > 9:
            return bytes(data[9:wanted])
    raise InputFileError(f"{path}: truncated within its header")


def _numbered(header: bytes, kinds: tuple[str, ...], first: str | None = None) -> dict[str, int]:
    """Return the number of each name that the header declares: by order of appearance, or as ``IDX`` says."""
    numbers: dict[str, int] = {} if first is None else {first: 0}
    free = len(numbers)
    lines = re.findall(rb"^##(?:" + "|".join(kinds).encode() + rb")=<(.*)>\s*$", header, re.MULTILINE)
    for line in lines:
        found = re.search(rb"(?:^|,)ID=([^,>]+)", line)
        if not found:
            continue
        name = found[1].decode("utf-8", "replace")
        said = re.search(rb",IDX=(\d+)", line)
        if name in numbers:
            continue
        numbers[name] = int(said[1]) if said else free
        free = max(free, numbers[name] + 1)
    return numbers
