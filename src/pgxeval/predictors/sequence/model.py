"""SequenceModel: the contract that the author of a deep model fulfils, without inheritance or registration.

Optional abilities of a model are separate protocols: `PredictsTargets`, `CountsCalls`, `HasQuota`,
`Interruptible`. The sequence engine finds them by `isinstance`, that is, by their members.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.checks import Validator, kind, one_of, text, whole
from pgxeval.errors import SettingError
from pgxeval.predictors.sequence.target import Target
from pgxeval.predictors.sequence.track_table import make_track_table
from pgxeval.signatures import show_defaults

_TEXT: Validator = text  # typed so that attrs uses the type of the field


def _lengths(value: int | Iterable[int]) -> tuple[int, ...]:
    lengths = (value,) if isinstance(value, int | np.integer) else tuple(value)
    return tuple(sorted({int(length) for length in lengths}))


@show_defaults
@attrs.frozen(kw_only=True, eq=False)
class ModelInfo:
    """Description of a sequence model by its author.

    Parameters
    ----------
    name, version
        Text. Together with `settings` they identify the numbers that the model gives: whatever changes the numbers
        (weights, replicate, precision) must change one of the three, because scores are cached under them.
    context_lengths
        Sequence lengths that the model accepts [bp]; a single number or several.
    tracks
        One row per track, in the order of the model's output; see `make_track_table`.
    output_offset_bp
        Bases at either end of a sequence that the output does not cover: bin ``i`` of a track covers the bases
        ``[output_offset_bp + i * bin_width_bp, output_offset_bp + (i + 1) * bin_width_bp)`` of the sequence
        (0-based, half-open), up to `output_offset_bp` before its end.
    n_policy
        What the model does with N: ``"accept"`` (it returns finite numbers) or ``"refuse"``, in which case windows
        that contain N are answered with NaN and never reach the model. Letters other than ACGTN never reach a model.
    batch_size
        Maximum number of sequences per call, unless the user sets another one.
    settings
        JSON-serialisable: what else shapes the numbers, such as precision; recorded with every result.
    remote
        Whether sequences may leave this machine. A model counts as remote unless its author declares
        ``remote=False``; a remote model runs only if the user passes ``allow_remote=True``.
    in_flight
        Number of sequences that may be processed at the same time, each in its own call and thread. A model that
        declares more than 1 must be thread-safe. For services, where time is spent waiting; others fill batches.
    citation, licence
        Text; may be empty.

    Raises
    ------
    SettingError
        If a field is not allowed, or a context length does not give whole bins.
    TableError
        If the track table is invalid.

    Examples
    --------
    >>> info = ModelInfo(
    ...     name="toy",
    ...     version="1",
    ...     context_lengths=1_024,
    ...     tracks=pd.DataFrame({"name": ["RNA"], "bin_width_bp": [128]}),
    ...     output_offset_bp=128,
    ...     remote=False,
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
    remote: bool = attrs.field(default=True, validator=kind(bool))
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
                        f"is not a whole number of {width}-bp bins"
                    )

    def bin_width_bp(self, tracks: Sequence[int]) -> int:
        """Return the common bin width of some tracks [bp].

        Raises
        ------
        SettingError
            If a track does not exist, or the widths differ.
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
                f"model {self.name}: tracks of one call must share the bin width, got {widths} bp; request them "
                "separately"
            )
        return int(widths[0])

    def n_bins(self, length: int, tracks: Sequence[int]) -> int:
        """Return the number of output bins for a sequence of `length` bp."""
        return (length - 2 * self.output_offset_bp) // self.bin_width_bp(tracks)

    def check_length(self, length: int) -> None:
        """Raise an error for a context length that the model does not accept.

        Raises
        ------
        SettingError
            With the lengths that the model accepts.
        """
        if length not in self.context_lengths:
            raise SettingError(
                f"model {self.name} does not accept sequences of {length} bp; it accepts "
                f"{', '.join(map(str, self.context_lengths))} bp"
            )


@runtime_checkable
class SequenceModel(Protocol):
    """A model that predicts tracks (such as RNA-seq coverage per bin) from DNA sequences.

    Any object with these two members qualifies. A model that can be pickled can be used by several processes.
    """

    @property
    def info(self) -> ModelInfo:
        """Description of the model; the same object, or an equal one, each time."""
        ...

    def predict_tracks(self, sequences: npt.NDArray[np.uint8], tracks: Sequence[int]) -> npt.NDArray[np.float32]:
        """Predict tracks for sequences.

        Parameters
        ----------
        sequences
            uint8 ``(n_sequences, length)``: upper-case ASCII of A, C, G, T and N; read-only. Always the forward strand
            of the reference, also for genes on the reverse strand. `n_sequences` may be 0.
        tracks
            Rows of ``info.tracks``, all with the same bin width, in the requested order.

        Returns
        -------
        numpy.ndarray
            float32 ``(n_sequences, n_bins, n_tracks)``, where bins are in the order of the sequence and ``n_bins`` is
            ``info.n_bins(length, tracks)``. The values of a sequence depend only on that sequence, not on the others
            of the call.

        Raises
        ------
        pgxeval.SettingError
            If `length` is not one of ``info.context_lengths``.
        """
        ...


@runtime_checkable
class PredictsTargets(Protocol):
    """Optional ability of a `SequenceModel`: it reduces its tracks to the requested numbers itself.

    This is for models that can compute only the requested bins, that may fail for single sequences (hosted services)
    or that share work between sequences. For other models `pgxeval.predictors.sequence.passes.predict_targets` does
    the same with `SequenceModel.predict_tracks`.
    """

    def predict_targets(
        self, batches: Iterable[npt.NDArray[np.uint8]], targets: Sequence[Target], tracks: Sequence[int]
    ) -> Iterator[tuple[int, npt.NDArray[np.float64], str | None]]:
        """Predict one number per target and track.

        Parameters
        ----------
        batches
            Batches of sequences as for `SequenceModel.predict_tracks`. They are made during the iteration, so that
            they need not be in memory together.
        targets
            What to read. ``target.row`` is the row of its sequence, counted over all batches; several targets may
            share a sequence. Sorted by `row`.
        tracks
            Rows of ``info.tracks``, all with the same bin width.

        Yields
        ------
        tuple
            Position in `targets` (each once, in any order, as soon as it is known); float64 ``(n_tracks,)``, equal to
            ``target.reduce`` of the bins ``target.bins(...)``; and None, or the reason why the numbers are NaN.
        """
        ...


@runtime_checkable
class CountsCalls(Protocol):
    """Optional ability of a `SequenceModel`: it counts events that a user wants to see while a run is in progress."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Short label -> count since the model was made, such as rejected or repeated calls; 0 is not shown."""
        ...


@runtime_checkable
class HasQuota(Protocol):
    """Optional ability of a `SequenceModel`: it knows how many calls per minute a service grants."""

    @property
    def calls_per_minute(self) -> float | None:
        """Calls per minute as they were set or learned so far; None while unknown."""
        ...


@runtime_checkable
class Interruptible(Protocol):
    """Optional ability of a `SequenceModel`: its calls can be ended from another thread."""

    def interrupt(self, now: bool) -> None:
        """End waiting calls at once, and with ``now=True`` calls under way as well.

        It is called when a run ends early, possibly several times. Calls that begin later are not affected, so the
        model can be used again.
        """
        ...
