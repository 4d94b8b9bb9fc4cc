"""Indexes of FASTA files: the .fai and .gzi, read, checked, or made where missing."""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from pathlib import Path

from pgxeval.errors import InputFileError, PgxevalWarning

_ABSURD = 1 << 60


def _damaged_gzi(path: Path) -> InputFileError:
    return InputFileError(f"{path}.gzi: not the index of this file; delete it, and it is made again")


def read_indexes(path: Path, *, compressed: bool) -> tuple[dict[str, tuple[int, int, int, int]], bytes]:
    """Read the ``.fai`` and, of a compressed file, the ``.gzi``; both are made where one is missing.

    Returns
    -------
    tuple
        Contig -> (bases, offset, bases and bytes per line); the ``.gzi`` as bytes, empty for a plain file.
    """
    fai, gzi = Path(f"{path}.fai"), Path(f"{path}.gzi")
    present = [fai, gzi] if compressed else [fai]
    stale = [index for index in present if index.is_file() and index.stat().st_mtime < path.stat().st_mtime]
    if stale:
        warnings.warn(
            f"{stale[0]} is older than {path}; if the file has changed since, make it again with "
            f"`samtools faidx {path}`",
            PgxevalWarning,
            stacklevel=4,
        )
    if all(index.is_file() for index in present):
        return _entries(path, fai, is_stale=bool(stale), compressed=compressed), gzi.read_bytes() if compressed else b""
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(tempfile.TemporaryDirectory(dir=path.parent, prefix=".pgxeval-index-"))
            keep = True
        except OSError:  # it cannot be written to: the index is kept in memory
            folder, keep = stack.enter_context(tempfile.TemporaryDirectory()), False
        fresh = [Path(folder) / index.name for index in present]
        _make_indexes(path, fresh)
        entries = _entries(path, fresh[0], is_stale=False, compressed=compressed)
        blocks = fresh[1].read_bytes() if compressed else b""
        if keep:
            with contextlib.suppress(OSError):  # someone else may have made them, or the disk is full
                for new, index in zip(fresh, present, strict=True):
                    new.replace(index)
    return entries, blocks


def _make_indexes(path: Path, indexes: list[Path]) -> None:
    """Make the indexes of a FASTA file under other names: by pyfaidx, or by htslib where it is compressed."""
    try:
        if len(indexes) == 1:
            import pyfaidx

            pyfaidx.Faidx(str(path), indexname=str(indexes[0]), rebuild=True).close()
        else:
            import pysam

            pysam.faidx(str(path), "--fai-idx", str(indexes[0]), "--gzi-idx", str(indexes[1]))
    except Exception as error:
        raise InputFileError(
            f"{path}: it has no index, and none can be made ({str(error).strip()[:200]}); expected a FASTA file, plain "
            "or compressed by bgzip, whose lines of a sequence are equally long"
        ) from error


def _entries(path: Path, index: Path, *, is_stale: bool, compressed: bool) -> dict[str, tuple[int, int, int, int]]:
    """Read and check a ``.fai``: contig -> (bases, offset, bases and bytes per line)."""
    entries: dict[str, tuple[int, int, int, int]] = {}
    try:
        for line in index.read_text(encoding="utf-8").split("\n"):
            if not line.strip():
                continue
            name, *columns = line.rstrip("\r").split("\t")
            numbers = [int(column) for column in columns[:4] if column.isascii() and column.isdigit()]
            if len(numbers) < 4 or name in entries or max(numbers) >= _ABSURD:
                where = f"line {len(entries) + 1}"
                break
            entries[name] = (numbers[0], numbers[1], numbers[2], numbers[3])
        else:
            where = ""
    except (OSError, ValueError) as error:
        where = str(error)[:200]
    if where:
        raise InputFileError(
            f"{index}: not the index of a FASTA file ({where}; expected a name and four whole numbers per line, each "
            "name once); delete it, and it is made again"
        )
    if not entries:
        raise InputFileError(f"{path}: no sequence in this FASTA file, by its index {index.name}")
    size = path.stat().st_size * (_MOST_COMPRESSION if compressed else 1)
    for name, (length, offset, line_bases, line_width) in entries.items():
        if length == 0:
            continue
        if line_bases == 0 or line_width < line_bases:
            raise InputFileError(f"{index}: contig {name} has impossible line lengths; delete it, and it is made again")
        if offset + (length - 1) // line_bases * line_width + (length - 1) % line_bases >= size:
            raise InputFileError(
                f"{path}: {name} ends before the {length} bases that {index.name} states"
                f"{' (the index is older than the file)' if is_stale else ''}; remake it with `samtools faidx`"
            )
    return entries


_MOST_COMPRESSION = 1 << 11  # more than gzip reaches
