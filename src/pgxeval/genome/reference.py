"""The reference genome: bases of an indexed FASTA file, plain or compressed by bgzip.

Both are read by the arithmetic of the ``.fai`` index; no handle is held open.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from pgxeval.errors import InputFileError, InputFileNotFoundError
from pgxeval.genome.contigs import ContigNames
from pgxeval.genome.fasta_index import _damaged_gzi, read_indexes
from pgxeval.genome.formats.bgzf import check_complete, read_blocks
from pgxeval.genome.identity import FileStamp, Identity, text_digest
from pgxeval.genome.intervals import Interval, as_interval
from pgxeval.genome.pickled_by_path import PickledByPath

_N = ord("N")


def _base_table() -> bytes:
    """Return the table from any byte to an upper-case base; anything that is not a letter of a base becomes 0."""
    table = np.zeros(256, dtype=np.uint8)
    for letter in b"ACGTNRYSWKMBDHVU":
        table[letter] = letter
        table[letter + 32] = letter
    table[ord("U")] = table[ord("u")] = ord("T")
    table[ord("-")] = table[ord("*")] = _N
    return table.tobytes()


_BASES = _base_table()


@runtime_checkable
class ReferenceBases(Protocol):
    """What haplotypes need of a reference genome; `ReferenceGenome` has it."""

    @property
    def path(self) -> str | os.PathLike[str]:
        """Where the bases are, for messages."""
        ...

    @property
    def contigs(self) -> Mapping[str, int]:
        """Contig lengths [bp]."""
        ...

    def contig_name(self, name: str) -> str:
        """Return this genome's name of a contig."""
        ...

    def fetch(self, interval: Interval) -> npt.NDArray[np.uint8]:
        """Return upper-case bases, uint8 ASCII; N off the contig."""
        ...


