"""The elastic-net penalty: the path from the largest penalty down, and its choice by inner folds.

The objective is glmnet's and scikit-learn's, on columns of unit variance and an outcome of unit variance:

    1 / (2 n) ||y - X b||^2 + alpha (l1_ratio ||b||_1 + (1 - l1_ratio) / 2 ||b||_2^2)

scikit-learn's coordinate descent solves it. Two things make a gene cheap: the sequential strong rule
(Tibshirani et al., J R Stat Soc B 74:245, 2012) hands the solver only the columns that can matter, with
the KKT conditions of all others checked afterwards; and the path ends where the inner error no longer falls.
"""

from __future__ import annotations

import warnings
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import enet_path

Array = npt.NDArray[np.float64]

CHUNK = 5
_KKT_SLACK = 1e-3


@attrs.frozen(kw_only=True, eq=False)
class Penalty:
    """A chosen penalty and the coefficients that it leaves.

    Parameters
    ----------
    alpha
        Penalty on the unit-variance scale.
    coefficients
        float64 (n_columns,), for columns of unit variance and an outcome of unit variance.
    inner_errors
        Mean squared error of the held-out inner folds for each alpha of the path as far as it was followed.
    converged
        Whether every solution met the solver's tolerance.
    """

    alpha: float
    coefficients: Array
    inner_errors: Array
    converged: bool


class _Path:
    """Solutions on the rows of `train`, followed downward; the columns are re-standardised in these rows."""

    def __init__(self, X: Array, y: Array, train: npt.NDArray[np.bool_], l1_ratio: float, solver: dict[str, Any]):
        self.train, self.l1_ratio, self.solver = train, l1_ratio, solver
        self.X = X
        self.n = int(train.sum())
        self.center = X[train].mean(axis=0)
        scale = X[train].std(axis=0)
        self.inverse_scale = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 1e-12)
        self.intercept = float(y[train].mean())
        # glmnet scales the outcome anew in every fit, which for l1_ratio < 1 moves the ridge part
        self.spread = float(y[train].std()) or 1.0
        self.y = (y[train] - self.intercept) / self.spread
        self.coefficients = np.zeros(X.shape[1])
        self.gradient = self._correlate(self.y[:, None])[:, 0]
        self.alpha = float(np.abs(self.gradient).max(initial=0.0)) / (self.n * l1_ratio)
        self.converged = True

    def _correlate(self, residuals: Array) -> Array:
        # residuals sum to zero, so centring the columns would change nothing
        padded = np.zeros((self.train.size, residuals.shape[1]))
        padded[self.train] = residuals
        correlated: Array = (self.X.T @ padded) * self.inverse_scale[:, None]
        return correlated

    def follow(self, alphas: Array) -> Array:
        """Return the coefficients (n_columns, n_alphas) at `alphas`, which continue the path downward."""
        alphas = alphas / self.spread
        strong = self.n * self.l1_ratio * (2 * alphas[-1] - self.alpha)
        keep = (np.abs(self.gradient) >= strong) | (self.coefficients != 0)
        while True:
            chosen = np.flatnonzero(keep)
            A = (self.X[:, chosen][self.train] - self.center[chosen]) * self.inverse_scale[chosen]
            solved = self._solve(A, alphas, self.coefficients[chosen])
            gradient = self._correlate(self.y[:, None] - A @ solved)
            violated = ~keep & (np.abs(gradient) > self.n * self.l1_ratio * alphas * (1 + _KKT_SLACK)).any(axis=1)
            if not violated.any():
                break
            keep |= violated
        coefficients = np.zeros((self.X.shape[1], alphas.size))
        coefficients[chosen] = solved
        self.coefficients, self.gradient, self.alpha = coefficients[:, -1], gradient[:, -1], float(alphas[-1])
        return coefficients * self.spread

    def _solve(self, A: Array, alphas: Array, start: Array) -> Array:
        if A.shape[1] == 0:
            return np.zeros((0, alphas.size))
        A = np.asfortranarray(A)
        gram = A.T @ A if A.shape[1] < 2 * self.n else False
        with warnings.catch_warnings(record=True) as caught, config_context(skip_parameter_validation=True):
            warnings.simplefilter("always", ConvergenceWarning)
            _, coefficients, _ = enet_path(
                A,
                self.y,
                l1_ratio=self.l1_ratio,
                alphas=alphas,
                coef_init=start,
                precompute=gram,
                Xy=A.T @ self.y,
                check_input=False,  # A is made above, and the checks of a small path cost more than the path
                **self.solver,
            )
        self.converged &= not any(issubclass(w.category, ConvergenceWarning) for w in caught)
        solved: Array = coefficients
        return solved

    def predict(self, rows: npt.NDArray[np.bool_], coefficients: Array) -> Array:
        """Predict the centred outcome of other rows for each column of `coefficients`."""
        used = np.flatnonzero(coefficients.any(axis=1))
        predicted: Array = ((self.X[:, used][rows] - self.center[used]) * self.inverse_scale[used]) @ coefficients[
            used
        ] + self.intercept
        return predicted


def choose_penalty(
    X: Array,
    y: Array,
    inner_folds: npt.NDArray[np.int16],
    *,
    l1_ratio: float = 0.5,
    n_alphas: int = 100,
    eps: float = 0.01,
    patience: int = 10,
    solver: dict[str, Any] | None = None,
) -> Penalty:
    """Choose the penalty with the smallest inner held-out error (glmnet's ``lambda.min``) and fit with it.

    Parameters
    ----------
    X
        float64 (n_rows, n_columns), columns of zero mean and unit variance.
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
        Further arguments of `sklearn.linear_model.enet_path`: tol, max_iter, positive, selection, random_state.

    Returns
    -------
    Penalty
        With all coefficients 0 where nothing correlates with `y`.
    """
    solver = dict(solver or {})
    whole = _Path(X, y, np.ones(y.size, dtype=bool), l1_ratio, solver)
    if whole.alpha <= 0:
        return Penalty(alpha=np.inf, coefficients=whole.coefficients, inner_errors=np.zeros(0), converged=True)
    alphas = whole.alpha * np.geomspace(1.0, eps, n_alphas)
    paths = [
        _Path(X, y, inner_folds != fold, l1_ratio, solver)
        for fold in np.unique(inner_folds)
        if 1 < np.count_nonzero(inner_folds != fold) < y.size
    ]
    errors: list[float] = []
    for start in range(0, n_alphas if paths else 0, CHUNK):
        chunk = alphas[start : start + CHUNK]
        squared = np.zeros(chunk.size)
        for path in paths:
            coefficients = path.follow(chunk)
            held_out = ~path.train
            squared += ((y[held_out, None] - path.predict(held_out, coefficients)) ** 2).sum(axis=0)
        errors.extend(squared / y.size)
        if len(errors) - 1 - int(np.argmin(errors)) >= patience:
            break
    best = int(np.argmin(errors)) if errors else 0
    coefficients = np.zeros((X.shape[1], 1))
    for start in range(0, best + 1, CHUNK):
        coefficients = whole.follow(alphas[start : min(start + CHUNK, best + 1)])
    return Penalty(
        alpha=float(alphas[best]),
        coefficients=coefficients[:, -1],
        inner_errors=np.array(errors),
        converged=whole.converged and all(path.converged for path in paths),
    )
