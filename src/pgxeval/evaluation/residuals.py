"""Residuals of many rows at once given covariates, with missing values."""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.cohort.covariates import covariate_basis
from pgxeval.evaluation.ranks import fold_columns

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

EXPLAINED_SHARE = 1e-7
"""A row whose residuals are shorter than this share of its deviations from the mean is explained by the covariates."""
_MAX_CACHED_BYTES = 2**28
_SAFE = 1e100


@attrs.frozen(kw_only=True, eq=False)
class Residuals:
    """Residuals of rows, scaled to unit length.

    Parameters
    ----------
    units
        float64 (n_rows, n_columns): residuals of unit length; 0 where missing, and in rows without residuals.
    rank
        int64 (n_rows,): number of independent covariates, the intercept not included.
    explained
        bool (n_rows,): the row varies, but only as a linear function of the covariates.
    """

    units: Floats
    rank: Ints
    explained: Bools


@attrs.define(eq=False)
class CovariateBasis:
    """Orthonormal bases of the covariates and the intercept, one for each pattern of missing individuals.

    Parameters
    ----------
    covariates
        float64 (n_individuals, n_covariates) without NaN, or None.
    folds
        int (n_individuals,), negative for individuals outside all folds: the folds whose indicators `covariates`
        consists of. Residuals are then deviations from the mean of the fold, which needs no basis.
    """

    covariates: Floats | None
    folds: npt.NDArray[np.integer] | None = None
    _bases: dict[bytes, Floats] = attrs.field(factory=dict, init=False, repr=False)

    def residualise(self, values: Floats, mask: Bools) -> tuple[Floats, Ints]:
        """Residualise each row among the individuals of its mask.

        Returns
        -------
        tuple
            Residuals, float64 like `values` and 0 where the mask is False, and the rank of the covariates per row.
        """
        complete = bool(mask.all())
        present = mask.sum(axis=1)
        residual = values.copy() if complete else np.where(mask, values, 0.0)
        residual -= (residual.sum(axis=1) / np.maximum(present, 1))[:, None]
        if not complete:
            residual[~mask] = 0.0
        ranks = np.zeros(len(values), dtype=np.int64)
        if self.covariates is None:
            return residual, ranks
        for rows, pattern in _patterns(mask, complete=complete):
            basis = self.of_pattern(pattern)
            ranks[rows] = basis.shape[1]
            residual[rows] -= (residual[rows] @ basis) @ basis.T
        return residual, ranks

    def units(self, values: Floats, mask: Bools) -> Residuals:
        """Return the residuals of each row, scaled to unit length.

        Rows are divided by a power of two near their largest magnitude first, so that squares neither
        overflow nor vanish.
        """
        if self.covariates is None or self.folds is not None:
            return self._units_in_folds(values, mask)
        complete = bool(mask.all())
        highest = np.abs(values).max(axis=1, initial=0.0) if complete else _largest(values, mask)
        if (highest > _SAFE).any() or ((highest < 1 / _SAFE) & (highest > 0)).any():
            exponent = np.where(highest > 0, np.frexp(highest)[1], 0)
            values = np.ldexp(values, -exponent[:, None].astype(np.int32))
            highest = np.ldexp(highest, -exponent.astype(np.int32))
        residual, rank = self.residualise(values, mask)
        size = np.sqrt(np.einsum("ij,ij->i", residual, residual))
        centred = CovariateBasis(None).residualise(values, mask)[0]
        spread = np.sqrt(np.einsum("ij,ij->i", centred, centred))
        explained = (spread > 0) & (size <= EXPLAINED_SHARE * spread)
        # deviations of this size are rounding errors of the mean
        bad = explained | (spread <= 1e-14 * highest * np.sqrt(mask.sum(axis=1)))
        residual /= np.where(bad, 1.0, size)[:, None]
        residual[bad] = 0.0
        return Residuals(units=residual, rank=rank, explained=explained)

    def units_of_scores(self, scores: Floats, mask: Bools) -> Residuals:
        """Return what `units` does, of rows that have mean 0 in every fold (`score_within_folds`)."""
        if self.folds is None or not mask.all():
            return self.units(scores, mask)
        size = np.sqrt(np.einsum("ij,ij->i", scores, scores))
        return Residuals(
            units=scores / np.where(size > 0, size, 1.0)[:, None],
            rank=np.full(len(scores), len(np.unique(self.folds)) - 1),
            explained=np.zeros(len(scores), dtype=bool),
        )

    def _units_in_folds(self, values: Floats, mask: Bools) -> Residuals:
        from pgxeval.evaluation.residual_kernel import unit_rows

        units = np.empty(values.shape)
        rank, explained = np.empty(len(values), dtype=np.int64), np.empty(len(values), dtype=bool)
        columns, bounds = fold_columns(self.folds, values.shape[1])
        unit_rows(np.ascontiguousarray(values), np.ascontiguousarray(mask), columns, bounds, units, rank, explained)
        return Residuals(units=units, rank=rank, explained=explained)

    def project(self, units: Floats, mask: Bools) -> Floats:
        """Residualise rows of unit length that are centred already, and scale them to unit length again."""
        if self.folds is not None:
            return self._units_in_folds(units, mask).units
        residual = units.copy()
        for rows, pattern in _patterns(mask, complete=bool(mask.all())):
            basis = self.of_pattern(pattern)
            residual[rows] -= (residual[rows] @ basis) @ basis.T
        size = np.sqrt(np.einsum("ij,ij->i", residual, residual))
        bad = size <= EXPLAINED_SHARE
        residual /= np.where(bad, 1.0, size)[:, None]
        residual[bad] = 0.0
        return residual

    def of_pattern(self, pattern: Bools) -> Floats:
        """Return float64 (n_individuals, c): 0 where `pattern` is False, orthonormal, orthogonal to the intercept."""
        key = np.packbits(pattern).tobytes()
        basis = self._bases.get(key)
        if basis is None:
            present = int(pattern.sum())
            covariates = None if self.covariates is None or not present else pd.DataFrame(self.covariates[pattern])
            columns = covariate_basis(covariates, present)[:, 1:] if present else np.zeros((0, 0))
            basis = np.zeros((len(pattern), columns.shape[1]))
            basis[pattern] = columns
            if (len(self._bases) + 1) * basis.nbytes > _MAX_CACHED_BYTES:
                self._bases.clear()
            self._bases[key] = basis
        return basis


def _largest(values: Floats, mask: Bools) -> Floats:
    return np.asarray(np.max(np.abs(values), axis=1, initial=0.0, where=mask))


def _patterns(mask: Bools, *, complete: bool) -> list[tuple[npt.NDArray[np.intp] | slice, Bools]]:
    if complete:
        return [(slice(None), mask[0])] if len(mask) else []
    _, first, inverse = np.unique(np.packbits(mask, axis=1), axis=0, return_index=True, return_inverse=True)
    inverse = inverse.reshape(-1)
    return [(np.flatnonzero(inverse == k), mask[row]) for k, row in enumerate(first)]
