"""Tracks by meaning: from an assay and a tissue to rows of a model's track table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Literal, cast

import attrs
import numpy as np
import pandas as pd

from pgxeval.errors import SettingError, UnknownNameError
from pgxeval.genome.intervals import Strand
from pgxeval.names import near_names

IfAmbiguous = Literal["refuse", "mean"]
TrackQuery = str | int | Sequence[str | int]

_SHOWN = 8
_NEAREST = 5
_COMMON_WORDS = frozenset({"cell", "cells", "tissue", "pool", "donation", "of", "the"})


@attrs.frozen(kw_only=True, eq=False)
class TrackChoice:
    """Tracks that were requested and tracks that are used.

    Parameters
    ----------
    requested
        The request, JSON-able.
    indices
        Rows of the track table, in the order in which they were found.
    if_ambiguous
        Whether several tracks of one strand are refused or averaged.
    table
        The whole track table.
    """

    requested: TrackQuery
    indices: tuple[int, ...]
    if_ambiguous: IfAmbiguous
    table: pd.DataFrame = attrs.field(repr=False)

    def for_strand(self, strand: Strand | None) -> tuple[int, ...]:
        """Return the tracks that show a gene on this strand: tracks of the strand and tracks of both strands."""
        strands = self.table["strand"]
        return tuple(index for index in self.indices if strands.iloc[index] in (".", strand))

    def paired(self, indices: Iterable[int]) -> tuple[int, ...]:
        """Return the tracks that show the same signal on the reverse complement.

        Raises
        ------
        SettingError
            If the table names no pair for one of the tracks.
        """
        pairs = self.table["pair"]
        paired = tuple(int(pairs.iloc[index]) for index in indices)
        alone = [index for index, pair in zip(indices, paired, strict=True) if pair < 0]
        if alone:
            raise SettingError(
                f"track {self._name(alone[0])} has no pair on the other strand, which reverse_complement=True needs"
            )
        return paired

    @property
    def used(self) -> list[dict[str, Any]]:
        """JSON-able record of the tracks: index, name, strand."""
        return [
            {"index": index, "name": self._name(index), "strand": str(self.table["strand"].iloc[index])}
            for index in self.indices
        ]

    def _name(self, index: int) -> str:
        return str(self.table["name"].iloc[index])


def find_tracks(table: pd.DataFrame, query: TrackQuery, *, if_ambiguous: IfAmbiguous = "refuse") -> TrackChoice:
    """Find tracks by number, name or meaning.

    Parameters
    ----------
    table
        A track table, as in `ModelInfo.tracks`.
    query
        A row number; a text; or a sequence of either, whose tracks are averaged. A text is tried as, in this order:
        the name of a track; a tissue, a GTEx tissue (``"Whole_Blood"``) or an ontology term
        (``"UBERON:0013756"``); words that occur in a name. It may begin with the assay: ``"CAGE:GM12878"``,
        ``"RNA_SEQ:EFO:0000572"``. Case is ignored.
    if_ambiguous
        What to do if one text matches several tracks of one strand: ``"refuse"``, or take their ``"mean"``.

    Returns
    -------
    TrackChoice
        At least one track; all of the same assay.

    Raises
    ------
    UnknownNameError
        If nothing is found; the message lists the nearest names.
    SettingError
        If a text matches several tracks and that is refused, or the tracks belong to several assays.

    Examples
    --------
    >>> from pgxeval.predictors.sequence import make_track_table
    >>> table = make_track_table(pd.DataFrame({"name": ["RNA liver", "RNA lung"], "bin_width_bp": 128}))
    >>> find_tracks(table, "liver").indices
    (0,)
    >>> find_tracks(table, "RNA", if_ambiguous="mean").indices
    (0, 1)
    """
    if if_ambiguous not in ("refuse", "mean"):
        raise SettingError(f'if_ambiguous must be "refuse" or "mean", got {if_ambiguous!r}')
    parts = [query] if isinstance(query, str | int | np.integer) else list(query)
    if not parts:
        raise SettingError("tracks must name at least one track")
    indices: list[int] = []
    for part in parts:
        indices.extend(index for index in _find(table, part, if_ambiguous) if index not in indices)
    plain = [part if isinstance(part, str) else int(part) for part in parts]
    requested = plain[0] if isinstance(query, str | int | np.integer) else plain
    choice = TrackChoice(requested=requested, indices=tuple(indices), if_ambiguous=if_ambiguous, table=table)
    if any(isinstance(part, str) for part in parts):
        assays = sorted({str(table["assay"].iloc[index]) for index in indices})
        if len(assays) > 1:
            raise SettingError(
                f"tracks {query!r} matches tracks of several assays ({', '.join(name or 'none' for name in assays)}), "
                f"which cannot be averaged; name the assay, as in {assays[-1]}:{query}"
            )
    return choice


def _find(table: pd.DataFrame, query: str | int, if_ambiguous: IfAmbiguous) -> list[int]:
    if isinstance(query, int | np.integer) and not isinstance(query, bool):
        if not 0 <= query < len(table):
            raise UnknownNameError(f"track {query} is not in the table; it has rows 0 to {len(table) - 1}")
        return [int(query)]
    if not isinstance(query, str) or not query.strip():
        raise SettingError(f"tracks must be row numbers or texts that are not empty, got {query!r}")
    matches = _by_meaning(table, query)
    if not matches:
        raise UnknownNameError(_unknown(table, query))
    strands = table["strand"].iloc[matches]
    if if_ambiguous == "refuse" and any(strands.isin([".", strand]).sum() > 1 for strand in "+-"):
        shown = ", ".join(f"{index} ({table['name'].iloc[index]})" for index in matches[:_SHOWN])
        more = f" and {len(matches) - _SHOWN} more" if len(matches) > _SHOWN else ""
        raise SettingError(
            f"tracks {query!r} matches {len(matches)} tracks: {shown}{more}. Choose one by its number, or average "
            'them with if_ambiguous="mean"'
        )
    return matches


def _unknown(table: pd.DataFrame, query: str) -> str:
    """Return the message for a query without a match: the nearest names by words, else by spelling."""
    of_term, of_tissue = _gtex_terms()
    folded = query.casefold().strip(" ,").rpartition(":")[2] if query.casefold() not in of_term else query.casefold()
    tissue = of_term.get(folded, folded)
    known = tissue in of_tissue
    columns = ("name", "tissue", "gtex_tissue", "ontology")
    hint = near_names(query, sorted({text.strip(" ,") for name in columns for text in table[name] if text}))
    if known or not hint:
        texts = table["name"].str.cat(table["tissue"], sep=" ").str.cat(table["gtex_tissue"], sep=" ")
        words = _words(tissue) - _COMMON_WORDS
        shared = texts.map(lambda text: len(words & _words(text))).to_numpy()
        rows = [int(row) for row in np.argsort(-shared, kind="stable")[:_NEAREST] if shared[row]]
        names = list(dict.fromkeys(str(table["name"].iloc[row]).strip(" ,") for row in rows))
        hint = f"; nearest: {', '.join(names)}" if names else "" if known else hint
    assays = sorted(set(table["assay"]) - {""})
    problem = (
        f"the GTEx tissue {query!r} has no track in this table" if known else f"no track is called or means {query!r}"
    )
    return f"{problem}{hint}; the table has {len(table)} tracks" + (
        f" of the assays {', '.join(assays)}" if assays else ""
    )


def _words(text: str) -> set[str]:
    return {word for word in re.split(r"[\s,;:_-]+", text.casefold()) if word}


def _by_meaning(table: pd.DataFrame, query: str) -> list[int]:
    def folded(name: str) -> pd.Series:
        return cast("pd.Series", table[name].str.casefold().str.strip(" ,"))

    text = query.casefold().strip(" ,")
    by_name = np.flatnonzero(folded("name") == text)
    if by_name.size:
        return [int(index) for index in by_name]
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
    texts = table["name"].str.cat(table["tissue"], sep=" ").str.casefold()
    matches = allowed.copy()
    for word in words:
        matches &= texts.str.contains(word, regex=True).to_numpy(dtype=bool)
    return [int(index) for index in np.flatnonzero(matches)] if words else []


@cache
def _gtex_terms() -> tuple[dict[str, str], dict[str, str]]:
    table = read_shipped("gtex_tissues.tsv")
    tissues, terms = table["gtex_tissue"].str.casefold(), table["ontology"].str.casefold()
    return dict(zip(terms, tissues, strict=True)), dict(zip(tissues, terms, strict=True))


def read_shipped(name: str) -> pd.DataFrame:
    """Return a table that is part of this package: tab-separated, all columns text."""
    with files("pgxeval.predictors").joinpath("data", name).open(encoding="utf-8") as handle:
        return pd.read_csv(handle, sep="\t", dtype=str, keep_default_na=False)
