"""Covariates of individuals (sex, ancestry components, PEER factors): their files and their span."""

from __future__ import annotations

import os
from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.cohort.expression import number_from_text
from pgxeval.errors import InputFileError, TableError
from pgxeval.lines import numbered_lines
from pgxeval.names import first_duplicate

CONSTANT_SPREAD = 1e-12
"""A row whose spread is at most this fraction of its largest magnitude is constant."""


def constant(values: npt.NDArray[np.float64], axis: int) -> npt.NDArray[np.bool_]:
    """Tell along `axis` where finite values do not vary, but for rounding; NaN is left out of account.

    Returns
    -------
    numpy.ndarray
        bool, without `axis`; True as well where every value is NaN.
    """
    low = np.min(values, axis=axis, initial=np.inf, where=~np.isnan(values))
    high = np.max(values, axis=axis, initial=-np.inf, where=~np.isnan(values))
    varies: npt.NDArray[np.bool_] = high - low > CONSTANT_SPREAD * np.maximum(np.abs(low), np.abs(high))
    return ~varies


def read_covariates(path: str | os.PathLike[str], individuals: Collection[str] | None = None) -> pd.DataFrame:
    """Read a covariate table in the manner of GTEx: covariates in rows, individuals in columns.

    The first line names the individuals (its first field, ``ID`` say, is not looked at), every other line
    a covariate. The transposed table, an individual a line, is recognised by the names of the individuals.

    Parameters
    ----------
    path
        Tab-separated text (comma-separated where the first line has no tab), plain or gzipped.
    individuals
        Names to recognise individuals by. None takes the table to be in the GTEx layout.

    Returns
    -------
    pandas.DataFrame
        float64, one row an individual (index ``individual``), one column a covariate, in file order.
        Covariates that do not vary, or follow from others, are kept: who is in the cohort decides that.

    Raises
    ------
    InputFileNotFoundError
        If there is no such file.
    InputFileError
        Naming line, covariate and individual: a missing value, one that is no finite number, a name twice,
        a line with too few or too many columns; or a table in which no name is one of `individuals`.
    """
    header: list[str] = []
    names: list[str] = []
    line_numbers: list[int] = []
    rows: list[list[str]] = []
    separator = "\t"
    for number, line in numbered_lines(path, "covariate file"):
        if not line:
            continue
        if not header:
            separator = "\t" if "\t" in line else ","
            header = line.split(separator)[1:]
            if not header:
                raise InputFileError(f"covariate file {path}, line {number}: one column only; {_LAYOUT}")
            continue
        name, *fields = line.split(separator)
        if len(fields) != len(header):
            hint = (
                "; the header seems to lack a field above the first column (R's write.table writes so: "
                "use col.names=NA)"
                if len(fields) == len(header) + 1
                else ""
            )
            raise InputFileError(
                f"covariate file {path}, line {number}: {len(fields) + 1} columns where the header has "
                f"{len(header) + 1}{hint}"
            )
        names.append(name)
        line_numbers.append(number)
        rows.append(fields)
    if not rows:
        raise InputFileError(f"covariate file {path} holds no covariate; {_LAYOUT}")
    for what, group in (("header", header), ("first column", names)):
        if "" in group:
            raise InputFileError(f"covariate file {path}: a name in the {what} is empty")
        if (twice := first_duplicate(group)) is not None:
            raise InputFileError(f"covariate file {path}: {twice} occurs more than once in the {what}")
    transposed = _is_transposed(path, header, names, individuals)
    values = np.empty((len(rows), len(header)))
    for i, fields in enumerate(rows):
        for j, text in enumerate(fields):
            values[i, j] = _number(path, line_numbers[i], text, *(_pair(header[j], names[i], transposed)))
    who, what_ = (names, header) if transposed else (header, names)
    return pd.DataFrame(
        values if transposed else values.T.copy(),
        index=pd.Index(who, name="individual"),
        columns=pd.Index(what_, name="covariate"),
    )


_LAYOUT = (
    "wanted is the GTEx layout: a first line ID and the individuals, then a line for each covariate (or its transpose)"
)