class ReferenceGenome(PickledByPath):
    r"""A reference genome in an indexed FASTA file.

    Parameters
    ----------
    path
        FASTA file, plain (``.fa``) or compressed by ``bgzip`` (``.fa.gz``). Missing indexes (``.fai``, ``.gzi``) are
        made next to it; in a folder that cannot be written to they are kept in memory.

    Raises
    ------
    InputFileNotFoundError
        If the file does not exist.
    InputFileError
        If it is not a FASTA file, or its index is damaged or cannot be made.

    Notes
    -----
    Lower-case (soft-masked) bases are given in upper case. IUPAC codes of the file are kept, as
    ``bcftools consensus`` does; encoders treat them as N.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "tiny.fa"
    >>> _ = path.write_text(">chr1\nACGTacgtNN\n")
    >>> genome = ReferenceGenome(path)
    >>> dict(genome.contigs)
    {'chr1': 10}
    >>> genome.fetch(Interval("1", -2, 6)).tobytes()
    b'NNACGTAC'
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        full = Path(path).expanduser().absolute()
        if not full.is_file():
            raise InputFileNotFoundError.of("reference FASTA", full)
        stamp = FileStamp.of(full)
        self._path, self._stamps = stamp.path, (stamp,)
        self._open()

    def _open(self) -> None:
        with self.path.open("rb") as handle:
            compressed = handle.read(2) == b"\x1f\x8b"
        if compressed:
            check_complete(self.path)
        self._blocks: _Blocks | None = None
        self._index, gzi = read_indexes(self.path, compressed=compressed)
        if compressed:
            self._blocks = _Blocks(self.path, gzi)
        lengths = {name: entry[0] for name, entry in self._index.items()}
        self.contigs: Mapping[str, int] = MappingProxyType(lengths)
        self._names = ContigNames(names=tuple(lengths), lengths=lengths)
        self._known: dict[str, str] = {}

    @property
    def path(self) -> Path:
        """Absolute path."""
        return Path(self._path)

    def identity(self) -> Identity:
        """Return what tells this version of the file from others: size, digests of index and content."""
        index = [f"{name} {' '.join(map(str, entry))}" for name, entry in self._index.items()]
        return {"format": "FASTA", "file": self._stamps[0].identity(), "index": text_digest(index)}

    def __repr__(self) -> str:
        return f"ReferenceGenome({str(self.path)!r}, {len(self.contigs)} contigs)"

    def contig_name(self, name: str) -> str:
        """Return this file's name of a contig.

        Raises
        ------
        UnknownNameError
            If the file has no contig of this name under any of its usual spellings.
        """
        if name not in self._known:
            match = self._names.match(name)
            if match is None:
                raise self._names.unknown(name, str(self.path))
            self._known[name] = match
        return self._known[name]

    def fetch(self, interval: Interval | str) -> npt.NDArray[np.uint8]:
        """Return the bases of an interval.

        Parameters
        ----------
        interval
            0-based half-open, or a region such as ``"chr1:1,001-2,000"`` (1-based, closed); may reach beyond the contig
            on either side.

        Returns
        -------
        numpy.ndarray
            uint8 ASCII ``(interval.length,)``, upper case, read-only; N off the contig.

        Raises
        ------
        UnknownNameError
            If the contig is not in the file.
        InputFileError
            If the file does not hold what its index states, or has changed since it was opened.
        """
        interval = as_interval(interval)
        name = self.contig_name(interval.contig)
        length = self.contigs[name]
        start, end = max(0, interval.start), min(length, interval.end)
        bases = self._read(name, start, end) if start < end else np.empty(0, dtype=np.uint8)
        if bases.size != interval.length:
            padded = np.full(interval.length, _N, dtype=np.uint8)
            padded[start - interval.start : start - interval.start + bases.size] = bases
            bases = padded
        bases.flags.writeable = False
        return bases

    def _read(self, name: str, start: int, end: int) -> npt.NDArray[np.uint8]:
        self._check()
        _, offset, line_bases, line_width = self._index[name]
        begin = offset + start // line_bases * line_width + start % line_bases
        last = offset + (end - 1) // line_bases * line_width + (end - 1) % line_bases + 1
        if self._blocks is None:
            with self.path.open("rb", buffering=0) as handle:
                handle.seek(begin)
                data = handle.read(last - begin)
        else:
            data = self._blocks.read(begin, last)
        letters = np.frombuffer(data.translate(_BASES), np.uint8)  # far quicker than to index the table
        bases = _drop_line_ends(letters, start % line_bases, line_bases, line_width)
        if bases.size != end - start or not bases.all():
            raise InputFileError(
                f"{self.path}: {name}:{start}-{end} (0-based) does not hold the {end - start} bases that its index "
                "states; the file has changed or is truncated: remake the index with `samtools faidx`"
            )
        return bases


class _Blocks:
    """Decompressed bytes of a BGZF file by their place in the decompressed file, found with its ``.gzi`` index."""

    def __init__(self, path: Path, gzi: bytes) -> None:
        try:
            (count,) = struct.unpack_from("<Q", gzi)
            pairs = np.frombuffer(gzi, "<u8", offset=8)
        except (struct.error, ValueError) as error:
            raise _damaged_gzi(path) from error
        if pairs.size != 2 * count or (pairs > path.stat().st_size * 2**11).any():
            raise _damaged_gzi(path)
        self._path = path
        self._offsets = np.concatenate([[0], pairs[::2].astype(np.int64)])
        self._starts = np.concatenate([[0], pairs[1::2].astype(np.int64)])
        if (np.diff(self._offsets) <= 0).any() or (np.diff(self._starts) <= 0).any():
            raise _damaged_gzi(path)

    def read(self, begin: int, end: int) -> bytes:
        """Return the decompressed bytes ``[begin, end)``, fewer where the file ends before."""
        block = int(np.searchsorted(self._starts, begin, side="right")) - 1
        skip = begin - int(self._starts[block])
        if skip > 0xFFFF:
            raise _damaged_gzi(self._path)
        missing = end - begin
        parts: list[bytes] = []
        for data in read_blocks(str(self._path), int(self._offsets[block]) << 16 | skip):
            parts.append(data[:missing])
            missing -= len(parts[-1])
            if missing <= 0:
                break
        return b"".join(parts)


def _drop_line_ends(raw: npt.NDArray[np.uint8], column: int, line_bases: int, line_width: int) -> npt.NDArray[np.uint8]:
    """Cut the line ends out of raw bytes that begin at base `column` of a line."""
    head = line_bases - column
    if raw.size <= head:
        return raw
    rest = raw[head + line_width - line_bases :]
    whole = rest.size // line_width
    body = rest[: whole * line_width].reshape(whole, line_width)[:, :line_bases].ravel()
    return np.concatenate([raw[:head], body, rest[whole * line_width :][:line_bases]])
