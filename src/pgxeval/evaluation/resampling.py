"""Multiple testing, joint label permutations and the bootstrap over genomic blocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pgxeval.errors import SettingError
from pgxeval.seeding import hash64, permute_individuals

FEWEST_BLOCKS = 30


def benjamini_hochberg(p_values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return Benjamini-Hochberg q-values; NaN stays NaN and does not count as a test.

    Source: Benjamini and Hochberg 1995, J R Stat Soc B 57:289.

    Examples
    --------
    >>> benjamini_hochberg([0.01, float("nan"), 0.04, 0.03]).round(3).tolist()
    [0.03, nan, 0.04, 0.04]
    """
    p = np.asarray(p_values, dtype=np.float64)
    q = np.full(p.shape, np.nan)
    defined = np.flatnonzero(~np.isnan(p))
    if len(defined) == 0:
        return q
    order = defined[np.argsort(p[defined], kind="stable")]
    ranked = p[order] * len(order) / np.arange(1, len(order) + 1)
    q[order] = np.minimum(np.minimum.accumulate(ranked[::-1])[::-1], 1.0)
    return q


def label_permutations(
    individuals: Sequence[str],
    permutations: int,
    seed: int,
    groups: Sequence[str] | None = None,
    strata: Sequence[str] | None = None,
) -> npt.NDArray[np.int64]:
    """Return the joint permutations 1 to `permutations` of the cohort, one a row.

    They are those of `pgxeval.seeding.permute_individuals`, hence the same that cross-fitted predictors
    with this seed went through: what two predictors do in one replicate belongs together.
    """
    found = [permute_individuals(individuals, b, seed, groups, strata) for b in range(1, permutations + 1)]
    return np.array(found, dtype=np.int64).reshape(permutations, len(individuals))


def assign_blocks(contigs: Sequence[str], starts: npt.ArrayLike, block_bp: int = 1_000_000) -> npt.NDArray[np.int64]:
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
        int64 (n_genes,), blocks numbered in the order of contig name and position, whatever the order of genes.

    Examples
    --------
    >>> assign_blocks(["chr2", "chr1", "chr1"], [5, 999_999, 1_000_000]).tolist()
    [2, 0, 1]
    """
    if block_bp < 1:
        raise SettingError(f"block_bp must be 1 or more, got {block_bp}")
    stretch = np.asarray(starts, dtype=np.int64) // block_bp
    keys = list(zip([str(name) for name in contigs], stretch.tolist(), strict=True))
    number = {key: k for k, key in enumerate(sorted(set(keys)))}
    return np.array([number[key] for key in keys], dtype=np.int64)


def block_weights(n_blocks: int, bootstraps: int, seed: int, *names: object) -> npt.NDArray[np.float64]:
    """Draw blocks with replacement.

    Returns
    -------
    numpy.ndarray
        float64 (bootstraps, n_blocks): how often each block was drawn; each row adds up to `n_blocks`.
    """
    random = np.random.default_rng(hash64("blocks", seed, *names))
    if n_blocks == 0:
        return np.zeros((bootstraps, 0))
    drawn = random.integers(n_blocks, size=(bootstraps, n_blocks))
    drawn += np.arange(bootstraps)[:, None] * n_blocks
    counts = np.bincount(drawn.reshape(-1), minlength=bootstraps * n_blocks)
    return counts.reshape(bootstraps, n_blocks).astype(np.float64)


def block_sums(counts: npt.NDArray[np.float64], blocks: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Add up rows of genes within blocks: (n_genes, m) -> (n_blocks in use, m), blocks ascending."""
    _, inverse = np.unique(blocks, return_inverse=True)
    total = np.zeros((int(inverse.max()) + 1 if len(inverse) else 0, counts.shape[1]))
    np.add.at(total, inverse, counts)
    return total


def percentile_interval(draws: npt.ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """Return the central interval of bootstrap draws, ignoring undefined ones; infinite draws count.

    Quantiles are draws (no interpolation), so that an infinite odds ratio stays what it is.
    """
    values = np.asarray(draws, dtype=np.float64)
    values = values[~np.isnan(values)]
    if len(values) == 0:
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    return (
        float(np.quantile(values, tail, method="lower")),
        float(np.quantile(values, 1 - tail, method="higher")),
    )
