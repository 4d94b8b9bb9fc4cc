r"""Directions of the true correlations, estimated by a mixture model of the observed ones.

Sampling noise gives a share of the observed correlations the wrong sign (``docs/explanation/attenuation.md``). The
model removes it. Let :math:`z_g` be Fisher's z of the observed correlation of gene g and :math:`s_g` its standard
error. Then

.. math:: z_g \sim N(\zeta_g, s_g^2), \qquad |\zeta_g| \sim \sum_m w_m \delta_m, \qquad
          P(\zeta_g > 0 \mid \zeta_g \ne 0) = p .

The sizes of the true correlations follow any distribution on a grid, which includes 0 (genes without effect): no
shape is assumed, because p depends strongly on it. The weights w are estimated by maximum likelihood (Kiefer and
Wolfowitz 1956, Ann Math Stat 27:887; the empirical-Bayes setting is that of Stephens 2017, Biostatistics 18:275). The
one assumption that identifies p is that the chance of a right direction does not depend on the size of the true
correlation. Where it does, p is an average in which a gene weighs about as much as the square of its true correlation
(``validation/true_directions.md``).

Limits of p are those of its profile likelihood, with the w estimated again at each value of p. They widen as the data
lose the ability to tell small effects from none. The threshold is multiplied by the design effect, the variance of
the scores summed within genomic blocks over that of single genes, because neighbouring genes are not independent.

The odds ratio of two predictors is that of their two shares. Its limits are combined from those of the two log odds
(Zou 2007, Psychol Methods 12:399), with the correlation of the two estimates from their scores within blocks: each
gene was measured once for both.
"""

from __future__ import annotations

import math

import attrs
import numpy as np
import numpy.typing as npt
import scipy
from scipy import special

from pgxeval.evaluation.jackknife import FEWEST_BLOCKS
from pgxeval.signatures import show_defaults

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FEWEST_GENES = 50
"""Genes with a correlation and a standard error that the model needs."""
WIDEST = 0.5
"""A share whose interval is wider is not identified, and its value is NaN."""
NO_EFFECT = 3.0
"""Gain of log-likelihood over a model without any effect that a share needs to be identified: the 95 % quantile of half
a chi-squared variable on 2 degrees of freedom."""
METHOD = "model: mixture of true correlations, any sizes, direction independent of size"

_SIZES = 14  # sizes of true correlations on the grid, in addition to 0
_SMALLEST = 0.5  # smallest of them, in standard errors: effects below it cannot be told from none
_SHARES = 21  # values of the share at which the likelihood is first computed
_BIN_FROM = 2000  # more genes than this are binned, for speed
_BIN = 0.05  # width of a bin, in standard errors; adds 0.02 % to the error variance
_GAP = 1e-2  # largest distance to the maximum of the log-likelihood
_STEP = 0.02


@show_defaults
@attrs.frozen(kw_only=True, eq=False)
class TrueShare:
    """Share of right directions among genes whose true correlation is not 0: the answer of a model.

    Parameters
    ----------
    share, low, high
        Estimate and limits; the estimate is NaN where the data do not identify it, with limits that show it.
    without_effect
        Estimated share of genes whose true correlation is 0, or too small to tell from 0. It has no limits, because
        small effects and no effect look the same.
    n
        Genes in use.
    scores
        float64 (n_blocks,): derivative of the log-likelihood of each block with respect to the share.
    reason
        Why the share is NaN, or empty.
    """

    share: float = math.nan
    low: float = math.nan
    high: float = math.nan
    without_effect: float = math.nan
    n: int = 0
    scores: Floats = attrs.field(factory=lambda: np.empty(0), repr=False)
    reason: str = ""


