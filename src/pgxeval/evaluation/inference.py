"""p-values and intervals of one correlation: from its own standard error, or from permuted expression.

A prediction that owes nothing to the expression of these individuals (zero-shot, or prequential) is judged by its
studentised correlation. A cross-fitted prediction of one individual depends on the expression of the
others: its null distribution is wider than Student's t and skewed, so it is judged by what the same procedure
reaches on permuted expression, studentised in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import attrs
import numpy as np
import numpy.typing as npt
import scipy

from pgxeval.evaluation.row_correlations import RowCorrelations
from pgxeval.evaluation.settings import Measure
from pgxeval.evaluation.standard_errors import StandardErrors

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
FEWEST_DRAWS = 1000
_CLIP = 1 - 1e-12
_INSIDE = 1 - 2**-53
_FEWEST_FOR_TAIL = 100
_FEWEST_FOR_QUANTILES = 200

STUDENTISED = "two-sided: correlation over its robust standard error, Student's t"
STUDENTISED_FAMILIES = "two-sided: correlation over its standard error by family, Student's t"
TEXTBOOK = "two-sided: Student's t on n - 2 - c degrees of freedom"
GENE_PERMUTATION = "two-sided: permutation of this gene, a test of independence"
FEW_DIFFER = "none: fewer than 60 individuals, fewer than 7 of them with another prediction or expression"
PERMUTED = "one-sided: studentised correlations on permuted expression, pooled over genes, exponential tail"
NO_REPLICATES = "none: cross-fitted without permuted replicates"
FEW_FAMILIES = "none: too few families differ in prediction and expression"
UNDEFINED = "none: correlation undefined"

SPARSE_SUPPORT = 5.0
"""Below this support (`RowCorrelations.support`) no formula holds, and genes are permuted one by one."""
FEWEST_DF = 5.0
"""A standard error with fewer degrees of freedom rests on so few individuals that no interval is given."""
ENOUGH_INDIVIDUALS = 60
"""With fewer individuals, less one per covariate and further fold, the next two rules hold."""
FEWEST_DIFFERING = 7
"""Where fewer individuals differ (`RowCorrelations.differing`), there is no p-value: an effect cannot be told from a
variance that depends on the genotype (type I error at 5 %: 10 to 23 %)."""
FEWEST_DIFFERING_FOR_INTERVAL = 12
"""Where fewer individuals differ, there is no interval: intervals covered as little as 0.87 at 0.95."""
INTERVAL_WIDENING = 6.0
"""See `student_interval`."""
LARGEST_SKEWNESS = 1.5
"""Above this skewness of expression, intervals of Pearson's correlation covered as little as 0.85 at 0.95."""
NOISE_FACTOR = 6.0
"""See `NullDistribution.interval`."""

WITHHELD: Mapping[Measure, str] = {
    "spearman": "too few individuals differ in prediction and expression",
    "pearson": "expression is too skewed, or too few individuals decide, for a standard error",
}
"""Why no interval is given."""
FEWEST_INDIVIDUALS: Mapping[Measure, int] = {"spearman": 20, "pearson": 60}
"""With fewer individuals, less one per covariate and further fold, no interval is given. Heavy tails and a variance
that depends on the prediction cannot be seen in so few, and intervals covered as little as 0.91 at 0.95."""
WITHHELD_FEW_DIFFER = "fewer than 60 individuals, fewer than 12 of them with another prediction or expression"
WITHHELD_REPLICATES = "interval and p-value: cross-fitted without permuted replicates"


def without_formula(observed: RowCorrelations, measure: Measure, *, crossfit: bool) -> npt.NDArray[np.bool_]:
    """Return where the standard error of a correlation is not known well enough for a p-value."""
    few = observed.support < SPARSE_SUPPORT
    if measure == "spearman":
        return few
    skewed = np.abs(observed.skewness) > LARGEST_SKEWNESS
    unknown = few | skewed | (observed.pearson_errors.df < FEWEST_DF)
    # permuted replicates have the tails of the observed run, however few individuals there are
    return unknown if crossfit else unknown | too_few(observed, measure)


