"""Track tables: one row per output track of a sequence model, with the columns of the contract."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pgxeval.errors import TableError
from pgxeval.names import known_names

# Columns of a track table and their defaults; name and bin_width_bp are required.
TRACK_COLUMNS: Mapping[str, str | int | None] = {
    "name": None,
    "assay": "",
    "tissue": "",
    "gtex_tissue": "",
    "ontology": "",
    "strand": ".",
    "pair": -1,
    "bin_width_bp": None,
    "scale": "linear",
}

_WHOLE_COLUMNS = ("pair", "bin_width_bp")


def make_track_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a checked track table with all columns of the contract; the row number is the track number.

    Parameters
    ----------
    table
        The columns `name` (text) and `bin_width_bp` (whole number above 0) are required. Other columns get defaults
        where they are missing: `assay`, `tissue`, `gtex_tissue` (name used by GTEx) and `ontology` (a term such as
        ``EFO:0002784``) are text, empty where unknown; `strand` is ``"+"``, ``"-"`` or ``"."`` (both); `pair` is the
        row of the same track on the other strand (the row itself for ``"."``, -1 for none); `scale` is ``"linear"``
        where the values of bins may be added up, else the name of the scale. Additional columns are kept.

    Returns
    -------
    pandas.DataFrame
        A copy with a default index and the columns above first.

    Raises
    ------
    TableError
        If a required column is missing, a name is empty, a strand or width is not allowed, or pairs do not match.

    Examples
    --------
    >>> table = make_track_table(pd.DataFrame({"name": ["RNA"], "bin_width_bp": [128]}))
    >>> table[["name", "strand", "pair"]]
      name strand  pair
    0  RNA      .     0
    """
    if not isinstance(table, pd.DataFrame):
        raise TableError(f"tracks must be a pandas.DataFrame with one row per track, got {type(table).__name__}")
    missing = [name for name, default in TRACK_COLUMNS.items() if default is None and name not in table.columns]
    if missing:
        names = known_names([str(name) for name in table.columns])
        raise TableError(f"track table lacks {' and '.join(missing)}; it has {names}")
    full = table.reset_index(drop=True).copy()
    rows = np.arange(len(full))
    for name, default in TRACK_COLUMNS.items():
        if name not in full.columns:
            full[name] = default
        if name in _WHOLE_COLUMNS:
            full[name] = _whole_numbers(full[name])
        else:
            full[name] = full[name].astype(object).where(full[name].notna(), default or "").astype(str)
    if "pair" not in table.columns:
        full["pair"] = np.where(full["strand"] == ".", rows, -1)
    check_track_table(full)
    return full[[*TRACK_COLUMNS, *(name for name in full.columns if name not in TRACK_COLUMNS)]]


def _whole_numbers(column: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce")
    if numbers.isna().any() or (numbers % 1 != 0).any():
        raise TableError(f"track table: {column.name} must hold whole numbers; see row {_first_fraction(numbers)}")
    return numbers.astype(np.int64)


def _first_fraction(numbers: pd.Series) -> int:
    return int((numbers.isna() | (numbers % 1 != 0)).argmax())


def check_track_table(table: pd.DataFrame) -> None:
    """Refuse a track table whose values contradict each other."""

    def refuse(wrong: pd.Series, what: str) -> None:
        if wrong.any():
            raise TableError(f"track table: {what} in {int(wrong.sum())} rows, the first is row {int(wrong.argmax())}")

    refuse(table["name"].str.strip() == "", "the name is empty")
    refuse(table["bin_width_bp"] < 1, "bin_width_bp is below 1")
    refuse(~table["strand"].isin(["+", "-", "."]), 'strand is not one of "+", "-" and "."')
    pair = table["pair"].to_numpy()
    refuse(pd.Series((pair < -1) | (pair >= len(table))), "pair is not a row of the table (-1: none)")
    rows = np.arange(len(table))
    has = pair >= 0
    opposite = {"+": "-", "-": "+", ".": "."}
    strand = table["strand"].to_numpy(dtype=object)
    mutual = np.where(has, pair[pair] == rows, True)
    turned = np.array(
        [not h or opposite[s] == strand[p] for h, s, p in zip(has, strand, pair, strict=True)], dtype=bool
    )
    refuse(pd.Series(~mutual), "pair is not mutual")
    refuse(pd.Series(~turned), "pair is not the opposite strand")
