"""VCF text: records of an interval, decoded from the decompressed bytes.

Lines of diploid genotypes of one digit and no other field have a fixed stride of four bytes and are
decoded as one array; all others are parsed cell by cell. Both in compiled code.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pgxeval.errors import InputFileError, PgxevalWarning
from pgxeval.genome.formats.bgzf import check_complete, is_remote, read_blocks
from pgxeval.genome.formats.calls import Calls, CallsBuilder, Field
from pgxeval.genome.formats.index import open_index

_FIXED = 9
_NEWLINE = 10
_BUFFER_BYTES = 1 << 19


class VcfSource:
    """Genotypes in a VCF file that ``bgzip`` compressed and ``tabix`` indexed.

    Parameters
    ----------
    path
        Local path, or an address that htslib opens.

    Raises
    ------
    InputFileError
        If the file is truncated, has no header of individuals, or its index is missing.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._open()

    def _open(self) -> None:
        if not is_remote(self.path):
            check_complete(Path(self.path))
        self.individuals, declared = _read_header(self.path)
        self._index = open_index(self.path)
        self._index_row = {name: row for row, name in enumerate(self._index.contigs)}
        self.contigs = tuple(dict.fromkeys(self._index.contigs + declared))

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path = state["path"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PgxevalWarning)  # said where it was opened first
            self._open()

    def __repr__(self) -> str:
        return f"VcfSource({self.path!r}, {len(self.individuals)} individuals)"

    def read(self, contig: str, start: int, end: int, field: Field = "GT") -> Calls:
        """Return the records that overlap ``[start, end)``, 0-based; see `GenotypeSource.read`."""
        from pgxeval.genome.formats.vcf_kernel import NO_ROOM, OK, PAST_END, decode_lines

        n = len(self.individuals)
        builder = CallsBuilder(contig, n, field)
        row = self._index_row.get(contig)
        chunks = [] if row is None else self._index.chunks(row, start, end)
        name = np.frombuffer(contig.encode(), np.uint8)
        key = np.frombuffer(field.encode(), np.uint8)
        previous = 0
        for begin, stop in chunks:
            for lines in _whole_lines(read_blocks(self.path, begin, stop)):
                at, ended = 0, NO_ROOM
                while ended == NO_ROOM:
                    n_records, n_values, previous, ended, at = decode_lines(
                        lines,
                        at,
                        name,
                        start,
                        end,
                        previous,
                        key,
                        n,
                        builder.n_records,
                        builder.n_values,
                        *builder.room,
                    )
                    builder.keep(lines.data, n_records, n_values)
                    if ended == NO_ROOM:
                        builder.grow()
                if ended == PAST_END:
                    return builder.finish()
                if ended != OK:
                    raise self._complaint(contig, ended, lines[at : at + 4096].tobytes(), previous, field)
        return builder.finish()

    def _complaint(self, contig: str, ended: int, line: bytes, previous: int, field: str) -> InputFileError:
        columns = line.split(b"\n", 1)[0].split(b"\t", _FIXED)
        position = columns[1][:20].decode("latin-1") if len(columns) > 1 else "?"
        return decoding_error(
            f"{self.path}: record {contig}:{position}",
            ended,
            field=field,
            n_individuals=len(self.individuals),
            n_alternatives=columns[4].count(b",") + 1 if len(columns) > 4 else 0,
            previous=previous,
        )


def decoding_error(
    where: str, ended: int, *, field: str, n_individuals: int, n_alternatives: int, previous: int
) -> InputFileError:
    """Say why a record could not be decoded."""
    from pgxeval.genome.formats import bcf_kernel
    from pgxeval.genome.formats import vcf_kernel as kernel

    reasons = {
        kernel.FEW_COLUMNS: f"fewer columns than the {_FIXED} and one for each individual that are wanted",
        kernel.NO_POSITION: "its position is no whole number of 0 or more",
        kernel.NOT_SORTED: f"not sorted: it follows position {previous}; run `bcftools sort` and index the result",
        kernel.NO_FIELD: f"no {field} among its FORMAT fields",
        kernel.NO_ALLELE: "REF or ALT is empty",
        kernel.MANY_ALLELES: f"{n_alternatives} ALT alleles; at most 126 are read",
        kernel.FEW_INDIVIDUALS: f"genotypes of another number than the {n_individuals} individuals of the header",
        kernel.MANY_INDIVIDUALS: f"more genotypes than the {n_individuals} individuals of the header",
        kernel.BAD_GENOTYPE: "a genotype that is none (such as 0|1, 0/1, 1 or .)",
        kernel.MANY_COPIES: "a genotype of more than two copies; one or two are read",
        kernel.UNKNOWN_ALLELE: f"a genotype names an allele beyond its {n_alternatives} ALT alleles",
        kernel.BAD_NUMBER: f"a {field} value that is no number",
        kernel.WRONG_COUNT: f"{field} has not one value for each of {n_alternatives} ALT alleles",
        bcf_kernel.DAMAGED: "damaged: its lengths contradict each other",
    }
    return InputFileError(f"{where}: {reasons[ended]}")


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


def _read_header(path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    contigs: list[str] = []
    rest = b""
    for block in read_blocks(path, 0):
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        for line in lines:
            if line.startswith(b"##"):
                found = re.match(rb"##contig=<(?:.*?,)?ID=([^,>]+)", line)
                if found:
                    contigs.append(found[1].decode("utf-8", "replace"))
            else:
                return header_individuals(path, line), tuple(contigs)
        if not rest.startswith(b"#"):
            break
    return header_individuals(path, rest), tuple(contigs)


def header_individuals(path: str, line: bytes) -> tuple[str, ...]:
    """Return the names of the individuals in the ``#CHROM`` line.

    Raises
    ------
    InputFileError
        If this is no such line, it names no individual, or one twice.
    """
    columns = line.decode("utf-8", "replace").rstrip("\r").split("\t")
    if columns[0] != "#CHROM" or len(columns) <= _FIXED:
        raise InputFileError(
            f"{path}: no header line `#CHROM ... FORMAT <individuals>` before the first record: this is no "
            "VCF file with genotypes"
        )
    names = tuple(columns[_FIXED:])
    twice = {name for name, count in Counter(names).items() if count > 1 or not name}
    if twice:
        raise InputFileError(
            f"{path}: {len(twice)} names of individuals are empty or stand twice in the header, the first: "
            f"{sorted(twice)[0]!r}"
        )
    return names