def too_few(observed: RowCorrelations, measure: Measure) -> npt.NDArray[np.bool_]:
    """Return where there are too few individuals for an interval."""
    return np.asarray((observed.reason == 0) & (observed.df + 2 < FEWEST_INDIVIDUALS[measure]))


def few_differ(observed: RowCorrelations, fewest: int = FEWEST_DIFFERING) -> npt.NDArray[np.bool_]:
    """Return where fewer than `fewest` of fewer than 60 individuals differ in prediction or expression."""
    few = (observed.df + 2 < ENOUGH_INDIVIDUALS) & (observed.differing < fewest)
    return np.asarray((observed.reason == 0) & few)


def studentised(r: npt.ArrayLike, errors: StandardErrors) -> Floats:
    """Return ``atanh(r)`` over its standard error; infinite for a perfect correlation."""
    z = np.arctanh(np.asarray(r, dtype=np.float64) * _INSIDE)
    with np.errstate(divide="ignore", invalid="ignore"):
        # no error and no correlation: a single pair of ties, of which nothing can be said
        return np.asarray(z / errors.se)


def student_p(statistic: npt.ArrayLike, df: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Return p-values of Student's t: two-sided, and against a positive correlation."""
    t, degrees = np.asarray(statistic, dtype=np.float64), np.asarray(df, dtype=np.float64)
    greater = np.asarray(scipy.stats.t.sf(t, degrees))
    return np.asarray(2 * scipy.stats.t.sf(np.abs(t), degrees)), greater


def normal_score(r: npt.ArrayLike, errors: StandardErrors) -> Floats:
    """Return the standard normal deviate with the same tail probability as the studentised correlation.

    Genes whose standard errors rest on few individuals thereby have the same scale as all others.
    """
    t = studentised(r, errors)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.sign(t) * scipy.stats.norm.isf(scipy.stats.t.sf(np.abs(t), errors.df)))


def student_interval(
    r: npt.ArrayLike, df: npt.ArrayLike, errors: StandardErrors, confidence: float = 0.95
) -> tuple[Floats, Floats]:
    """Return confidence limits ``tanh(atanh(r) -+ t * se * sqrt(1 + 6 * r**2 / (df + 2)))``.

    In small samples the standard error of a strong correlation is too small by an amount that falls with the number
    of individuals. The constant was chosen by simulation (``validation/per_gene_inference.md``): without it, intervals
    of 20 to 30 individuals with heavy tails and a correlation of 0.7 covered 92 to 93 % instead of 95 %.

    Parameters
    ----------
    r
        float64 (n_rows,): correlations.
    df
        int64 (n_rows,): their degrees of freedom, ``n - 2 - c`` (`RowCorrelations.df`).
    errors
        Their standard errors.
    confidence
        Level of the interval.
    """
    r = np.asarray(r, dtype=np.float64)
    z = np.arctanh(r * _INSIDE)
    widening = np.sqrt(1 + INTERVAL_WIDENING * r**2 / np.maximum(np.asarray(df) + 2, 1))
    half = scipy.stats.t.isf((1 - confidence) / 2, errors.df) * errors.se * widening
    return np.asarray(np.tanh(z - half)), np.asarray(np.tanh(z + half))


