"""Covariates of individuals (sex, ancestry components, PEER factors): their files, encoding and span."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.cohort.text_tables import is_missing, number_from_text, split_lines
from pgxeval.errors import InputFileError, TableError
from pgxeval.names import first_duplicate, known_names

CONSTANT_SPREAD = 1e-12
"""Values whose spread is at most this fraction of their largest magnitude are constant."""

MISSING_COVARIATE = "a covariate is missing"
CONSTANT_COVARIATE = "constant covariate"
EMPTY_COVARIATE = "covariate missing for all individuals"

_FEWEST_NUMBERS = 0.5
_LAYOUT = (
    "expected the GTEx layout, a first line ID and the individuals and then one line per covariate, or its transpose"
)


def constant(values: npt.NDArray[np.float64], axis: int) -> npt.NDArray[np.bool_]:
    """Return where finite values do not vary along `axis`, except for rounding; NaN is ignored.

    Returns
    -------
    numpy.ndarray
        bool, without `axis`; also True where every value is NaN.
    """
    low = np.min(values, axis=axis, initial=np.inf, where=~np.isnan(values))
    high = np.max(values, axis=axis, initial=-np.inf, where=~np.isnan(values))
    varies: npt.NDArray[np.bool_] = high - low > CONSTANT_SPREAD * np.maximum(np.abs(low), np.abs(high))
    return ~varies


@attrs.frozen(kw_only=True, eq=False)
class Covariates:
    """Covariates that are ready to use, and what was excluded to get there.

    Parameters
    ----------
    table
        float64, one row per individual with complete covariates, one column per covariate; no NaN.
    exclusions
        (kind, name, reason): individuals with a missing covariate, covariates without any value.
    notes
        What a reader should know, such as the encoding of categories.
    """

    table: pd.DataFrame
    exclusions: tuple[tuple[str, str, str], ...] = ()
    notes: tuple[str, ...] = ()


def read_covariates(
    source: str | os.PathLike[str] | pd.DataFrame, individuals: Collection[str] | None = None
) -> pd.DataFrame:
    """Read a covariate table as it is: individuals in rows, covariates in columns, numbers or categories.

    Files may have covariates in rows and individuals in columns, as GTEx and tensorQTL write them, or one line
    per individual; the names of the individuals decide. PLINK's ``.eigenvec`` and ``.cov`` files (``FID IID`` and then
    the covariates, with or without a header) are recognised. Separators, quotes and spellings of missing values
    are those of `pgxeval.cohort.expression.read_expression`.

    Parameters
    ----------
    source
        Path of the file, or a DataFrame with one row per individual (its index) and one column per covariate.
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
    if isinstance(source, pd.DataFrame):
        return _from_frame(source)
    path = Path(source).expanduser()
    header, names, rows, line_numbers = _read_file(path)
    for what, group in (("header", header), ("first column", names)):
        if "" in group:
            raise InputFileError(f"covariate file {path}: a name in the {what} is empty")
        if (twice := first_duplicate(group)) is not None:
            raise InputFileError(f"covariate file {path}: {twice} occurs more than once in the {what}")
    if individuals is not None:
        known = frozenset(individuals)
        header, names = _without_family(header, known), _without_family(names, known)
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


def _without_family(names: list[str], known: frozenset[str]) -> list[str]:
    """Return names as they are, or without PLINK's leading ``FID_`` where only that makes them known."""
    if known.intersection(names):
        return names
    shorter = [name.split("_", 1)[1] if "_" in name else name for name in names]
    return shorter if known.intersection(shorter) and len(set(shorter)) == len(shorter) else names