def _pair(column: str, row: str, transposed: bool) -> tuple[str, str]:
    return (column, row) if transposed else (row, column)


def _is_transposed(
    path: str | os.PathLike[str], header: list[str], names: list[str], individuals: Collection[str] | None
) -> bool:
    if individuals is None:
        return False
    known = frozenset(individuals)
    in_header, in_rows = len(known.intersection(header)), len(known.intersection(names))
    if in_header == in_rows == 0:
        raise InputFileError(
            f"covariate file {path}: neither its first line ({', '.join(header[:3])} ...) nor its first "
            f"column ({', '.join(names[:3])} ...) names an individual of the cohort "
            f"({', '.join(sorted(known)[:3])} ...); give the individuals the same names in all files"
        )
    if in_header == in_rows:
        raise InputFileError(
            f"covariate file {path}: its first line and its first column name as many individuals of the "
            f"cohort ({in_header}), so its layout cannot be told; {_LAYOUT}"
        )
    return in_rows > in_header


def _number(path: str | os.PathLike[str], number: int, text: str, covariate: str, individual: str) -> float:
    where = f"covariate file {path}, line {number}, covariate {covariate}, individual {individual}"
    try:
        value = number_from_text(text)
    except ValueError:
        raise InputFileError(
            f"{where}: {text[:40]!r} is not a number; code categories as numbers (0 and 1 for two of them)"
        ) from None
    if np.isnan(value):
        raise InputFileError(
            f"{where}: the value is missing; drop the individual or the covariate from the file, or impute it"
        )
    if np.isinf(value):
        raise InputFileError(f"{where}: the value is infinite; a finite number is wanted")
    return value


def check_covariates(covariates: pd.DataFrame) -> pd.DataFrame:
    """Check a covariate table (individuals in rows) and return a float64 copy whose names are strings.

    Raises
    ------
    TableError
        If an individual or a covariate occurs twice, or a value is missing, infinite or no number.
    """
    for what, names in (("individual", covariates.index), ("covariate", covariates.columns)):
        if (twice := first_duplicate(map(str, names))) is not None:
            raise TableError(f"covariates: {what} {twice} occurs more than once; names are unique")
    columns = {}
    for name, column in covariates.items():
        try:
            columns[str(name)] = column.to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError):
            raise TableError(
                f"covariates: {name} holds values that are not numbers (dtype {column.dtype}); "
                "code categories as numbers (0 and 1 for two of them)"
            ) from None
        bad = ~np.isfinite(columns[str(name)])
        if bad.any():
            raise TableError(
                f"covariates: {name} is missing or infinite for {int(bad.sum())} individual(s), first "
                f"{covariates.index[int(bad.argmax())]}; drop the individuals or the covariate, or impute it"
            )
    return pd.DataFrame(
        columns,
        index=pd.Index([str(name) for name in covariates.index], name="individual"),
        dtype=np.float64,
    ).rename_axis(columns="covariate")


def covariate_basis(covariates: pd.DataFrame | None, n_individuals: int) -> npt.NDArray[np.float64]:
    """Return an orthonormal basis of the intercept and the covariates.

    Covariates that follow from others (collinear ones, or a full set of batch indicators beside the
    intercept) add nothing: the number of columns is the rank.

    Parameters
    ----------
    covariates
        float64, one row an individual, free of NaN; None for the intercept alone.
    n_individuals
        Number of individuals.

    Returns
    -------
    numpy.ndarray
        float64 (n_individuals, 1 + c), where c is the number of independent covariates beside the
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
    values = covariates.to_numpy(dtype=np.float64)
    centred = values - values.mean(axis=0)
    scale = np.sqrt((centred**2).sum(axis=0))
    # A column whose spread is rounding noise would be blown up by its scaling.
    varies = scale > CONSTANT_SPREAD * np.abs(values).max(axis=0) * np.sqrt(n_individuals)
    if not varies.any():
        return intercept
    left, singular, _ = np.linalg.svd(centred[:, varies] / scale[varies], full_matrices=False)
    rank = int((singular > singular[0] * max(centred.shape) * np.finfo(np.float64).eps).sum())
    return np.hstack([intercept, left[:, :rank]])
