"""Two predictors compared by their mean correlation over the same genes."""

from __future__ import annotations

import math
from typing import Any, Literal

import attrs
import numpy as np
import numpy.typing as npt
import scipy

from pgxeval.errors import SettingError
from pgxeval.evaluation.blocks import block_sums
from pgxeval.evaluation.jackknife import BlockEstimate, replicate_variance
from pgxeval.evaluation.per_gene import Judged

Floats = npt.NDArray[np.float64]
Equivalence = Literal["yes", "no", "undecided", ""]


CORRELATION_DIFFERENCES = (-2.0, 2.0)
"""Smallest and largest possible difference of two correlations."""
_BETWEEN_DIFFERENCES = (-4.0, 4.0)


@attrs.frozen(kw_only=True)
class MeanDifference:
    """Difference of two predictors' mean correlation over the same genes.

    Every gene for which both predictors were asked counts; an undefined correlation counts as 0, in the observed data
    and on permuted expression.

    Parameters
    ----------
    n_genes
        Genes for which both predictors were asked.
    mean_a, mean_b
        Mean correlation of each over these genes.
    difference, low, high
        ``mean_a - mean_b`` with its block-jackknife interval.
    p_value
        Two-sided p-value for a difference of 0, from the block jackknife.
    median
        Median over genes of the difference.
    n_a_higher, n_b_higher
        Genes at which the one correlation is higher than the other.
    wilcoxon_p
        Two-sided p-value of Wilcoxon's signed-rank test on the mean difference of each block.
    reference
        The same difference on permuted expression, mean over joint replicates; NaN where it is unknown.
    over_reference, over_reference_low, over_reference_high, over_reference_p
        ``difference - reference`` with interval and p-value. The variance includes the variance between replicates.
        NaN where the reference is unknown.
    margin
        Equivalence margin; NaN if none was stated.
    equivalence_p
        Larger p-value of the two one-sided tests that the difference lies within the margin.
    equivalent
        ``"yes"`` if the interval at ``2 * confidence - 1`` (90 % for 95 %) lies within the margin, ``"no"`` if the
        interval at `confidence` lies outside it, else ``"undecided"``; empty without a margin.
    n_blocks, effective_blocks
        Genomic blocks, and their effective number.
    """

    n_genes: int
    mean_a: float = math.nan
    mean_b: float = math.nan
    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p_value: float = math.nan
    median: float = math.nan
    n_a_higher: int = 0
    n_b_higher: int = 0
    wilcoxon_p: float = math.nan
    reference: float = math.nan
    over_reference: float = math.nan
    over_reference_low: float = math.nan
    over_reference_high: float = math.nan
    over_reference_p: float = math.nan
    margin: float = math.nan
    equivalence_p: float = math.nan
    equivalent: Equivalence = ""
    n_blocks: int = 0
    effective_blocks: float = math.nan

    def row(self) -> dict[str, Any]:
        """Return the fields under the names of the columns of the comparison table."""
        return {COLUMNS.get(name, name): value for name, value in attrs.asdict(self).items()}


COLUMNS = {
    "difference": "mean_difference",
    "low": "mean_difference_low",
    "high": "mean_difference_high",
    "median": "median_difference",
    "reference": "reference_difference",
}


