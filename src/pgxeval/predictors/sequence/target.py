"""Target: the stretches of one sequence that are read, and how they become one number."""

from __future__ import annotations

import hashlib
from typing import Literal

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.checks import one_of, whole
from pgxeval.errors import SettingError

Aggregate = Literal["sum", "mean", "max"]


def _segments(value: npt.ArrayLike) -> npt.NDArray[np.int64]:
    segments = np.array(value, dtype=np.int64).reshape(-1, 2)
    segments.flags.writeable = False
    return segments


@attrs.frozen(kw_only=True, eq=False)
class Target:
    """Stretches of one sequence whose bins become one number per track.

    Parameters
    ----------
    row
        Row of the sequence.
    segments
        int64 ``(n_segments, 2)``: start and end indices on the sequence, 0-based and half-open; sorted, not empty and
        not overlapping.
    aggregate
        ``"sum"``: each bin is weighted by the share of it that is covered. ``"mean"``: average over the covered
        bases. ``"max"``: largest of all bins that are touched.
    log_bins
        Whether ln(x + 1) of each bin is taken first.

    Examples
    --------
    >>> target = Target(row=0, segments=[(2, 8)], aggregate="sum")
    >>> target.bins(width_bp=4, offset_bp=0)
    (array([0, 1]), array([0.5, 1. ]))
    >>> target.reduce(np.array([[10.0], [1.0]]), width_bp=4, offset_bp=0)
    array([6.])
    """

    row: int = attrs.field(validator=whole(0))
    segments: npt.NDArray[np.int64] = attrs.field(converter=_segments, repr=lambda segments: f"<{len(segments)}>")
    aggregate: Aggregate = attrs.field(default="sum", validator=one_of("sum", "mean", "max"))
    log_bins: bool = False

    def __attrs_post_init__(self) -> None:
        flat = self.segments.ravel()
        if (
            not flat.size
            or flat[0] < 0
            or (self.segments[:, 0] >= self.segments[:, 1]).any()
            or (np.diff(flat) < 0).any()
        ):
            raise SettingError(
                "Target: segments must be sorted, not overlapping and not empty; indices are 0-based and half-open"
            )

    @property
    def key(self) -> bytes:
        """Sixteen bytes that identify everything except the row."""
        digest = hashlib.blake2b(self.segments.tobytes(), digest_size=16)
        digest.update(f"{self.aggregate} {self.log_bins}".encode())
        return digest.digest()

    def mirrored(self, length: int) -> Target:
        """Return the same target on the reverse complement of a sequence of `length` bp."""
        return attrs.evolve(self, segments=length - self.segments[::-1, ::-1])

    def bins(self, width_bp: int, offset_bp: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Return the output bins that are touched, and the share of each that is covered.

        Parameters
        ----------
        width_bp
            Bin width [bp].
        offset_bp
            Index in the sequence at which bin 0 begins [bp].

        Returns
        -------
        tuple of numpy.ndarray
            Bin numbers, int64 ``(n,)``, ascending; covered shares, float64 ``(n,)`` in (0, 1].
        """
        if width_bp == 1:
            bins = np.concatenate([np.arange(start, end) for start, end in (self.segments - offset_bp).tolist()])
            return bins, np.ones(bins.size)
        covered: dict[int, int] = {}
        for start, end in (self.segments - offset_bp).tolist():
            for number in range(start // width_bp, (end - 1) // width_bp + 1):
                bases = min(end, (number + 1) * width_bp) - max(start, number * width_bp)
                covered[number] = covered.get(number, 0) + bases
        return np.array(list(covered), dtype=np.int64), np.array(list(covered.values()), dtype=np.float64) / width_bp

    def reduce(self, values: npt.NDArray[np.floating], width_bp: int, offset_bp: int) -> npt.NDArray[np.float64]:
        """Return one number per track.

        Parameters
        ----------
        values
            ``(n, n_tracks)``: the values of the bins returned by `bins`, in that order.
        width_bp, offset_bp
            As for `bins`.

        Returns
        -------
        numpy.ndarray
            float64 ``(n_tracks,)``.
        """
        _, share = self.bins(width_bp, offset_bp)
        wide = np.asarray(values, dtype=np.float64)
        if self.log_bins:
            with np.errstate(invalid="ignore", divide="ignore"):
                wide = np.log1p(wide)
        if self.aggregate == "max":
            reduced: npt.NDArray[np.float64] = wide.max(axis=0)
            return reduced
        reduced = share @ wide
        return reduced / share.sum() if self.aggregate == "mean" else reduced
