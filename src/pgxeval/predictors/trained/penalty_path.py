"""The path of an elastic net without the rows of one inner fold, and how the paths of all folds are followed."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.checks import between, whole
from pgxeval.predictors.trained.penalty_elimination import LARGE, Elimination
from pgxeval.predictors.trained.penalty_gram import GramColumns

Array = npt.NDArray[np.float64]
Columns = npt.NDArray[np.int64]

NO_COLUMNS = np.zeros(0, dtype=np.int64)
_STRONG = 0.5  # how far below the last penalty columns are taken in; 1 is the strong rule
_SMALLEST_RIDGE = 1e-9  # keeps the lasso on collinear columns solvable
_FLOAT32_UNIT = 2.0**-24


@attrs.frozen(kw_only=True)
class PenaltySolver:
    """How exactly each penalty is solved.

    Parameters
    ----------
    tol
        By how much, relative to the L1 penalty, the gradient of a column without coefficient may exceed it. Columns
        with a coefficient meet their condition to rounding.
    max_iter
        Largest number of rounds in which columns enter and leave, per penalty.
    """

    tol: float = attrs.field(default=1e-6, validator=between(0, 1, above=True))
    max_iter: int = attrs.field(default=1_000, validator=whole(1))


@attrs.frozen(eq=False)
class _Solution:
    """Coefficients of the chosen columns and the gradient of the fit in them, at one penalty."""

    coefficients: Array
    gradient: Array


_Problem = tuple[Array, Array, float, Array, float, int, Array, Array]
_START = _Solution(np.zeros(0), np.zeros(0))


class Path:
    """Solutions without the rows `held_out`; the columns are standardised again in the rows that remain."""

    def __init__(
        self, columns: GramColumns, y: Array, held_out: npt.NDArray[np.int64], l1_ratio: float, solver: PenaltySolver
    ):
        self.columns, self.held_out, self.l1_ratio, self.solver = columns, held_out, l1_ratio, solver
        train = np.ones(y.size, dtype=bool)
        train[held_out] = False
        self.train = train
        self.n = int(train.sum())
        self.intercept = float(y[train].mean())
        # glmnet scales the outcome again in every fit, which for l1_ratio < 1 changes the ridge part
        self.spread = float(y[train].std()) or 1.0
        self.y = np.where(train, (y - self.intercept) / self.spread, 0.0)
        self.chosen = NO_COLUMNS
        self.is_chosen = np.zeros(columns.size, dtype=bool)
        self.position = NO_COLUMNS
        self.gram = np.zeros((0, 0))
        self.correlation = np.zeros(0)
        self.held_out_values = np.zeros((0, held_out.size), dtype=columns.stored.dtype)
        self.before, self.last = _START, _START
        self.elimination: Elimination | None = None
        self.converged = True

    def standardise(self, center: Array, inverse_scale: Array, gradient: Array) -> None:
        """Set mean and inverse standard deviation of each column, and its correlation with the outcome."""
        self.center, self.inverse_scale, self.gradient = center, inverse_scale, gradient
        self.outcome_correlation = gradient
        self.alpha = float(np.abs(gradient).max(initial=0.0)) / self.l1_ratio

    @property
    def coefficients(self) -> Array:
        """float64 (n_distinct,), the solution at the last penalty."""
        coefficients = np.zeros(self.columns.size)
        coefficients[self.chosen] = self.extended(self.last).coefficients
        return coefficients

    @property
    def is_large(self) -> bool:
        """Whether the last penalty left many coefficients."""
        return int(np.count_nonzero(self.last.coefficients)) > LARGE

    def choose(self, alpha: float) -> Columns:
        """Return the columns to add because they can matter down to `alpha`, and drop others where there are many."""
        threshold = self.l1_ratio * (alpha - _STRONG * (self.alpha - alpha))
        near = np.abs(self.gradient) >= threshold
        self.before, self.last = self.extended(self.before), self.extended(self.last)
        stays = (self.last.coefficients != 0) | (self.before.coefficients != 0) | near[self.chosen]
        if 2 * np.count_nonzero(stays) < stays.size:
            self._drop(stays)
        return np.flatnonzero(near & ~self.is_chosen)

    def _drop(self, kept: npt.NDArray[np.bool_]) -> None:
        rows = np.flatnonzero(kept)
        self.elimination = None
        self.is_chosen[self.chosen[~kept]] = False
        self.gram = self.gram[np.ix_(rows, rows)]
        self.held_out_values = self.held_out_values[rows]
        self.chosen, self.position, self.correlation = self.chosen[rows], self.position[rows], self.correlation[rows]
        self.before = _Solution(self.before.coefficients[rows], self.before.gradient[rows])
        self.last = _Solution(self.last.coefficients[rows], self.last.gradient[rows])

    def add(self, new: Columns) -> None:
        """Extend the Gram matrix by columns."""
        from pgxeval.predictors.trained.penalty_kernel import fill_gram

        if not new.size:
            return
        old, size = self.chosen.size, self.chosen.size + new.size
        position = self.columns.store(new)
        self.is_chosen[new] = True
        self.chosen = np.concatenate([self.chosen, new])
        self.position = np.concatenate([self.position, position])
        self.correlation = np.concatenate([self.correlation, self.outcome_correlation[new]])
        if size > self.gram.shape[0]:
            self._grow(old, size + size // 2)
        self.held_out_values[old:size] = self.columns.stored[position[:, None], self.held_out]
        fill_gram(
            self.columns.products,
            self.position,
            self.held_out_values[old:size] @ self.held_out_values[:size].T,
            self.center[self.chosen],
            self.inverse_scale[self.chosen],
            self.n,
            old,
            self.gram,
        )

    def _grow(self, size: int, capacity: int) -> None:
        gram = np.empty((capacity, capacity))
        gram[:size, :size] = self.gram[:size, :size]
        held_out_values = np.empty((capacity, self.held_out.size), dtype=self.held_out_values.dtype)
        held_out_values[:size] = self.held_out_values[:size]
        self.gram, self.held_out_values = gram, held_out_values

    def extended(self, solution: _Solution) -> _Solution:
        """Return a solution with coefficients 0 for the columns that were added since."""
        from pgxeval.predictors.trained.penalty_kernel import extend_gradient

        size, n_before = self.chosen.size, solution.coefficients.size
        if n_before == size:
            return solution
        coefficients, gradient = np.zeros(size), np.empty(size)
        coefficients[:n_before], gradient[:n_before] = solution.coefficients, solution.gradient
        extend_gradient(self.gram, self.correlation, solution.coefficients, gradient)
        return _Solution(coefficients, gradient)

    def solve(self, alpha: float, before: _Solution, last: _Solution) -> _Solution:
        """Solve at `alpha`, starting from the solutions at two larger penalties."""
        from pgxeval.predictors.trained.penalty_kernel import enter_and_drop

        before, last = self.extended(before), self.extended(last)
        coefficients, gradient = last.coefficients.copy(), last.gradient.copy()
        ridge = alpha * (1 - self.l1_ratio) / self.columns.multiplicity[self.chosen]
        ridge = np.maximum(ridge, _SMALLEST_RIDGE)
        tolerance = (self.solver.tol, self.solver.max_iter)
        problem = (self.gram, self.correlation, alpha * self.l1_ratio, ridge, *tolerance, coefficients, gradient)
        self.converged &= self._eliminate(problem, before) or enter_and_drop(*problem)
        return _Solution(coefficients, gradient)

    def _eliminate(self, problem: _Problem, before: _Solution) -> bool:
        gram, ridge, coefficients = problem[0], problem[3], problem[6]
        if np.count_nonzero(coefficients) <= LARGE:
            return False
        is_new = self.elimination is None or not self.elimination.serves(ridge)
        for _ in range(1 if is_new else 2):
            if is_new or self.elimination is None:
                self.elimination = Elimination(gram, ridge, coefficients, before.coefficients)
            if self.elimination.solve(*problem, before=before.coefficients, gradient_before=before.gradient):
                return True
            self.elimination = None
        return False

    def fitted(self, coefficients: Array) -> Array:
        """Return float64 (n_rows,), the fit of all rows, held out or not, to the scaled outcome."""
        from pgxeval.predictors.trained.penalty_kernel import add_weighted_rows

        nonzero = np.flatnonzero(coefficients)
        weights = coefficients[nonzero] * self.inverse_scale[self.chosen[nonzero]]
        values = np.full(self.columns.n_rows, -float(weights @ self.center[self.chosen[nonzero]]))
        add_weighted_rows(self.columns.stored, self.position[nonzero], weights, values)
        return values

    def check(
        self, screened: npt.NDArray[np.float32], residuals: Array, alphas: Array
    ) -> tuple[Columns, npt.NDArray[np.bool_], Array]:
        """Check the KKT conditions of the columns that are not chosen.

        Parameters
        ----------
        screened
            float32 (n_distinct, n_penalties), inner products of all columns with the residuals.
        residuals
            float64 (n_penalties, n_rows).
        alphas
            The penalties.

        Returns
        -------
        tuple
            The columns that violate a condition, at which penalties one does, and the gradient at the last penalty.
        """
        from pgxeval.predictors.trained.penalty_kernel import find_suspects

        unit = self.inverse_scale / self.n
        limit = alphas * self.l1_ratio * (1 + self.solver.tol)
        # what float32 may have hidden, whatever the order of summation
        length = np.sqrt((residuals**2).sum(axis=1)) * (self.columns.n_rows * _FLOAT32_UNIT)
        is_suspect, gradient = find_suspects(screened, unit, self.columns.norm, length, limit, self.is_chosen)
        suspects = np.flatnonzero(is_suspect)
        violations = np.zeros((suspects.size, alphas.size), dtype=bool)
        if suspects.size:
            exact = (self.columns.exact(suspects) @ residuals.T) * unit[suspects, None]
            violations = np.abs(exact) > limit
        return suspects[violations.any(axis=1)], np.asarray(violations.any(axis=0)), gradient


def standardise(paths: Sequence[Path], columns: GramColumns) -> None:
    """Standardise the columns in the rows of each path."""
    training = np.array([path.train for path in paths], dtype=np.float64).T
    outcomes = np.array([path.y for path in paths]).T
    n = training.sum(axis=0)
    center, scale, gradient = (np.empty((columns.size, len(paths))) for _ in range(3))
    for start in range(0, columns.size, 512):
        block = np.arange(start, min(start + 512, columns.size))
        values = columns.exact(block)
        whole = columns.screen[block] if columns.is_exact else values  # sums of whole numbers are exact in float32
        center[block] = (whole @ training.astype(whole.dtype)).astype(np.float64) / n
        square = (whole**2 @ training.astype(whole.dtype)).astype(np.float64) / n
        scale[block] = np.sqrt(np.maximum(square - center[block] ** 2, 0.0))
        gradient[block] = values @ outcomes / n
    inverse_scale = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 1e-7)
    gradient *= inverse_scale
    for k, path in enumerate(paths):
        path.standardise(
            np.ascontiguousarray(center[:, k]),
            np.ascontiguousarray(inverse_scale[:, k]),
            np.ascontiguousarray(gradient[:, k]),
        )


def take_in(paths: Sequence[Path], columns: GramColumns, alpha: float) -> None:
    """Give each path the columns that can matter down to `alpha`."""
    additions = [path.choose(alpha / path.spread) for path in paths]
    columns.store(np.unique(np.concatenate(additions)))  # one product for all paths
    for path, new in zip(paths, additions, strict=True):
        path.add(new)


def follow(paths: Sequence[Path], columns: GramColumns, alphas: Array) -> tuple[list[Array], list[Columns]]:
    """Solve every path at `alphas`, which continue it downward.

    Returns
    -------
    tuple
        For each path the fit of all rows, (n_alphas, n_rows), to the scaled outcome; for each penalty the columns
        with a coefficient in any path.
    """
    path_penalties = [alphas / path.spread for path in paths]
    solutions = [[_START] * alphas.size for _ in paths]
    fits = [np.empty((alphas.size, columns.n_rows)) for _ in paths]
    todo = [np.arange(alphas.size) for _ in paths]
    first = True
    while any(steps.size for steps in todo):
        pending = [k for k, steps in enumerate(todo) if steps.size]
        residuals = []
        for k in pending:
            path = paths[k]
            for i in todo[k]:
                before, last = [path.before, path.last, *solutions[k][:i]][-2:]
                solutions[k][i] = path.solve(path_penalties[k][i], before, last if first else solutions[k][i])
                fits[k][i] = path.fitted(solutions[k][i].coefficients)
            residuals.append(np.where(path.train, path.y - fits[k][todo[k]], 0.0))
        first = False
        gradient_parts = np.split(
            columns.screen @ np.concatenate(residuals).astype(np.float32).T,
            np.cumsum([part.shape[0] for part in residuals])[:-1],
            axis=1,
        )
        for k, gradients, residual in zip(pending, gradient_parts, residuals, strict=True):
            path, steps = paths[k], todo[k]
            new, violations, gradient = path.check(gradients, residual, path_penalties[k][steps])
            if steps[-1] == alphas.size - 1:
                path.gradient = gradient
            path.add(new)
            todo[k] = steps[violations]
    supports: list[list[Columns]] = [[] for _ in alphas]
    for path, path_solutions, path_alphas in zip(paths, solutions, path_penalties, strict=True):
        for support, solution in zip(supports, path_solutions, strict=True):
            support.append(path.chosen[np.flatnonzero(solution.coefficients)])
        path.before, path.last = [path.before, path.last, *path_solutions][-2:]
        path.alpha = float(path_alphas[-1])
    return fits, [np.unique(np.concatenate(support)) for support in supports]
