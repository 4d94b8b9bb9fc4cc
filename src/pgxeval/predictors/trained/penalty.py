"""The elastic-net penalty: the path from the largest penalty down, and its choice by inner folds.

The objective is glmnet's and scikit-learn's, on columns of unit variance and an outcome of unit variance:

    1 / (2 n) ||y - X b||^2 + alpha (l1_ratio ||b||_1 + (1 - l1_ratio) / 2 ||b||_2^2)

Four things make a gene cheap. Identical columns are one column whose ridge term is divided by their number, which
leaves the fit unchanged. The sequential strong rule (Tibshirani et al., J R Stat Soc B 74:245, 2012) chooses the
columns that can matter, and one matrix product checks the KKT conditions of all others, for all inner folds and
several penalties. The Gram matrix of an inner fold is that of all rows less that of the rows held out. And the
path ends where the inner error no longer falls.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.checks import between, whole
from pgxeval.predictors.trained.penalty_elimination import LARGE, eliminate
from pgxeval.predictors.trained.penalty_gram import GramColumns

Array = npt.NDArray[np.float64]
Columns = npt.NDArray[np.int64]

CHUNK = 5
_STRONG = 0.5  # how far below the last penalty of a chunk columns are taken in; 1 is the strong rule
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


@attrs.frozen(kw_only=True, eq=False)
class Penalty:
    """A chosen penalty and the coefficients that it leaves.

    Parameters
    ----------
    alpha
        Penalty on the unit-variance scale.
    coefficients
        float64 (n_columns,), for columns of unit variance and an outcome of unit variance. Identical columns have
        equal coefficients.
    inner_errors
        Mean squared error of the held-out inner folds for each alpha of the path as far as it was followed.
    converged
        Whether every solution met the tolerance.
    """

    alpha: float
    coefficients: Array
    inner_errors: Array
    converged: bool


@attrs.frozen(eq=False)
class _Solution:
    """Coefficients of the chosen columns and the gradient of the fit in them, at one penalty."""

    coefficients: Array
    gradient: Array


_NO_COLUMNS = np.zeros(0, dtype=np.int64)
_START = _Solution(np.zeros(0), np.zeros(0))


class _Path:
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
        self.chosen = _NO_COLUMNS
        self.is_chosen = np.zeros(columns.size, dtype=bool)
        self.position = _NO_COLUMNS
        self.gram = np.zeros((0, 0))
        self.correlation = np.zeros(0)
        self.held_out_values = np.zeros((0, held_out.size), dtype=columns.stored.dtype)
        self.before, self.last = _START, _START
        self.converged = True

    def standardise(self, center: Array, inverse_scale: Array, gradient: Array) -> None:
        """Set mean and inverse standard deviation of each column, and its correlation with the outcome."""
        self.center, self.inverse_scale, self.gradient = center, inverse_scale, gradient
        self.alpha = float(np.abs(gradient).max(initial=0.0)) / self.l1_ratio

    def take_in(self, alpha: float) -> None:
        """Add the columns that can matter down to `alpha`, and drop others where there are many."""
        threshold = self.l1_ratio * (alpha - _STRONG * (self.alpha - alpha))
        needed = np.abs(self.gradient) >= threshold
        self.before, self.last = self.extended(self.before), self.extended(self.last)
        kept = (self.last.coefficients != 0) | (self.before.coefficients != 0) | needed[self.chosen]
        if 2 * np.count_nonzero(kept) < kept.size:
            self._drop(kept)
        self.add(np.flatnonzero(needed & ~self.is_chosen))

    def _drop(self, kept: npt.NDArray[np.bool_]) -> None:
        rows = np.flatnonzero(kept)
        self.is_chosen[self.chosen[~kept]] = False
        self.gram = self.gram[np.ix_(rows, rows)]
        self.chosen, self.position, self.correlation = self.chosen[rows], self.position[rows], self.correlation[rows]
        self.before = _Solution(self.before.coefficients[rows], self.before.gradient[rows])
        self.last = _Solution(self.last.coefficients[rows], self.last.gradient[rows])
        self.held_out_values = self.held_out_values[rows]

    def add(self, new: Columns) -> None:
        """Extend the Gram matrix by columns."""
        from pgxeval.predictors.trained.penalty_kernel import fill_gram

        if not new.size:
            return
        old = self.chosen.size
        position = self.columns.store(new)
        self.is_chosen[new] = True
        self.chosen = np.concatenate([self.chosen, new])
        self.position = np.concatenate([self.position, position])
        held_out = self.columns.stored[position[:, None], self.held_out]
        self.held_out_values = np.concatenate([self.held_out_values, held_out])
        size = self.chosen.size
        if size > self.gram.shape[0]:
            capacity = size + size // 4
            gram = np.empty((capacity, capacity))
            gram[:old, :old] = self.gram[:old, :old]
            self.gram = gram
        fill_gram(
            self.columns.products,
            self.position,
            held_out @ self.held_out_values.T,
            self.center[self.chosen],
            self.inverse_scale[self.chosen],
            self.n,
            old,
            self.gram,
        )
        values = self.columns.stored[position].astype(np.float64, copy=False)
        correlation = (values @ self.y) * self.inverse_scale[new] / self.n
        self.correlation = np.concatenate([self.correlation, correlation])

    def extended(self, solution: _Solution) -> _Solution:
        """Return a solution with coefficients 0 for the columns that were added since."""
        from pgxeval.predictors.trained.penalty_kernel import find_gradient

        size, known = self.chosen.size, solution.coefficients.size
        if known == size:
            return solution
        coefficients, gradient = np.zeros(size), np.empty(size)
        coefficients[:known] = solution.coefficients
        find_gradient(self.gram, self.correlation, coefficients, gradient)
        return _Solution(coefficients, gradient)

    def solve(self, alpha: float, before: _Solution, last: _Solution) -> _Solution:
        """Solve at `alpha`, starting from the solutions at two larger penalties."""
        from pgxeval.predictors.trained.penalty_kernel import enter_and_drop

        before, last = self.extended(before), self.extended(last)
        coefficients, gradient = last.coefficients.copy(), last.gradient.copy()
        ridge = alpha * (1 - self.l1_ratio) / self.columns.multiplicity[self.chosen]
        problem = (
            self.gram,
            self.correlation,
            alpha * self.l1_ratio,
            np.maximum(ridge, _SMALLEST_RIDGE),
            self.solver.tol,
            self.solver.max_iter,
            coefficients,
            gradient,
        )
        solved = np.count_nonzero(coefficients) > LARGE and eliminate(
            *problem, before=before.coefficients, gradient_before=before.gradient
        )
        self.converged &= solved or enter_and_drop(*problem)
        return _Solution(coefficients, gradient)

    def fitted(self, coefficients: Array) -> Array:
        """Return float64 (n_penalties, n_rows), the fit of all rows, held out or not, to the scaled outcome."""
        used = np.flatnonzero(coefficients.any(axis=0))
        weights = coefficients[:, used] * self.inverse_scale[self.chosen[used]]
        values = self.columns.stored[self.position[used]].astype(np.float64, copy=False)
        fitted: Array = weights @ values - (weights @ self.center[self.chosen[used]])[:, None]
        return fitted

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
        suspected, gradient = find_suspects(screened, unit, self.columns.norm, length, limit, self.is_chosen)
        suspects = np.flatnonzero(suspected)
        violated = np.zeros((suspects.size, alphas.size), dtype=bool)
        if suspects.size:
            exact = (self.columns.exact(suspects) @ residuals.T) * unit[suspects, None]
            violated = np.abs(exact) > limit
        return suspects[violated.any(axis=1)], np.asarray(violated.any(axis=0)), gradient


def _standardise(paths: Sequence[_Path], columns: GramColumns) -> None:
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


def _follow(paths: Sequence[_Path], columns: GramColumns, alphas: Array) -> tuple[list[Array], list[Columns]]:
    """Solve every path at `alphas`, which continue it downward.

    Returns
    -------
    tuple
        For each path the fit of all rows, (n_alphas, n_rows), to the scaled outcome; for each penalty the columns
        with a coefficient in any path.
    """
    scaled = [alphas / path.spread for path in paths]
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
                solutions[k][i] = path.solve(scaled[k][i], before, last if first else solutions[k][i])
            solved = np.array([solutions[k][i].coefficients for i in todo[k]])
            fits[k][todo[k]] = path.fitted(solved)
            residuals.append(np.where(path.train, path.y - fits[k][todo[k]], 0.0))
        first = False
        screened = np.split(
            columns.screen @ np.concatenate(residuals).astype(np.float32).T,
            np.cumsum([part.shape[0] for part in residuals])[:-1],
            axis=1,
        )
        for k, gradients, left in zip(pending, screened, residuals, strict=True):
            path, steps = paths[k], todo[k]
            new, violated, gradient = path.check(gradients, left, scaled[k][steps])
            if steps[-1] == alphas.size - 1:
                path.gradient = gradient
            path.add(new)
            todo[k] = steps[violated]
    supports: list[list[Columns]] = [[] for _ in alphas]
    for path, path_solutions, path_alphas in zip(paths, solutions, scaled, strict=True):
        for support, solution in zip(supports, path_solutions, strict=True):
            support.append(path.chosen[np.flatnonzero(solution.coefficients)])
        path.before, path.last = [path.before, path.last, *path_solutions][-2:]
        path.alpha = float(path_alphas[-1])
    return fits, [np.unique(np.concatenate(support)) for support in supports]


def choose_penalty(
    columns: GramColumns,
    y: Array,
    inner_folds: npt.NDArray[np.int16],
    *,
    l1_ratio: float = 0.5,
    n_alphas: int = 100,
    eps: float = 0.01,
    patience: int = 10,
    solver: PenaltySolver | None = None,
) -> Penalty:
    """Choose the penalty with the smallest inner held-out error (glmnet's ``lambda.min``) and fit with it.

    Parameters
    ----------
    columns
        The dosages; they need not be scaled.
    y
        float64 (n_rows,), zero mean and unit variance.
    inner_folds
        (n_rows,) fold number of each row; a fold that holds no row or every row is passed over.
    l1_ratio
        Share of the L1 penalty, in (0, 1].
    n_alphas, eps
        The grid: `n_alphas` values from the smallest penalty that leaves no coefficient down to `eps` times it.
    patience
        The path ends once this many penalties in a row have not lowered the inner error. ``n_alphas`` or
        more follows it to the end.
    solver
        How exactly each penalty is solved.

    Returns
    -------
    Penalty
        With all coefficients 0 where nothing correlates with `y`.
    """
    solver = solver or PenaltySolver()
    every_row = _Path(columns, y, _NO_COLUMNS, l1_ratio, solver)
    paths = [
        _Path(columns, y, np.flatnonzero(inner_folds == fold), l1_ratio, solver)
        for fold in np.unique(inner_folds)
        if 1 < np.count_nonzero(inner_folds != fold) < y.size
    ]
    _standardise([every_row, *paths], columns)
    if every_row.alpha <= 0:
        none = columns.spread_over_copies(np.zeros(columns.size))
        return Penalty(alpha=np.inf, coefficients=none, inner_errors=np.zeros(0), converged=True)
    alphas = every_row.alpha * np.geomspace(1.0, eps, n_alphas)
    errors: list[float] = []
    supports: list[Columns] = []
    for start in range(0, n_alphas if paths else 0, CHUNK):
        chunk = alphas[start : start + CHUNK]
        squared = np.zeros(chunk.size)
        for path in paths:
            path.take_in(float(chunk[-1]) / path.spread)
        fits, chunk_supports = _follow(paths, columns, chunk)
        supports.extend(chunk_supports)
        for path, fit in zip(paths, fits, strict=True):
            predicted = path.intercept + path.spread * fit[:, path.held_out]
            squared += ((y[path.held_out] - predicted) ** 2).sum(axis=1)
        errors.extend(squared / y.size)
        if len(errors) - 1 - int(np.argmin(errors)) >= patience:
            break
    best = int(np.argmin(errors)) if errors else 0
    # the solution does not depend on the way to it: the columns of the inner folds are a good start
    every_row.add(supports[best] if supports else _NO_COLUMNS)
    _follow([every_row], columns, alphas[best : best + 1])
    distinct = np.zeros(columns.size)
    distinct[every_row.chosen] = every_row.extended(every_row.last).coefficients
    return Penalty(
        alpha=float(alphas[best]),
        coefficients=columns.spread_over_copies(distinct),
        inner_errors=np.array(errors),
        converged=every_row.converged and all(path.converged for path in paths),
    )
