"""Direction of expression: how many genes point the right way, and which of two predictors points better.

A gene points the right way for a predictor if its correlation with measured expression is positive. A
correlation that is undefined or exactly zero has no direction.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Literal

import attrs
import numpy as np
import numpy.typing as npt
import scipy
from scipy import special

from pgxeval.errors import SettingError
from pgxeval.evaluation.jackknife import BlockEstimate

Floats = npt.NDArray[np.float64]
Directions = npt.NDArray[np.int8]
Zero = Literal["undefined", "wrong"]
OddsRatioKind = Literal["mcnemar", "marginal", "association"]
ODDS_RATIO_KINDS: tuple[OddsRatioKind, ...] = ("mcnemar", "marginal", "association")
_NEGLIGIBLE = -60.0


def directions_of(correlations: npt.ArrayLike, zero: Zero = "undefined") -> Directions:
    """Return +1, -1, or 0 for genes without a direction, as int8.

    Parameters
    ----------
    correlations
        Correlations of any shape; NaN has no direction.
    zero
        How a correlation of exactly 0 counts: as undefined, or as wrong (-1), which suits published tables in which
        small correlations are printed as 0.000.

    Examples
    --------
    >>> directions_of([0.3, -0.1, float("nan"), 0.0]).tolist()
    [1, -1, 0, 0]
    >>> directions_of([0.3, -0.1, float("nan"), 0.0], zero="wrong").tolist()
    [1, -1, 0, -1]
    """
    if zero not in ("undefined", "wrong"):
        raise SettingError(f'zero must be "undefined" or "wrong", got {zero!r}')
    r = np.asarray(correlations, dtype=np.float64)
    direction = np.sign(np.nan_to_num(r, nan=0.0)).astype(np.int8)
    if zero == "wrong":
        direction[r == 0] = -1
    return direction


def clopper_pearson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact binomial interval of a share; NaN without trials.

    The limits are quantiles of beta distributions, equal to those of `scipy.stats.binomtest`, which searches for them.
    Source: Clopper and Pearson 1934, Biometrika 26:404.
    """
    if trials == 0:
        return math.nan, math.nan
    tail = (1 - confidence) / 2
    low = special.betaincinv(successes, trials - successes + 1, tail) if successes else 0.0
    high = special.betaincinv(successes + 1, trials - successes, 1 - tail) if successes < trials else 1.0
    return float(low), float(high)


@attrs.frozen(kw_only=True)
class Share:
    """Share of genes that point the right way, with the interval that assumes independent genes.

    Parameters
    ----------
    right, defined
        Genes that point the right way, and genes with a direction.
    share
        ``right / defined``; NaN without such genes.
    low, high
        Clopper-Pearson limits. Genes are not independent: a share of real genes varies more than this says.
    """

    right: int
    defined: int
    share: float
    low: float
    high: float

    @classmethod
    def of(cls, correlations: npt.ArrayLike, confidence: float = 0.95, *, zero: Zero = "undefined") -> Share:
        """Count the directions of correlations.

        Parameters
        ----------
        correlations
            float64 (n_genes,); NaN is undefined.
        confidence
            Level of the interval.
        zero
            How a correlation of exactly 0 counts: ``"undefined"`` or ``"wrong"``.

        Examples
        --------
        >>> round(Share.of([0.3, 0.1, -0.2, 0.0, float("nan")]).share, 3)
        0.667
        >>> Share.of([0.3, 0.1, -0.2, 0.0, float("nan")], zero="wrong").share
        0.5
        """
        direction = directions_of(correlations, zero)
        right, defined = int((direction > 0).sum()), int((direction != 0).sum())
        low, high = clopper_pearson(right, defined, confidence)
        return cls(right=right, defined=defined, share=ratio(right, defined), low=low, high=high)


@attrs.frozen(kw_only=True)
class OddsRatio:
    """An odds ratio with an interval that assumes independent genes, and a p-value (NaN: none is defined)."""

    value: float
    low: float
    high: float
    p_value: float


