"""The columns of the predictions table, and the check that every such table passes once."""

from __future__ import annotations

import difflib
import math
import warnings
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.errors import PgxevalWarning, TableError
from pgxeval.names import known_names
from pgxeval.tables.files import KEYS, TISSUE

REQUIRED = (*KEYS, "prediction")
OPTIONAL = (TISSUE, "replicate", "fold", "training_mean", "reason")
COLUMNS = ("predictor", "gene_id", "individual", "replicate", "fold", "prediction", "training_mean", "reason")
"""Columns of a table of one tissue; one of several tissues has `TISSUE` after the predictor."""

# Duplicates are looked for in pieces, with one byte for each possible key while these stay few.
_CHUNK = 2**22
_MAX_BITMAP_PER_ROW = 4


def _canonical_names(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose required columns have their names, where they differ in case or blanks ("Gene_ID") only."""
    plain = {str(name).strip().lower().replace(" ", "_"): name for name in table.columns}
    changed = {plain[name]: name for name in REQUIRED if name not in table.columns and name in plain}
    return table.rename(columns=changed) if changed else table


def check_predictions(table: pd.DataFrame, source: str = "predictions table") -> pd.DataFrame:
    """Check a predictions table and return it in the declared columns and types.

    Parameters
    ----------
    table
        At least the columns predictor, gene_id, individual and prediction; replicate defaults to 0, fold
        and training_mean to NA (a zero-shot predictor), reason to NA. A column tissue is a further key. Other columns
        are ignored.
    source
        What to call the table in messages, such as a file name.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`, and tissue after predictor where the input has it; keys and reason categorical, replicate
        int16, fold Int16, prediction and training_mean float64 (NaN = no answer; NA for zero-shot). The input is not
        changed, and columns that have their declared type are not copied: with pandas 2, a value that is changed in the
        input afterwards changes in the result as well.

    Raises
    ------
    TableError
        Naming the column, row and value at fault: a missing column, a prediction that is not a number or
        is infinite, an empty key, identifiers read as decimal numbers, a negative replicate, a fold without
        training_mean or the reverse, a predictor with and without folds, a duplicate row.

    Warns
    -----
    PgxevalWarning
        If the name of an ignored column resembles that of an optional one ("Fold", "train_mean").
    """
    table = _canonical_names(table)
    missing = [name for name in REQUIRED if name not in table.columns]
    if missing:
        raise TableError(
            f"{source}: missing column(s) {', '.join(missing)}; it has "
            f"{known_names([str(name) for name in table.columns], 8)}. "
            f"Expected columns: {', '.join(REQUIRED)}; optional: {', '.join(OPTIONAL)}"
        )
    _warn_of_near_columns(table, source)
    names = COLUMNS if TISSUE not in table else (COLUMNS[0], TISSUE, *COLUMNS[1:])
    columns: dict[str, Any] = {name: _key(table[name], name, source) for name in keys_of(table)}
    n = len(table)
    columns["replicate"] = (
        _of_type(_whole(table["replicate"], "replicate", source), "int16")
        if "replicate" in table
        else np.zeros(n, dtype=np.int16)
    )
    columns["fold"] = (
        _of_type(_whole(table["fold"], "fold", source, allow_na=True), "Int16")
        if "fold" in table
        else pd.arrays.IntegerArray(np.zeros(n, dtype=np.int16), np.ones(n, dtype=bool))
    )
    columns["prediction"] = _number(table["prediction"], "prediction", source)
    columns["training_mean"] = (
        _number(table["training_mean"], "training_mean", source) if "training_mean" in table else np.full(n, np.nan)
    )
    columns["reason"] = _reason(table["reason"]) if "reason" in table else _no_reason(n)
    checked = pd.DataFrame({name: _renumbered(columns[name]) for name in names}, copy=False)
    _check_folds(checked, source)
    _check_duplicates(checked, source)
    return checked


def _renumbered(column: pd.Series | npt.NDArray[Any] | pd.api.extensions.ExtensionArray) -> pd.Series:
    """Return a column with rows numbered from 0; unlike `Series.reset_index`, pandas 2 copies nothing here."""
    renumbered = pd.Series(column, copy=False) if not isinstance(column, pd.Series) else column.copy(deep=False)
    renumbered.index = pd.RangeIndex(len(renumbered))
    return renumbered


def _of_type(column: pd.Series, name: Literal["int16", "Int16"]) -> pd.Series:
    return column if column.dtype == name else column.astype(name)


def keys_of(table: pd.DataFrame) -> tuple[str, ...]:
    """Return the names of the key columns of a table, but for the replicate."""
    return KEYS if TISSUE not in table else (KEYS[0], TISSUE, *KEYS[1:])


def _warn_of_near_columns(table: pd.DataFrame, source: str) -> None:
    for name in OPTIONAL:
        if name in table.columns:
            continue
        for other in map(str, table.columns):
            if other not in (*COLUMNS, TISSUE) and difflib.SequenceMatcher(None, name, other.lower()).ratio() > 0.75:
                warnings.warn(
                    f"{source}: column {other!r} is ignored; if it is meant as {name!r}, rename it",
                    PgxevalWarning,
                    stacklevel=3,
                )


def _rows(bad: npt.NDArray[np.bool_]) -> str:
    return f"{int(bad.sum())} row(s), the first is row {int(bad.argmax())} (counted from 0)"


def _codes(column: pd.Series) -> npt.NDArray[np.signedinteger[Any]]:
    # Series.cat.codes copies.
    return cast("pd.Categorical", column.array).codes


def _as_text(categories: pd.Index) -> list[str]:
    return [str(category) for category in categories]


def _categorical(column: pd.Series) -> pd.Series:
    return column if isinstance(column.dtype, pd.CategoricalDtype) else column.astype("category")


def _key(column: pd.Series, name: str, source: str) -> pd.Series:
    if pd.api.types.is_float_dtype(column.dtype):
        raise TableError(
            f"{source}: {name} holds decimal numbers ({column.dtype}), so that 007 would have become 7.0; "
            "read identifiers as strings"
        )
    keys = _categorical(column)
    if len(keys) and not all(isinstance(category, str) for category in keys.cat.categories):
        names = _as_text(keys.cat.categories)
        if len(set(names)) < len(names):
            raise TableError(f"{source}: {name} mixes numbers and texts that read the same; use strings alone")
        keys = keys.cat.rename_categories(names)
    codes = _codes(keys)
    empty = codes < 0
    if "" in keys.cat.categories:
        empty = empty | (codes == keys.cat.categories.get_loc(""))
    if empty.any():
        raise TableError(f"{source}: {name} is empty in {_rows(empty)}; every row needs one")
    return keys


def _reason(column: pd.Series) -> pd.Series:
    reasons = _categorical(column)
    if not all(isinstance(category, str) for category in reasons.cat.categories):
        # Different objects may read the same, so texts are made before categories.
        reasons = column.astype(object).map(str, na_action="ignore").astype("category")
    if "" in reasons.cat.categories:
        reasons = reasons.cat.remove_categories([""])
    return reasons if len(reasons.cat.categories) else _no_reason(len(column))


def _no_reason(n: int) -> pd.Series:
    # Without a single category Parquet would forget that reasons are texts.
    categories = pd.Index(["no reason"])
    return pd.Series(pd.Categorical.from_codes(np.full(n, -1, dtype=np.int8), categories=categories))


def _number(column: pd.Series, name: str, source: str) -> pd.Series:
    if pd.api.types.is_numeric_dtype(column.dtype):
        numbers = column if column.dtype == np.float64 else column.astype("float64")
    else:
        numbers = pd.to_numeric(column.astype(object), errors="coerce").astype("float64")
        bad = (numbers.isna() & column.notna()).to_numpy()
        if bad.any():
            value = column.iloc[int(bad.argmax())]
            raise TableError(f"{source}: {name} is not a number in {_rows(bad)}: {value!r}")
    infinite = np.isinf(numbers.to_numpy())
    if infinite.any():
        raise TableError(
            f"{source}: {name} is infinite in {_rows(infinite)}; give a finite number, or NaN with a reason"
        )
    return numbers


def _whole(column: pd.Series, name: str, source: str, *, allow_na: bool = False) -> pd.Series:
    missing = column.isna().to_numpy()
    if pd.api.types.is_integer_dtype(column.dtype):
        numbers = column
    else:
        numbers = _number(column, name, source)
        values = numbers.to_numpy()
        fraction = ~missing & (values != np.floor(values))
        if fraction.any():
            value = column.iloc[int(fraction.argmax())]
            raise TableError(f"{source}: {name} is not a whole number in {_rows(fraction)}: {value!r}")
    if missing.any() and not allow_na:
        raise TableError(f"{source}: {name} is empty in {_rows(missing)}; 0 is the observed pairing")
    smallest, largest = numbers.min(), numbers.max()
    if not pd.isna(smallest) and (smallest < 0 or largest > np.iinfo(np.int16).max):
        raise TableError(f"{source}: {name} must lie in 0..32767, got {smallest:.0f}..{largest:.0f}")
    return numbers


def _check_folds(table: pd.DataFrame, source: str) -> None:
    folded = table["fold"].notna().to_numpy()
    trained = ~np.isnan(table["training_mean"].to_numpy())
    if not folded.any() and not trained.any():
        return
    predicted = ~np.isnan(table["prediction"].to_numpy())
    without = folded & predicted & ~trained
    if without.any():
        raise TableError(
            f"{source}: cross-fitted predictions have a fold but no training_mean in {_rows(without)} "
            f"({_gene_at(table, without)}); supply the mean expression of the training "
            "individuals of the fold, which is subtracted where single individuals are shown"
        )
    without = trained & predicted & ~folded
    if without.any():
        raise TableError(
            f"{source}: predictions have a training_mean but no fold in {_rows(without)} ({_gene_at(table, without)}); "
            "a cross-fitted predictor records the fold of each row, a zero-shot one has neither"
        )
    codes = _codes(table["predictor"])
    names = table["predictor"].cat.categories
    both = [
        name
        for code, name in enumerate(names)
        if ((mine := codes == code) & predicted & folded).any() and (mine & predicted & ~folded).any()
    ]
    if both:
        raise TableError(
            f"{source}: predictor {both[0]} has predictions with a fold and without one; a predictor is either "
            "cross-fitted or zero-shot, so give the two different names"
        )


def _gene_at(table: pd.DataFrame, bad: npt.NDArray[np.bool_]) -> str:
    row = int(bad.argmax())
    return f"predictor {table['predictor'].iloc[row]}, gene {table['gene_id'].iloc[row]}"


def _check_duplicates(table: pd.DataFrame, source: str) -> None:
    n = len(table)
    if n == 0:
        return
    names = keys_of(table)
    keys = [(_codes(table[name]), len(table[name].cat.categories)) for name in names]
    keys.append((table["replicate"].to_numpy(), int(table["replicate"].max()) + 1))
    combinations = math.prod(size for _, size in keys)
    if combinations <= _MAX_BITMAP_PER_ROW * n + _CHUNK:
        seen = np.zeros(combinations, dtype=bool)
        for start in range(0, n, _CHUNK):
            seen[_flat(keys, slice(start, start + _CHUNK))] = True
        unique = int(np.count_nonzero(seen)) == n
    else:
        # Numbers too large for an int64 wrap around: equal keys stay equal, and false alarms are looked into below.
        flat = np.concatenate([_flat(keys, slice(start, start + _CHUNK)) for start in range(0, n, _CHUNK)])
        flat.sort()
        unique = not np.any(flat[1:] == flat[:-1])
    if unique:
        return
    duplicated = table.duplicated([*names, "replicate"]).to_numpy()
    if not duplicated.any():
        return
    row = int(duplicated.argmax())
    first = table.iloc[row]
    raise TableError(
        f"{source}: duplicate keys in {_rows(duplicated)}: predictor {first['predictor']}, {_tissue(first)}"
        f"gene {first['gene_id']}, individual {first['individual']}, replicate {first['replicate']}; "
        f"one row per ({', '.join(names)}, replicate) is allowed"
    )


def _tissue(row: pd.Series) -> str:
    return f"tissue {row[TISSUE]}, " if TISSUE in row else ""


def _flat(keys: list[tuple[npt.NDArray[Any], int]], rows: slice) -> npt.NDArray[np.int64]:
    """Return one integer for each row that only rows with the same keys share."""
    flat = np.zeros(len(keys[0][0][rows]), dtype=np.int64)
    for codes, size in keys:
        flat *= size
        flat += codes[rows]
    return flat
