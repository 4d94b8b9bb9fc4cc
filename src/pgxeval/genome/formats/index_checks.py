"""Opens the index next to a file, and checks that it belongs to the file: its age, and where it places records."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from pgxeval.errors import InputFileError, PgxevalWarning
from pgxeval.genome.formats.bgzf import MisplacedBlockError, is_remote, read_blocks
from pgxeval.genome.formats.index import VariantIndex, read_index


def age_of_index(path: str, index: str) -> float:
    """Return by how many seconds an index was written after its file."""
    return Path(index).stat().st_mtime - Path(path).stat().st_mtime


def check_extent(path: str, index: VariantIndex, first_record: int | None, *, text: bool) -> None:
    """Refuse an index that begins or ends where the records of its file do not.

    Parameters
    ----------
    path
        A local BGZF file.
    index
        Its index.
    first_record
        Virtual offset of the first record; None where the file has none.
    text
        The records are lines, of which empty ones and comments count for nothing.

    Raises
    ------
    InputFileError
        If the first record of the index is not the first of the file, or records follow the last of the index. A
        damaged block there is ignored here and refused when it is read.
    """
    extent = index.extent
    begin, end = (first_record, first_record) if extent is None else extent
    if begin is not None and (first_record is None or not _begins_with(path, begin, first_record, text=text)):
        raise InputFileError(f"{path}: its first record is not where its index places it: {other_version(path, index)}")
    if end is None:
        return
    if _has_records(path, end, text=text):
        raise InputFileError(
            f"{path}: records follow the last one that its index knows, or this one is not there: "
            f"{other_version(path, index)}"
        )


def _has_records(path: str, begin: int, *, text: bool) -> bool:
    """Whether something other than comments and empty lines follows a virtual offset, or nothing can begin there."""
    try:
        for block in read_blocks(path, begin):
            rest = b"".join(line for line in block.split(b"\n") if not line.startswith(b"#")) if text else block
            if rest.strip():
                return True
    except MisplacedBlockError:
        return True
    except InputFileError:
        return False
    return False


def other_version(path: str, index: VariantIndex) -> str:
    """Return the clause of a message that names another version of the index as the cause, and what to do."""
    when = ""
    if not is_remote(path):
        age = age_of_index(path, index.path)
        when = f" (written {_duration(abs(age))} {'after' if age >= 0 else 'before'} the file)"
    return (
        f"the index {index.path}{when} belongs to another version of the file; index it again with "
        f"`bcftools index -f {path}`"
    )


def with_index(error: InputFileError, path: str, index: VariantIndex, *, suspect: bool) -> InputFileError:
    """Return an error of a record with the index named as a possible cause.

    That is, where the index of a local file is `suspect` or older than the file.
    """
    if is_remote(path) or not (suspect or age_of_index(path, index.path) < 0):
        return error
    return InputFileError(f"{error}; or {other_version(path, index)}")


def _duration(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _begins_with(path: str, begin: int, first_record: int, *, text: bool) -> bool:
    """Whether the first record is the first thing from a virtual offset on, apart from lines of a header."""
    low, high = min(begin, first_record), max(begin, first_record)
    try:
        if low == high or (high & 0xFFFF == 0 and next(read_blocks(path, low, high), None) is None):
            return True  # the end of a block is the beginning of the next
        return text and begin < first_record and next(read_blocks(path, begin, first_record), b"").startswith(b"#")
    except MisplacedBlockError:
        return False


def open_index(path: str, suffixes: Sequence[str] = (".tbi", ".csi")) -> VariantIndex:
    """Read the index next to a file; warn where it is older than the file.

    Raises
    ------
    InputFileError
        If there is none, or it is damaged.
    """
    if is_remote(path):
        for suffix in suffixes:
            try:
                return read_index(path + suffix)
            except InputFileError:
                continue
        raise InputFileError(f"{path}: no index can be read at {' or '.join(path + s for s in suffixes)}")
    where = next((path + suffix for suffix in suffixes if Path(path + suffix).is_file()), None)
    if where is None:
        raise InputFileError(f"{path}: its index is missing; run `bcftools index {path}`")
    if age_of_index(path, where) < 0:
        warnings.warn(
            f"{where} is older than {path}; if the file has changed since, index it again with "
            f"`bcftools index -f {path}`",
            PgxevalWarning,
            stacklevel=2,
        )
    return read_index(where)
