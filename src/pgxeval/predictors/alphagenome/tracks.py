"""Tracks of AlphaGenome: from metadata to a track table, the track of a tissue, and the columns of an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.errors import SettingError, TableError, UnknownNameError
from pgxeval.names import near_names
from pgxeval.predictors.hosted.calls import BadAnswerError
from pgxeval.predictors.sequence.track_table import make_track_table
from pgxeval.predictors.sequence.tracks import IfAmbiguous, TrackChoice, find_tracks

# Output types that are tracks along the sequence, and their bins [bp]; source: alphagenome_research, metadata.py.
BIN_WIDTHS_BP: Mapping[str, int] = {
    "RNA_SEQ": 1,
    "CAGE": 1,
    "PROCAP": 1,
    "ATAC": 1,
    "DNASE": 1,
    "SPLICE_SITES": 1,
    "SPLICE_SITE_USAGE": 1,
    "CHIP_HISTONE": 128,
    "CHIP_TF": 128,
}

_SHOWN = 8
_PREFERRED_SOURCE = "gtex"


def check_output(output: str) -> str:
    """Return an output type by its name.

    Raises
    ------
    UnknownNameError
        If it is not one of `BIN_WIDTHS_BP`.
    """
    if output not in BIN_WIDTHS_BP:
        raise UnknownNameError(
            f"AlphaGenome: unknown output {output!r}; the outputs along a sequence are "
            f"{', '.join(BIN_WIDTHS_BP)}{near_names(str(output), BIN_WIDTHS_BP)}"
        )
    return output


def alphagenome_track_table(metadata: pd.DataFrame, output: str) -> pd.DataFrame:
    """Return the track table for the metadata of one output type.

    Parameters
    ----------
    metadata
        Columns `name` and `strand`; where known `ontology_curie`, `biosample_name`, `gtex_tissue`, `data_source`,
        ``Assay title`` (or `assay_title`). Its index is ignored. Tracks called ``padding`` are dropped.
    output
        Name of the output type.

    Returns
    -------
    pandas.DataFrame
        As `make_track_table` returns it, with further columns `data_source` and `assay_title`.

    Raises
    ------
    TableError
        If a column is missing, or no track is left.
    """
    columns: object = getattr(metadata, "columns", None)
    if columns is None or not {"name", "strand"} <= set(metadata.columns):
        description = type(metadata).__name__ if columns is None else ", ".join(map(str, metadata.columns))
        raise TableError(f"AlphaGenome: metadata of {output} must be a table with name and strand, got {description}")
    listed = metadata.reset_index(drop=True)
    listed = listed[listed["name"].astype(str).str.casefold() != "padding"].reset_index(drop=True)
    if listed.empty:
        raise TableError(f"AlphaGenome: the metadata of {output} name no track")

    def column(*names: str) -> pd.Series:
        found = next((listed[name] for name in names if name in listed.columns), pd.Series("", index=listed.index))
        return found.astype(object).where(found.notna(), "").astype(str)

    gtex = column("gtex_tissue")
    table = pd.DataFrame(
        {
            "name": column("name"),
            "assay": output,
            "tissue": column("biosample_name"),
            "gtex_tissue": gtex,
            "ontology": column("ontology_curie"),
            "strand": column("strand"),
            "pair": _pairs(column("name"), column("strand")),
            "bin_width_bp": BIN_WIDTHS_BP[output],
            # the PyTorch port names the GTEx tissue, not the source
            "data_source": column("data_source").where(
                column("data_source") != "", gtex.where(gtex == "", _PREFERRED_SOURCE)
            ),
            "assay_title": column("Assay title", "assay_title"),
        }
    )
    return make_track_table(table)


def _pairs(names: pd.Series, strands: pd.Series) -> npt.NDArray[np.int64]:
    rows: dict[tuple[str, str], list[int]] = {}
    for row, key in enumerate(zip(names, strands, strict=True)):
        rows.setdefault(key, []).append(row)
    pairs = np.full(len(names), -1, dtype=np.int64)
    opposite = {"+": "-", "-": "+", ".": "."}
    for (name, strand), own in rows.items():
        other = rows.get((name, opposite.get(strand, "")), [])
        if strand == ".":
            pairs[own] = own
        elif len(own) == len(other) == 1:
            pairs[own] = other
    return pairs


def choose_tissue(
    table: pd.DataFrame,
    tissue: str,
    *,
    source: str | None = None,
    assay_title: str | None = None,
    if_ambiguous: IfAmbiguous = "refuse",
) -> TrackChoice:
    """Choose the tracks of a tissue by their metadata, never by position.

    Parameters
    ----------
    table
        As returned by `alphagenome_track_table`.
    tissue
        A GTEx tissue, an ontology term, or another text, as for `find_tracks`.
    source
        Required data source, such as ``"encode"``. None prefers ``"gtex"`` if the tissue has such a track.
    assay_title
        Such as ``"polyA plus RNA-seq"``; None for any.
    if_ambiguous
        What to do if more than one track of a strand is left: ``"refuse"``, or take their ``"mean"``.

    Returns
    -------
    TrackChoice
        Its `requested` is the text.

    Raises
    ------
    UnknownNameError
        If nothing is found; the message lists near names, or what the tissue has.
    SettingError
        If several tracks are left and that is refused.
    """
    choice = find_tracks(table, tissue, if_ambiguous="mean")
    tracks = table.iloc[list(choice.indices)]
    if source is not None:
        # only GTEx's own tracks have its name for the tissue; tracks of other sources share the term
        terms = set(tracks["ontology"]) - {""}
        tracks = table[table.index.isin(tracks.index) | table["ontology"].isin(terms)]
    chosen = tracks
    for column, value in (("data_source", source), ("assay_title", assay_title)):
        if value is not None:
            chosen = chosen[chosen[column].str.casefold() == str(value).strip().casefold()]
        elif column == "data_source" and (tracks[column] == _PREFERRED_SOURCE).any():
            chosen = chosen[chosen[column] == _PREFERRED_SOURCE]
    if chosen.empty:
        raise UnknownNameError(
            f"AlphaGenome has no {table['assay'].iloc[0]} track of {tissue!r} with source={source!r} and "
            f"assay_title={assay_title!r}; it has {_listed(tracks)}"
        )
    if if_ambiguous == "refuse" and any(chosen["strand"].isin([".", strand]).sum() > 1 for strand in "+-"):
        raise SettingError(
            f"tissue {tissue!r} matches {len(chosen)} tracks: {_listed(chosen)}. Choose one by source= and "
            'assay_title= or by its number with tracks=, or average them with if_ambiguous="mean"'
        )
    indices = tuple(int(row) for row in chosen.index)
    return TrackChoice(requested=tissue, indices=indices, if_ambiguous=if_ambiguous, table=table)


def _listed(tracks: pd.DataFrame) -> str:
    shown = "; ".join(
        f"{row} ({', '.join(str(part) for part in (track.name, track.strand, track.data_source) if part)})"
        for row, track in zip(tracks.index[:_SHOWN], tracks[:_SHOWN].itertuples(index=False), strict=True)
    )
    return shown + (f" and {len(tracks) - _SHOWN} more" if len(tracks) > _SHOWN else "")


def answer_columns(
    answer: Any, keys: Sequence[tuple[str, str]], *, width_bp: int, length: int
) -> npt.NDArray[np.floating]:
    """Return the values of some tracks of an answer, found by name and strand.

    Parameters
    ----------
    answer
        A ``TrackData``, or None if the output is absent.
    keys
        Name and strand of each track.
    width_bp
        Bin width [bp].
    length
        Length of the sequence [bp].

    Returns
    -------
    numpy.ndarray
        ``(length // width_bp, n_tracks)``.

    Raises
    ------
    BadAnswerError
        If the output is absent, has another shape or resolution, lacks a track or has it twice, or contains NaN.
    """
    if answer is None:
        raise BadAnswerError("the output is absent")
    values, metadata = np.asarray(answer.values), answer.metadata
    n_bins = length // width_bp
    if values.ndim != 2 or values.shape[0] != n_bins or values.shape[1] != len(metadata):
        raise BadAnswerError(f"expected shape ({n_bins}, {len(metadata)}), got {values.shape}")
    if int(answer.resolution) != width_bp:
        raise BadAnswerError(f"expected bins of {width_bp} bp, got {answer.resolution}")
    if not {"name", "strand"} <= set(metadata.columns):
        raise BadAnswerError("its tracks have no names")
    names = [str(name) for name in metadata["name"]]
    strands = [str(strand) for strand in metadata["strand"]]
    places: dict[tuple[str, str], list[int]] = {}
    for column, key in enumerate(zip(names, strands, strict=True)):
        places.setdefault(key, []).append(column)
    columns = [places.get(key, []) for key in keys]
    if any(len(matches) != 1 for matches in columns):
        missing = sum(not matches for matches in columns)
        repeated = sum(len(matches) > 1 for matches in columns)
        raise BadAnswerError(f"of {len(keys)} tracks {missing} are missing and {repeated} occur more than once")
    chosen: npt.NDArray[np.floating] = values[:, [matches[0] for matches in columns]]
    if not np.isfinite(chosen).all():
        raise BadAnswerError(f"it contains NaN or infinity in {int((~np.isfinite(chosen)).sum())} places")
    return chosen
