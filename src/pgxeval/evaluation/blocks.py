"""Genomic blocks: how far apart genes must be to count as independent, and sums within blocks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pgxeval.errors import SettingError

Floats = npt.NDArray[np.float64]

SHORTEST_BP = 1_000_000
"""No default block is shorter than this: linkage reaches beyond narrow windows."""
UNKNOWN_WINDOW_BP = 2_000_000
"""Span over which genes are assumed to share variants where a predictor's window is not recorded."""
_BLOCK_PER_SPAN = 2.5


def default_block_bp(settings: Iterable[Mapping[str, Any]]) -> int:
    """Return the default block length for the predictors of a run.

    Two genes can share variants if their windows overlap, that is, if they lie within one window length (twice the
    flank) of each other. The default is two and a half times the widest window of the run, because with blocks
    as short as the window itself most neighbouring blocks still share variants: 5 Mb for windows of 1 Mb on either side
    (``validation/blocks.md``).

    Parameters
    ----------
    settings
        Recorded settings of each predictor. A window is read from ``flank_bp`` (twice its value) or from
        ``context_length_bp``, wherever they occur in the nested settings; a predictor that records neither is taken
        to have a window of `UNKNOWN_WINDOW_BP`.

    Returns
    -------
    int
        Block length in bp, at least `SHORTEST_BP`.

    Examples
    --------
    >>> default_block_bp([{"asked": {"variants": {"flank_bp": 1_000_000}}}])
    5000000
    >>> default_block_bp([{"asked": {"variants": {"flank_bp": 50_000}}}])
    1000000
    >>> default_block_bp([{}])
    5000000
    """
    windows = [max(_windows(one), default=UNKNOWN_WINDOW_BP) for one in settings]
    return max(SHORTEST_BP, int(_BLOCK_PER_SPAN * max(windows, default=UNKNOWN_WINDOW_BP)))


def _windows(settings: Mapping[str, Any]) -> list[int]:
    windows = []
    for key, value in settings.items():
        if isinstance(value, Mapping):
            windows += _windows(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            if key == "flank_bp":
                windows.append(2 * int(value))
            elif key == "context_length_bp":
                windows.append(int(value))
    return windows


def assign_blocks(contigs: Sequence[str], starts: npt.ArrayLike, block_bp: int) -> npt.NDArray[np.int64]:
    """Assign to each gene the number of the stretch of `block_bp` in which it starts.

    Parameters
    ----------
    contigs
        str (n_genes,).
    starts
        int (n_genes,), 0-based.
    block_bp
        Length of a block.

    Returns
    -------
    numpy.ndarray
        int64 (n_genes,), blocks numbered in the order of contig name and position, for any order of genes.

    Examples
    --------
    >>> assign_blocks(["chr2", "chr1", "chr1"], [5, 999_999, 1_000_000], 1_000_000).tolist()
    [2, 0, 1]
    """
    if block_bp < 1:
        raise SettingError(f"block_bp must be 1 or more, got {block_bp}")
    stretch = np.asarray(starts, dtype=np.int64) // block_bp
    keys = list(zip([str(name) for name in contigs], stretch.tolist(), strict=True))
    number = {key: k for k, key in enumerate(sorted(set(keys)))}
    return np.array([number[key] for key in keys], dtype=np.int64)


def block_sums(values: npt.NDArray[np.generic], blocks: npt.NDArray[np.int64]) -> Floats:
    """Add up rows of genes within blocks: (n_genes, m) -> float64 (n_blocks in use, m), blocks ascending."""
    if not len(blocks):
        return np.zeros((0, values.shape[1]))
    # whole numbers of 16 bits are sorted much faster
    order = np.argsort(blocks.astype(np.uint16) if blocks.max() < 2**16 else blocks, kind="stable")
    first = np.flatnonzero(np.r_[True, np.diff(blocks[order]) != 0])
    return np.add.reduceat(np.asarray(values, dtype=np.float64)[order], first, axis=0)
