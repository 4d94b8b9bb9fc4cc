"""Direction of expression: how many genes point the right way, and which of two predictors points better.

A gene points the right way for a predictor if its correlation with measured expression is positive. A
correlation that is undefined or exactly zero has no direction.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import attrs
import numpy as np
import numpy.typing as npt
from scipy import optimize, special, stats

Floats = npt.NDArray[np.float64]
Directions = npt.NDArray[np.int8]
_NEGLIGIBLE = -60.0


def directions_of(correlations: npt.ArrayLike) -> Directions:
    """Return +1, -1, or 0 where the correlation is undefined or exactly zero, as int8.

    Examples
    --------
    >>> directions_of([0.3, -0.1, float("nan"), 0.0]).tolist()
    [1, -1, 0, 0]
    """
    r = np.asarray(correlations, dtype=np.float64)
    return np.sign(np.nan_to_num(r, nan=0.0)).astype(np.int8)


def clopper_pearson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact binomial interval of a share; NaN without trials.

    Source: Clopper and Pearson 1934, Biometrika 26:404.
    """
    if trials == 0:
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    low = 0.0 if successes == 0 else float(stats.beta.ppf(tail, successes, trials - successes + 1))
    high = 1.0 if successes == trials else float(stats.beta.isf(tail, successes + 1, trials - successes))
    return low, high


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
    def of(cls, correlations: npt.ArrayLike, confidence: float = 0.95) -> Share:
        """Count the directions of correlations.

        Examples
        --------
        >>> Share.of([0.3, 0.1, -0.2, float("nan")]).share.__round__(3)
        0.667
        """
        direction = directions_of(correlations)
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
    def of(cls, correlations_a: npt.ArrayLike, correlations_b: npt.ArrayLike) -> PairedTable:
        """Count the genes of two vectors of correlations (or directions), gene by gene."""
        counts = paired_indicators(directions_of(correlations_a), directions_of(correlations_b)).sum(axis=0)
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
        the exact two-sided binomial one. Where a cell is zero one limit is 0 or infinity.
        Source: McNemar 1947, Psychometrika 12:153.
        """
        discordant = self.only_a + self.only_b
        if discordant == 0:
            return OddsRatio(value=float("nan"), low=0.0, high=float("inf"), p_value=1.0)
        low, high = clopper_pearson(self.only_a, discordant, confidence)
        p_value = min(1.0, 2 * float(stats.binom.cdf(min(self.only_a, self.only_b), discordant, 0.5)))
        return OddsRatio(
            value=ratio(self.only_a, self.only_b),
            low=ratio(low, 1 - low),
            high=ratio(high, 1 - high),
            p_value=p_value,
        )

    def marginal(self, confidence: float = 0.95) -> OddsRatio:
        """Return the odds of right in a over the odds of right in b.

        The two shares come from the same genes, so no textbook interval fits: the evaluator gives a paired
        block-bootstrap one. Only where a share is 0 or 1, so that the bootstrap cannot move, are limits given
        here, from the Clopper-Pearson limits of the two shares, each at half the error: one-sided and wide.
        """
        right_a, right_b = self.both_right + self.only_a, self.both_right + self.only_b
        value = float(marginal_odds_ratio(np.array([self.counts], dtype=np.float64))[0])
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
        return float(np.exp(optimize.brentq(at, -reach, reach, xtol=1e-13, rtol=1e-13)))

    lowest, highest = both == support[0], both == support[-1]
    value = solve(lambda weights, values: float(weights @ values) - both) if not (lowest or highest) else 0.0
    return OddsRatio(
        value=float("inf") if highest else value,
        low=0.0 if lowest else solve(lambda weights, values: float(weights[values >= both].sum()) - tail),
        high=float("inf") if highest else solve(lambda weights, values: float(weights[values <= both].sum()) - tail),
        p_value=float(stats.fisher_exact(np.array([[both, only_a], [only_b, neither]]))[1]),
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


def mcnemar_odds_ratio(counts: Floats) -> Floats:
    """Return ``only_a / only_b`` of tables (n_tables, 4): both_right, only_a, only_b, neither."""
    return _divide(counts[:, 1], counts[:, 2])


def marginal_odds_ratio(counts: Floats) -> Floats:
    """Return the odds of right in a over those in b, of tables (n_tables, 4)."""
    both, only_a, only_b, neither = counts.T
    return _divide((both + only_a) * (only_a + neither), (only_b + neither) * (both + only_b))


def association_odds_ratio(counts: Floats) -> Floats:
    """Return the cross-product ratio of tables (n_tables, 4), which the block bootstrap uses."""
    both, only_a, only_b, neither = counts.T
    return _divide(both * neither, only_a * only_b)


def _divide(top: Floats, bottom: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(top / bottom)


def ratio(top: float, bottom: float) -> float:
    """Return ``top / bottom``: infinity over a zero, NaN for 0/0 or NaN."""
    return float(_divide(np.array([float(top)]), np.array([float(bottom)]))[0])
