"""Tables that other programs write: matrices of genes and individuals, and tables of other libraries."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.errors import InputFileError, InputFileNotFoundError, TableError
from pgxeval.names import first_duplicate, known_names
from pgxeval.tables.files import separator_of, text_layout

_GENE_COLUMNS = ("gene_id", "gene", "genes", "gene_name", "name", "id", "phenotype_id", "pid", "unnamed: 0", "")
_INDIVIDUAL_COLUMNS = ("fid", "iid", "#iid", "#fid", "individual", "individual_id", "sample", "sample_id")
_MISSING = ("", "NA", "NaN", "nan", "<NA>", "NULL", "None", ".")


def is_long(table: pd.DataFrame) -> bool:
    """Tell whether a table has one row per prediction rather than one row per gene or individual."""
    return bool({"predictor", "prediction", "replicate", "training_mean"} & set(table.columns))


def is_matrix(table: pd.DataFrame) -> bool:
    """Tell whether a table that was read from a file is a matrix, as `from_matrix` takes it."""
    names = [str(name).strip().lower() for name in table.columns]
    if is_long(table) or {"gene_id", "individual"} <= set(names):
        return False
    if not isinstance(table.index, pd.RangeIndex):  # Parquet keeps the index of a matrix
        return True
    return names[:1] != [] and (names[0] in _GENE_COLUMNS + _INDIVIDUAL_COLUMNS or len(names[0].split()) > 2)


def read_matrix(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a matrix from a Parquet, CSV or TSV file, all cells as text, so that no identifier is changed.

    Raises
    ------
    InputFileNotFoundError, InputFileError
        If the file does not exist or cannot be read.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise InputFileNotFoundError.of("matrix of predictions", path)
    separator = separator_of(path)
    try:
        if separator is None:
            return pd.read_parquet(path)
        separator, compression = text_layout(path, separator)
        return pd.read_csv(path, sep=separator, compression=compression, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputFileError(f"matrix of predictions {path} cannot be read: {error}") from error


def from_matrix(matrix: pd.DataFrame, predictor: str, source: str = "matrix of predictions") -> pd.DataFrame:
    """Return a matrix as a predictions table.

    Parameters
    ----------
    matrix
        One row per gene and one column per individual, with the gene identifiers as the index or as the first
        column; or, in the layout of PrediXcan, the columns FID and IID and then one column per gene.
    predictor
        Name of the predictor.
    source
        What to call the matrix in messages.

    Returns
    -------
    pandas.DataFrame
        Columns predictor, gene_id, individual and prediction.

    Raises
    ------
    TableError
        If a name occurs twice, or a cell is not a number.

    Examples
    --------
    >>> wide = pd.DataFrame({"FID": ["0", "0"], "IID": ["ann", "bob"], "ENSG1.2": [0.1, 0.2]})
    >>> from_matrix(wide, "predixcan").values.tolist()
    [['predixcan', 'ENSG1.2', 'ann', 0.1], ['predixcan', 'ENSG1.2', 'bob', 0.2]]
    """
    names = [str(name) for name in matrix.columns]
    lower = [name.strip().lower() for name in names]
    of_individuals = [column for column, name in enumerate(lower[:2]) if name in _INDIVIDUAL_COLUMNS]
    if of_individuals:
        individuals = _identifiers(matrix.iloc[:, of_individuals[-1]], source)
        gene_ids = names[len(of_individuals) :]
        values = _numbers(matrix.iloc[:, len(of_individuals) :], source).T
    else:
        named = bool(lower) and lower[0] in _GENE_COLUMNS
        gene_ids = _identifiers(matrix.iloc[:, 0] if named else matrix.index.to_series(), source)
        individuals = names[1:] if named else names
        values = _numbers(matrix.iloc[:, 1:] if named else matrix, source)
        if not named and isinstance(matrix.index, pd.RangeIndex):
            raise TableError(
                f"{source}: the rows have no names; expected gene identifiers as the index or in a first column "
                "gene_id, or the columns FID and IID and then one column per gene"
            )
    for kind, identifiers in (("gene", gene_ids), ("individual", individuals)):
        if not identifiers:
            raise TableError(f"{source}: it has no {kind}")
        if (doubled := first_duplicate(identifiers)) is not None:
            raise TableError(f"{source}: {kind} {doubled} occurs more than once")
    n = len(individuals)
    return pd.DataFrame({
        "predictor": _categorical(np.zeros(values.size, dtype=np.int8), [predictor]),
        "gene_id": _categorical(np.repeat(np.arange(len(gene_ids)), n), gene_ids),
        "individual": _categorical(np.tile(np.arange(n), len(gene_ids)), individuals),
        "prediction": np.ascontiguousarray(values).ravel(),
    })  # fmt: skip


def _categorical(codes: npt.NDArray[np.signedinteger], names: list[str]) -> pd.Categorical:
    return pd.Categorical.from_codes(codes, categories=pd.Index(names, dtype="str"))


def _identifiers(column: pd.Series, source: str) -> list[str]:
    if pd.api.types.is_float_dtype(column.dtype):
        raise TableError(
            f"{source}: identifiers are decimal numbers, so that 007 would have become 7.0; read them as strings"
        )
    if column.isna().any() or (column.astype(str) == "").any():
        raise TableError(f"{source}: an identifier is empty")
    return [str(name) for name in column]


def _numbers(cells: pd.DataFrame, source: str) -> npt.NDArray[np.float64]:
    values = np.empty(cells.shape)
    for number, (name, column) in enumerate(cells.items()):
        plain = column
        if pd.api.types.is_complex_dtype(column.dtype):
            raise TableError(f"{source}: column {name} holds complex numbers; give real ones")
        if not pd.api.types.is_numeric_dtype(column.dtype):
            plain = column.astype(object).where(~column.astype(str).str.strip().isin(_MISSING), None)
        numbers = pd.to_numeric(plain, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        bad = np.isnan(numbers) & plain.notna().to_numpy()
        if bad.any():
            row = int(bad.argmax())
            columns = known_names([str(label) for label in cells.columns], 5)
            raise TableError(
                f"{source}: column {name}, row {row} (counted from 0): {column.iloc[row]!r} is not a number. Expected "
                f"numbers in all columns but the names; the columns are {columns}. A table with one row per gene and "
                "individual needs the columns predictor, gene_id, individual and prediction"
            )
        values[:, number] = numbers
    return values
