r"""Delete-one-block jackknife: standard errors, intervals and p-values of statistics over neighbouring genes.

A statistic is written as a function of ratios of sums over genes (a share, a mean, an odds). Leaving out one genomic
block at a time shows how much each block moves a ratio; the delta method carries these changes through logarithms and
differences. With :math:`\theta_{-b}` the value without block b of B,

.. math:: \hat V = \frac{B-1}{B} \sum_b (\theta_{-b} - \theta)^2 .

Intervals and p-values use Student's t on :math:`B^* - 1` degrees of freedom, where
:math:`B^* = (\sum_b m_b)^2 / \sum_b m_b^2` is the effective number of blocks and :math:`m_b` the denominator that
block b contributes.

Sources: the cluster jackknife of MacKinnon, Nielsen and Webb 2023, J Appl Econometrics 38:671; the effective number of
clusters of Carter, Schnepel and Steigerwald 2017, Rev Econ Stat 99:698. Their conservative variant, which assumes that
genes of a block are perfectly correlated, was compared with the one used here in ``validation/blocks.md``.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs
import numpy as np
import numpy.typing as npt
import scipy
from scipy import special

Floats = npt.NDArray[np.float64]

FEWEST_BLOCKS = 2.0
"""Effective number of blocks below which no interval and no p-value is given."""
_SMALLEST_LOG_P = math.log(1e-100)


@attrs.frozen(kw_only=True, eq=False)
class BlockEstimate:
    """A statistic together with its change when each genomic block is left out.

    Parameters
    ----------
    value
        The statistic over all genes.
    changes
        float64 (n_blocks,): change of the value when this block is left out.
    effective_blocks
        Effective number of blocks, between 1 and n_blocks; NaN if undefined.
    extra_variance
        Variance that is common to all blocks and therefore invisible to the jackknife.
    extra_df
        Degrees of freedom from which the extra variance was estimated. Half the length of an interval is the root of
        the sum of squares of the lengths that either variance alone would give (see `half_width`).

    Examples
    --------
    Three blocks with 2 of 4, 3 of 4 and 4 of 4 genes right:

    >>> share = BlockEstimate.ratio([2.0, 3.0, 4.0], [4.0, 4.0, 4.0])
    >>> share.value, round(share.standard_error, 4), share.effective_blocks
    (0.75, 0.1443, 3.0)
    """

    value: float
    changes: Floats = attrs.field(repr=False)
    effective_blocks: float
    extra_variance: float = 0.0
    extra_df: float = math.inf

    @classmethod
    def ratio(cls, top: npt.ArrayLike, bottom: npt.ArrayLike) -> BlockEstimate:
        """Return the ratio of two sums over genes, from the sums of each block.

        Parameters
        ----------
        top, bottom
            float64 (n_blocks,): contribution of each block to numerator and denominator.

        Returns
        -------
        BlockEstimate
            Its value is NaN where the denominator is 0, and its changes are NaN where a single block holds the
            whole denominator.
        """
        above, below = np.asarray(top, dtype=np.float64), np.asarray(bottom, dtype=np.float64)
        whole = float(below.sum())
        if whole == 0:
            return cls(value=math.nan, changes=np.full(len(below), np.nan), effective_blocks=math.nan)
        value = float(above.sum()) / whole
        with np.errstate(divide="ignore", invalid="ignore"):
            changes = np.where(below < whole, -(above - value * below) / (whole - below), np.nan)
        return cls(value=value, changes=changes, effective_blocks=whole**2 / float((below**2).sum()))

    def minus(self, other: BlockEstimate) -> BlockEstimate:
        """Return the difference of two statistics over the same blocks."""
        return BlockEstimate(
            value=self.value - other.value,
            changes=self.changes - other.changes,
            effective_blocks=min(self.effective_blocks, other.effective_blocks),
            extra_variance=self.extra_variance + other.extra_variance,
            extra_df=min(self.extra_df, other.extra_df),
        )

    def log_odds(self) -> BlockEstimate:
        """Return the log odds of a share; infinite, with undefined changes, for a share of 0 or 1."""
        return self._transformed(float(special.logit(self.value)), 1 / _or_nan(self.value * (1 - self.value)))

    def log(self) -> BlockEstimate:
        """Return the natural logarithm of a positive statistic."""
        return self._transformed(math.log(self.value) if self.value > 0 else math.nan, 1 / _or_nan(self.value))

    def with_extra_variance(self, extra: ExtraVariance) -> BlockEstimate:
        """Return the same statistic with a variance added to what the jackknife finds."""
        return attrs.evolve(
            self, extra_variance=self.extra_variance + extra.variance, extra_df=min(self.extra_df, extra.df)
        )

    def _transformed(self, value: float, slope: float) -> BlockEstimate:
        return attrs.evolve(
            self, value=value, changes=self.changes * slope, extra_variance=self.extra_variance * slope**2
        )

    @property
    def block_variance(self) -> float:
        """Jackknife variance between blocks; NaN where undefined."""
        blocks = len(self.changes)
        return (blocks - 1) / blocks * float((self.changes**2).sum()) if blocks else math.nan

    @property
    def standard_error(self) -> float:
        """Standard error from the blocks and the extra variance; NaN with too few blocks."""
        enough = self.effective_blocks >= FEWEST_BLOCKS
        return math.sqrt(self.block_variance + self.extra_variance) if enough else math.nan

    def half_width(self, confidence: float) -> float:
        """Return half the length of an interval.

        It is ``sqrt(t_b**2 V_b + t_r**2 V_r)``, where V_b is the variance between blocks, V_r the extra variance,
        and t_b and t_r are the quantiles of Student's t on the degrees of freedom of each. With few replicates a small
        V_r is often small by chance; combining degrees of freedom (Welch-Satterthwaite) then covered 0.82 to 0.93 at
        0.95, and this form 0.94 to 0.98 from five replicates on (``validation/reference_noise.md``).

        Source: Cochran 1964, Biometrics 20:191, who weights the quantiles in a similar way.

        Returns
        -------
        float
            NaN with too few blocks, or with an extra variance that is not known.
        """
        if not self.effective_blocks >= FEWEST_BLOCKS:
            return math.nan
        return self._reach(math.log1p(-confidence))

    def _reach(self, log_p: float) -> float:
        """Return the distance from the value at which the two-sided p-value is ``exp(log_p)``."""
        tail = math.exp(log_p) / 2
        square = float(special.stdtrit(self.effective_blocks - 1, tail)) ** 2 * self.block_variance
        if self.extra_variance != 0:
            square += float(special.stdtrit(self.extra_df, tail)) ** 2 * self.extra_variance
        return math.sqrt(square)

    def interval(
        self,
        confidence: float = 0.95,
        inverse: Callable[[float], float] | None = None,
        within: tuple[float, float] = (-math.inf, math.inf),
    ) -> tuple[float, float]:
        """Return confidence limits from Student's t.

        Parameters
        ----------
        confidence
            Level of the interval.
        inverse
            Increasing function that is applied to both limits, such as `scipy.special.expit` for log odds.
        within
            Smallest and largest possible value of the statistic, such as -1 and 1 for a difference of two shares. A
            limit beyond is set to it, which excludes no possible value and so leaves the coverage as it is.

        Returns
        -------
        tuple of float
            Lower and upper limit; NaN with an effective number of blocks below `FEWEST_BLOCKS`.
        """
        half = self.half_width(confidence)
        low, high = self.value - half, self.value + half
        if inverse is not None:
            low, high = float(inverse(low)), float(inverse(high))
        # in this order, NaN stays NaN
        return max(low, within[0]), min(high, within[1])

    def p_value(self, null: float = 0.0) -> float:
        """Return the two-sided p-value for the hypothesis that the statistic is `null`; NaN as for `interval`."""
        error = self.standard_error
        if math.isnan(error) or math.isnan(self.value) or math.isinf(self.value):
            return math.nan
        distance = abs(self.value - null)
        if error == 0:
            return 1.0 if distance == 0 else 0.0
        if self.extra_variance == 0:
            return float(2 * special.stdtr(self.effective_blocks - 1, -distance / error))

        if distance == 0 or distance >= self._reach(_SMALLEST_LOG_P):
            return 1.0 if distance == 0 else math.exp(_SMALLEST_LOG_P)
        return math.exp(scipy.optimize.brentq(lambda log_p: self._reach(log_p) - distance, _SMALLEST_LOG_P, 0.0))

    def one_sided_p(self, null: float, *, greater: bool) -> float:
        """Return the p-value for the statistic being above (`greater`) or below `null`."""
        two_sided = self.p_value(null)
        return two_sided / 2 if (self.value > null) == greater else 1 - two_sided / 2


@attrs.frozen(kw_only=True)
class ExtraVariance:
    """A variance and the degrees of freedom from which it was estimated."""

    variance: float
    df: float = math.inf


def replicate_variance(values: npt.ArrayLike, within: npt.ArrayLike) -> ExtraVariance:
    """Return the variance that a difference to the mean over replicates has in addition to that of its blocks.

    All genes of a replicate go through the same permutation of the individuals, so the statistics of replicates can
    vary more than independent blocks would. The observed data share one arrangement of the individuals as well, which
    makes the excess variance count ``1 + 1 / n_replicates`` times. An excess over a known variance is 0 in many studies
    with few replicates although it is not, so it is multiplied by ``(n_replicates + 1) / (n_replicates - 1)``.

    Parameters
    ----------
    values
        float64 (n_replicates,): the statistic in each replicate.
    within
        float64 (m,): jackknife variance of the statistic in some or all of the replicates.

    Returns
    -------
    ExtraVariance
        A variance of at least 0, on the number of replicates less one; NaN with fewer than two replicates, from which
        it cannot be estimated, so that no interval is given.
    """
    statistic, variance = np.asarray(values, dtype=np.float64), np.asarray(within, dtype=np.float64)
    statistic, variance = statistic[np.isfinite(statistic)], variance[np.isfinite(variance)]
    n = len(statistic)
    if n < 2 or not len(variance):
        return ExtraVariance(variance=math.nan)
    excess = max(0.0, float(statistic.var(ddof=1) - variance.mean()))
    return ExtraVariance(variance=excess * (1 + 1 / n) * (n + 1) / (n - 1), df=n - 1)


def _or_nan(value: float) -> float:
    return value if value > 0 else math.nan
