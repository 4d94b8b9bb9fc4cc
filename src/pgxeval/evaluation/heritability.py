"""Cis heritability, and how far a predictor is from the accuracy that it allows.

The p-value is exact for normal expression: the null distribution of the restricted likelihood ratio depends on the
eigenvalues of the relationship alone and is simulated (Crainiceanu and Ruppert, J R Stat Soc B 66:165, 2004). The
asymptotic mixture of 0 and chi-squared is conservative at the sizes of expression studies.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy

from pgxeval.cohort.covariates import constant
from pgxeval.cohort.reml import Relationship
from pgxeval.errors import TableError

Floats = npt.NDArray[np.float64]

_FEW = 20
_TAIL = 0.02  # share of the simulated null from which its tail is extrapolated


def heritability(
    expression: npt.ArrayLike,
    dosages: npt.ArrayLike,
    basis: npt.ArrayLike | None = None,
    *,
    draws: int = 10_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Estimate the share of variance that is additive in the variants of one cis window.

    Parameters
    ----------
    expression
        float64 (n_traits, n_individuals) or (n_individuals,), finite: tissues, replicates, or one trait.
    dosages
        float64 (n_individuals, n_variants), without missing values.
    basis
        float64 (n_individuals, 1 + c): orthonormal basis of intercept and covariates
        (`pgxeval.cohort.covariate_basis`); None for the intercept alone.
    draws
        Simulated values of the likelihood ratio under no heritability.
    seed
        Seed of the simulation.

    Returns
    -------
    pandas.DataFrame
        One row per trait. ``h2``: REML estimate in [0, 0.999]. ``h2_se``: its standard error, which assumes many small
        effects; with one causal variant the true one is about twice as large. ``h2_unbounded``: Haseman and
        Elston's estimate, which may be negative; take this for averages over genes. ``h2_p``: one-sided. ``reason``:
        why all are NaN, or empty.

    Raises
    ------
    TableError
        If shapes do not match or a value is not finite.

    Examples
    --------
    >>> random = np.random.default_rng(1)
    >>> dosages = random.binomial(2, 0.3, size=(400, 50)).astype(float)
    >>> trait = dosages @ random.normal(size=50) / 4 + random.normal(size=400)
    >>> bool(heritability(trait, dosages)["h2_p"][0] < 0.01)
    True
    """
    traits = np.atleast_2d(np.asarray(expression, dtype=np.float64))
    matrix = np.asarray(dosages, dtype=np.float64)
    n = traits.shape[1]
    if traits.ndim != 2 or matrix.ndim != 2 or matrix.shape[0] != n:
        raise TableError(
            f"expression and dosages must have the same individuals, got shapes {traits.shape} and {matrix.shape}"
        )
    if not (np.isfinite(traits).all() and np.isfinite(matrix).all()):
        raise TableError("expression and dosages must be finite; drop individuals or impute missing dosages")
    q = np.full((n, 1), n**-0.5) if basis is None else np.asarray(basis, dtype=np.float64)
    varying = (matrix != matrix[:1]).any(axis=0)
    matrix = matrix if varying.all() else matrix[:, varying]
    reason = np.full(traits.shape[0], "", dtype=object)
    if n - q.shape[1] < _FEW:
        reason[:] = f"fewer than {_FEW} individuals after {q.shape[1] - 1} covariates"
    elif not matrix.shape[1]:
        reason[:] = "no variant with a dosage that varies"
    numbers = {name: np.full(traits.shape[0], np.nan) for name in ("h2", "h2_se", "h2_unbounded", "h2_p")}
    flat = constant(traits - (traits @ q) @ q.T, axis=1, size=np.abs(traits).max(axis=1))
    reason[flat & (reason == "")] = "constant expression, given the covariates"
    defined = np.flatnonzero(reason == "")
    if defined.size:
        relationship = Relationship.of(matrix, q)
        squared, rest = relationship.energies(traits[defined])
        h = relationship.maximise(squared, rest)
        numbers["h2"][defined] = h
        numbers["h2_se"][defined] = relationship.standard_error(h)
        numbers["h2_unbounded"][defined] = relationship.moment_estimate(squared, rest)
        ratio = relationship.likelihood_ratio(squared, rest)
        numbers["h2_p"][defined] = 1.0
        positive = np.flatnonzero(ratio > 0)
        if positive.size:
            null = relationship.null_ratios(draws, np.random.default_rng(seed))
            numbers["h2_p"][defined[positive]] = _exact_p(ratio[positive], null)
    return pd.DataFrame({**numbers, "n": n, "reason": reason})


def _exact_p(ratio: Floats, null: Floats) -> Floats:
    """Count the simulated ratios; beyond the largest of them continue with a scaled chi-squared tail."""
    ordered = np.sort(null)
    above = null.size - np.searchsorted(ordered, ratio - 1e-12, side="left")
    counted = (1 + above) / (1 + null.size)
    start = float(np.quantile(ordered, 1 - _TAIL))
    excess = ordered[ordered > start] - start
    # beyond its start the tail of a chi-squared variable with 1 degree of freedom falls about exponentially
    scale = max(float(excess.mean()) / 2 if excess.size else 1.0, 1e-6)
    start_p = float(scipy.stats.chi2.sf(start / scale, 1))
    tail = _TAIL * scipy.stats.chi2.sf(ratio / scale, 1) / max(start_p, 1e-300)
    p: Floats = np.where((ratio > start) & (above < _TAIL * null.size / 4), np.minimum(tail, 1.0), counted)
    return np.minimum(p, 1.0)


def spearman_ceiling(h2: npt.ArrayLike) -> Floats:
    """Return the largest Spearman correlation that a predictor of the additive value can reach.

    Pearson's is the square root of `h2`. For normal values, Spearman's is ``6 / pi * asin(r / 2)``.

    Examples
    --------
    >>> spearman_ceiling([0.25]).round(3).tolist()
    [0.483]
    """
    values: Floats = 6 / np.pi * np.arcsin(np.sqrt(np.asarray(h2, dtype=np.float64)) / 2)
    return values


def share_of_ceiling(correlation: npt.ArrayLike, h2: npt.ArrayLike, *, measure: str = "spearman") -> float:
    """Return mean correlation over mean ceiling: a ratio of means, because single ceilings near 0 are noise.

    Parameters
    ----------
    correlation, h2
        float64 (n_genes,), of the same genes; a gene with NaN in either is not used.
    measure
        ``"spearman"`` or ``"pearson"``.

    Returns
    -------
    float
        NaN where no gene has both, or the mean ceiling is 0.

    Examples
    --------
    >>> share_of_ceiling([0.1, 0.3], [0.04, 0.36], measure="pearson")
    0.5
    """
    r, h = np.asarray(correlation, dtype=np.float64), np.asarray(h2, dtype=np.float64)
    both = np.isfinite(r) & np.isfinite(h)
    ceiling = np.sqrt(h[both]) if measure == "pearson" else spearman_ceiling(h[both])
    if not both.any() or ceiling.sum() <= 0:
        return float("nan")
    return float(r[both].sum() / ceiling.sum())
