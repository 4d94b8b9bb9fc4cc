"""SequenceModel: the contract that the author of a deep model keeps; no inheritance, no registration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.checks import Validator, kind, one_of, text, whole
from pgxeval.errors import SettingError, TableError

if TYPE_CHECKING:
    from pgxeval.predictors.sequence.target import Target

# Columns of a track table, and what stands where the author gives none; name and bin_width_bp must be given.
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

_TEXT: Validator = text  # typed so that attrs takes the field's own type


def _lengths(value: int | Iterable[int]) -> tuple[int, ...]:
    given = (value,) if isinstance(value, int | np.integer) else tuple(value)
    return tuple(sorted({int(length) for length in given}))


def make_track_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a track table with all columns of the contract, checked; row number is track number.

    Parameters
    ----------
    table
        Columns `name` (text) and `bin_width_bp` (whole, above 0) must be there. Others are filled up:
        `assay`, `tissue`, `gtex_tissue` (GTEx's own name) and `ontology` (a term such as ``EFO:0002784``),
        text, empty where not known; `strand`, ``"+"``, ``"-"`` or ``"."`` (both); `pair`, the row of the same
        track on the other strand (itself for ``"."``); `scale`, ``"linear"`` where values of bins may be
        added up, else the name of the scale. Further columns stay.

    Returns
    -------
    pandas.DataFrame
        A copy with a plain index, the columns above first.

    Raises
    ------
    TableError
        If a column is missing, a name is empty, a strand or width is not allowed, or pairs do not match.

    Examples
    --------
    >>> table = make_track_table(pd.DataFrame({"name": ["RNA"], "bin_width_bp": [128]}))
    >>> table[["name", "strand", "pair"]]
      name strand  pair
    0  RNA      .     0
    """
    if not isinstance(table, pd.DataFrame):
        raise TableError(f"tracks must be a pandas.DataFrame, one row a track, got {type(table).__name__}")
    missing = [name for name, default in TRACK_COLUMNS.items() if default is None and name not in table.columns]
    if missing:
        raise TableError(f"track table lacks {' and '.join(missing)}; it has {', '.join(map(str, table.columns))}")
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
    _check_track_table(full)
    return full[[*TRACK_COLUMNS, *(name for name in full.columns if name not in TRACK_COLUMNS)]]