def _is_transposed(path: Path, header: list[str], names: list[str], individuals: Collection[str] | None) -> bool:
    if individuals is None:
        return False
    known = frozenset(individuals)
    in_header, in_rows = len(known.intersection(header)), len(known.intersection(names))
    if in_header == in_rows == 0:
        raise InputFileError(
            f"covariate file {path}: neither its first line ({known_names(header, 3)}) nor its first "
            f"column ({known_names(names, 3)}) names an individual of the cohort "
            f"({known_names(sorted(known), 3)}); use the same names of individuals in all files"
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


def _from_frame(table: pd.DataFrame) -> pd.DataFrame:
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


def encode_covariates(table: pd.DataFrame, individuals: Sequence[str]) -> Covariates:
    """Make covariates complete and numeric: indicator columns for categories, incomplete individuals excluded.

    A covariate with k categories becomes k - 1 columns of 0 and 1; the first category in alphabetical order is the
    reference.

    Parameters
    ----------
    table
        As `read_covariates` returns it.
    individuals
        Individuals to encode; those without a row in `table` are ignored, so that missing values of individuals
        outside the cohort do not matter.

    Raises
    ------
    TableError
        If no individual has complete covariates, or a covariate has more categories than half of the individuals.
    """
    exclusions: list[tuple[str, str, str]] = []
    notes: list[str] = []
    present = frozenset(table.index)
    table = table.loc[[name for name in individuals if name in present]]
    empty = table.columns[table.isna().all(axis=0)]
    if len(table):
        exclusions += [("covariate", name, EMPTY_COVARIATE) for name in empty]
        table = table.drop(columns=empty)
    incomplete = table.isna().any(axis=1)
    exclusions += [("individual", name, MISSING_COVARIATE) for name in table.index[incomplete]]
    complete = table.loc[~incomplete]
    if len(complete) == 0 and len(table):
        worst = table.isna().sum().idxmax()
        raise TableError(
            f"covariates are complete for none of {len(table)} individuals; {worst} is missing for most of them "
            f"({int(table[worst].isna().sum())}): drop it"
        )
    columns: dict[str, npt.NDArray[np.float64]] = {}
    for name, column in complete.items():
        if pd.api.types.is_numeric_dtype(column.dtype):
            columns[str(name)] = column.to_numpy(dtype=np.float64)
            continue
        levels = sorted(set(column))
        if len(levels) > max(3, len(column) / 2):
            raise TableError(
                f"covariate {name} has {len(levels)} categories ({known_names(levels, 3)}) for {len(column)} "
                "individuals; drop it, or use groups= if it names families or donors"
            )
        for level in levels[1:] or levels:
            columns[f"{name}={level}"] = (column == level).to_numpy(dtype=np.float64)
        notes.append(
            f"covariate {name} has the categories {known_names(levels, 5)}: encoded as {len(levels) - 1} indicator "
            f"column(s) with {levels[0]} as the reference"
        )
    encoded = pd.DataFrame(columns, index=complete.index).rename_axis(columns="covariate")
    return Covariates(table=encoded, exclusions=tuple(exclusions), notes=tuple(notes))


def check_covariates(covariates: pd.DataFrame) -> pd.DataFrame:
    """Check that a covariate table is numeric and complete, and return a float64 copy whose names are strings.

    Raises
    ------
    TableError
        If an individual or a covariate occurs twice, or a value is missing, infinite or not a number.
    """
    table = _from_frame(covariates)
    for name, column in table.items():
        if not pd.api.types.is_numeric_dtype(column.dtype):
            raise TableError(
                f"covariates: {name} has values that are not numbers; Cohort.from_parts encodes categories as "
                "indicator columns"
            )
        if column.isna().any():
            raise TableError(
                f"covariates: {name} is missing for {int(column.isna().sum())} individual(s), first "
                f"{column.index[int(column.isna().to_numpy().argmax())]}; drop the individuals or the covariate, or "
                "impute it"
            )
    return table.astype(np.float64)


def covariate_basis(
    covariates: pd.DataFrame | npt.NDArray[np.float64] | None, n_individuals: int
) -> npt.NDArray[np.float64]:
    """Return an orthonormal basis of the intercept and the covariates.

    Covariates that are linear combinations of others (collinear ones, or a full set of batch indicators next to the
    intercept) add nothing: the number of columns is the rank.

    Parameters
    ----------
    covariates
        float64, one row per individual, without NaN; None for the intercept alone.
    n_individuals
        Number of individuals.

    Returns
    -------
    numpy.ndarray
        float64 (n_individuals, 1 + c), where c is the number of independent covariates in addition to the
        intercept; the first column is constant. ``y - Q @ (Q.T @ y)`` are the residuals of y.

    Examples
    --------
    >>> table = pd.DataFrame({"sex": [0., 1, 0, 1], "not_sex": [1., 0, 1, 0], "age": [30., 41, 52, 60]})
    >>> covariate_basis(table, 4).shape
    (4, 3)
    """
    intercept = np.full((n_individuals, 1), 1 / np.sqrt(n_individuals))
    if covariates is None or covariates.shape[1] == 0:
        return intercept
    values = np.asarray(covariates, dtype=np.float64)
    centred = values - values.mean(axis=0)
    scale = np.sqrt((centred**2).sum(axis=0))
    # A column whose spread is rounding noise would be blown up by its scaling.
    varies = scale > CONSTANT_SPREAD * np.abs(values).max(axis=0) * np.sqrt(n_individuals)
    if not varies.any():
        return intercept
    left, singular, _ = np.linalg.svd(centred[:, varies] / scale[varies], full_matrices=False)
    rank = int((singular > singular[0] * max(centred.shape) * np.finfo(np.float64).eps).sum())
    return np.hstack([intercept, left[:, :rank]])
