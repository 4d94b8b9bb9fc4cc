"""The elastic net at one penalty with many coefficients: one factorisation for those that keep their sign."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

LARGE = 150  # non-zero coefficients from which elimination pays
_LOOKAHEAD = 5.0  # a coefficient stays open if this many further steps like the last would change its sign
_PANEL = 64
_ROUNDS = 6
_ROUNDING = 1e-14


def eliminate(  # noqa: PLR0917 (the arguments of `penalty_kernel.enter_and_drop`)
    gram: Array,
    c: Array,
    t: float,
    d: Array,
    tol: float,
    max_iter: int,
    b: Array,
    gradient: Array,
    *,
    before: Array,
    gradient_before: Array,
) -> bool:
    """Solve for one penalty as `penalty_kernel.enter_and_drop` does, with few columns left to enter and drop.

    Coefficients that keep their sign are eliminated by a Cholesky factorisation; the others are sought on what it
    leaves of the problem, its Schur complement. Where an eliminated one turns out to change its sign, or a column
    that was left out violates its condition, it joins these others.

    Parameters
    ----------
    gram, c, t, d, tol, max_iter, b, gradient
        As for `enter_and_drop`; `b` and `gradient` hold the solution at the last penalty.
    before, gradient_before
        The solution at the last but one penalty and its gradient, which show where coefficients are heading.

    Returns
    -------
    bool
        Whether the tolerance was met; if not, `b` and `gradient` are as they were.
    """
    from pgxeval.predictors.trained.penalty_kernel import enter_and_drop, find_gradient, gather_lower, objective

    active = b != 0
    steady = active & (before != 0) & (b * (b + _LOOKAHEAD * (b - before)) > 0)
    ahead = gradient + _LOOKAHEAD * (gradient - gradient_before)
    is_open = (active & ~steady) | (~active & (np.maximum(np.abs(gradient), np.abs(ahead)) > t))
    start = objective(b, c, gradient, t, d)
    solution, solution_gradient = np.empty(c.size), np.empty(c.size)
    for _ in range(_ROUNDS):
        eliminated, remaining = np.flatnonzero(steady), np.flatnonzero(is_open)
        q, order = eliminated.size, np.concatenate([eliminated, remaining])
        factor = np.empty((order.size, order.size))
        gather_lower(gram, d, order, factor)
        inverses = _factorise(factor, q)
        x = c[order]
        signs = np.sign(b[eliminated])
        x[:q] -= t * signs
        _substitute_down(factor, inverses, x)
        reduced = np.tril(factor[q:, q:]) + np.tril(factor[q:, q:], -1).T
        reduced_c, reduced_b, reduced_gradient = x[q:].copy(), b[remaining], np.empty(remaining.size)
        find_gradient(reduced, reduced_c, reduced_b, reduced_gradient)
        none = np.zeros(remaining.size)
        if not enter_and_drop(reduced, reduced_c, t, none, tol, max_iter, reduced_b, reduced_gradient):
            return False
        x[q:] = reduced_b
        _substitute_up(factor, inverses, x)
        turned = eliminated[x[:q] * signs <= 0]
        if turned.size:
            steady[turned], is_open[turned] = False, True
            continue
        solution[:] = 0.0
        solution[order] = x
        find_gradient(gram, c, solution, solution_gradient)
        left_out = ~steady & ~is_open & (np.abs(solution_gradient) > t * (1 + tol))
        if left_out.any():
            is_open |= left_out
            continue
        if objective(solution, c, solution_gradient, t, d) > start + _ROUNDING:
            return False
        b[:], gradient[:] = solution, solution_gradient
        return True
    return False


def _factorise(matrix: Array, q: int) -> list[Array]:
    """Eliminate the first `q` columns of a symmetric matrix by Cholesky factorisation, in place.

    Only the lower triangle is used. Its first `q` columns become the factor and the rest the Schur complement.

    Returns
    -------
    list
        Inverses of the diagonal blocks of `_PANEL` columns.
    """
    from scipy.linalg.lapack import dtrtri

    inverses = []
    for start in range(0, q, _PANEL):
        stop = min(start + _PANEL, q)
        panel = matrix[start:, start:stop]
        if start:
            panel -= matrix[start:, :start] @ matrix[start:stop, :start].T
        inverse, _ = dtrtri(np.linalg.cholesky(panel[: stop - start]), lower=1)
        inverses.append(inverse)
        panel[stop - start :] = panel[stop - start :] @ inverse.T
    below = matrix[q:, :q]
    matrix[q:, q:] -= below @ below.T
    return inverses


def _substitute_down(factor: Array, inverses: list[Array], x: Array) -> None:
    """Solve with the factor; what is left of `x` after the eliminated columns is reduced."""
    start = 0
    for inverse in inverses:
        stop = start + inverse.shape[0]
        x[start:stop] = inverse @ x[start:stop]
        x[stop:] -= factor[stop:, start:stop] @ x[start:stop]
        start = stop


def _substitute_up(factor: Array, inverses: list[Array], x: Array) -> None:
    """Solve with the transposed factor, given what follows the eliminated columns in `x`."""
    stop = sum(inverse.shape[0] for inverse in inverses)
    for inverse in reversed(inverses):
        start = stop - inverse.shape[0]
        x[start:stop] = inverse.T @ (x[start:stop] - x[stop:] @ factor[stop:, start:stop])
        stop = start
