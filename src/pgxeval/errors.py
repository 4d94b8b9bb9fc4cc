"""Errors and warnings: one base class, whose children also inherit the built-in they resemble.

A message states what failed, where, what was expected, what was received and what to do next. It never
holds sequence, genotypes or keys.
"""

from __future__ import annotations

import difflib
import itertools
import os
from pathlib import Path
from typing import Self

_MOST_ENTRIES = 10_000


class PgxevalError(Exception):
    """Base of every error that pgxeval raises on purpose."""


class InputFileError(PgxevalError, ValueError):
    """A file is malformed, truncated, unsorted or lacks its index; the message names file and line."""


class InputFileNotFoundError(InputFileError, FileNotFoundError):
    """A file that was named does not exist."""

    @classmethod
    def of(cls, what: str, path: str | os.PathLike[str], then: str = "") -> Self:
        """Return the error for a missing file or folder: how far the path exists, and near names in its folder.

        Parameters
        ----------
        what
            What it should hold: "expression file", say.
        path
            Where it was expected.
        then
            What to do, or what the file is for, in a clause of its own.
        """
        path = Path(path)
        return cls(f"{what} {path} does not exist{_near_files(path)}" + (f"; {then}" if then else ""))


class GenotypeError(PgxevalError, ValueError):
    """Genotypes cannot be read as asked: unphased, REF mismatch, mixed ploidy, no variants."""


class TableError(PgxevalError, ValueError):
    """A table lacks a column, holds a duplicate key or a value that is not allowed."""


class SettingError(PgxevalError, ValueError):
    """An argument is out of its allowed range, or two arguments contradict each other."""


class UnknownNameError(PgxevalError, KeyError):
    """An individual, gene, contig or predictor is not known; the message lists near names."""

    def __str__(self) -> str:
        # KeyError shows the repr of its argument, which would print a message in quotes.
        return str(self.args[0]) if self.args else ""


class RemoteServiceError(PgxevalError, ConnectionError):
    """A hosted service cannot be used: the key is refused, nothing answers, the quota is exhausted for a long time."""


class PgxevalWarning(UserWarning):
    """The result stands, but its reader should know something about it."""


def _near_files(path: Path) -> str:
    """Return a clause on the folder in which a file was expected; names are compared as people confuse them."""
    folder = path.absolute().parent
    try:
        if not folder.is_dir():
            there = next(parent for parent in folder.parents if parent.is_dir())
            return f"; its folder does not exist either, of which there is {there}"
        names = [entry.name for entry in itertools.islice(folder.iterdir(), _MOST_ENTRIES)]
    except OSError:
        return ""
    plain = {name.lower(): name for name in sorted(names, reverse=True) if not name.startswith(".")}
    near = [plain[name] for name in difflib.get_close_matches(path.name.lower(), plain, n=3, cutoff=0.7)]
    starts = [name for name in sorted(names) if name.startswith(f"{path.name}.") and name not in near]
    return f"; its folder holds {', '.join((near + starts)[:3])}" if near or starts else ""
