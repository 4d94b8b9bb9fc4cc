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

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.predictors.trained.penalty_gram import GramColumns
from pgxeval.predictors.trained.penalty_path import (
    NO_COLUMNS,
    Columns,
    Path,
    PenaltySolver,
    follow,
    standardise,
    take_in,
)

Array = npt.NDArray[np.float64]

_BLOCK = 5  # penalties after which the path may end


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
    every_row = Path(columns, y, NO_COLUMNS, l1_ratio, solver)
    paths = [
        Path(columns, y, np.flatnonzero(inner_folds == fold), l1_ratio, solver)
        for fold in np.unique(inner_folds)
        if 1 < np.count_nonzero(inner_folds != fold) < y.size
    ]
    standardise([every_row, *paths], columns)
    if every_row.alpha <= 0:
        none = columns.spread_over_copies(np.zeros(columns.size))
        return Penalty(alpha=np.inf, coefficients=none, inner_errors=np.zeros(0), converged=True)
    alphas = every_row.alpha * np.geomspace(1.0, eps, n_alphas)
    errors: list[float] = []
    supports: list[Columns] = []
    while paths and len(errors) < n_alphas:
        start = len(errors)
        # with many coefficients a look at all columns costs little, and saves columns that do not matter yet
        step = 1 if any(path.is_large for path in paths) else _BLOCK - start % _BLOCK
        steps = alphas[start : start + step]
        take_in(paths, columns, float(steps[-1]))
        fits, step_supports = follow(paths, columns, steps)
        supports.extend(step_supports)
        squares = np.zeros(steps.size)
        for path, fit in zip(paths, fits, strict=True):
            predictions = path.intercept + path.spread * fit[:, path.held_out]
            squares += ((y[path.held_out] - predictions) ** 2).sum(axis=1)
        errors.extend(squares / y.size)
        if len(errors) % _BLOCK == 0 and len(errors) - 1 - int(np.argmin(errors)) >= patience:
            break
    best = int(np.argmin(errors)) if errors else 0
    # the solution does not depend on the way to it: the columns of the inner folds are a good start
    every_row.add(supports[best] if supports else NO_COLUMNS)
    follow([every_row], columns, alphas[best : best + 1])
    return Penalty(
        alpha=float(alphas[best]),
        coefficients=columns.spread_over_copies(every_row.coefficients),
        inner_errors=np.array(errors),
        converged=every_row.converged and all(path.converged for path in paths),
    )