def true_share(
    correlations: npt.ArrayLike,
    standard_errors: npt.ArrayLike,
    blocks: npt.ArrayLike | None = None,
    *,
    confidence: float = 0.95,
) -> TrueShare:
    """Estimate the share of right true directions of one predictor.

    Parameters
    ----------
    correlations
        float64 (n_genes,): observed correlations of predicted with measured expression.
    standard_errors
        float64 (n_genes,): standard errors of their Fisher z; about ``1 / sqrt(n_individuals - 3)``. Genes with NaN in
        either, or a correlation of 1 or -1, are not used.
    blocks
        int64 (n_genes,): genomic block of each gene. None treats genes as independent.
    confidence
        Level of the limits.

    Returns
    -------
    TrueShare

    Examples
    --------
    The direction is right at 80 % of 2,000 genes with a true correlation of 0.1, in 90 individuals:

    >>> random = np.random.default_rng(1)
    >>> truth = np.where(random.random(2000) < 0.8, 0.1, -0.1)
    >>> observed = np.tanh(np.arctanh(truth) + random.normal(size=2000) / 87**0.5)
    >>> round(float((observed > 0).mean()), 2)
    0.7
    >>> result = true_share(observed, np.full(2000, 87**-0.5))
    >>> bool(result.low < 0.8 < result.high and result.high - result.low < 0.1)
    True
    """
    r, error = (np.asarray(one, dtype=np.float64) for one in (correlations, standard_errors))
    usable = np.isfinite(r) & (np.abs(r) < 1) & np.isfinite(error) & (error > 0)
    labels = (
        np.arange(len(r), dtype=np.int64) if blocks is None else np.unique(np.asarray(blocks), return_inverse=True)[1]
    )
    n = int(usable.sum())
    sizes = np.bincount(labels[usable]) if n else np.zeros(1)
    effective = n**2 / float((sizes**2).sum()) if n else 0.0
    if n < FEWEST_GENES:
        return TrueShare(
            n=n, reason=f"{n} genes with a correlation and a standard error; expected {FEWEST_GENES} or more"
        )
    if effective < FEWEST_BLOCKS:
        return TrueShare(n=n, reason="fewer than two effective genomic blocks")
    z, s, place = _binned(np.arctanh(r[usable]), error[usable])
    model = _Mixture.of(z, s, np.bincount(place).astype(np.float64))
    shares = np.linspace(0, 1, _SHARES)
    likelihood = np.array([model.maximise(share) for share in shares])
    best, top = _maximum(model, shares, likelihood)
    inside = min(max(best, 2 * _STEP), 1 - 2 * _STEP)
    slope = model.log_densities(inside + _STEP) - model.log_densities(inside - _STEP)
    gene_scores = np.zeros(len(r))
    gene_scores[usable] = (slope / (2 * _STEP))[place]
    gene_scores[usable] -= gene_scores[usable].mean()
    scores = np.asarray(np.bincount(labels, weights=gene_scores), dtype=np.float64)
    design = max(1.0, float((scores**2).sum() / max((gene_scores**2).sum(), 1e-300)))
    drop = design * float(special.stdtrit(effective - 1, (1 + confidence) / 2)) ** 2 / 2
    low, high = (_limit(model, shares, likelihood, best, top - drop, upward=upward) for upward in (False, True))
    model.maximise(best)
    reason = ""
    if top - model.log_likelihood_without_effects() < design * NO_EFFECT:
        reason = "not identified: standard errors alone explain how much the correlations vary"
    elif high - low > WIDEST:
        reason = f"not identified: the data allow true shares from {low:.2f} to {high:.2f}"
    return TrueShare(
        share=math.nan if reason else best,
        low=low,
        high=high,
        without_effect=float(model.weights[0]),
        n=n,
        scores=scores,
        reason=reason,
    )


@attrs.frozen(kw_only=True)
class TrueOddsRatio:
    """Odds of right true directions in one predictor over those in another, with limits; NaN with a reason."""

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    reason: str = ""


def true_odds_ratio(a: TrueShare, b: TrueShare) -> TrueOddsRatio:
    """Combine the shares of two predictors at the same genes.

    Parameters
    ----------
    a, b
        Results of `true_share` for the same genes, blocks and level.

    Returns
    -------
    TrueOddsRatio
        Its value is NaN where a share is not identified, or both are 0 or 1; a limit is 0 or infinite where the limit
        of a share is 0 or 1.
    """
    if math.isnan(a.low) or math.isnan(b.low):
        return TrueOddsRatio(reason=a.reason or b.reason)
    scale = math.sqrt(float(a.scores @ a.scores) * float(b.scores @ b.scores))
    shared = float(a.scores @ b.scores) / scale if scale > 0 else 0.0
    with np.errstate(divide="ignore"):
        low_a, high_a, low_b, high_b = (float(special.logit(one)) for one in (a.low, a.high, b.low, b.high))
    reason = "; ".join(f"{name}: {one.reason}" for name, one in (("a", a), ("b", b)) if one.reason)
    # where a share is not identified, the middle of its interval serves to combine the limits
    log_a, log_b = (
        float(special.logit(min(max((one.low + one.high) / 2 if one.reason else one.share, 1e-6), 1 - 1e-6)))
        for one in (a, b)
    )

    def reach(own: float, other: float) -> float:
        if math.isinf(own) or math.isinf(other):
            return math.inf
        return math.sqrt(max(own**2 + other**2 - 2 * shared * own * other, 0.0))

    difference = log_a - log_b
    low = difference - reach(log_a - low_a, high_b - log_b)
    high = difference + reach(high_a - log_a, log_b - low_b)
    extreme = not 1e-3 < a.share < 1 - 1e-3 or not 1e-3 < b.share < 1 - 1e-3
    if extreme and not reason:
        reason = "a share is estimated as 0 or 1, so that the odds ratio has no value"
    return TrueOddsRatio(
        value=math.nan if reason else math.exp(difference),
        low=math.exp(low),
        high=math.exp(high) if high < 700 else math.inf,
        reason=reason,
    )


