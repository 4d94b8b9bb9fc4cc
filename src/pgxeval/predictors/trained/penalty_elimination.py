"""The elastic net with many coefficients: those that keep their sign are eliminated once for several penalties."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Columns = npt.NDArray[np.int64]

LARGE = 150  # non-zero coefficients from which elimination pays
_LOOKAHEAD = 6.0  # a coefficient stays open if this many further steps like the last would change its sign
_AHEAD = 0.95  # the factorisation is made at a ridge term that is smaller by this factor, for the penalties to come
_REACH = 0.12  # largest relative difference from that ridge term
_OPEN = 60  # open coefficients, besides a third of the eliminated ones, from which a new factorisation pays
_ROUNDS = 20
_EXACT = 1e-8  # largest error of the gradient of a column with a coefficient, relative to the L1 penalty
_ROUNDING = 1e-14


class Elimination:
    """The problem of `penalty_kernel.enter_and_drop` without the coefficients that keep their sign.

    A Cholesky factorisation eliminates them, and the other ones, the open ones, are sought on what it leaves of the
    problem, its Schur complement. An eliminated coefficient that turns out to change its sign is opened again, and so
    is a column whose condition is violated; neither needs a new factorisation.

    The factorisation is made at one ridge term. At another one, the difference times the coefficients moves to the
    linear part of the problem, which is solved again until the coefficients stay as they are. Each round shrinks the
    error at least by the relative difference of the ridge terms.

    Parameters
    ----------
    gram
        The Gram matrix, as for `enter_and_drop`.
    d
        The ridge term of each column.
    b, before
        The solutions at the last penalty and at the last but one, which show where coefficients are heading.
    """

    def __init__(self, gram: Array, d: Array, b: Array, before: Array):
        from scipy.linalg.lapack import dpotrf

        from pgxeval.predictors.trained.penalty_kernel import gather_lower

        self.ridge = d * _AHEAD
        self.eliminated = np.flatnonzero((b != 0) & (before != 0) & (b * (b + _LOOKAHEAD * (b - before)) > 0))
        self.signs = np.sign(b[self.eliminated])
        q = self.eliminated.size
        matrix = np.empty((q, q))
        gather_lower(gram, self.ridge, self.eliminated, matrix)
        # the lower triangle is the upper one in LAPACK's order of memory
        self.factor, self.failed = dpotrf(matrix.T, lower=0, overwrite_a=True, clean=False)
        self.place = np.full(b.size, -1)  # among the eliminated columns
        self.place[self.eliminated] = np.arange(q)
        self.is_open = np.zeros(b.size, dtype=bool)
        self.outside, self.released = np.zeros((2, 0), dtype=np.int64)
        self.below: Array = np.zeros((0, q))
        self.units: Array = np.zeros((0, q))
        self.open = self.outside
        self.schur, self.complement = np.zeros((0, 0)), np.zeros((0, 0))
        self.inverse: Array = np.zeros((0, 0))

    def serves(self, d: Array) -> bool:
        """Whether it pays to use it at another ridge term."""
        return bool(abs(d[0] / self.ridge[0] - 1) <= _REACH and self.open.size <= _OPEN + self.eliminated.size // 3)

    def solve(  # noqa: PLR0917 (the arguments of `penalty_kernel.enter_and_drop`)
        self,
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
        """Solve for one penalty as `penalty_kernel.enter_and_drop` does.

        Parameters
        ----------
        gram, c, t, d, tol, max_iter, b, gradient
            As for `enter_and_drop`; `b` and `gradient` hold the solution at the last penalty.
        before, gradient_before
            The solution at the last but one penalty and its gradient.

        Returns
        -------
        bool
            Whether the tolerance was met; if not, `b` and `gradient` are as they were.
        """
        from pgxeval.predictors.trained.penalty_kernel import enter_and_drop, find_gradient, objective

        if self.failed or not self.eliminated.size:  # collinear columns without a ridge term, or no steady column
            return False
        self._extend(d)
        shift = d - self.ridge
        active = b != 0
        ahead = gradient + _LOOKAHEAD * (gradient - gradient_before)
        can_matter = active | (np.maximum(np.abs(gradient), np.abs(ahead)) > t)
        self._open(gram, np.flatnonzero(can_matter & ~self._is_known))
        start = objective(b, c, gradient, t, d)
        x, solution, solution_gradient = np.where(active, 2 * b - before, 0.0), b.copy(), np.empty(c.size)
        for _ in range(_ROUNDS):
            above, reduced_c = self._reduce(c - shift * x, t)
            reduced_b, reduced_gradient = solution[self.open], np.empty(self.open.size)
            find_gradient(self.complement, reduced_c, reduced_b, reduced_gradient)
            none = np.zeros(self.open.size)
            if not enter_and_drop(self.complement, reduced_c, t, none, tol, max_iter, reduced_b, reduced_gradient):
                return False
            solution[:] = 0.0
            solution[self.eliminated] = self._restore(above, reduced_b)
            solution[self.open] = reduced_b
            turns = self.eliminated[solution[self.eliminated] * self.signs <= 0]
            turns = turns[~self.is_open[turns]]
            if turns.size:
                self._open(gram, turns)
                continue
            change = np.abs(shift * (solution - x)).max(initial=0.0)
            x = solution.copy()
            if change > _EXACT * t:
                continue
            find_gradient(gram, c, solution, solution_gradient)
            left_out = (np.abs(solution_gradient) > t * (1 + tol)) & ~self._is_known
            if left_out.any():
                self._open(gram, np.flatnonzero(left_out))
                continue
            if objective(solution, c, solution_gradient, t, d) > start + _ROUNDING:
                return False
            b[:], gradient[:] = solution, solution_gradient
            return True
        return False

    @property
    def _is_known(self) -> npt.NDArray[np.bool_]:
        return self.is_open | (self.place >= 0)

    def _extend(self, d: Array) -> None:
        """Make room for columns that were added to the Gram matrix since."""
        more = d.size - self.ridge.size
        if more:
            self.ridge = np.concatenate([self.ridge, d[-more:] * (self.ridge[0] / d[0])])
            self.place = np.concatenate([self.place, np.full(more, -1)])
            self.is_open = np.concatenate([self.is_open, np.zeros(more, dtype=bool)])

    def _open(self, gram: Array, columns: Columns) -> None:
        """Open columns, eliminated ones or others, and find the Schur complement of all that are open."""
        from scipy.linalg.blas import dtrsm

        if not columns.size:
            return
        is_eliminated = self.place[columns] >= 0
        new, releases = columns[~is_eliminated], columns[is_eliminated]
        n_new, n_old = new.size, self.outside.size
        self.is_open[columns] = True
        self.outside = np.concatenate([self.outside, new])
        self.released = np.concatenate([self.released, releases])
        self.open = np.concatenate([self.outside, self.released])
        rows: Array = np.zeros((columns.size, self.eliminated.size))
        rows[:n_new] = gram[np.ix_(new, self.eliminated)]
        rows[np.arange(n_new, columns.size), self.place[releases]] = 1.0
        rows = dtrsm(1.0, self.factor, rows.T, lower=0, trans_a=1, overwrite_b=True).T
        self.below = np.concatenate([self.below, rows[:n_new]])
        self.units = np.concatenate([self.units, rows[n_new:]])
        block: Array = gram[np.ix_(new, self.outside)] - rows[:n_new] @ self.below.T
        block[np.arange(n_new), np.arange(n_old, n_old + n_new)] += self.ridge[new]
        block_matrix = np.block([[self.schur, block[:, :n_old].T], [block]])
        self.schur = np.asarray(block_matrix, dtype=np.float64)
        self.inverse = np.asarray(np.linalg.inv(self.units @ self.units.T), dtype=np.float64)
        beside = self.below @ self.units.T
        product = beside @ self.inverse
        self.complement = np.block([[self.schur + product @ beside.T, product], [product.T, self.inverse]])

    def _reduce(self, c: Array, t: float) -> tuple[Array, Array]:
        """Return the linear part of the eliminated columns, after the factor, and that of the open ones."""
        from scipy.linalg.blas import dtrsv

        own = c[self.eliminated]
        own -= np.where(self.is_open[self.eliminated], 0.0, t * self.signs)
        above = dtrsv(self.factor, own, lower=0, trans=1)
        free = self.inverse @ (self.units @ above)
        right_side = np.concatenate([c[self.outside] - self.below @ (above - free @ self.units), free])
        return above, right_side

    def _restore(self, above: Array, reduced_b: Array) -> Array:
        """Return the coefficients of the eliminated columns, given the open ones."""
        from scipy.linalg.blas import dtrsv

        n = self.outside.size
        above = above - reduced_b[:n] @ self.below
        above += (self.inverse @ (reduced_b[n:] - self.units @ above)) @ self.units
        solution: Array = dtrsv(self.factor, above, lower=0, trans=0)
        return solution
