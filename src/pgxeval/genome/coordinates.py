"""CoordinateMap: which base of a haplotype is which base of the reference."""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt

NONE = -1


@attrs.frozen(kw_only=True, eq=False)
class CoordinateMap:
    """The map between a haplotype's indices and reference positions, both 0-based.

    It consists of blocks of bases in the same order on both sides. A substituted base maps to
    the base that it replaces; inserted bases map to no reference base, deleted ones to no haplotype base.

    Parameters
    ----------
    haplotype_starts, reference_starts, lengths
        int64 ``(n_blocks,)``: where each block begins on either side, ascending, and its length [bp].
    """

    haplotype_starts: npt.NDArray[np.int64]
    reference_starts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]

    def to_reference(self, indices: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return the reference positions of haplotype bases.

        Parameters
        ----------
        indices
            Indices in the haplotype, 0-based.

        Returns
        -------
        numpy.ndarray
            int64, of the shape given: positions, 0-based; -1 for an inserted base, an N off the contig, and
            an index outside of the haplotype.
        """
        return _lift(indices, self.haplotype_starts, self.reference_starts, self.lengths)

    def from_reference(self, positions: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return the indices of reference bases in the haplotype.

        Parameters
        ----------
        positions
            Reference positions, 0-based.

        Returns
        -------
        numpy.ndarray
            int64, of the shape given: indices, 0-based; -1 for a deleted base and one outside of the window.
        """
        return _lift(positions, self.reference_starts, self.haplotype_starts, self.lengths)


def _lift(
    values: npt.ArrayLike,
    source: npt.NDArray[np.int64],
    target: npt.NDArray[np.int64],
    lengths: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    positions = np.asarray(values, dtype=np.int64)
    if source.size == 0:
        return np.full(positions.shape, NONE, np.int64)
    block = np.maximum(np.searchsorted(source, positions, side="right") - 1, 0)
    offset = positions - source[block]
    inside = (offset >= 0) & (offset < lengths[block])
    return np.where(inside, target[block] + offset, NONE)
