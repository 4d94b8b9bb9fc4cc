"""Covariates of individuals (sex, ancestry components, PEER factors): their encoding and span."""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.cohort.covariate_files import from_frame
from pgxeval.errors import TableError
from pgxeval.names import known_names

CONSTANT_SPREAD = 1e-12
"""Values whose spread is at most this fraction of their largest magnitude are constant."""

_PLINK_MISSING = -9
_MOST_CODES = 30
_CODED = re.compile(r"batch|plate|cent(er|re)|site|pool|lane|platform|array|protocol|group|flowcell")
_DECIMAL_COMMA = re.compile(r"-?\d+,\d+")
MISSING_COVARIATE = "a covariate is missing"
CONSTANT_COVARIATE = "constant covariate"
EMPTY_COVARIATE = "covariate missing for all individuals"


def constant(
    values: npt.NDArray[np.float64], axis: int, size: npt.NDArray[np.float64] | None = None
) -> npt.NDArray[np.bool_]:
    """Return where finite values do not vary along `axis`, except for rounding; NaN is ignored.

    Parameters
    ----------
    values
        float64.
    axis
        Axis of one variable.
    size
        float64, without `axis`: magnitude of the numbers that the values were computed from, such as the expression
        whose residuals they are. None takes the largest magnitude of the values.

    Returns
    -------
    numpy.ndarray
        bool, without `axis`; also True where every value is NaN.
    """
    low = np.min(values, axis=axis, initial=np.inf, where=~np.isnan(values))
    high = np.max(values, axis=axis, initial=-np.inf, where=~np.isnan(values))
    magnitude = np.maximum(np.abs(low), np.abs(high)) if size is None else size
    varies: npt.NDArray[np.bool_] = high - low > CONSTANT_SPREAD * magnitude
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
            notes += _doubts(str(name), columns[str(name)])
            continue
        levels = sorted(set(column))
        if len(levels) > max(3, len(column) / 2):
            commas = all(_DECIMAL_COMMA.fullmatch(str(level)) for level in levels)
            raise TableError(
                f"covariate {name} has {len(levels)} categories ({known_names(levels, 3)}) for {len(column)} "
                "individuals; "
                + (
                    "write decimal points, not commas"
                    if commas
                    else "drop it, or use groups= if it names families or donors"
                )
            )
        for level in levels[1:] or levels:
            columns[f"{name}={level}"] = (column == level).to_numpy(dtype=np.float64)
        notes.append(
            f"covariate {name} has the categories {known_names(levels, 5)}: encoded as {len(levels) - 1} indicator "
            f"column(s) with {levels[0]} as the reference"
        )
    encoded = pd.DataFrame(columns, index=complete.index).rename_axis(columns="covariate")
    return Covariates(table=encoded, exclusions=tuple(exclusions), notes=tuple(notes))


def _doubts(name: str, values: npt.NDArray[np.float64]) -> list[str]:
    """Return notes on numbers that may be codes: PLINK's -9 for a missing value, and numbered batches."""
    distinct = np.unique(values)
    others = distinct[distinct != _PLINK_MISSING]
    if len(others) < len(distinct) and len(others) and others[0] >= 0:
        return [
            f"covariate {name} is -9 in {int((values == _PLINK_MISSING).sum())} individual(s), as PLINK writes missing "
            "values, and is used as a number: write NA if they are missing"
        ]
    if _CODED.search(name.lower()) and 3 <= len(distinct) <= _MOST_CODES and (distinct == np.round(distinct)).all():
        return [
            f"covariate {name} has {len(distinct)} whole numbers and is used as a number; if they are codes of "
            "categories, write them as text (b1, b2 ...)"
        ]
    return []


def check_covariates(covariates: pd.DataFrame) -> pd.DataFrame:
    """Check that a covariate table is numeric and complete, and return a float64 copy whose names are strings.

    Raises
    ------
    TableError
        If an individual or a covariate occurs twice, or a value is missing, infinite or not a number.
    """
    table = from_frame(covariates)
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
    # by a power of two, so that squares neither overflow nor vanish
    values = np.ldexp(values, -np.frexp(np.abs(values).max(axis=0))[1])
    centred = values - values.mean(axis=0)
    scale = np.sqrt((centred**2).sum(axis=0))
    # A column whose spread is rounding noise would be blown up by its scaling.
    varies = ~constant(values, axis=0)
    if not varies.any():
        return intercept
    left, singular, _ = np.linalg.svd(centred[:, varies] / scale[varies], full_matrices=False)
    rank = int((singular > singular[0] * max(centred.shape) * np.finfo(np.float64).eps).sum())
    return np.hstack([intercept, left[:, :rank]])