def mean_difference(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    blocks: npt.NDArray[np.int64],
    *,
    null_a: npt.ArrayLike | None = None,
    null_b: npt.ArrayLike | None = None,
    confidence: float = 0.95,
    margin: float | None = None,
) -> MeanDifference:
    """Compare the mean correlation of two predictors over the same genes.

    Parameters
    ----------
    a, b
        float64 (n_genes,): correlations of the two predictors; NaN is undefined and counts as 0.
    blocks
        int64 (n_genes,): genomic block of each gene.
    null_a, null_b
        float64 (n_replicates, n_genes): correlations on permuted expression, row by row from the same permutation of
        the individuals. None without joint replicates.
    confidence
        Level of the intervals.
    margin
        Difference of mean correlations below which the two count as equivalent.

    Returns
    -------
    MeanDifference
        Intervals and p-values are NaN with fewer than two effective blocks.

    Notes
    -----
    Equivalence is decided by two one-sided tests (Schuirmann 1987, J Pharmacokinet Biopharm 15:657).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> b = rng.normal(0.1, 0.1, size=200)
    >>> result = mean_difference(b + 0.05, b, np.arange(200) // 5, margin=0.1)
    >>> round(result.difference, 3), result.n_blocks, result.equivalent
    (0.05, 40, 'yes')
    """
    if margin is not None and not margin > 0:
        raise SettingError(f"margin must be above 0, got {margin}")
    r_a, r_b = (np.nan_to_num(np.asarray(one, dtype=np.float64), nan=0.0) for one in (a, b))
    gains = r_a - r_b
    if not len(gains):
        return MeanDifference(n_genes=0, margin=math.nan if margin is None else margin)
    sums = block_sums(np.column_stack([gains, np.ones(len(gains))]), blocks)
    estimate = BlockEstimate.ratio(sums[:, 0], sums[:, 1])
    low, high = estimate.interval(confidence, within=CORRELATION_DIFFERENCES)
    over, reference = _over_reference(gains, blocks, null_a, null_b)
    over_low, over_high = over.interval(confidence, within=_BETWEEN_DIFFERENCES) if over else (math.nan, math.nan)
    equivalence_p, equivalent = _equivalence(estimate, margin, confidence)
    return MeanDifference(
        n_genes=len(gains),
        mean_a=float(r_a.mean()),
        mean_b=float(r_b.mean()),
        difference=estimate.value,
        low=low,
        high=high,
        p_value=estimate.p_value(),
        median=float(np.median(gains)),
        n_a_higher=int((gains > 0).sum()),
        n_b_higher=int((gains < 0).sum()),
        wilcoxon_p=_wilcoxon(sums[:, 0] / sums[:, 1]),
        reference=reference,
        over_reference=over.value if over else math.nan,
        over_reference_low=over_low,
        over_reference_high=over_high,
        over_reference_p=over.p_value() if over else math.nan,
        margin=math.nan if margin is None else margin,
        equivalence_p=equivalence_p,
        equivalent=equivalent,
        n_blocks=len(sums),
        effective_blocks=estimate.effective_blocks,
    )


def _over_reference(
    gains: Floats, blocks: npt.NDArray[np.int64], null_a: npt.ArrayLike | None, null_b: npt.ArrayLike | None
) -> tuple[BlockEstimate | None, float]:
    if null_a is None or null_b is None or not len(np.asarray(null_a)):
        return None, math.nan
    null = np.nan_to_num(np.asarray(null_a, dtype=np.float64), nan=0.0)
    null = null - np.nan_to_num(np.asarray(null_b, dtype=np.float64), nan=0.0)
    ones = np.ones(len(gains))
    sums = block_sums(np.column_stack([gains - null.mean(axis=0), ones, *null]), blocks)
    replicates = [BlockEstimate.ratio(column, sums[:, 1]) for column in sums[:, 2:].T]
    spread = replicate_variance([one.value for one in replicates], [one.block_variance for one in replicates])
    estimate = BlockEstimate.ratio(sums[:, 0], sums[:, 1]).with_extra_variance(spread)
    return estimate, float(null.mean())


def _equivalence(estimate: BlockEstimate, margin: float | None, confidence: float) -> tuple[float, Equivalence]:
    if margin is None:
        return math.nan, ""
    below = estimate.one_sided_p(margin, greater=False)
    above = estimate.one_sided_p(-margin, greater=True)
    if math.isnan(below) or math.isnan(above):
        return math.nan, "undecided"
    low, high = estimate.interval(confidence)
    if max(below, above) < 1 - confidence:
        return max(below, above), "yes"
    return max(below, above), "no" if low > margin or high < -margin else "undecided"


def _wilcoxon(differences: Floats) -> float:
    """Return the p-value of the signed-rank test; NaN with fewer than six blocks, which cannot reach 0.05."""
    moved = differences[differences != 0]
    return float(scipy.stats.wilcoxon(moved).pvalue) if len(moved) >= 6 else math.nan


def joint_replicates(a: Judged, b: Judged) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], str]:
    """Return the rows of the two nulls that come from the same permutations, and their origin.

    Two predictors respond to the same permuted expression in similar ways, so the reference of a pair needs replicates
    that both went through.
    """
    nothing = np.empty(0, dtype=np.intp)
    if a.null_key is None or b.null_key is None:
        lacking = " and ".join(one.predictor for one in (a, b) if one.null_key is None)
        return nothing, nothing, f"none: no permuted replicates of {lacking}"
    if a.null_key != b.null_key:
        return nothing, nothing, "none: the two were permuted with different seeds or among different individuals"
    common, rows_a, rows_b = np.intersect1d(a.null_replicates, b.null_replicates, return_indices=True)
    if len(common) == 0:
        return nothing, nothing, "none: the two have no replicate in common"
    return rows_a, rows_b, f"{len(common)} joint replicates on permuted expression"