def _whole_numbers(column: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce")
    if numbers.isna().any() or (numbers % 1 != 0).any():
        raise TableError(
            f"track table: {column.name} must hold whole numbers; look at row {int(numbers.isna().argmax())}"
        )
    return numbers.astype(np.int64)


def _check_track_table(table: pd.DataFrame) -> None:
    def refuse(wrong: pd.Series, what: str) -> None:
        if wrong.any():
            raise TableError(f"track table: {what} at {int(wrong.sum())} rows, the first: {int(wrong.argmax())}")

    refuse(table["name"].str.strip() == "", "the name is empty")
    refuse(table["bin_width_bp"] < 1, "bin_width_bp is below 1")
    refuse(~table["strand"].isin(["+", "-", "."]), 'strand is none of "+", "-" and "."')
    pair = table["pair"].to_numpy()
    refuse(pd.Series((pair < -1) | (pair >= len(table))), "pair is no row of the table (-1: none)")
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


@attrs.frozen(kw_only=True, eq=False)
class ModelInfo:
    """What a sequence model says of itself.

    Parameters
    ----------
    name, version
        Text. Together with `settings` they stand for the numbers that the model gives: whatever changes
        these (weights, replicate, precision) must change one of the three, for scores are kept under them.
    context_lengths
        Lengths of sequence that the model takes [bp]; a single number or several.
    tracks
        One row a track, in the order of the model's output; see `make_track_table`.
    output_offset_bp
        Bases at either end of a sequence that the output leaves out: bin ``i`` of a track covers the bases
        ``[output_offset_bp + i * bin_width_bp, output_offset_bp + (i + 1) * bin_width_bp)`` of the sequence
        (0-based half-open), up to `output_offset_bp` before its end.
    n_policy
        What the model does with N: ``"accept"`` (it computes, the answer is finite) or ``"refuse"``, in which
        case windows that hold one are answered by NaN and never reach the model. Letters other than ACGTN never
        reach a model.
    batch_size
        Sequences a call at most, where the user names no other number.
    settings
        JSON-able: what else shapes the numbers, such as precision; recorded with every result.
    remote
        Whether sequences leave the machine. Such a model runs only where the user allowed it.
    in_flight
        Sequences that may pass at the same time, each alone and in a thread of its own; a model that says more than
        1 must be safe for threads. For services, whose time is spent waiting; others fill batches.
    citation, licence
        Text; empty where there is none.

    Raises
    ------
    SettingError
        If a field is not allowed, or a context length does not give whole bins.
    TableError
        If the track table is not as it should be.

    Examples
    --------
    >>> info = ModelInfo(
    ...     name="toy",
    ...     version="1",
    ...     context_lengths=1_024,
    ...     tracks=pd.DataFrame({"name": ["RNA"], "bin_width_bp": [128]}),
    ...     output_offset_bp=128,
    ... )
    >>> info.n_bins(1_024, [0])
    6
    """

    name: str = attrs.field(validator=_TEXT)
    version: str = attrs.field(validator=_TEXT)
    context_lengths: tuple[int, ...] = attrs.field(converter=_lengths)
    tracks: pd.DataFrame = attrs.field(converter=make_track_table, repr=lambda table: f"<{len(table)} tracks>")
    output_offset_bp: int = attrs.field(default=0, validator=whole(0))
    n_policy: Literal["accept", "refuse"] = attrs.field(default="accept", validator=one_of("accept", "refuse"))
    batch_size: int = attrs.field(default=8, validator=whole(1))
    settings: Mapping[str, Any] = attrs.field(factory=dict, converter=dict, validator=kind(Mapping))
    remote: bool = attrs.field(default=False, validator=kind(bool))
    in_flight: int = attrs.field(default=1, validator=whole(1))
    citation: str = ""
    licence: str = ""

    def __attrs_post_init__(self) -> None:
        if not self.context_lengths or self.context_lengths[0] < 1:
            raise SettingError(
                f"model {self.name}: context_lengths must hold at least one length above 0, got {self.context_lengths}"
            )
        if self.tracks.empty:
            raise SettingError(f"model {self.name}: the track table has no row")
        for length in self.context_lengths:
            inside = length - 2 * self.output_offset_bp
            for width in sorted(set(self.tracks["bin_width_bp"].tolist())):
                if inside < width or inside % width:
                    raise SettingError(
                        f"model {self.name}: a context of {length} bp without {self.output_offset_bp} bp at either end "
                        f"is not a whole number of bins of {width} bp"
                    )

    def bin_width_bp(self, tracks: Sequence[int]) -> int:
        """Return the bin width of some tracks [bp].

        Raises
        ------
        SettingError
            If there is no such track, or their widths differ.
        """
        wrong = [track for track in tracks if not 0 <= track < len(self.tracks)]
        if wrong or not len(tracks):
            raise SettingError(
                f"model {self.name}: tracks must be numbers from 0 to {len(self.tracks) - 1}, at least one, "
                f"got {list(tracks)[:8]}"
            )
        widths = sorted(set(self.tracks["bin_width_bp"].iloc[list(tracks)].tolist()))
        if len(widths) > 1:
            raise SettingError(
                f"model {self.name}: tracks of one call must share the bin width, got {widths} bp; ask for them in turn"
            )
        return int(widths[0])

    def n_bins(self, length: int, tracks: Sequence[int]) -> int:
        """Return the number of output bins for a sequence of `length` bp."""
        return (length - 2 * self.output_offset_bp) // self.bin_width_bp(tracks)

    def check_length(self, length: int) -> None:
        """Refuse a context length that the model does not take.

        Raises
        ------
        SettingError
            Naming the lengths that it does.
        """
        if length not in self.context_lengths:
            raise SettingError(
                f"model {self.name} does not take sequences of {length} bp; it takes "
                f"{', '.join(map(str, self.context_lengths))} bp"
            )


@runtime_checkable
class SequenceModel(Protocol):
    """A model that turns DNA into tracks.

    Any object with these two members will do. A model that pickles can be used by several processes.
    """

    @property
    def info(self) -> ModelInfo:
        """What the model says of itself; the same object or an equal one each time."""
        ...

    def predict_tracks(self, sequences: npt.NDArray[np.uint8], tracks: Sequence[int]) -> npt.NDArray[np.float32]:
        """Predict tracks of sequences.

        Parameters
        ----------
        sequences
            uint8 ``(n_sequences, length)``: ASCII of A, C, G, T and N, upper case; read-only. The forward
            strand of the reference, whatever the strand of the gene. `n_sequences` may be 0.
        tracks
            Rows of ``info.tracks``, all of one bin width, in the order wanted.

        Returns
        -------
        numpy.ndarray
            float32 ``(n_sequences, n_bins, n_tracks)``, where bins follow the sequence (bin 0 first) and
            ``n_bins`` is ``info.n_bins(length, tracks)``. An answer hangs on its own sequence alone, not on the
            others of the call.

        Raises
        ------
        pgxeval.SettingError
            If `length` is none of ``info.context_lengths``.
        """
        ...


@runtime_checkable
class PredictsTargets(Protocol):
    """An optional ability of a `SequenceModel`: it reduces its tracks to the wanted numbers by itself.

    It is for models that can compute only the wanted bins, that may fail one sequence at a time (hosted
    services) or that share work between sequences. `SequencePredictor` finds it by its name; for models
    without it `pgxeval.predictors.sequence.passes` does the same by `predict_tracks`.
    """

    def predict_targets(
        self, batches: Iterable[npt.NDArray[np.uint8]], targets: Sequence[Target], tracks: Sequence[int]
    ) -> Iterator[tuple[int, npt.NDArray[np.float64], str | None]]:
        """Predict one number for each target and track.

        Parameters
        ----------
        batches
            Sequences as `SequenceModel.predict_tracks` takes them, a few at a time; made while they are
            iterated over, so that they need not be in memory together.
        targets
            What is wanted. ``target.row`` is the row of its sequence, counted over all batches; several may
            share one. Ascending in `row`.
        tracks
            Rows of ``info.tracks``, all of one bin width.

        Yields
        ------
        tuple
            Position in `targets` (each once, in any order, as soon as it is known); float64 ``(n_tracks,)``,
            what ``target.reduce`` gives for the bins ``target.bins(...)``; and None, or why the numbers are NaN.
        """
        ...
