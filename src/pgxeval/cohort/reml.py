"""The share of variance that follows a relationship matrix, by restricted maximum likelihood (REML).

Expression of one gene is y = Q a + g + e with var(g) = s2 h K and var(e) = s2 (1 - h) I, where Q spans the intercept
and covariates and K = Z Z' is the relationship at the variants of the cis window, scaled to a mean of 1 on the
diagonal after projection on the complement of Q. One eigendecomposition serves all traits of a gene.
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
from scipy import linalg

Floats = npt.NDArray[np.float64]

_NULL = 1e-9  # eigenvalues below this, relative to the largest, are zero
_NULL_SINGLE = 2e-6
_SINGLE_FROM = 500  # individuals and variants
_SMALLEST = 1e-4  # smaller eigenvalues, of a mean of 1, act as this one in simulations
_CLOSEST_TO_1 = 0.999
_GRID = np.concatenate([[0.0], np.geomspace(1e-3, 0.1, 16), np.linspace(0.12, _CLOSEST_TO_1, 34)])
_REFINEMENTS = 5


@attrs.frozen(kw_only=True, eq=False)
class Relationship:
    """Relationship of individuals at some variants, given covariates, decomposed.

    Parameters
    ----------
    basis
        float64 (n_individuals, 1 + c), orthonormal basis of intercept and covariates.
    eigenvalues
        float64 (n_components,), positive; their sum is the number of individuals less the columns of `basis`.
    eigenvectors
        float64 (n_individuals, n_components), orthogonal to `basis`.
    scale
        What the projected Z Z' was divided by.
    """

    basis: Floats = attrs.field(repr=False)
    eigenvalues: Floats = attrs.field(repr=False)
    eigenvectors: Floats = attrs.field(repr=False)
    scale: float

    @classmethod
    def of(cls, dosages: Floats, basis: Floats) -> Relationship:
        """Decompose the relationship at variants that are scaled to unit variance.

        Parameters
        ----------
        dosages
            float64 (n_individuals, n_variants), without missing values, every variant with variance.
        basis
            float64 (n_individuals, 1 + c), orthonormal, with the intercept.
        """
        n, m = dosages.shape
        # single precision moves h by about 1e-4, and halves the time where time matters
        precision: np.dtype[Any] = np.dtype(np.float32 if min(n, m) >= _SINGLE_FROM else np.float64)
        Z = np.subtract(dosages, dosages.mean(axis=0), dtype=precision, casting="same_kind")
        Z *= (1 / np.sqrt(np.einsum("ij,ij->j", Z, Z) / n)).astype(precision)
        Q = basis.astype(precision)
        if m < n:
            Z -= Q @ (Q.T @ Z)
            product = Z.T @ Z
        else:  # projecting the product costs less than projecting many variants
            product = Z @ Z.T
            product -= Q @ (Q.T @ product)
            product -= (product @ Q) @ Q.T
        values, vectors = linalg.eigh(product, driver="evd", overwrite_a=True, check_finite=False)
        kept = values > (_NULL if precision == np.float64 else _NULL_SINGLE) * values.max(initial=0.0)
        values, vectors = values[kept].astype(np.float64), vectors[:, kept]
        if m < n:
            vectors = Z @ (vectors / np.sqrt(values).astype(precision))
        scale = float(values.sum()) / (n - basis.shape[1])
        return cls(basis=basis, eigenvalues=values / scale, eigenvectors=vectors.astype(np.float64), scale=scale)

    @property
    def freedom(self) -> int:
        """Individuals less the columns of the basis."""
        return int(self.basis.shape[0] - self.basis.shape[1])

    def energies(self, traits: Floats) -> tuple[Floats, Floats]:
        """Return the squared components, (n_traits, n_components), and the remaining sum of squares, (n_traits,)."""
        residual = traits - (traits @ self.basis) @ self.basis.T
        squared = (residual @ self.eigenvectors) ** 2
        return squared, np.maximum((residual**2).sum(axis=1) - squared.sum(axis=1), 0.0)

    def deviance(self, h: Floats, squared: Floats, rest: Floats) -> Floats:
        """Return -2 log restricted likelihood, up to a constant, (n_traits, n_values).

        Parameters
        ----------
        h
            float64 (n_values,) for all traits, or (n_traits, n_values), in [0, 1).
        squared, rest
            As from `energies`.
        """
        null = self.freedom - self.eigenvalues.size
        variance = h[..., None] * self.eigenvalues + (1 - h[..., None])
        quadratic = squared @ (1 / variance).T if h.ndim == 1 else np.einsum("tk,tvk->tv", squared, 1 / variance)
        quadratic = quadratic + rest[:, None] / (1 - h)
        determinant = np.log(variance).sum(axis=-1) + null * np.log(1 - h)
        deviance: Floats = self.freedom * np.log(quadratic) + determinant
        return deviance

    def maximise(self, squared: Floats, rest: Floats) -> Floats:
        """Return the REML estimate of h of each trait, in [0, 0.999]."""
        best = np.argmin(self.deviance(_GRID, squared, rest), axis=1)
        low, high = _GRID[np.maximum(best - 1, 0)], _GRID[np.minimum(best + 1, _GRID.size - 1)]
        h: Floats = _GRID[best]
        for _ in range(_REFINEMENTS):
            values = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, 9)
            place = np.argmin(self.deviance(values, squared, rest), axis=1)
            rows = np.arange(place.size)
            h = values[rows, place]
            low, high = values[rows, np.maximum(place - 1, 0)], values[rows, np.minimum(place + 1, 8)]
        return h

    def likelihood_ratio(self, squared: Floats, rest: Floats) -> Floats:
        """Return the restricted likelihood ratio of each trait against h = 0, the maximum taken over a fixed grid."""
        deviance = self.deviance(_GRID, squared, rest)
        ratio: Floats = deviance[:, 0] - deviance.min(axis=1)
        return ratio

    def null_ratios(self, draws: int, random: np.random.Generator) -> Floats:
        """Simulate the restricted likelihood ratio of normal traits with h = 0, float64 (draws,).

        The ratio depends on the eigenvalues alone. Eigenvalues within 10 % of each other share one chi-squared
        variable with as many degrees of freedom, which leaves the distribution as it was to three digits and is ten
        times as fast.
        """
        bins = np.round(np.log(np.maximum(self.eigenvalues, _SMALLEST)) / np.log(1.1)).astype(np.int64)
        _, place, counts = np.unique(bins, return_inverse=True, return_counts=True)
        means = np.bincount(place, weights=self.eigenvalues) / counts
        null = self.freedom - self.eigenvalues.size
        squared = random.chisquare(counts, (draws, counts.size))
        rest = random.chisquare(null, draws) if null else np.zeros(draws)
        quadratic = squared @ (1 / (np.outer(_GRID, means) + (1 - _GRID[:, None]))).T + rest[:, None] / (1 - _GRID)
        determinant = np.log(np.outer(_GRID, self.eigenvalues) + (1 - _GRID[:, None])).sum(axis=1)
        deviance = self.freedom * np.log(quadratic) + determinant + null * np.log(1 - _GRID)
        ratio: Floats = deviance[:, 0] - deviance.min(axis=1)
        return ratio

    def standard_error(self, h: Floats) -> Floats:
        """Return the standard error of each estimate, from the expected information."""
        d = (self.eigenvalues - 1) / (h[:, None] * self.eigenvalues + (1 - h[:, None]))
        null = self.freedom - self.eigenvalues.size
        total = d.sum(axis=1) - null / (1 - h)
        square = (d**2).sum(axis=1) + null / (1 - h) ** 2
        error: Floats = np.sqrt(2 / (square - total**2 / self.freedom))
        return error

    def moment_estimate(self, squared: Floats, rest: Floats) -> Floats:
        """Return Haseman and Elston's estimate of each trait, which is not bounded and nearly unbiased."""
        total = squared.sum(axis=1) + rest
        excess = (self.eigenvalues**2).sum() - self.freedom
        estimate: Floats = (squared @ self.eigenvalues / total - 1) * self.freedom / excess
        return estimate
