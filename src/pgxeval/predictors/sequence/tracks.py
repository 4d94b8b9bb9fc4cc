"""Tracks by meaning: from an assay and a tissue to rows of a model's track table."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, cast

import attrs
import numpy as np
import pandas as pd

from pgxeval.errors import InputFileError, InputFileNotFoundError, SettingError, UnknownNameError
from pgxeval.genome.intervals import Strand
from pgxeval.names import near_names
from pgxeval.predictors.sequence.model import make_track_table

Several = Literal["refuse", "mean"]
Wanted = str | int | Sequence[str | int]

ENFORMER_TRACKS = 5_313
ENFORMER_FIRST_CAGE = 4_675
ENFORMER_BIN_WIDTH_BP = 128

_SHOWN = 8
_TARGET_COLUMNS = ("index", "identifier", "description")


@attrs.frozen(kw_only=True, eq=False)
class TrackChoice:
    """Which tracks were requested and which are used.

    Parameters
    ----------
    requested
        As it was asked, JSON-able.
    indices
        Rows of the track table, in the order found.
    several
        Whether several tracks for one strand are refused or averaged.
    table
        The whole track table.
    """

    requested: Wanted
    indices: tuple[int, ...]
    several: Several
    table: pd.DataFrame = attrs.field(repr=False)

    def for_strand(self, strand: Strand | None) -> tuple[int, ...]:
        """Return the tracks that show a gene on this strand: those of the strand and those of both."""
        strands = self.table["strand"]
        return tuple(index for index in self.indices if strands.iloc[index] in (".", strand))

    def paired(self, indices: Iterable[int]) -> tuple[int, ...]:
        """Return the same tracks as they are named on the reverse complement.

        Raises
        ------
        SettingError
            If the table does not say which track shows the other strand.
        """
        pairs = self.table["pair"]
        found = tuple(int(pairs.iloc[index]) for index in indices)
        alone = [index for index, pair in zip(indices, found, strict=True) if pair < 0]
        if alone:
            raise SettingError(
                f"track {self._name(alone[0])} names no pair on the other strand, which reverse_complement=True needs"
            )
        return found

    @property
    def used(self) -> list[dict[str, Any]]:
        """The tracks, for the record: index, name, strand."""
        return [
            {"index": index, "name": self._name(index), "strand": str(self.table["strand"].iloc[index])}
            for index in self.indices
        ]

    def _name(self, index: int) -> str:
        return str(self.table["name"].iloc[index])


def find_tracks(table: pd.DataFrame, wanted: Wanted, *, several: Several = "refuse") -> TrackChoice:
    """Find tracks by number, name or meaning.

    Parameters
    ----------
    table
        A track table, as in `ModelInfo.tracks`.
    wanted
        A row number; a text; or several of either, which are averaged. A text is, in this order: a track's
        name; a tissue, a GTEx tissue (``"Whole_Blood"``) or an ontology term (``"UBERON:0013756"``); words that
        occur in a name. It may begin with the assay: ``"CAGE:GM12878"``, ``"RNA_SEQ:EFO:0000572"``. Case is ignored.
    several
        What to do where one text means several tracks of one strand: ``"refuse"``, or take their ``"mean"``.

    Returns
    -------
    TrackChoice
        With at least one track, all of one assay.

    Raises
    ------
    UnknownNameError
        If nothing is found; the message lists near names.
    SettingError
        If a text means several tracks and that is refused, or tracks of several assays.

    Examples
    --------
    >>> find_tracks(enformer_tracks(), "CAGE:GM12878").indices
    (5110,)
    >>> find_tracks(enformer_tracks(), "Whole_Blood", several="mean").indices
    (4805, 4806, 5067)
    """
    if several not in ("refuse", "mean"):
        raise SettingError(f'several must be "refuse" or "mean", got {several!r}')
    parts = [wanted] if isinstance(wanted, str | int | np.integer) else list(wanted)
    if not parts:
        raise SettingError("tracks: at least one track must be asked for")
    indices: list[int] = []
    for part in parts:
        indices.extend(index for index in _find(table, part, several) if index not in indices)
    plain = [part if isinstance(part, str) else int(part) for part in parts]
    requested = plain[0] if isinstance(wanted, str | int | np.integer) else plain
    choice = TrackChoice(requested=requested, indices=tuple(indices), several=several, table=table)
    if any(isinstance(part, str) for part in parts):
        assays = sorted({str(table["assay"].iloc[index]) for index in indices})
        if len(assays) > 1:
            raise SettingError(
                f"tracks {wanted!r} means tracks of several assays ({', '.join(name or 'none' for name in assays)}), "
                f"which cannot be averaged; say which, as in {assays[-1]}:{wanted}"
            )
    return choice


def _find(table: pd.DataFrame, wanted: str | int, several: Several) -> list[int]:
    if isinstance(wanted, int | np.integer) and not isinstance(wanted, bool):
        if not 0 <= wanted < len(table):
            raise UnknownNameError(f"track {wanted} is not in the table; it has rows 0 to {len(table) - 1}")
        return [int(wanted)]
    if not isinstance(wanted, str) or not wanted.strip():
        raise SettingError(f"tracks must be row numbers or texts that are not empty, got {wanted!r}")
    found = _by_meaning(table, wanted)
    if not found:
        columns = ("name", "tissue", "gtex_tissue", "ontology")
        offered = {text.strip(" ,") for name in columns for text in table[name] if text}
        assays = sorted(set(table["assay"]) - {""})
        raise UnknownNameError(
            f"no track is called or means {wanted!r}{near_names(wanted, sorted(offered))}; the table has {len(table)} "
            f"tracks" + (f" of the assays {', '.join(assays)}" if assays else "")
        )
    strands = table["strand"].iloc[found]
    if several == "refuse" and any(strands.isin([".", strand]).sum() > 1 for strand in "+-"):
        shown = ", ".join(f"{index} ({table['name'].iloc[index]})" for index in found[:_SHOWN])
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise SettingError(
            f"tracks {wanted!r} means {len(found)} tracks: {shown}{more}. Ask for one by its number, or average them: "
            'several="mean"'
        )
    return found


def _by_meaning(table: pd.DataFrame, wanted: str) -> list[int]:
    def folded(name: str) -> pd.Series:
        return cast("pd.Series", table[name].str.casefold().str.strip(" ,"))

    text = wanted.casefold().strip(" ,")
    named = np.flatnonzero(folded("name") == text)
    if named.size:
        return [int(index) for index in named]
    allowed = np.ones(len(table), dtype=bool)
    head, colon, rest = text.partition(":")
    if colon and rest.strip() and (folded("assay") == head.strip()).any():
        allowed = (folded("assay") == head.strip()).to_numpy()
        text = rest.strip(" ,")
    of_term, of_tissue = _gtex_terms()
    tissues = folded("gtex_tissue").str.split(";")
    attempts = [
        folded("tissue") == text,
        tissues.map(lambda names: text in [name.strip() for name in names]),
        folded("ontology") == text,
        folded("ontology") == of_tissue.get(text, "\0"),
        tissues.map(lambda names: of_term.get(text, "\0") in [name.strip() for name in names]),
    ]
    for attempt in attempts:
        hits = np.flatnonzero(attempt.to_numpy(dtype=bool) & allowed)
        if hits.size:
            return [int(index) for index in hits]
    words = [rf"(?<!\w){re.escape(word)}(?!\w)" for word in re.split(r"[\s,;_]+", text) if word]
    whole = table["name"].str.cat(table["tissue"], sep=" ").str.casefold()
    hit = allowed.copy()
    for word in words:
        hit &= whole.str.contains(word, regex=True).to_numpy(dtype=bool)
    return [int(index) for index in np.flatnonzero(hit)] if words else []


@cache
def _gtex_terms() -> tuple[dict[str, str], dict[str, str]]:
    table = _read_shipped("gtex_tissues.tsv")
    tissues, terms = table["gtex_tissue"].str.casefold(), table["ontology"].str.casefold()
    return dict(zip(terms, tissues, strict=True)), dict(zip(tissues, terms, strict=True))


def _read_shipped(name: str) -> pd.DataFrame:
    with files("pgxeval.predictors").joinpath("data", name).open(encoding="utf-8") as handle:
        return pd.read_csv(handle, sep="\t", dtype=str, keep_default_na=False)


def enformer_tracks(targets: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """Return the track table of Enformer's human head: 5,313 tracks in bins of 128 bp, unstranded.

    Parameters
    ----------
    targets
        Path of Basenji's ``targets_human.txt``, which names all tracks. Without it the tracks have the names of
        a short table that comes with the package: 51 CAGE tracks by tissue; the others are called by their number.

    Returns
    -------
    pandas.DataFrame
        As `make_track_table` returns it; with `targets` also `identifier`.

    Raises
    ------
    InputFileNotFoundError
        If there is no such file.
    InputFileError
        If it is not a target table of 5,313 rows in order.

    Notes
    -----
    Sources: Avsec et al., Nat Methods 18:1196, 2021; targets_human.txt of calico/basenji, manuscripts/cross2020.
    The tracks with the numbers 4,675 to 5,312 are CAGE.

    Examples
    --------
    >>> enformer_tracks().loc[5_110, ["name", "gtex_tissue"]].tolist()
    ['CAGE:GM12878', 'Cells_EBV-transformed_lymphocytes']
    """
    named = _read_shipped("enformer_cage_tracks.tsv")
    rows = named["index"].astype(int).to_numpy()
    table = pd.DataFrame({"name": [f"track {row}" for row in range(ENFORMER_TRACKS)]}, dtype=object)
    table["assay"] = ["CAGE" if row >= ENFORMER_FIRST_CAGE else "" for row in range(ENFORMER_TRACKS)]
    for column in ("tissue", "gtex_tissue", "ontology"):
        texts = np.full(ENFORMER_TRACKS, "", dtype=object)
        texts[rows] = named[column].to_numpy(dtype=object)
        table[column] = texts
    table.loc[rows, "name"] = named["name"].to_numpy(dtype=object)
    if targets is not None:
        read = read_targets(targets)
        if len(read) != ENFORMER_TRACKS:
            raise InputFileError(f"{targets}: {len(read)} targets, Enformer's human head has {ENFORMER_TRACKS:,}")
        for column in ("name", "assay", "identifier"):
            table[column] = read[column].to_numpy(dtype=object)
    table["bin_width_bp"] = ENFORMER_BIN_WIDTH_BP
    return make_track_table(table)


def read_targets(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a target table in Basenji's layout: tab-separated, with index, identifier and description.

    Returns
    -------
    pandas.DataFrame
        name (the description), assay (what stands before its first colon) and identifier, text, in file order.

    Raises
    ------
    InputFileNotFoundError
        If there is no such file.
    InputFileError
        If a column is missing, the index is not 0, 1, 2, ... or a description is empty.
    """
    path = Path(path)
    try:
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, encoding="utf-8")
    except FileNotFoundError as error:
        raise InputFileNotFoundError(
            f"{path}: there is no such file; targets_human.txt of Basenji is wanted"
        ) from error
    except (OSError, ValueError) as error:  # ParserError, EmptyDataError and UnicodeDecodeError are ValueErrors
        raise InputFileError(f"{path}: cannot be read as a table with tabs ({type(error).__name__})") from error
    unnamed = next(iter(table.columns), "")
    if "index" not in table.columns and unnamed.startswith("Unnamed"):
        table = table.rename(columns={unnamed: "index"})
    missing = [name for name in _TARGET_COLUMNS if name not in table.columns]
    if missing:
        raise InputFileError(
            f"{path}: lacks {' and '.join(missing)}; a target table has index, identifier, ..., description, got "
            f"{', '.join(map(str, table.columns[:_SHOWN]))}"
        )
    wrong = np.flatnonzero(table["index"].to_numpy(dtype=object) != np.arange(len(table)).astype(str).astype(object))
    if wrong.size:
        raise InputFileError(
            f"{path}, line {wrong[0] + 2}: index {table['index'].iloc[wrong[0]]!r} where {wrong[0]} is wanted; "
            "rows must be complete and in order, for they are the model's output"
        )
    empty = np.flatnonzero(table["description"].str.strip() == "")
    if empty.size:
        raise InputFileError(f"{path}, line {int(empty[0]) + 2}: the description is empty")
    assay = table["description"].str.partition(":")[0]
    return pd.DataFrame({"name": table["description"], "assay": assay, "identifier": table["identifier"]})
