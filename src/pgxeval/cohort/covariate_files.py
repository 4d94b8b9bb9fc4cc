"""Reads covariates from files: the GTEx layout, its transpose, and PLINK's tables."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.cohort.text_tables import is_missing, number_from_text, split_lines
from pgxeval.errors import InputFileError, TableError
from pgxeval.frames import TableLike, table_or_path
from pgxeval.names import first_duplicate, known_names

_FEWEST_NUMBERS = 0.5

_LAYOUT = (
    "expected the GTEx layout, a first line ID and the individuals and then one line per covariate, or its transpose"
)


def read_covariates(
    source: str | os.PathLike[str] | TableLike, individuals: Collection[str] | None = None
) -> pd.DataFrame:
    """Read a covariate table as it is: individuals in rows, covariates in columns, numbers or categories.

    Files may have covariates in rows and individuals in columns, as GTEx and tensorQTL write them, or one line
    per individual; the names of the individuals decide. PLINK's ``.eigenvec`` and ``.cov`` files (``FID IID`` and then
    the covariates, with or without a header) are recognised. Separators, quotes and spellings of missing values
    are those of `pgxeval.cohort.expression.read_expression`.

    Parameters
    ----------
    source
        Path of the file, or a table with one row per individual and one column per covariate; the names are its index,
        or, as in tables of polars and Arrow, its first column.
    individuals
        Names to recognise individuals by. None takes a file to be in the GTEx layout.

    Returns
    -------
    pandas.DataFrame
        One row per individual (index ``individual``), one column per covariate, in the order of the source.
        Columns are float64 with NaN where missing, or hold categories as text with None where missing.

    Raises
    ------
    InputFileNotFoundError
        If the file does not exist.
    InputFileError
        Naming line, covariate and individual: a number that is infinite, text in a column of numbers, a name
        that occurs twice, a line with too few or too many columns; or a table without any of `individuals`.
    TableError
        The same of a DataFrame.
    """
    path = table_or_path(source, "covariates")
    if isinstance(path, pd.DataFrame):
        return from_frame(_with_names(path, individuals))
    header, names, rows, line_numbers = _read_file(path)
    for what, group in (("header", header), ("first column", names)):
        if "" in group:
            raise InputFileError(f"covariate file {path}: a name in the {what} is empty")
        if (twice := first_duplicate(group)) is not None:
            raise InputFileError(f"covariate file {path}: {twice} occurs more than once in the {what}")
    if individuals is not None:
        cohort_names = frozenset(individuals)
        header, names = _without_family(header, cohort_names), _without_family(names, cohort_names)
    transposed = _is_transposed(path, header, names, individuals)
    if transposed:
        who, what_, columns = names, header, [list(column) for column in zip(*rows, strict=True)]
    else:
        who, what_, columns = header, names, rows

    def where(column: int, row: int) -> str:
        line = line_numbers[row if transposed else column]
        return f"covariate file {path}, line {line}, covariate {what_[column]}, individual {who[row]}"

    return pd.DataFrame(
        {name: _column(column, partial(where, i)) for i, (name, column) in enumerate(zip(what_, columns, strict=True))},
        index=pd.Index(who, name="individual"),
    ).rename_axis(columns="covariate")


def _with_names(table: pd.DataFrame, individuals: Collection[str] | None) -> pd.DataFrame:
    """Return a table whose index names the individuals, which may be in its first column."""
    if individuals is None or not isinstance(table.index, pd.RangeIndex) or not table.shape[1]:
        return table
    known = frozenset(individuals)
    first = table.columns[0]
    if known.intersection(map(str, table.index)) or not known.intersection(map(str, table[first])):
        return table
    return table.set_index(first)


def _read_file(path: Path) -> tuple[list[str], list[str], list[list[str]], list[int]]:
    """Return the header without its first field, the first column, the other fields and their lines."""
    lines = list(split_lines(path, "covariate file"))
    if not lines:
        raise InputFileError(f"covariate file {path} is empty; {_LAYOUT}")
    number, header = lines[0]
    plain = [re.sub(r"[^a-z]", "", field.lower()) for field in header[:2]]
    if plain == ["fid", "iid"]:
        lines = [(line, fields[1:]) for line, fields in lines]
    elif len(header) > 2 and all(_is_number(field) and "." in field for field in header[2:]):
        # PLINK 1.9 writes .eigenvec without a header: FID IID and then the components.
        lines = [(line, fields[1:]) for line, fields in lines]
        lines.insert(0, (number, ["IID", *(f"PC{i + 1}" for i in range(len(header) - 2))]))
    header = lines[0][1]
    if len(lines) > 1 and all(len(fields) == len(header) + 1 for _, fields in lines[1:]):
        header = ["", *header]  # R's write.table writes no name above the row names.
    if len(header) < 2:
        raise InputFileError(f"covariate file {path}, line {number}: one column only; {_LAYOUT}")
    if len(lines) == 1:
        raise InputFileError(f"covariate file {path} has no covariate; {_LAYOUT}")
    for line, fields in lines[1:]:
        if len(fields) != len(header):
            raise InputFileError(
                f"covariate file {path}, line {line}: {len(fields)} columns where the header has {len(header)}"
            )
    return (
        header[1:],
        [fields[0] for _, fields in lines[1:]],
        [fields[1:] for _, fields in lines[1:]],
        [line for line, _ in lines[1:]],
    )


def _is_number(text: str) -> bool:
    try:
        return not np.isnan(number_from_text(text))
    except ValueError:
        return False


def _without_family(names: list[str], individuals: frozenset[str]) -> list[str]:
    """Return names as they are, or without PLINK's leading ``FID_`` where only that makes them known."""
    if individuals.intersection(names):
        return names
    shorter = [name.split("_", 1)[1] if "_" in name else name for name in names]
    return shorter if individuals.intersection(shorter) and len(set(shorter)) == len(shorter) else names


