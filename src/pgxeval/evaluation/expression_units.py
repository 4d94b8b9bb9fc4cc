"""Ranks and values of measured expression, residualised and of unit length."""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.cohort.covariates import constant
from pgxeval.evaluation.gene_rows import over_rows
from pgxeval.evaluation.ranks import rank_with_ties
from pgxeval.evaluation.residuals import CovariateBasis

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.integer]


@attrs.frozen(eq=False)
class ExpressionUnits:
    """Expression of all genes, ranked and residualised once; genes that lack individuals are done again.

    Parameters
    ----------
    values
        float64 (n_genes, n_individuals); NaN is missing.
    basis
        Basis of the covariates, without folds.
    threads
        Threads that share the rows; None takes one per core.
    """

    values: Floats
    basis: CovariateBasis
    threads: int | None = None
    _ranks: Floats = attrs.field(init=False, repr=False)
    _units: Floats = attrs.field(init=False, repr=False)
    _mode: Ints = attrs.field(init=False, repr=False)
    _within_folds: dict[bytes, tuple[Floats, Floats]] = attrs.field(factory=dict, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_ranks", np.empty_like(self.values))
        object.__setattr__(self, "_units", np.empty_like(self.values))
        object.__setattr__(self, "_mode", np.empty(len(self.values), dtype=np.int64))

        def prepare(rows: slice) -> None:
            self._ranks[rows], self._units[rows], self._mode[rows] = _units_of(self.values[rows], self.basis)

        over_rows(prepare, len(self.values), self.threads)

    def of_rows(
        self, rows: Indices | slice, mask: Bools, measured: Bools, basis: CovariateBasis, folds: Indices | None
    ) -> tuple[Floats, Floats, Floats]:
        """Return ranks and values of expression, residualised and of unit length, and the share not of the mode."""
        ranks, units, mode = self._ranks[rows], self._units[rows], self._mode[rows]
        n = mask.sum(axis=1)
        usable = measured if folds is None else measured & (folds >= 0)
        fewer = np.flatnonzero((mask != measured).any(axis=1))
        if len(fewer):
            complete = np.where(mask[fewer], self.values[rows][fewer], np.nan)
            ranks, units, mode = ranks.copy(), units.copy(), mode.copy()
            ranks[fewer], units[fewer], mode[fewer] = _units_of(complete, self.basis)
        if folds is not None:
            ranks, units = self._project(
                ranks, units, mask, basis, folds, shared=isinstance(rows, slice) and bool((mask == usable).all())
            )
        return ranks, units, 1 - mode / np.maximum(n, 1)

    def _project(
        self, ranks: Floats, units: Floats, mask: Bools, basis: CovariateBasis, folds: Indices, *, shared: bool
    ) -> tuple[Floats, Floats]:
        """Take the folds out of expression; once for all predictors that have every measured individual in a fold."""
        if not shared or len(ranks) < len(self.values):
            return basis.project(ranks, mask), basis.project(units, mask)
        key = np.asarray(folds, dtype=np.int64).tobytes()
        if key not in self._within_folds:
            self._within_folds[key] = basis.project(ranks, mask), basis.project(units, mask)
        return self._within_folds[key]


def _units_of(values: Floats, basis: CovariateBasis) -> tuple[Floats, Floats, Ints]:
    mask = np.isfinite(values)
    ties = rank_with_ties(values, np.zeros(1))
    ranks, units = basis.units(ties.ranks, mask).units, basis.units(values, mask).units
    same = constant(values, axis=1)
    ranks[same] = units[same] = 0.0
    return ranks, units, ties.mode