@attrs.frozen(kw_only=True, eq=False)
class NullDistribution:
    """Correlations of one predictor on permuted expression, pooled over genes and replicates.

    Parameters
    ----------
    scores
        float64 (n_draws,): their normal scores (`normal_score`), without NaN.
    """

    scores: Floats

    @classmethod
    def of(cls, null: npt.ArrayLike, errors: StandardErrors) -> NullDistribution:
        """Pool correlations of any shape."""
        scores = np.ravel(normal_score(null, errors))
        return cls(scores=scores[np.isfinite(scores)])

    def greater(self, scores: npt.ArrayLike) -> Floats:
        """Return p-values against a correlation above what the procedure reaches on permuted expression."""
        return tail_p(scores, self.scores)

    def interval(self, r: npt.ArrayLike, errors: StandardErrors, confidence: float = 0.95) -> tuple[Floats, Floats]:
        """Return confidence limits of the correlation that these fitted models would reach in new individuals.

        On a null gene the normal scores have the quantiles of the pool, not those of the normal distribution,
        because each fold's model was trained on the test individuals of the other folds. This dependence acts
        only through the part of a prediction that is noise: for a linear smoother the variance is inflated by the
        factor one plus the share of noise in the prediction. That share falls as the signal grows; here it is
        ``min(1, 6 m / S**2)``, S being the score and m the mean square of the pool. The constant was chosen by
        simulation (``validation/fold_wise.md``). The lower limit uses the upper quantile of the pool and the
        upper limit the lower one, since the null distribution is skewed.

        Returns
        -------
        tuple of numpy.ndarray
            Lower and upper limits; NaN without draws.
        """
        r = np.asarray(r, dtype=np.float64)
        if not len(self.scores):
            return np.full(r.shape, np.nan), np.full(r.shape, np.nan)
        tail = (1 - confidence) / 2
        mean_square = max(1.0, float(np.mean(self.scores**2)))
        if len(self.scores) >= _FEWEST_FOR_QUANTILES:
            low, high = np.quantile(self.scores, [tail, 1 - tail]) / scipy.stats.norm.isf(tail)
            below, above = max(high, 0.0), max(-low, 0.0)
        else:
            below = above = math.sqrt(mean_square)
        with np.errstate(divide="ignore", invalid="ignore"):
            noise = np.minimum(1.0, NOISE_FACTOR * mean_square / normal_score(r, errors) ** 2)
        z, half = np.arctanh(r * _INSIDE), scipy.stats.t.isf(tail, errors.df) * errors.se
        return (
            np.asarray(np.tanh(z - half * np.sqrt(1 + (below**2 - 1) * noise))),
            np.asarray(np.tanh(z + half * np.sqrt(1 + (above**2 - 1) * noise))),
        )