def _binned(z: Floats, s: Floats) -> tuple[Floats, Floats, npt.NDArray[np.intp]]:
    """Return distinct values and errors, and the place of each gene among them; many genes share a value."""
    if len(z) <= _BIN_FROM:
        return z, s, np.arange(len(z))
    width = _BIN * float(np.median(s))
    keys = np.column_stack([np.round(z / width), np.round(np.log(s / np.median(s)) / _BIN)])
    kinds, place = np.unique(keys, axis=0, return_inverse=True)
    return kinds[:, 0] * width, np.exp(kinds[:, 1] * _BIN) * float(np.median(s)), place.reshape(-1)


def _maximum(model: _Mixture, shares: Floats, likelihood: Floats) -> tuple[float, float]:
    k = int(likelihood.argmax())
    bounds = shares[max(k - 1, 0)], shares[min(k + 1, len(shares) - 1)]
    result = scipy.optimize.minimize_scalar(
        lambda share: -model.maximise(share), bounds=bounds, method="bounded", options={"xatol": 1e-3}
    )
    if likelihood[k] >= -result.fun:
        return float(shares[k]), float(likelihood[k])
    return float(result.x), float(-result.fun)


def _limit(
    model: _Mixture, shares: Floats, likelihood: Floats, best: float, threshold: float, *, upward: bool
) -> float:
    """Return where the profile likelihood falls to the threshold, or the end of the scale."""
    beyond = np.flatnonzero((shares > best if upward else shares < best) & (likelihood < threshold))
    if not len(beyond):
        return 1.0 if upward else 0.0
    outer = float(shares[beyond[0] if upward else beyond[-1]])
    inner = [share for share in shares.tolist() if (best <= share < outer if upward else outer < share <= best)]
    start = (max(inner) if upward else min(inner)) if inner else best
    if (model.maximise(start) - threshold) * (model.maximise(outer) - threshold) > 0:
        return outer
    return float(scipy.optimize.brentq(lambda share: model.maximise(share) - threshold, start, outer, xtol=1e-3))


@attrs.define(kw_only=True, eq=False)
class _Mixture:
    """Likelihood of the observed correlations under any sizes of the true ones.

    Parameters
    ----------
    plus, minus
        float64 (n_rows, n_sizes): density of each row at a true correlation of this size in the right and in the wrong
        direction.
    counts
        float64 (n_rows,): genes per row.
    weights
        float64 (n_sizes,): the latest estimate, from which the next one starts.
    """

    plus: Floats
    minus: Floats
    counts: Floats
    weights: Floats

    @classmethod
    def of(cls, z: Floats, s: Floats, counts: Floats) -> _Mixture:
        smallest = _SMALLEST * float(np.median(s))
        largest = max(float(np.abs(z).max()), 2 * smallest)
        sizes = np.concatenate([[0.0], np.geomspace(smallest, largest, _SIZES)])
        plus, minus = (
            np.exp(-(((z[:, None] - sign * sizes) / s[:, None]) ** 2) / 2) / s[:, None] + 1e-300 for sign in (1, -1)
        )
        return cls(plus=plus, minus=minus, counts=counts, weights=np.full(len(sizes), 1 / len(sizes)))

    def log_densities(self, share: float) -> Floats:
        """Return the log density of each row at the best weights for this share."""
        self.maximise(share)
        return np.asarray(np.log((share * self.plus + (1 - share) * self.minus) @ self.weights))

    def log_likelihood_without_effects(self) -> float:
        """Return the log-likelihood if all true correlations were 0."""
        return float(self.counts @ np.log(self.plus[:, 0]))

    def maximise(self, share: float) -> float:
        """Find the best weights for a share; return the log-likelihood.

        Newton steps, each a nonnegative least-squares problem; the log-likelihood is concave in the weights. The
        distance to its maximum is at most ``n (largest gradient / n - 1)``.
        """
        densities = share * self.plus + (1 - share) * self.minus
        total = float(self.counts.sum())
        weights = np.maximum(self.weights, 1e-4)
        weights /= weights.sum()
        mixed = densities @ weights
        value = float(self.counts @ np.log(mixed))
        for _ in range(50):
            ratios = densities / mixed[:, None]
            gradient = ratios.T @ self.counts
            if gradient.max() - total < _GAP:
                break
            curvature = (ratios * self.counts[:, None]).T @ ratios
            curvature[np.diag_indices(len(weights))] += 1e-9 * np.trace(curvature)
            root = np.linalg.cholesky(curvature)
            target = np.linalg.solve(root, curvature @ weights + gradient - total)
            step = scipy.optimize.nnls(root.T, target)[0] - weights
            length, moved = 1.0, False
            while length > 1e-8:
                proposal = np.maximum(weights + length * step, 0.0)
                proposal /= proposal.sum()
                mixed_there = densities @ proposal
                if (mixed_there > 0).all():
                    there = float(self.counts @ np.log(mixed_there))
                    if there > value:
                        moved = True
                        break
                length /= 2
            if not moved:
                break
            weights, mixed, value = proposal, mixed_there, there
        self.weights = weights
        return value
