"""The elimination of steady coefficients against the solver that keeps all of them open."""

from __future__ import annotations

import numpy as np
import pytest

from pgxeval.predictors.trained.penalty_elimination import Elimination
from pgxeval.predictors.trained.penalty_kernel import enter_and_drop, find_gradient

Problem = tuple[np.ndarray, np.ndarray, np.ndarray]

TOLERANCE = (1e-8, 1_000)


def _problem(n: int, p: int, seed: int) -> Problem:
    """Return the Gram matrix of linked columns, their correlations with an outcome, and how often each occurs."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    X[:, 1:] += 0.7 * X[:, :-1]
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    y = X @ (rng.standard_normal(p) * (rng.random(p) < 0.3)) + 3 * rng.standard_normal(n)
    return X.T @ X / n, X.T @ (y - y.mean()) / y.std() / n, rng.integers(1, 4, p).astype(float)


def _solve(problem: Problem, alphas: np.ndarray) -> list[np.ndarray]:
    gram, c, copies = problem
    b, gradient, solutions = np.zeros(c.size), c.copy(), []
    for alpha in alphas:
        assert enter_and_drop(gram, c, alpha / 2, alpha / 2 / copies, *TOLERANCE, b, gradient)
        solutions.append(b.copy())
    return solutions


def _gradient(problem: Problem, b: np.ndarray) -> np.ndarray:
    gradient = np.empty(b.size)
    find_gradient(*problem[:2], b, gradient)
    return gradient


@pytest.mark.parametrize("seed", range(4))
def test_one_factorisation_serves_several_penalties(seed: int) -> None:
    problem = _problem(200, 260, seed)
    gram, c, copies = problem
    alphas = np.abs(c).max() * 2 * np.geomspace(1, 0.01, 60)[44:54]
    exact = _solve(problem, alphas)
    ridge = alphas[:, None] / 2 / copies
    elimination = Elimination(gram, ridge[2], exact[1], exact[0])
    opened = []
    before, last = exact[0], exact[1]
    for k in range(2, 10):
        b, gradient = last.copy(), _gradient(problem, last)
        assert elimination.solve(
            gram,
            c,
            alphas[k] / 2,
            ridge[k],
            *TOLERANCE,
            b,
            gradient,
            before=before,
            gradient_before=_gradient(problem, before),
        )
        np.testing.assert_allclose(b, exact[k], atol=1e-6)
        np.testing.assert_allclose(gradient, _gradient(problem, b), atol=1e-12)
        before, last = last, b
        opened.append(elimination.open.size)
    assert elimination.eliminated.size > 50
    assert elimination.released.size > 0
    assert opened[-1] > opened[0]


def test_it_serves_only_neighbouring_ridge_terms() -> None:
    problem = _problem(200, 260, 0)
    gram, c, copies = problem
    alphas = np.abs(c).max() * 2 * np.geomspace(1, 0.01, 60)[44:47]
    before, last, _ = _solve(problem, alphas)
    ridge = alphas[2] / 2 / copies
    elimination = Elimination(gram, ridge, last, before)
    assert elimination.serves(ridge)
    assert elimination.serves(ridge * 0.9)
    assert not elimination.serves(ridge * 0.8)
    assert not elimination.serves(ridge * 1.2)


def test_columns_that_join_the_gram_matrix_later_can_enter() -> None:
    problem = _problem(200, 260, 1)
    gram, c, copies = problem
    alphas = np.abs(c).max() * 2 * np.geomspace(1, 0.01, 60)[44:48]
    first = np.arange(220)
    small = (np.ascontiguousarray(gram[:220, :220]), c[:220].copy(), copies[:220])
    before, last, third, _ = _solve(small, alphas)
    ridge = alphas[:, None] / 2 / copies
    elimination = Elimination(small[0], ridge[2, first], last, before)
    b, gradient = last.copy(), _gradient(small, last)
    assert elimination.solve(
        *small[:2],
        alphas[2] / 2,
        ridge[2, first],
        *TOLERANCE,
        b,
        gradient,
        before=before,
        gradient_before=_gradient(small, before),
    )
    np.testing.assert_allclose(b, third, atol=1e-6)
    last, b = (np.concatenate([values, np.zeros(40)]) for values in (last, b))
    gradient = _gradient(problem, b)
    assert elimination.solve(
        gram,
        c,
        alphas[3] / 2,
        ridge[3],
        *TOLERANCE,
        b,
        gradient,
        before=last,
        gradient_before=_gradient(problem, last),
    )
    np.testing.assert_allclose(b, _solve(problem, alphas)[3], atol=1e-6)
    assert b[220:].any()


def test_collinear_columns_without_a_ridge_term_are_refused() -> None:
    gram, c, _ = _problem(50, 100, 2)
    gram = np.tile(gram[:60, :60], (2, 2))
    c = np.tile(c[:60], 2)
    b = np.sign(c) * 0.1
    elimination = Elimination(gram, np.full(120, 1e-18), b, b)
    kept = b.copy()
    solved = elimination.solve(
        gram, c, 0.01, np.full(120, 1e-18), *TOLERANCE, b, c.copy(), before=b, gradient_before=c.copy()
    )
    assert not solved
    np.testing.assert_array_equal(b, kept)


def _dense() -> Problem:
    """Return a problem in which every column has a coefficient far from 0."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 180))
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    y = X @ (1 + rng.random(180))
    return X.T @ X / 400, X.T @ (y - y.mean()) / y.std() / 400, np.ones(180)


def test_nothing_needs_to_be_open() -> None:
    problem = _dense()
    gram, c, copies = problem
    alphas = np.array([0.0020, 0.0019, 0.0018])
    before, last, exact = _solve(problem, alphas)
    ridge = alphas[2] / 2 / copies
    elimination = Elimination(gram, ridge, last, before)
    b, gradient, earlier = last.copy(), _gradient(problem, last), _gradient(problem, before)
    arguments = (gram, c, alphas[2] / 2, ridge, *TOLERANCE, b, gradient)
    assert elimination.solve(*arguments, before=before, gradient_before=earlier)
    np.testing.assert_allclose(b, exact, atol=1e-8)
    assert elimination.open.size == 0


def test_without_a_steady_coefficient_it_leaves_the_problem_to_others() -> None:
    problem = _dense()
    gram, c, copies = problem
    (last,) = _solve(problem, np.array([0.0019]))
    elimination = Elimination(gram, 0.0009 / copies, last, np.zeros(180))
    b, gradient = last.copy(), _gradient(problem, last)
    arguments = (gram, c, 0.0009, 0.0009 / copies, *TOLERANCE, b, gradient)
    assert not elimination.solve(*arguments, before=np.zeros(180), gradient_before=c.copy())
    np.testing.assert_array_equal(b, last)
