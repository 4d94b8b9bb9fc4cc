"""Compiled steps of the elastic net: one penalty, solved on the Gram matrix of the columns that can matter.

The problem, in columns of unit variance with Gram matrix Q and correlations c with the outcome, is

    minimise  b'Qb / 2 - c'b + t |b|_1 + sum_j d_j b_j^2 / 2

On a face, that is with given non-zero coefficients and signs, its solution is one linear system. `enter_and_drop`
alternates between entering columns whose gradient exceeds t and solving the face, dropping columns whose sign turns.
No step increases the objective. With many coefficients `penalty_elimination` leaves it few columns.

Gradients are c - Qb. Matrices may be larger than the problem: the first ``c.size`` rows and columns count.
"""

# ruff: noqa: PLR0917 (compiled functions take no keywords)
from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pgxeval.compiled import compiled

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_ROUNDING = 1e-14


@compiled
def fill_gram(
    products: npt.NDArray[Any],
    positions: Ints,
    held_out: npt.NDArray[Any],
    center: Floats,
    inverse_scale: Floats,
    n: int,
    start: int,
    gram: Floats,
) -> None:
    """Fill rows and columns of `gram` from `start` on: products of columns of unit variance in the training rows.

    Parameters
    ----------
    products
        Inner products of stored columns over all rows.
    positions
        Where each column of `gram` is stored.
    held_out
        (positions.size - start, positions.size), inner products over the held-out rows.
    center, inverse_scale
        Mean and inverse standard deviation of each column of `gram` in the training rows.
    n
        Number of training rows.
    """
    size = positions.size
    for a in range(start, size):
        row = products[positions[a]]
        gram_row = gram[a]
        less = held_out[a - start]
        for e in range(a + 1):
            product = np.float64(row[positions[e]]) - np.float64(less[e])
            gram_row[e] = (product - n * center[a] * center[e]) * inverse_scale[a] * inverse_scale[e] / n
        gram_row[a] = 1.0
        for e in range(a):
            gram[e, a] = gram_row[e]


@compiled
def find_suspects(
    screened: npt.NDArray[np.float32],
    unit: Floats,
    norm: Floats,
    length: Floats,
    limit: Floats,
    is_chosen: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.bool_], Floats]:
    """Find the columns that may violate a condition at one of several penalties.

    Parameters
    ----------
    screened
        (n_columns, n_penalties), inner products of columns and residuals.
    unit
        What turns them into gradients.
    norm, length
        The rounding error of an inner product is at most ``norm[j] * length[i]``.
    limit
        Largest gradient that is allowed at each penalty.
    is_chosen
        Columns that are not asked about.

    Returns
    -------
    tuple
        Which columns are suspects, and the gradients at the last penalty.
    """
    n_columns, n_penalties = screened.shape
    is_suspect = np.zeros(n_columns, np.bool_)
    last = np.empty(n_columns)
    half = limit.min() * 0.5
    for j in range(n_columns):
        largest, beyond = 0.0, False
        for i in range(n_penalties):
            g = np.float64(screened[j, i]) * unit[j]
            last[j] = g
            largest = max(largest, abs(g))
            beyond |= abs(g) + norm[j] * unit[j] * length[i] > limit[i]
        is_suspect[j] = beyond and largest > half and not is_chosen[j]
    return is_suspect, last


@compiled
def find_gradient(gram: Floats, c: Floats, b: Floats, gradient: Floats) -> None:
    """Set `gradient` to c - Qb."""
    size = c.size
    for i in range(size):
        gradient[i] = c[i]
    for j in range(size):
        if b[j] != 0.0:
            _subtract(gram[j], b[j], gradient)


@compiled
def extend_gradient(gram: Floats, c: Floats, b: Floats, gradient: Floats) -> None:
    """Set `gradient` to c - Qb from ``b.size`` on; columns there have no coefficient yet."""
    nonzero = np.flatnonzero(b)
    for i in range(b.size, c.size):
        row = gram[i]
        product = 0.0
        for j in nonzero:
            product += row[j] * b[j]
        gradient[i] = c[i] - product


@compiled
def add_weighted_rows(rows: npt.NDArray[Any], positions: Ints, weights: Floats, total: Floats) -> None:
    """Add some rows of a matrix, times their weights, to `total`."""
    for a in range(positions.size):
        row, weight = rows[positions[a]], weights[a]
        for i in range(total.size):
            total[i] += weight * row[i]


