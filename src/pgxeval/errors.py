"""Errors and warnings: one base class, whose children also inherit the built-in they resemble.

A message states what failed, where, what was expected, what was received and what to do next. It never
holds sequence, genotypes or keys.
"""

from __future__ import annotations


class PgxevalError(Exception):
    """Base of every error that pgxeval raises on purpose."""


class InputFileError(PgxevalError, ValueError):
    """A file is malformed, truncated, unsorted or lacks its index; the message names file and line."""


class InputFileNotFoundError(InputFileError, FileNotFoundError):
    """A file that was named does not exist."""


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