@attrs.frozen(kw_only=True)
class PairedTable:
    """Genes by which of two predictors point the right way.

    Parameters
    ----------
    both_right, only_a, only_b, neither
        Genes with a direction for both.
    undefined
        Genes without a direction for at least one of the two.

    Examples
    --------
    >>> table = PairedTable.of([0.2, 0.1, -0.3, 0.4], [0.1, -0.2, -0.1, float("nan")])
    >>> table.only_a, table.n, table.undefined
    (1, 3, 1)
    >>> table.mcnemar().value
    inf
    """

    both_right: int
    only_a: int
    only_b: int
    neither: int
    undefined: int = 0

    @classmethod
    def of(
        cls, correlations_a: npt.ArrayLike, correlations_b: npt.ArrayLike, *, zero: Zero = "undefined"
    ) -> PairedTable:
        """Count the genes of two vectors of correlations (or directions), gene by gene.

        `zero` states how a correlation of exactly 0 counts: ``"undefined"`` or ``"wrong"``.
        """
        counts = paired_indicators(directions_of(correlations_a, zero), directions_of(correlations_b, zero)).sum(axis=0)
        return cls(
            both_right=int(counts[0]),
            only_a=int(counts[1]),
            only_b=int(counts[2]),
            neither=int(counts[3]),
            undefined=int(np.size(np.asarray(correlations_a)) - counts.sum()),
        )

    @property
    def n(self) -> int:
        """Genes with a direction for both."""
        return self.both_right + self.only_a + self.only_b + self.neither

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """both_right, only_a, only_b, neither."""
        return self.both_right, self.only_a, self.only_b, self.neither

    def mcnemar(self, confidence: float = 0.95) -> OddsRatio:
        """Return ``only_a / only_b``: given that the two disagree, the odds that a is right.

        The interval is Clopper and Pearson's for ``only_a`` of the discordant genes, as odds; the p-value is
        the exact two-sided binomial one. Both assume independent genes. Where a cell is zero one limit is 0 or
        infinity.
        Source: McNemar 1947, Psychometrika 12:153.
        """
        discordant = self.only_a + self.only_b
        if discordant == 0:
            return OddsRatio(value=float("nan"), low=0.0, high=float("inf"), p_value=1.0)
        low, high = clopper_pearson(self.only_a, discordant, confidence)
        p_value = min(1.0, 2 * float(special.bdtr(min(self.only_a, self.only_b), discordant, 0.5)))
        return OddsRatio(
            value=ratio(self.only_a, self.only_b),
            low=ratio(low, 1 - low),
            high=ratio(high, 1 - high),
            p_value=p_value,
        )

    def marginal(self, confidence: float = 0.95) -> OddsRatio:
        """Return the odds of right in a over the odds of right in b.

        The two shares come from the same genes, so no textbook interval fits: the evaluator gives a paired
        block-jackknife interval. Limits are given here only where a share is 0 or 1, so that no block can change it:
        one-sided and wide, from the Clopper-Pearson limits of the two shares, each at half the error.
        """
        right_a, right_b = self.both_right + self.only_a, self.both_right + self.only_b
        value = ratio(right_a * (self.n - right_b), (self.n - right_a) * right_b)
        low = high = float("nan")
        if value == 0 or np.isinf(value):
            each = (1 + confidence) / 2
            low_a, high_a = clopper_pearson(right_a, self.n, each)
            low_b, high_b = clopper_pearson(right_b, self.n, each)
            low = 0.0 if value == 0 else ratio(low_a * (1 - high_b), (1 - low_a) * high_b)
            high = float("inf") if np.isinf(value) else ratio(high_a * (1 - low_b), (1 - high_a) * low_b)
        return OddsRatio(value=value, low=low, high=high, p_value=float("nan"))

    def association(self, confidence: float = 0.95) -> OddsRatio:
        """Return the odds ratio of the paired table: whether the two point the right way at the same genes.

        The value is the conditional maximum-likelihood one given the margins, with its exact interval, as in
        `scipy.stats.contingency.odds_ratio` (which takes seconds for thousands of genes); the p-value is
        Fisher's exact one. Source: Fisher 1935, J R Stat Soc 98:39.
        """
        return _association(self.counts, confidence)