def textbook_p(r: npt.ArrayLike, df: npt.ArrayLike) -> Floats:
    """Return two-sided p-values of correlations from Student's t on `df` degrees of freedom.

    Examples
    --------
    >>> from scipy import stats
    >>> x, y = [1, 2, 3, 4, 5, 6], [2, 1, 4, 3, 6, 5]
    >>> r, p = stats.spearmanr(x, y)
    >>> bool(abs(textbook_p(r, 4) - p) < 1e-12)
    True
    """
    r, df = np.asarray(r, dtype=np.float64), np.asarray(df, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(r) * np.sqrt(df / ((1 - r) * (1 + r)))
        return np.asarray(2 * scipy.stats.t.sf(t, np.where(df > 0, df, np.nan)))


def fisher_z(r: npt.ArrayLike) -> Floats:
    """Return ``atanh(|r|)``, finite for a correlation of 1; NaN stays NaN."""
    return np.asarray(np.arctanh(np.clip(np.abs(np.asarray(r, dtype=np.float64)), 0.0, _CLIP)))


def exceedance_p(statistic: npt.ArrayLike, null: npt.ArrayLike) -> Floats:
    """Return ``(1 + #{null >= statistic}) / (1 + B)``; undefined null draws do not count.

    Source: Phipson and Smyth 2010, Stat Appl Genet Mol Biol 9:39, for the added one.

    Examples
    --------
    >>> exceedance_p([2.0, 0.5], [0.0, 1.0, 2.0, float("nan")]).tolist()
    [0.5, 0.75]
    """
    observed = np.asarray(statistic, dtype=np.float64)
    pool = np.sort(np.ravel(np.asarray(null, dtype=np.float64)))
    pool = pool[~np.isnan(pool)]
    p = np.full(observed.shape, np.nan)
    if len(pool) == 0:
        return p
    defined = ~np.isnan(observed)
    # equal statistics may differ by rounding, and must count as equal
    at_least = len(pool) - np.searchsorted(pool, observed[defined] - 1e-12, side="left")
    p[defined] = (1 + at_least) / (1 + len(pool))
    return p


def tail_p(statistic: npt.ArrayLike, null: npt.ArrayLike) -> Floats:
    """Return `exceedance_p`, and beyond the largest null draws the p-value of an exponential tail.

    Counting alone cannot go below ``1 / (1 + B)``, so that with a thousand draws and hundreds of genes not even
    a correlation of 0.8 would survive the correction for multiple testing. Beyond the draw that 1 % of the pool,
    and at least ten, reach, the count is continued by an exponential whose mean is the mean excess of the
    largest 5 % (at least 50, at most a quarter). The tails of null correlations (as Fisher's z) and of
    their differences fall faster than an exponential, so this errs on the side of larger p-values. Pools of fewer
    than 100 draws are counted only.

    Source: the idea of Knijnenburg et al. 2009, Bioinformatics 25:i161, with the shape of the generalised Pareto
    tail held at 0, which needs fewer draws and never gives 0.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import stats
    >>> draws = np.abs(stats.norm.ppf((np.arange(1000) + 0.5) / 1000))
    >>> bool(tail_p([1.96], draws)[0] == exceedance_p([1.96], draws)[0])
    True
    >>> bool(1e-7 < tail_p([5.0], draws)[0] < 1e-4)  # 6e-7 under the normal distribution
    True
    """
    observed = np.asarray(statistic, dtype=np.float64)
    pool = np.sort(np.ravel(np.asarray(null, dtype=np.float64)))
    pool = pool[~np.isnan(pool)]
    p = exceedance_p(observed, pool)
    n = len(pool)
    if n < _FEWEST_FOR_TAIL:
        return p
    reached = max(10, math.ceil(0.01 * n))
    anchor = pool[n - reached]
    n_tail = min(max(50, math.ceil(0.05 * n)), n // 4)
    excess = float(np.mean(pool[n - n_tail :] - pool[n - n_tail]))
    far = observed > anchor
    if excess > 0:
        p[far] = (1 + reached) / (1 + n) * np.exp(-(observed[far] - anchor) / excess)
    return p


def pooled_p(
    statistic: npt.ArrayLike,
    df: npt.ArrayLike,
    null: npt.ArrayLike,
    null_df: npt.ArrayLike,
    fewest: int = FEWEST_DRAWS,
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Judge statistics against null draws pooled over genes and replicates.

    Parameters
    ----------
    statistic, df
        float64 and int (n_genes,): larger is more extreme (``|r|``, say); NaN is undefined.
    null, null_df
        Draws of the same statistic from permuted expression, any shape; compared by `tail_p`.
    fewest
        Draws that the same `df` must have; with fewer, statistics of all genes are compared on the scale
        ``statistic * sqrt(df)``.

    Returns
    -------
    tuple
        p-values, NaN where undefined, and whether each was pooled over all `df`.
    """
    observed, degrees = np.asarray(statistic, dtype=np.float64), np.asarray(df)
    draws, draw_df = np.ravel(np.asarray(null, dtype=np.float64)), np.ravel(np.asarray(null_df))
    defined = ~np.isnan(draws) & (draw_df > 0)
    draws, draw_df = draws[defined], draw_df[defined]
    p = np.full(observed.shape, np.nan)
    scaled = np.zeros(observed.shape, dtype=bool)
    kinds = np.unique(draw_df)
    for value in np.unique(degrees[~np.isnan(observed)]):
        same = draws[draw_df == value]
        genes = degrees == value
        if len(same) >= fewest or (len(kinds) == 1 and kinds[0] == value):
            p[genes] = tail_p(observed[genes], same)
        else:
            scaled[genes] = True
    if scaled.any():
        p[scaled] = tail_p(observed[scaled] * np.sqrt(np.maximum(degrees[scaled], 0)), draws * np.sqrt(draw_df))
    return p, scaled
