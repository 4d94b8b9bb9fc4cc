"""Files of the predictions table: Parquet, CSV or TSV, with the settings in a JSON sidecar."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pyarrow import ArrowException

from pgxeval.errors import InputFileError, InputFileNotFoundError, SettingError
from pgxeval.tables.writing import whole_file

KEYS = ("predictor", "gene_id", "individual")
TISSUE = "tissue"

_PANDAS = tuple(int(part) for part in pd.__version__.split(".")[:2])
_TAIL_BYTES = 2**16
_TEXT_ENDINGS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}


def read_table(path: str | os.PathLike[str]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read a table, unchecked but for its file, and its settings.

    Raises
    ------
    InputFileNotFoundError
        If the file does not exist.
    InputFileError
        If the file, or its sidecar, cannot be read as its name says.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise InputFileNotFoundError.of("predictions file", path)
    separator = separator_of(path)
    settings: Any = {}
    try:
        table = pd.read_parquet(path) if separator is None else _read_text(path, separator)
    except (OSError, ValueError, EOFError, zlib.error, ArrowException) as error:
        raise InputFileError(f"predictions file {path} cannot be read: {error}") from error
    if _sidecar(path).exists():
        try:
            settings = json.loads(_sidecar(path).read_text())
        except (OSError, ValueError) as error:
            raise InputFileError(f"settings file {_sidecar(path)} cannot be read: {error}") from error
        if not (isinstance(settings, dict) and all(isinstance(value, dict) for value in settings.values())):
            raise InputFileError(f"settings file {_sidecar(path)} must hold one JSON object per predictor")
    return table, settings


def write_table(table: pd.DataFrame, settings: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write a table in the format of the path's ending, and its settings next to it; each whole or not at all.

    Raises
    ------
    SettingError
        If the ending names no known format, or the settings hold what JSON cannot.
    InputFileError
        If the folder cannot be written to.
    """
    path = Path(path).expanduser()
    separator = separator_of(path)
    try:
        text = json.dumps(settings, indent=1, sort_keys=True, default=_jsonable)
    except (TypeError, ValueError) as error:
        raise SettingError(f"the settings of these predictions cannot be written as JSON: {error}") from error
    try:
        with whole_file(path) as file:
            if separator is None:
                table.to_parquet(file, index=False)
            elif path.suffix.lower() == ".gz":
                with gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed:
                    table.to_csv(packed, index=False, sep=separator, mode="wb")
            else:
                table.to_csv(file, index=False, sep=separator, mode="wb")
        with whole_file(_sidecar(path)) as file:
            file.write(text.encode())
    except OSError as error:
        raise InputFileError(f"predictions cannot be written to {path}: {error.strerror or error}") from error
    return path


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def separator_of(path: Path) -> str | None:
    """Return the separator of a text table, None for Parquet, by the ending of the file's name.

    Raises
    ------
    SettingError
        If the ending belongs to no known format.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    ending = suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else "".join(suffixes[-1:])
    if suffixes[-1:] == [".parquet"]:
        return None
    if ending not in _TEXT_ENDINGS:
        raise SettingError(
            f"predictions file {path}: its ending belongs to no known format; expected .parquet, .csv, .tsv or "
            ".txt, the last three also with .gz"
        )
    return _TEXT_ENDINGS[ending]


def text_layout(path: Path, separator: str) -> tuple[str, Literal["gzip"] | None]:
    """Return the separator and the compression of a text table by its first line, whatever its name says.

    Parameters
    ----------
    path
        The file.
    separator
        What its name says; kept if its first line has it.

    Returns
    -------
    tuple
        The separator, a regular expression for blanks; and ``"gzip"`` or None.

    Raises
    ------
    ValueError
        If it is UTF-16 text, or not compressed although its name says so.
    """
    with path.open("rb") as file:
        start = file.read(2)
    packed = start == b"\x1f\x8b"
    if start in (b"\xff\xfe", b"\xfe\xff"):
        raise ValueError("it is UTF-16 text; convert it with `iconv -f UTF-16 -t UTF-8`")
    if path.suffix.lower() == ".gz" and not packed:
        raise ValueError("its name ends in .gz, and it is not compressed by gzip")
    with gzip.open(path, "rb") if packed else path.open("rb") as text:
        header = text.readline().decode(errors="replace").rstrip("\r\n")
    compression: Literal["gzip"] | None = "gzip" if packed else None
    if separator in header:
        return separator, compression
    blanks = r"\s+" if " " in header else separator
    return next((other for other in (";", "\t", ",") if other in header), blanks), compression


def _jsonable(value: object) -> object:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"a value of type {type(value).__name__}")


def _read_text(path: Path, separator: str) -> pd.DataFrame:
    number = ["", "NA", "NaN", "nan", "<NA>"]
    # Before pandas 3.1 the default was off by one unit in the last place now and then.
    exact: dict[str, Any] = {} if _PANDAS >= (3, 1) else {"float_precision": "round_trip"}
    separator, compression = text_layout(path, separator)
    if compression is None and len(separator) == 1:
        _check_last_line(path, separator)
    table: pd.DataFrame = pd.read_csv(
        path,
        sep=separator,
        dtype=dict.fromkeys((*KEYS, TISSUE, "reason"), "category"),
        na_values=dict.fromkeys(("prediction", "training_mean", "fold", "replicate"), number),
        keep_default_na=False,
        low_memory=False,
        compression=compression,
        **exact,
    )
    # pandas takes the first columns for an index where lines are longer than the header, and shifts all others.
    if not isinstance(table.index, pd.RangeIndex):
        raise pd.errors.ParserError("its lines have more fields than its header")
    return table


def _check_last_line(path: Path, separator: str) -> None:
    """Refuse a plain text whose last line is cut short: pandas would fill it with missing values."""
    with path.open("rb") as file:
        header = file.readline()
        file.seek(max(len(header), path.stat().st_size - _TAIL_BYTES))
        lines = file.read().rstrip(b"\r\n").splitlines()
    last = lines[-1] if lines else b""
    fields, columns = (line.count(separator.encode()) + 1 for line in (last, header))
    if last and b'"' not in header + last and fields < columns:
        raise ValueError(f"its last line has {fields} of {columns} fields; the file seems to be cut short")
