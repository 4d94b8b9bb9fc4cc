"""Null distributions of correlations: what each row reaches when its predictions are permuted among individuals."""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.evaluation.ranks import fold_columns
from pgxeval.evaluation.residuals import CovariateBasis
from pgxeval.evaluation.row_correlations import DEFINED

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.integer]


@attrs.frozen(kw_only=True, eq=False)
class Aligned:
    """Predictions and expression of some rows, ready to be multiplied.

    Parameters
    ----------
    scores
        float64 (n_rows, n_individuals): centred ranks (for Pearson: values) of predictions, or their scores within
        folds, before the covariates are taken out; 0 where missing.
    expression
        float64 (n_rows, n_individuals): residual ranks (for Pearson: values) of expression, of unit length.
    mask
        bool (n_rows, n_individuals): individuals in use.
    factor
        float64 (n_rows,): the correlation is ``factor`` times the cosine of residual scores and expression.
    basis
        Basis of the covariates and folds.
    """

    scores: Floats
    expression: Floats
    mask: Bools
    factor: Floats
    basis: CovariateBasis


def permuted(aligned: Aligned, reason: npt.NDArray[np.int8], permutations: Indices) -> Floats:
    """Correlate permuted scores: with nothing missing, the ranks of the permuted are the permuted ranks."""
    scores = np.ascontiguousarray(aligned.scores.T)
    expression = np.ascontiguousarray(aligned.expression.T)
    squares = np.einsum("ij,ij->j", scores, scores)
    null = np.empty((len(permutations), scores.shape[1]))
    basis = aligned.basis.of_pattern(np.ones(len(scores), dtype=bool))
    for k, partner in enumerate(permutations):
        moved = scores[partner]
        length = squares
        if basis.shape[1]:
            projected = basis.T @ moved
            length = squares - np.einsum("ij,ij->j", projected, projected)
        with np.errstate(invalid="ignore", divide="ignore"):
            null[k] = aligned.factor * np.einsum("ij,ij->j", moved, expression) / np.sqrt(length)
    null[:, reason != DEFINED] = np.nan
    null[np.abs(null) < 1e-13] = 0.0
    return np.clip(null, -1.0, 1.0)


def permuted_in_folds(aligned: Aligned, reason: npt.NDArray[np.int8], permutations: Indices) -> Floats:
    """As `permuted`, without covariates."""
    from pgxeval.evaluation.correlation_kernel import permuted_cosines

    columns, bounds = fold_columns(aligned.basis.folds, aligned.scores.shape[1])
    null = np.empty((len(permutations), len(aligned.scores)))
    partners = np.ascontiguousarray(permutations[:, columns], dtype=np.int64)
    scores, expression = np.ascontiguousarray(aligned.scores), np.ascontiguousarray(aligned.expression)
    permuted_cosines(scores, expression, partners, columns, bounds, null)
    null *= aligned.factor
    null[:, reason != DEFINED] = np.nan
    null[np.abs(null) < 1e-13] = 0.0
    return np.clip(null, -1.0, 1.0)