@functools.lru_cache(maxsize=4096)
def _association(counts: tuple[int, int, int, int], confidence: float) -> OddsRatio:
    both, only_a, only_b, neither = counts
    logs, support = _hypergeometric_logs(both, only_a, only_b, neither)
    if len(support) <= 1:
        return OddsRatio(value=float("nan"), low=0.0, high=float("inf"), p_value=1.0)
    tail = (1 - confidence) / 2

    def solve(miss: Callable[[Floats, Floats], float]) -> float:
        """Find the odds ratio at which the tilted distribution of `both` meets the condition."""

        def at(log_odds: float) -> float:
            tilted = logs + support * log_odds
            tilted -= tilted.max()
            heavy = tilted > _NEGLIGIBLE
            weights = np.exp(tilted[heavy])
            return miss(weights / weights.sum(), support[heavy])

        reach = 1.0
        while at(-reach) * at(reach) > 0:
            reach *= 2
        return float(np.exp(scipy.optimize.brentq(at, -reach, reach, xtol=1e-13, rtol=1e-13)))

    lowest, highest = both == support[0], both == support[-1]
    value = solve(lambda weights, values: float(weights @ values) - both) if not (lowest or highest) else 0.0
    return OddsRatio(
        value=float("inf") if highest else value,
        low=0.0 if lowest else solve(lambda weights, values: float(weights[values >= both].sum()) - tail),
        high=float("inf") if highest else solve(lambda weights, values: float(weights[values <= both].sum()) - tail),
        p_value=float(scipy.stats.fisher_exact(np.array([[both, only_a], [only_b, neither]]))[1]),
    )


def _hypergeometric_logs(both: int, only_a: int, only_b: int, neither: int) -> tuple[Floats, Floats]:
    """Return log weights (odds ratio 1) and values of `both` that the margins of the table allow."""
    right_a, right_b = both + only_a, both + only_b
    wrong_a = only_b + neither
    support = np.arange(max(0, right_b - wrong_a), min(right_a, right_b) + 1, dtype=np.float64)
    logs = -(
        special.gammaln(support + 1)
        + special.gammaln(right_a - support + 1)
        + special.gammaln(right_b - support + 1)
        + special.gammaln(wrong_a - right_b + support + 1)
    )
    return logs - logs.max(), support


def paired_indicators(direction_a: Directions, direction_b: Directions) -> npt.NDArray[np.bool_]:
    """Return bool (..., 4): both_right, only_a, only_b, neither; all False where a direction is undefined."""
    defined = (direction_a != 0) & (direction_b != 0)
    right_a, right_b = direction_a > 0, direction_b > 0
    return np.stack(
        [
            defined & right_a & right_b,
            defined & right_a & ~right_b,
            defined & ~right_a & right_b,
            defined & ~right_a & ~right_b,
        ],
        axis=-1,
    )


def log_odds_ratio(sums: Floats, kind: OddsRatioKind) -> BlockEstimate:
    """Return the logarithm of an odds ratio as a statistic over genomic blocks.

    Parameters
    ----------
    sums
        float64 (n_blocks, 4): both_right, only_a, only_b and neither in each block.
    kind
        Which odds ratio. ``"association"`` is the cross-product ratio, of which the conditional estimate of
        `PairedTable.association` is a close relative.

    Returns
    -------
    BlockEstimate
        Infinite or NaN, with undefined changes, where a cell or a share that it needs is 0.
    """
    both, only_a, only_b, neither = sums.T
    whole = sums.sum(axis=1)
    if kind == "mcnemar":
        return BlockEstimate.ratio(only_a, only_a + only_b).log_odds()
    if kind == "marginal":
        right_a, right_b = BlockEstimate.ratio(both + only_a, whole), BlockEstimate.ratio(both + only_b, whole)
        return right_a.log_odds().minus(right_b.log_odds())
    cells = [BlockEstimate.ratio(cell, whole).log() for cell in (both, only_a, only_b, neither)]
    return cells[0].minus(cells[1]).minus(cells[2].minus(cells[3]))


def ratio(top: float, bottom: float) -> float:
    """Return ``top / bottom``: infinity over a zero, NaN for 0/0 or NaN."""
    if bottom == 0:
        return math.copysign(math.inf, top) if top and not math.isnan(top) else math.nan
    return float(top / bottom)
