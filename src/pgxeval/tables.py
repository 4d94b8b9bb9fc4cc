"""The predictions table: the contract between those who predict and those who judge."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pandas as pd

from pgxeval.errors import InputFileError, InputFileNotFoundError, TableError

KEYS = ("predictor", "gene_id", "individual")
REQUIRED = (*KEYS, "prediction")
COLUMNS = ("predictor", "gene_id", "individual", "replicate", "fold", "prediction", "training_mean", "reason")


def check_predictions(table: pd.DataFrame, source: str = "predictions table") -> pd.DataFrame:
    """Check a predictions table at the door and return it in the declared columns and types.

    Parameters
    ----------
    table
        At least the columns predictor, gene_id, individual and prediction; replicate defaults to 0, fold
        and training_mean to NA (a zero-shot predictor), reason to NA.
    source
        What to call the table in messages: a file name, say.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`; keys and reason categorical, replicate int16, fold Int16, prediction and
        training_mean float64 (NaN = cannot say; NA for zero-shot). The input is left as it was.

    Raises
    ------
    TableError
        Naming the column, row and value at fault: a missing column, a prediction that is not a number or
        is infinite, an empty key, a negative replicate, a fold without training_mean, a duplicate row.
    """
    missing = [name for name in REQUIRED if name not in table.columns]
    if missing:
        raise TableError(
            f"{source}: missing column(s) {', '.join(missing)}; it has {', '.join(map(str, table.columns))}. "
            f"Needed are {', '.join(REQUIRED)}; optional are replicate, fold, training_mean, reason"
        )
    columns: dict[str, Any] = {name: _key(table[name], name, source) for name in KEYS}
    n = len(table)
    columns["replicate"] = (
        _whole(table["replicate"], "replicate", source).astype("int16")
        if "replicate" in table
        else np.zeros(n, dtype=np.int16)
    )
    columns["fold"] = (
        _whole(table["fold"], "fold", source, allow_na=True).astype("Int16")
        if "fold" in table
        else pd.array([pd.NA] * n, dtype="Int16")
    )
    columns["prediction"] = _number(table["prediction"], "prediction", source)
    columns["training_mean"] = (
        _number(table["training_mean"], "training_mean", source)
        if "training_mean" in table
        else np.full(n, np.nan)
    )
    reason = table["reason"] if "reason" in table else pd.Series([None] * n, index=table.index, dtype=object)
    columns["reason"] = reason if isinstance(reason.dtype, pd.CategoricalDtype) else reason.astype("category")
    checked = pd.DataFrame(
        {name: pd.Series(columns[name]).reset_index(drop=True) for name in COLUMNS}, copy=False
    )
    _check_folds(checked, source)
    _check_duplicates(checked, source)
    return checked


def _key(column: pd.Series, name: str, source: str) -> pd.Series:
    empty = column.isna()
    if empty.any():
        row = int(np.flatnonzero(empty.to_numpy())[0])
        raise TableError(f"{source}: {name} is empty in {int(empty.sum())} row(s), first in row {row}")
    if isinstance(column.dtype, pd.CategoricalDtype):
        categories = column.cat.categories
        return (
            column
            if pd.api.types.is_string_dtype(categories)
            else column.cat.rename_categories(list(categories.astype(str)))
        )
    return column.astype(str).astype("category")


def _number(column: pd.Series, name: str, source: str) -> pd.Series:
    if pd.api.types.is_numeric_dtype(column.dtype):
        numbers = column.astype("float64") if column.dtype != np.float64 else column
    else:
        numbers = pd.to_numeric(column, errors="coerce").astype("float64")
        bad = numbers.isna() & column.notna()
        if bad.any():
            row = int(np.flatnonzero(bad.to_numpy())[0])
            raise TableError(f"{source}: {name} in row {row} is {column.iloc[row]!r}, not a number")
    infinite = np.isinf(numbers.to_numpy())
    if infinite.any():
        row = int(np.flatnonzero(infinite)[0])
        raise TableError(
            f"{source}: {name} is infinite in {int(infinite.sum())} row(s), first in row {row}; "
            "give a finite number, or NaN with a reason"
        )
    return numbers


def _whole(column: pd.Series, name: str, source: str, *, allow_na: bool = False) -> pd.Series:
    if pd.api.types.is_integer_dtype(column.dtype) and not column.isna().any():
        numbers = column
    else:
        numbers = _number(column, name, source)
        values = numbers.to_numpy(dtype="float64", na_value=np.nan)
        bad = (np.isnan(values) & (not allow_na)) | (values != np.floor(values)) & ~np.isnan(values)
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise TableError(f"{source}: {name} in row {row} is {column.iloc[row]!r}, not a whole number")
        if allow_na:
            numbers = numbers.astype("Float64").astype("Int64")
    smallest = numbers.min()
    if len(numbers) and not pd.isna(smallest) and (smallest < 0 or numbers.max() > np.iinfo(np.int16).max):
        raise TableError(f"{source}: {name} must lie in 0..32767, got {smallest}..{numbers.max()}")
    return numbers


def _check_folds(table: pd.DataFrame, source: str) -> None:
    folded = table["fold"].notna().to_numpy()
    if not folded.any():
        return
    without = folded & np.isnan(table["training_mean"].to_numpy()) & ~np.isnan(table["prediction"].to_numpy())
    if without.any():
        row = int(np.flatnonzero(without)[0])
        raise TableError(
            f"{source}: {int(without.sum())} cross-fitted row(s) have a fold but no training_mean, first row "
            f"{row} (predictor {table['predictor'].iloc[row]}, gene {table['gene_id'].iloc[row]}); the mean "
            "training expression of the fold is needed to centre predictions, or a null gene looks anti-predicted"
        )


def _check_duplicates(table: pd.DataFrame, source: str) -> None:
    flat = np.zeros(len(table), dtype=np.int64)
    for name in (*KEYS, "replicate"):
        if name == "replicate":
            codes, size = table[name].to_numpy(), int(table[name].max()) + 1 if len(table) else 1
        else:
            codes, size = table[name].cat.codes.to_numpy(), len(table[name].cat.categories)
        flat *= max(size, 1)
        flat += codes
    if np.all(flat[1:] > flat[:-1]):
        return
    flat.sort()
    if np.any(flat[1:] == flat[:-1]):
        duplicated = table.duplicated([*KEYS, "replicate"]).to_numpy()
        row = int(np.flatnonzero(duplicated)[0])
        first = table.iloc[row]
        raise TableError(
            f"{source}: {int(duplicated.sum())} duplicate row(s), first row {row}: predictor {first['predictor']}, "
            f"gene {first['gene_id']}, individual {first['individual']}, replicate {first['replicate']}; "
            "one row per (predictor, gene_id, individual, replicate) is allowed"
        )


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name + ".json")


@attrs.frozen(kw_only=True, eq=False)
class Predictions:
    """A checked predictions table and the settings that each predictor ran with.

    Parameters
    ----------
    table
        One row per (predictor, gene_id, individual, replicate), columns as `check_predictions` returns
        them. In replicate 0 the prediction of ``individual`` was made from that individual's own genotypes;
        in replicate 1 and up from those of another, the partner in one joint permutation of the cohort
        (`pgxeval.seeding.permute_individuals`), so that each row is always compared with the measured
        expression of ``individual``.
    settings
        Predictor name -> JSON-able settings: asked, used, versions, cross-fitting, seed.

    Examples
    --------
    >>> import pandas as pd
    >>> predictions = Predictions.from_table(pd.DataFrame({
    ...     "predictor": "mine", "gene_id": "G1", "individual": ["007", "NA"], "prediction": [0.5, 1.5]}))
    >>> predictions.predictors
    ('mine',)
    >>> predictions.table["individual"].tolist()
    ['007', 'NA']
    """

    table: pd.DataFrame = attrs.field(repr=False)
    settings: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict, repr=False)

    @classmethod
    def from_table(
        cls,
        table: pd.DataFrame,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        source: str = "predictions table",
    ) -> Predictions:
        """Check `table` (see `check_predictions`) and wrap it."""
        return cls(table=check_predictions(table, source), settings=dict(settings or {}))

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Predictions:
        """Read a Parquet, CSV or TSV file (``.csv.gz`` and ``.tsv.gz`` too) and its JSON sidecar, if any.

        Identifiers are read as strings: an individual called ``NA`` or ``007`` survives.

        Raises
        ------
        InputFileNotFoundError
            If there is no such file.
        InputFileError
            If the file cannot be read as its name says.
        TableError
            If the table does not keep the contract.
        """
        path = Path(path)
        if not path.exists():
            raise InputFileNotFoundError(f"predictions file {path} does not exist")
        settings: dict[str, Any] = {}
        try:
            table = pd.read_parquet(path) if path.suffix == ".parquet" else _read_text(path)
            if _sidecar(path).exists():
                settings = json.loads(_sidecar(path).read_text())
        except (OSError, ValueError) as error:
            raise InputFileError(f"predictions file {path} cannot be read: {error}") from error
        return cls.from_table(table, settings, source=str(path))

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the table (format by its ending) and a JSON sidecar, each atomically; return the path."""
        path = Path(path)
        partial = path.with_name(f".{path.name}.partial")
        if path.suffix == ".parquet":
            self.table.to_parquet(partial, index=False)
        else:
            separator = "\t" if ".tsv" in path.name else ","
            self.table.to_csv(
                partial, index=False, sep=separator, compression="gzip" if path.suffix == ".gz" else None
            )
        sidecar = path.with_name(f".{path.name}.json.partial")
        sidecar.write_text(json.dumps(self.settings, indent=1, sort_keys=True))
        partial.replace(path)
        sidecar.replace(_sidecar(path))
        return path

    @property
    def predictors(self) -> tuple[str, ...]:
        """Names of the predictors, in the order of their first rows."""
        return tuple(self.table["predictor"].drop_duplicates().astype(str))

    @property
    def replicates(self) -> int:
        """Number of permuted replicates in the table (0 when it holds observed rows alone)."""
        return int(self.table["replicate"].max()) if len(self.table) else 0

    def _repr_html_(self) -> str:
        head = self.table.head(6).to_html(index=False)
        return (
            f"<p><b>Predictions</b>: {len(self.table):,} rows, {', '.join(self.predictors)}, "
            f"{self.replicates} permuted replicate(s)</p>{head}"
        )


def _read_text(path: Path) -> pd.DataFrame:
    separator = "\t" if ".tsv" in path.name or path.suffix == ".txt" else ","
    return pd.read_csv(
        path,
        sep=separator,
        dtype={"predictor": "string", "gene_id": "string", "individual": "string", "reason": "string"},
        na_values={
            "prediction": ["", "NA", "NaN", "nan"],
            "training_mean": ["", "NA", "NaN", "nan"],
            "fold": ["", "NA", "<NA>"],
            "reason": [""],
        },
        keep_default_na=False,
    )
