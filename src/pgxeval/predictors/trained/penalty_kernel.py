"""Compiled steps of the elastic net: one penalty, solved on the Gram matrix of the columns that can matter.

The problem, in columns of unit variance with Gram matrix Q and correlations c with the outcome, is

    minimise  b'Qb / 2 - c'b + t |b|_1 + sum_j d_j b_j^2 / 2

On a face, that is with given non-zero coefficients and signs, its solution is one linear system. `solve` alternates
between entering columns whose gradient exceeds t and solving the face, dropping columns whose sign turns. With many
coefficients, those that keep their sign are eliminated by one Cholesky factorisation, and the face is sought
among the few others. No step increases the objective.

Gradients are c - Qb. Matrices may be larger than the problem: the first ``c.size`` rows and columns count.
"""

# ruff: noqa: PLR0917 (compiled functions take no keywords)
from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pgxeval.genome.compiled import compiled

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_LARGE = 150  # non-zero coefficients from which eliminating most of them pays
_LOOKAHEAD = 5.0  # a coefficient stays open if this many further steps like the last would change its sign
_PANEL = 64
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
        filled = gram[a]
        less = held_out[a - start]
        for e in range(a + 1):
            product = np.float64(row[positions[e]]) - np.float64(less[e])
            filled[e] = (product - n * center[a] * center[e]) * inverse_scale[a] * inverse_scale[e] / n
        filled[a] = 1.0
        for e in range(a):
            gram[e, a] = filled[e]


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
def solve(
    gram: Floats,
    c: Floats,
    t: float,
    d: Floats,
    tol: float,
    max_iter: int,
    before: Floats,
    gradient_before: Floats,
    b: Floats,
    gradient: Floats,
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
    before, gradient_before
        The solution at the last but one penalty and its gradient, which show where coefficients are heading.
    b, gradient
        The solution at the last penalty and its gradient.

    Returns
    -------
    bool
        Whether the tolerance was met.
    """
    if np.count_nonzero(b) > _LARGE and _eliminate(gram, c, t, d, tol, max_iter, before, gradient_before, b, gradient):
        return True
    return _enter_and_drop(gram, c, t, d, tol, max_iter, b, gradient)


@compiled
def _enter_and_drop(
    gram: Floats, c: Floats, t: float, d: Floats, tol: float, max_iter: int, b: Floats, gradient: Floats
) -> bool:
    size = c.size
    solution = np.zeros(size)
    solution_gradient = np.empty(size)
    for iteration in range(max_iter):
        entered = 0
        for j in range(size):
            g = gradient[j]
            if b[j] == 0.0 and abs(g) > t * (1 + tol):
                b[j] = (g - t if g > 0 else g + t) / (gram[j, j] + d[j])
                _subtract(gram[j], b[j], gradient)
                entered += 1
        if iteration > 0 and entered == 0:
            return True
        face = np.flatnonzero(b)
        if face.size == 0:
            return True
        signs = np.sign(b)
        first = _solve_face(gram, c, t, d, face, signs)
        kept, coefficients = face, first
        for _ in range(10):
            same = coefficients * signs[kept] > 0
            n_kept = np.count_nonzero(same)
            if n_kept == kept.size or 2 * n_kept < kept.size - 4 or n_kept == 0:
                break
            kept = kept[same]
            coefficients = _solve_face(gram, c, t, d, kept, signs)
        accepted = bool(np.all(coefficients * signs[kept] > 0))
        if accepted:
            solution[:] = 0.0
            for a in range(kept.size):
                solution[kept[a]] = coefficients[a]
            find_gradient(gram, c, solution, solution_gradient)
            accepted = _objective(solution, c, solution_gradient, t, d) <= _objective(b, c, gradient, t, d) + _ROUNDING
        if accepted:
            b[:] = solution
            gradient[:] = solution_gradient
        else:
            _step_to_edge(b, face, first)
            find_gradient(gram, c, b, gradient)
            for _ in range(3):
                _descend(gram, t, d, b, gradient)
    return False


@compiled
def _eliminate(
    gram: Floats,
    c: Floats,
    t: float,
    d: Floats,
    tol: float,
    max_iter: int,
    before: Floats,
    gradient_before: Floats,
    b: Floats,
    gradient: Floats,
) -> bool:
    # 1: keeps its sign and is eliminated, 2: open, 0: stays zero
    size = c.size
    state = np.zeros(size, np.int8)
    for j in range(size):
        if b[j] != 0.0:
            ahead = b[j] + _LOOKAHEAD * (b[j] - before[j])
            state[j] = 1 if before[j] != 0.0 and b[j] * ahead > 0 else 2
        else:
            ahead = gradient[j] + _LOOKAHEAD * (gradient[j] - gradient_before[j])
            if max(abs(gradient[j]), abs(ahead)) > t:
                state[j] = 2
    start = _objective(b, c, gradient, t, d)
    solution = np.zeros(size)
    solution_gradient = np.empty(size)
    for _ in range(6):
        eliminated = np.flatnonzero(state == 1)
        remaining = np.flatnonzero(state == 2)
        q, u = eliminated.size, remaining.size
        order = np.concatenate((eliminated, remaining))
        panels, inverses, reduced_gram = _factor(gram, d, order, q)
        x = c[order]
        reduced_b, reduced_gradient = np.empty(u), np.empty(u)
        for a in range(q):
            x[a] -= t if b[eliminated[a]] > 0 else -t
        for a in range(u):
            reduced_b[a] = b[remaining[a]]
        _substitute_down(panels, inverses, q, x)
        reduced_c = x[q:].copy()
        find_gradient(reduced_gram, reduced_c, reduced_b, reduced_gradient)
        if not _enter_and_drop(reduced_gram, reduced_c, t, np.zeros(u), tol, max_iter, reduced_b, reduced_gradient):
            return False
        x[q:] = reduced_b
        _substitute_up(panels, inverses, q, x)
        solution[:] = 0.0
        for a in range(u):
            solution[remaining[a]] = reduced_b[a]
        changed = 0
        for a in range(q):
            j = eliminated[a]
            if x[a] * b[j] > 0:
                solution[j] = x[a]
            else:
                state[j] = 2
                changed += 1
        if changed > 0:
            continue
        find_gradient(gram, c, solution, solution_gradient)
        for j in range(size):
            if state[j] == 0 and abs(solution_gradient[j]) > t * (1 + tol):
                state[j] = 2
                changed += 1
        if changed == 0:
            if _objective(solution, c, solution_gradient, t, d) > start + _ROUNDING:
                return False
            b[:] = solution
            gradient[:] = solution_gradient
            return True
    return False


@compiled
def _solve_face(gram: Floats, c: Floats, t: float, d: Floats, face: Ints, signs: Floats) -> Floats:
    x = c[face] - t * signs[face]
    panels, inverses, _ = _factor(gram, d, face, face.size)
    _substitute_down(panels, inverses, face.size, x)
    _substitute_up(panels, inverses, face.size, x)
    return x


@compiled
def _factor(gram: Floats, d: Floats, order: Ints, n_eliminated: int) -> tuple[Floats, Floats, Floats]:
    """Eliminate the first columns of `order` by Cholesky factorisation.

    Returns
    -------
    tuple
        The columns of the factor in panels of `_PANEL` columns, from the diagonal down, one after the other; the
        inverses of their diagonal blocks; and the Schur complement of the other columns.
    """
    size, q = order.size, n_eliminated
    n_panels = (q + _PANEL - 1) // _PANEL
    panels = np.empty(size * q)
    inverses = np.zeros((n_panels, _PANEL, _PANEL))
    rest = np.empty((size - q, size - q))
    for a in range(size):
        row = gram[order[a]]
        offset = 0
        for start in range(0, min(q, a + 1), _PANEL):
            width = min(_PANEL, q - start)
            filled = panels[offset + (a - start) * width : offset + (a - start + 1) * width]
            for e in range(width):
                filled[e] = row[order[start + e]]
            if a < start + width:
                filled[a - start] += d[order[a]]
            offset += (size - start) * width
        if a >= q:
            filled = rest[a - q]
            for e in range(size - q):
                filled[e] = row[order[q + e]]
            filled[a - q] += d[order[a]]
    offset = 0
    for k in range(n_panels):
        start = k * _PANEL
        width = min(_PANEL, q - start)
        panel = panels[offset : offset + (size - start) * width].reshape(size - start, width)
        offset += (size - start) * width
        inverse = _invert_lower(np.linalg.cholesky(panel[:width]))
        inverses[k, :width, :width] = inverse
        panel[width:] = np.dot(panel[width:], inverse.T)
        later = offset
        for other in range(start + width, q, _PANEL):
            other_width = min(_PANEL, q - other)
            below = panel[other - start :]
            product = np.dot(below, below[:other_width].T)
            updated = panels[later : later + (size - other) * other_width]
            updated -= product.ravel()
            later += (size - other) * other_width
        if size > q:
            below = panel[q - start :]
            rest -= np.dot(below, below.T)
    return panels, inverses, rest


@compiled
def _invert_lower(factor: npt.NDArray[Any]) -> Floats:
    size = factor.shape[0]
    inverse = np.zeros((size, size))
    for a in range(size):
        filled = inverse[a]
        for e in range(a):
            _subtract(inverse[e][: e + 1], factor[a, e], filled[: e + 1])
        for e in range(a):
            filled[e] /= factor[a, a]
        filled[a] = 1.0 / factor[a, a]
    return inverse


@compiled
def _substitute_down(panels: Floats, inverses: Floats, n_eliminated: int, x: Floats) -> None:
    """Solve with the factor; what is left of `x` after the eliminated columns is reduced."""
    offset = 0
    for k in range(inverses.shape[0]):
        start = k * _PANEL
        width = min(_PANEL, n_eliminated - start)
        below = x.size - start - width
        panel = panels[offset + width * width : offset + (width + below) * width].reshape(below, width)
        offset += (width + below) * width
        head = x[start : start + width].copy()
        for a in range(width):
            x[start + a] = np.dot(inverses[k, a, : a + 1], head[: a + 1])
        if below > 0:
            x[start + width :] -= np.dot(panel, x[start : start + width])


@compiled
def _substitute_up(panels: Floats, inverses: Floats, n_eliminated: int, x: Floats) -> None:
    """Solve with the transposed factor, given what follows the eliminated columns in `x`."""
    offset = n_eliminated * x.size
    for k in range(inverses.shape[0]):
        offset -= k * _PANEL * min(_PANEL, n_eliminated - k * _PANEL)
    for k in range(inverses.shape[0] - 1, -1, -1):
        start = k * _PANEL
        width = min(_PANEL, n_eliminated - start)
        below = x.size - start - width
        offset -= (width + below) * width
        head = x[start : start + width].copy()
        if below > 0:
            panel = panels[offset + width * width : offset + (width + below) * width].reshape(below, width)
            head -= np.dot(panel.T, x[start + width :])
        x[start : start + width] = 0.0
        for a in range(width):
            _subtract(inverses[k, a, : a + 1], -head[a], x[start : start + a + 1])


@compiled
def _objective(b: Floats, c: Floats, gradient: Floats, t: float, d: Floats) -> float:
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
