"""The track table of Enformer: a short table that is part of this package, or Basenji's target table."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from pgxeval.errors import InputFileError, InputFileNotFoundError
from pgxeval.names import known_names
from pgxeval.predictors.sequence.track_table import make_track_table
from pgxeval.predictors.sequence.tracks import read_shipped

N_TRACKS = 5_313
FIRST_CAGE = 4_675
BIN_WIDTH_BP = 128

_TARGET_COLUMNS = ("index", "identifier", "description")


def enformer_tracks(targets: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """Return the track table of Enformer's human head: 5,313 tracks in bins of 128 bp, unstranded.

    Parameters
    ----------
    targets
        Path of Basenji's ``targets_human.txt``, which names all tracks. Without it, 51 CAGE tracks have the names of a
        short table that is part of this package, and the others are called by their number.

    Returns
    -------
    pandas.DataFrame
        As returned by `make_track_table`; with `targets` also the column `identifier`.

    Raises
    ------
    InputFileNotFoundError
        If the file does not exist.
    InputFileError
        If it is not a target table of 5,313 rows in order.

    Notes
    -----
    Sources: Avsec et al., Nat Methods 18:1196, 2021; targets_human.txt of calico/basenji, manuscripts/cross2020.
    Tracks 4,675 to 5,312 are CAGE.

    Examples
    --------
    >>> enformer_tracks().loc[5_110, ["name", "gtex_tissue"]].tolist()
    ['CAGE:GM12878', 'Cells_EBV-transformed_lymphocytes']
    """
    named = read_shipped("enformer_cage_tracks.tsv")
    rows = named["index"].astype(int).to_numpy()
    table = pd.DataFrame({"name": [f"track {row}" for row in range(N_TRACKS)]}, dtype=object)
    table["assay"] = ["CAGE" if row >= FIRST_CAGE else "" for row in range(N_TRACKS)]
    for column in ("tissue", "gtex_tissue", "ontology"):
        texts = np.full(N_TRACKS, "", dtype=object)
        texts[rows] = named[column].to_numpy(dtype=object)
        table[column] = texts
    table.loc[rows, "name"] = named["name"].to_numpy(dtype=object)
    if targets is not None:
        read = read_targets(targets)
        if len(read) != N_TRACKS:
            raise InputFileError(
                f"{targets}: expected {N_TRACKS:,} targets, as the human head of Enformer has, got {len(read):,}"
            )
        for column in ("name", "assay", "identifier"):
            table[column] = read[column].to_numpy(dtype=object)
    table["bin_width_bp"] = BIN_WIDTH_BP
    return make_track_table(table)


def read_targets(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a target table in Basenji's layout: tab-separated, with index, identifier and description.

    Returns
    -------
    pandas.DataFrame
        name (the description), assay (the part before its first colon) and identifier, text, in file order.

    Raises
    ------
    InputFileNotFoundError
        If the file does not exist.
    InputFileError
        If a column is missing, the index is not 0, 1, 2, ... or a description is empty.
    """
    path = Path(path).expanduser()
    try:
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, encoding="utf-8")
    except FileNotFoundError as error:
        raise InputFileNotFoundError.of("track table", path, "expected Basenji's targets_human.txt") from error
    except (OSError, ValueError) as error:  # ParserError, EmptyDataError and UnicodeDecodeError are ValueErrors
        raise InputFileError(f"{path}: cannot be read as a tab-separated table ({type(error).__name__})") from error
    unnamed = next(iter(table.columns), "")
    if "index" not in table.columns and unnamed.startswith("Unnamed"):
        table = table.rename(columns={unnamed: "index"})
    missing = [name for name in _TARGET_COLUMNS if name not in table.columns]
    if missing:
        raise InputFileError(
            f"{path}: lacks {' and '.join(missing)}; expected the columns index, identifier, ..., description, got "
            f"{known_names([str(name) for name in table.columns], 5)}"
        )
    wrong = np.flatnonzero(table["index"].to_numpy(dtype=object) != np.arange(len(table)).astype(str).astype(object))
    if wrong.size:
        raise InputFileError(
            f"{path}, line {wrong[0] + 2}: expected index {wrong[0]}, got {table['index'].iloc[wrong[0]]!r}; "
            "rows must be complete and in order, because they are the outputs of the model"
        )
    empty = np.flatnonzero(table["description"].str.strip() == "")
    if empty.size:
        raise InputFileError(f"{path}, line {int(empty[0]) + 2}: the description is empty")
    assay = table["description"].str.partition(":")[0]
    return pd.DataFrame({"name": table["description"], "assay": assay, "identifier": table["identifier"]})