def _is_transposed(path: Path, header: list[str], names: list[str], individuals: Collection[str] | None) -> bool:
    if individuals is None:
        return False
    expected = frozenset(individuals)
    in_header, in_rows = len(expected.intersection(header)), len(expected.intersection(names))
    if in_header == in_rows == 0:
        by_r = any(name[:1] == "X" and name[1:2].isdigit() and name[1:] in expected for name in [*header, *names])
        hint = ". R writes X before a name that begins with a digit; read and write with check.names=FALSE" * by_r
        raise InputFileError(
            f"covariate file {path}: neither its first line ({known_names(header, 3)}) nor its first "
            f"column ({known_names(names, 3)}) names an individual of the cohort "
            f"({known_names(sorted(expected), 3)}); use the same names of individuals in all files{hint}"
        )
    if in_header == in_rows:
        raise InputFileError(
            f"covariate file {path}: its first line and its first column name the same number of individuals of the "
            f"cohort ({in_header}), so its layout cannot be recognised; {_LAYOUT}"
        )
    return in_rows > in_header


def _column(texts: Sequence[str], where: Callable[[int], str]) -> npt.NDArray[np.float64] | list[str | None]:
    """Return a column as numbers, or as categories if most of its values are not numbers."""
    values = np.full(len(texts), np.nan)
    not_numbers = []
    for row, text in enumerate(texts):
        try:
            values[row] = number_from_text(text)
        except ValueError:
            not_numbers.append(row)
        if np.isinf(values[row]):
            raise InputFileError(f"{where(row)}: the value is infinite; expected a finite number")
    if not not_numbers:
        return values
    present = sum(not is_missing(text) for text in texts)
    if len(not_numbers) < (1 - _FEWEST_NUMBERS) * present:
        row = not_numbers[0]
        raise InputFileError(
            f"{where(row)}: {texts[row][:40]!r} is not a number, but {present - len(not_numbers)} of {present} values "
            "of this covariate are; write missing values as NA"
        )
    return [None if is_missing(text) else text for text in texts]


def from_frame(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of covariates with text names: numeric columns as float64, other columns as text or None."""
    for what, names in (("individual", table.index), ("covariate", table.columns)):
        if (twice := first_duplicate(map(str, names))) is not None:
            raise TableError(f"covariates: {what} {twice} occurs more than once; names must be unique")
    columns: dict[str, npt.NDArray[np.float64] | list[str | None]] = {}
    for name, column in table.items():
        if pd.api.types.is_numeric_dtype(column.dtype):
            values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        elif isinstance(column.dtype, pd.CategoricalDtype) or not all(
            isinstance(x, int | float) for x in column.dropna()
        ):
            missing = column.isna()
            columns[str(name)] = [None if m else str(value) for value, m in zip(column, missing, strict=True)]
            continue
        else:
            values = column.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
        if np.isinf(values).any():
            row = int(np.isinf(values).argmax())
            raise TableError(
                f"covariates: {name} is infinite for {int(np.isinf(values).sum())} individual(s), first "
                f"{table.index[row]}; expected finite numbers, or NaN for missing"
            )
        columns[str(name)] = values
    return pd.DataFrame(columns, index=pd.Index([str(name) for name in table.index], name="individual")).rename_axis(
        columns="covariate"
    )
