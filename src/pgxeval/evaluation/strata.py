"""Genes whose expression is a nonlinear function of genotype: where a random forest beats an elastic net."""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.evaluation.inference import FEWEST_DRAWS, pooled_p
from pgxeval.evaluation.resampling import benjamini_hochberg

Floats = npt.NDArray[np.float64]

LINEAR, NONLINEAR, UNPREDICTABLE, UNTESTED = "linear", "nonlinear", "unpredictable", "untested"
STRATA = (LINEAR, NONLINEAR, UNPREDICTABLE)


@attrs.frozen(kw_only=True, eq=False)
class GainTest:
    """Gains of one predictor over another, tested against their gains on permuted expression.

    Parameters
    ----------
    gain
        float64 (n_genes,): Spearman correlation of the one less that of the other, an undefined one counting
        as 0; NaN where both are undefined.
    p, q
        One-sided p-value and its Benjamini-Hochberg q-value, NaN where untested.
    draws
        Null gains in the pool.
    """

    gain: Floats
    p: Floats
    q: Floats
    draws: int


def gain_of(better: npt.ArrayLike, base: npt.ArrayLike) -> Floats:
    """Return ``better - base``, an undefined correlation counting as 0; NaN where both are undefined.

    Examples
    --------
    >>> nan = float("nan")
    >>> gain_of([0.3, 0.2, nan], [0.1, nan, nan]).round(3).tolist()
    [0.2, 0.2, nan]
    """
    r_better, r_base = np.asarray(better, dtype=np.float64), np.asarray(base, dtype=np.float64)
    gain = np.nan_to_num(r_better, nan=0.0) - np.nan_to_num(r_base, nan=0.0)
    return np.where(np.isnan(r_better) & np.isnan(r_base), np.nan, gain)


def gain_test(
    better: npt.ArrayLike,
    base: npt.ArrayLike,
    df: npt.ArrayLike,
    *,
    null_better: npt.ArrayLike,
    null_base: npt.ArrayLike,
    null_df: npt.ArrayLike,
    fewest: int = FEWEST_DRAWS,
) -> GainTest:
    """Test whether one cross-fitted predictor beats another, gene by gene.

    Two correlations with the same expression, each cross-fitted, differ by chance more than a paired bootstrap
    of the individuals shows (it fires at 10 to 12 % of null genes), so the gain is compared with the gains of
    the same two procedures on permuted expression, pooled over genes of the same n and over replicates.

    Parameters
    ----------
    better, base, df
        Spearman correlations and degrees of freedom, (n_genes,).
    null_better, null_base, null_df
        The same on permuted expression, (n_replicates, n_genes): both of one replicate from one permutation.
    fewest
        See `pgxeval.evaluation.inference.pooled_p`.
    """
    gain = gain_of(better, base)
    null = gain_of(null_better, null_base)
    p, _ = pooled_p(gain, df, null, null_df, fewest)
    return GainTest(gain=gain, p=p, q=benjamini_hochberg(p), draws=int((~np.isnan(null)).sum()))


def assign_strata(
    gain_q: npt.ArrayLike, base_q: npt.ArrayLike, better_q: npt.ArrayLike, level: float = 0.05
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_]]:
    """Sort genes into linear, nonlinear and unpredictable ones.

    Nonlinear: the gain of the random forest is significant and so is the random forest on its own. Linear: the
    elastic net is significant, and the gene not nonlinear. Unpredictable: all others; among them may be genes at
    which the forest alone is significant, too weakly to show a gain, and their reason says so. Significant
    means a q-value below `level` throughout, so that each stratum has one error rate, whatever the number of
    genes that were tried.

    Parameters
    ----------
    gain_q, base_q, better_q
        q-values of the gain, of the elastic net and of the random forest; NaN is not significant, and so a gene
        whose correlation is negative is given NaN.
    level
        Level of significance.

    Returns
    -------
    tuple of numpy.ndarray
        Stratum and reason of each gene.

    Examples
    --------
    >>> assign_strata([0.01, 0.5, 0.5, 0.5], [0.5, 0.01, 0.5, 0.5], [0.01, 0.2, 0.5, 0.01])[0].tolist()
    ['nonlinear', 'linear', 'unpredictable', 'unpredictable']
    """

    def significant(q: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        return np.nan_to_num(np.asarray(q, dtype=np.float64), nan=1.0) < level

    gain, base, better = significant(gain_q), significant(base_q), significant(better_q)
    nonlinear = gain & better
    linear = base & ~nonlinear
    stratum = np.where(nonlinear, NONLINEAR, np.where(linear, LINEAR, UNPREDICTABLE)).astype(object)
    reason = np.select(
        [nonlinear, linear, better, gain],
        [
            "gain and random forest significant",
            "elastic net significant, gain not shown",
            "random forest significant, but neither gain nor elastic net",
            "gain significant, but not the random forest on its own",
        ],
        default="neither elastic net nor random forest significant",
    ).astype(object)
    return stratum, reason
