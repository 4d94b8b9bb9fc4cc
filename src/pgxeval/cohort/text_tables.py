"""Text tables as researchers have them: separators, quotes and the spellings of a missing value."""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Iterator

from pgxeval.lines import numbered_lines

_REMARK = re.compile(r"#\s[^\t]*$")
MISSING_TEXTS = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "-nan", ".", "null", "none"})
"""Texts of a missing value, in lower case."""


def is_missing(text: str) -> bool:
    """Return whether a field of a text table is a missing value, such as an empty field, ``NA`` or ``NULL``."""
    return text.strip().lower() in MISSING_TEXTS


def number_from_text(text: str) -> float:
    """Return the number in a field of a text table; NaN for a missing value.

    Raises
    ------
    ValueError
        If the field does not hold a number, or one with underscores, which Python would accept.
    """
    if is_missing(text):
        return math.nan
    if "_" in text:
        raise ValueError(text)
    return float(text)


def split_lines(path: str | os.PathLike[str], what: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number from 1, fields) of each line that is neither empty nor a remark.

    Remarks begin with ``##``, or before the first line of the table with ``#`` and a blank, and then have no tab.

    The separator is the first of tab, semicolon and comma that occurs in the first line, or blanks if none
    does. Blanks around fields and quotes as R writes them are removed, and so are empty fields beyond those
    of the first line.

    Parameters
    ----------
    path
        The file, plain, gzipped or bgzipped.
    what
        What it holds, for messages.

    Raises
    ------
    InputFileNotFoundError, InputFileError
        As `pgxeval.lines.numbered_lines`.
    """
    separator: str | None = None
    width = 0
    for number, line in numbered_lines(path, what):
        if line.startswith("##") or not line.strip() or (not width and _REMARK.match(line)):
            continue
        if not width:
            separator = next((mark for mark in "\t;," if mark in line), None)
        fields = _split(line, separator)
        if not width:
            while fields and not fields[-1]:
                fields.pop()
            width = len(fields)
        while len(fields) > width and not fields[-1]:
            fields.pop()
        yield number, fields


def _split(line: str, separator: str | None) -> list[str]:
    if '"' not in line:
        return [field.strip() for field in line.split(separator)]
    if separator is None:
        return next(csv.reader([" ".join(line.split())], delimiter=" "))
    return [field.strip() for field in next(csv.reader([line], delimiter=separator))]