@compiled
def enter_and_drop(
    gram: Floats, c: Floats, t: float, d: Floats, tol: float, max_iter: int, b: Floats, gradient: Floats
) -> bool:
    """Solve for one penalty, starting from `b` and `gradient`, which receive the solution.

    Parameters
    ----------
    gram, c, t, d
        The problem.
    tol
        By how much, relative to `t`, a gradient may exceed `t`.
    max_iter
        Largest number of rounds of entering and solving.
    b, gradient
        The solution at the last penalty and its gradient.

    Returns
    -------
    bool
        Whether the tolerance was met.
    """
    size = c.size
    solution = np.zeros(size)
    solution_gradient = np.empty(size)
    is_solved = False  # whether the coefficients that are not 0 meet their conditions
    for _ in range(max_iter):
        n_entries = 0
        for j in range(size):
            g = gradient[j]
            if b[j] == 0.0 and abs(g) > t * (1 + tol):
                b[j] = (g - t if g > 0 else g + t) / (gram[j, j] + d[j])
                _subtract(gram[j], b[j], gradient)
                n_entries += 1
        if is_solved and n_entries == 0:
            return True
        face = np.flatnonzero(b)
        if face.size == 0:
            return True
        signs = np.sign(b)
        first = _solve_face(gram, c, t, d, face, signs)
        members, coefficients = face, first
        for _ in range(10):
            same = coefficients * signs[members] > 0
            n_kept = np.count_nonzero(same)
            if n_kept == members.size or 2 * n_kept < members.size - 4 or n_kept == 0:
                break
            members = members[same]
            coefficients = _solve_face(gram, c, t, d, members, signs)
        is_accepted = bool(np.all(coefficients * signs[members] > 0))
        if is_accepted:
            solution[:] = 0.0
            for a in range(members.size):
                solution[members[a]] = coefficients[a]
            find_gradient(gram, c, solution, solution_gradient)
            is_accepted = objective(solution, c, solution_gradient, t, d) <= objective(b, c, gradient, t, d) + _ROUNDING
        is_solved = is_accepted
        if is_accepted:
            b[:] = solution
            gradient[:] = solution_gradient
        else:
            _step_to_edge(b, face, first)
            find_gradient(gram, c, b, gradient)
            for _ in range(3):
                _descend(gram, t, d, b, gradient)
    return False


@compiled
def _solve_face(gram: Floats, c: Floats, t: float, d: Floats, face: Ints, signs: Floats) -> Floats:
    size = face.size
    matrix = np.empty((size, size))
    gather_lower(gram, d, face, matrix)
    for a in range(size):
        for e in range(a):
            matrix[e, a] = matrix[a, e]
    factor = np.linalg.cholesky(matrix)
    x = c[face] - t * signs[face]
    for a in range(size):
        x[a] = (x[a] - np.dot(factor[a, :a], x[:a])) / factor[a, a]
    for a in range(size - 1, -1, -1):
        x[a] /= factor[a, a]
        _subtract(factor[a][:a], x[a], x[:a])
    return x


@compiled
def gather_lower(gram: Floats, d: Floats, order: Ints, matrix: Floats) -> None:
    """Set the lower triangle of `matrix` to that of Q in some columns, with `d` added to the diagonal."""
    for a in range(order.size):
        row = gram[order[a]]
        target = matrix[a]
        for e in range(a + 1):
            target[e] = row[order[e]]
        target[a] += d[order[a]]


@compiled
def objective(b: Floats, c: Floats, gradient: Floats, t: float, d: Floats) -> float:
    """Return what is minimised."""
    total = 0.0
    for j in range(b.size):
        if b[j] != 0.0:
            total += t * abs(b[j]) + 0.5 * b[j] * (d[j] * b[j] - c[j] - gradient[j])
    return total


@compiled
def _step_to_edge(b: Floats, face: Ints, target: Floats) -> None:
    # as far towards the solution of the face as all signs last; the coefficient that ends the way becomes 0
    step = 1.0
    for a in range(face.size):
        old = b[face[a]]
        if old * target[a] <= 0:
            step = min(step, old / (old - target[a]))
    for a in range(face.size):
        old = b[face[a]]
        ends = old * target[a] <= 0 and old / (old - target[a]) <= step
        b[face[a]] = 0.0 if ends else old + step * (target[a] - old)


@compiled
def _descend(gram: Floats, t: float, d: Floats, b: Floats, gradient: Floats) -> None:
    # one sweep of coordinate descent
    for j in range(b.size):
        z = gradient[j] + gram[j, j] * b[j]
        if z > t:
            new = (z - t) / (gram[j, j] + d[j])
        elif z < -t:
            new = (z + t) / (gram[j, j] + d[j])
        else:
            new = 0.0
        change = new - b[j]
        if change != 0.0:
            b[j] = new
            _subtract(gram[j], change, gradient)


@compiled
def _subtract(row: Floats, factor: float, values: Floats) -> None:
    for i in range(values.size):
        values[i] -= row[i] * factor
