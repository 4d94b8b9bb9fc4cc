"""Tables of other libraries, as pandas DataFrames."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

import pandas as pd

from pgxeval.errors import SettingError, TableError


@runtime_checkable
class ConvertsToPandas(Protocol):
    """A table of another library, such as `polars.DataFrame` or `pyarrow.Table`."""

    def to_pandas(self) -> pd.DataFrame:
        """Return the table as a pandas DataFrame."""
        ...


TableLike: TypeAlias = pd.DataFrame | ConvertsToPandas


def to_pandas(table: TableLike) -> pd.DataFrame:
    """Return a table of any of the known libraries as a pandas DataFrame.

    Raises
    ------
    TableError
        If it is not a table.
    """
    if isinstance(table, pd.DataFrame):
        return table
    if isinstance(table, ConvertsToPandas):
        frame = table.to_pandas()
        if isinstance(frame, pd.DataFrame):
            return frame
    raise TableError(f"expected a table (a pandas or polars DataFrame, or a pyarrow Table), got {type(table).__name__}")


def table_or_path(source: TableLike | str | os.PathLike[str], what: str) -> pd.DataFrame | Path:
    """Return a table as a DataFrame, or the path of its file.

    Raises
    ------
    SettingError
        If it is neither.
    """
    if isinstance(source, str | os.PathLike):
        return Path(source).expanduser()
    if isinstance(source, pd.DataFrame | ConvertsToPandas):
        return to_pandas(source)
    raise SettingError(  # a caller without types
        f"{what} must be the path of a file or a table (a pandas or polars DataFrame, or a pyarrow Table), got a "
        f"{type(source).__name__}"
    )
