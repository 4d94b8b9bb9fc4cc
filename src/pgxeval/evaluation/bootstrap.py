r"""Bootstrap of individuals for many genes at once, as products of matrices.

A bootstrap sample is a vector of weights: how often each individual was drawn. A weighted correlation needs five
weighted sums per gene, :math:`\sum w x`, :math:`\sum w y`, :math:`\sum w x^2`, :math:`\sum w y^2` and :math:`\sum w x
y`, and those of all samples and genes are five products of the weights with matrices of values. The values are those
that the evaluation correlates: ranks (for Pearson: values) of all individuals, less covariates and folds. They are
not ranked or residualised again within each sample.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pgxeval.seeding import hash64

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]


def bootstrap_weights(
    individuals: int, samples: int, seed: int, groups: npt.NDArray[np.integer] | None = None
) -> Singles:
    """Draw individuals, or whole families, with replacement.

    Parameters
    ----------
    individuals
        Number of individuals.
    samples
        Number of bootstrap samples.
    seed
        Seed of the draws.
    groups
        int (individuals,): codes of families from 0, which are drawn as a whole; None draws individuals.

    Returns
    -------
    numpy.ndarray
        float32 (samples, individuals): how often each individual was drawn.

    Examples
    --------
    >>> bootstrap_weights(5, 2, seed=0).sum(axis=1).tolist()
    [5.0, 5.0]
    """
    random = np.random.default_rng(hash64(f"bootstrap {seed}"))
    units = individuals if groups is None else int(groups.max()) + 1
    weights = random.multinomial(units, np.full(units, 1 / units), size=samples).astype(np.float32)
    return weights if groups is None else weights[:, groups]


def weighted_sums(values: Floats, weights: Singles) -> tuple[Singles, Singles]:
    """Return weighted sums of values and of their squares, float32 (samples, n_rows) each.

    Parameters
    ----------
    values
        float64 (n_rows, individuals), 0 where missing.
    weights
        float32 (samples, individuals).
    """
    single = values.T.astype(np.float32)
    return weights @ single, weights @ (single * single)


def bootstrap_correlations(
    x: Floats,
    y: Floats,
    mask: npt.NDArray[np.bool_],
    *,
    factor: Floats,
    weights: Singles,
    sums_y: tuple[Singles, Singles] | None = None,
) -> Singles:
    """Return the correlation of each row in each bootstrap sample.

    Parameters
    ----------
    x, y
        float64 (n_rows, individuals): what is correlated; 0 where missing.
    mask
        bool (n_rows, individuals): individuals in use.
    factor
        float64 (n_rows,): multiplies the correlation; see `pgxeval.evaluation.null_correlations.Aligned`.
    weights
        float32 (samples, individuals).
    sums_y
        `weighted_sums` of `y`, if they are known.

    Returns
    -------
    numpy.ndarray
        float32 (samples, n_rows); NaN where a sample has no spread.
    """
    x_sum, x_square = weighted_sums(x, weights)
    y_sum, y_square = weighted_sums(y, weights) if sums_y is None else sums_y
    product = weights @ (x * y).T.astype(np.float32)
    size = weights.sum(axis=1, keepdims=True) if mask.all() else np.maximum(weights @ mask.T.astype(np.float32), 1)
    product -= x_sum * y_sum / size
    spread = (x_square - x_sum**2 / size) * (y_square - y_sum**2 / size)
    with np.errstate(divide="ignore", invalid="ignore"):
        product *= factor.astype(np.float32) / np.sqrt(np.where(spread > 0, spread, np.nan))
    return np.clip(product, -1, 1, out=product)


def percentile_limits(values: Singles, confidence: float) -> tuple[Floats, Floats]:
    """Return percentile limits over samples (the first axis), as `numpy.quantile` does; NaN if any sample is NaN."""
    samples = np.ascontiguousarray(values.T)
    ends: Sequence[float] = ((1 - confidence) / 2, (1 + confidence) / 2)
    places = [end * (samples.shape[1] - 1) for end in ends]
    below = [int(place) for place in places]
    above = [min(k + 1, samples.shape[1] - 1) for k in below]
    samples.partition(sorted({*below, *above}), axis=1)
    limits = [
        samples[:, k] + (place - k) * (samples[:, j] - samples[:, k])
        for place, k, j in zip(places, below, above, strict=True)
    ]
    missing = np.isnan(samples).any(axis=1)
    low, high = (np.where(missing, np.nan, one).astype(np.float64) for one in limits)
    return low, high
