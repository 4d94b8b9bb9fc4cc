"""The reference genome: bases of an indexed FASTA file.

No handle is shared between threads or processes.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from pgxeval.errors import InputFileError, InputFileNotFoundError, PgxevalWarning, UnknownNameError
from pgxeval.genome.contigs import match_contig
from pgxeval.genome.intervals import Interval
from pgxeval.names import known_names, near_names

_N = ord("N")


def _base_table() -> npt.NDArray[np.uint8]:
    """Return the table from any byte to an upper-case base; what is no letter becomes 0."""
    table = np.zeros(256, dtype=np.uint8)
    for letter in b"ACGTNRYSWKMBDHVU":
        table[letter] = letter
        table[letter + 32] = letter
    table[ord("U")] = table[ord("u")] = ord("T")
    table[ord("-")] = table[ord("*")] = _N
    return table


_BASES = _base_table()


class ReferenceGenome:
    r"""A reference genome in an indexed FASTA file.

    Parameters
    ----------
    path
        FASTA file, plain (``.fa``) or compressed by ``bgzip`` (``.fa.gz``). A missing ``.fai`` is made
        beside a plain file.

    Raises
    ------
    InputFileNotFoundError
        If the file does not exist.
    InputFileError
        If it is no FASTA file, or its index is missing and cannot be made.

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
        self.path = Path(path)
        self._open_index()

    def _open_index(self) -> None:
        self._local = threading.local()
        if not self.path.is_file():
            raise InputFileNotFoundError(f"reference FASTA not found: {self.path}")
        with self.path.open("rb") as handle:
            magic = handle.read(2)
        self._compressed = magic == b"\x1f\x8b"
        self._index = _read_compressed_index(self.path) if self._compressed else _read_index(self.path)
        self.contigs: Mapping[str, int] = MappingProxyType({name: entry[0] for name, entry in self._index.items()})

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path = state["path"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PgxevalWarning)  # said where it was opened first
            self._open_index()

    def __repr__(self) -> str:
        return f"ReferenceGenome({str(self.path)!r}, {len(self.contigs)} contigs)"

    def contig_name(self, name: str) -> str:
        """Return this file's name of a contig.

        Raises
        ------
        UnknownNameError
            If the file has no contig of this name under any of its usual spellings.
        """
        found = match_contig(name, self.contigs)
        if found is None:
            raise UnknownNameError(
                f"contig {name} is not in {self.path} (it has {known_names(self.contigs)})"
                f"{near_names(name, self.contigs)}"
            )
        return found

    def fetch(self, interval: Interval) -> npt.NDArray[np.uint8]:
        """Return the bases of an interval.

        Parameters
        ----------
        interval
            0-based half-open; may reach beyond the contig on either side.

        Returns
        -------
        numpy.ndarray
            uint8 ASCII ``(interval.length,)``, upper case, read-only; N off the contig.

        Raises
        ------
        UnknownNameError
            If the contig is not in the file.
        InputFileError
            If the file does not hold what its index says.
        """
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
        if self._compressed:
            raw = np.frombuffer(self._compressed_handle().fetch(name, start, end).encode("ascii"), np.uint8)
        else:
            _, offset, line_bases, line_width = self._index[name]
            first = start // line_bases
            begin = offset + first * line_width + start % line_bases
            last = offset + (end - 1) // line_bases * line_width + (end - 1) % line_bases + 1
            with self.path.open("rb", buffering=0) as handle:
                handle.seek(begin)
                raw = np.frombuffer(handle.read(last - begin), np.uint8)
            raw = _drop_line_ends(raw, start % line_bases, line_bases, line_width)
        bases = _BASES[raw]
        if bases.size != end - start or not bases.all():
            raise InputFileError(
                f"{self.path}: {name}:{start}-{end} does not hold the {end - start} bases that its index "
                "promises; the file has changed or is truncated: remake the index with `samtools faidx`"
            )
        return bases

    def _compressed_handle(self) -> Any:
        handle = getattr(self._local, "handle", None)
        if handle is None or self._local.pid != os.getpid():
            import pysam

            handle = pysam.FastaFile(str(self.path))
            self._local.handle, self._local.pid = handle, os.getpid()
        return handle


def _drop_line_ends(raw: npt.NDArray[np.uint8], column: int, line_bases: int, line_width: int) -> npt.NDArray[np.uint8]:
    """Cut the line ends out of raw bytes that begin at base `column` of a line."""
    head = line_bases - column
    if raw.size <= head:
        return raw
    rest = raw[head + line_width - line_bases :]
    whole = rest.size // line_width
    body = rest[: whole * line_width].reshape(whole, line_width)[:, :line_bases].ravel()
    return np.concatenate([raw[:head], body, rest[whole * line_width :][:line_bases]])


def _read_index(path: Path) -> dict[str, tuple[int, int, int, int]]:
    """Read a ``.fai`` index, made where missing: contig -> (bases, offset, bases and bytes a line)."""
    import pyfaidx

    index = Path(f"{path}.fai")
    stale = index.is_file() and index.stat().st_mtime < path.stat().st_mtime
    if stale:
        warnings.warn(
            f"{index} is older than {path}; if the file has changed since, make it again with `samtools faidx {path}`",
            PgxevalWarning,
            stacklevel=2,
        )
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Index file .* is older", category=RuntimeWarning)
            faidx = pyfaidx.Faidx(str(path), rebuild=False)
    except (pyfaidx.FastaIndexingError, pyfaidx.FastaNotFoundError, OSError, ValueError) as error:
        raise InputFileError(
            f"{path}: no usable index, and none can be made ({error}); run `samtools faidx {path}` where you may write"
        ) from error
    try:
        entries = {
            name: (int(entry.rlen), int(entry.offset), int(entry.lenc), int(entry.lenb))
            for name, entry in faidx.index.items()
        }
    finally:
        faidx.close()
    if not entries:
        raise InputFileError(f"{path}: no sequence in this FASTA file")
    size = path.stat().st_size
    for name, (length, offset, line_bases, line_width) in entries.items():
        if line_bases <= 0 or line_width < line_bases:
            if length == 0:
                continue
            raise InputFileError(f"{index}: contig {name} has impossible line lengths; remake the index")
        if offset + (length - 1) // line_bases * line_width + (length - 1) % line_bases >= size:
            raise InputFileError(
                f"{path}: {name} ends before the {length} bases that {index.name} promises"
                f"{' (the index is older than the file)' if stale else ''}; remake it with `samtools faidx`"
            )
    return entries


def _read_compressed_index(path: Path) -> dict[str, tuple[int, int, int, int]]:
    import pysam

    for suffix in (".fai", ".gzi"):
        if not Path(f"{path}{suffix}").is_file():
            raise InputFileError(
                f"{path}: index {path.name}{suffix} is missing; compress with `bgzip` and run `samtools faidx {path}`"
            )
    try:
        with pysam.FastaFile(str(path)) as fasta:
            return {name: (length, 0, 0, 0) for name, length in zip(fasta.references, fasta.lengths, strict=True)}
    except (OSError, ValueError) as error:
        raise InputFileError(f"{path}: cannot be read as a bgzip-compressed FASTA: {error}") from error
