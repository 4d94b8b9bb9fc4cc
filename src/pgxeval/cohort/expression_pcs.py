"""Principal components of expression: hidden factors, such as batches and cell composition.

They serve as well as other hidden-variable methods and are faster (Zhou, Li, Li and Li 2022, Genome Biol 23:210).
Because they are learned from expression, a cross-fitted model may only be trained on components of its training
individuals.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pgxeval.cohort.covariates import covariate_basis
from pgxeval.errors import SettingError

Floats = npt.NDArray[np.float64]

MIN_GENES = 50
"""Fewest genes from which components are computed; with fewer, a gene's own signal is a large part of them."""
PREFIX = "EPC"
"""Beginning of the names of the components."""


def component_names(k: int) -> list[str]:
    """Return the names of the first k components.

    Examples
    --------
    >>> component_names(2)
    ['EPC1', 'EPC2']
    """
    return [f"{PREFIX}{i + 1}" for i in range(k)]


def expression_components(
    expression: Floats, k: int, rows: npt.NDArray[np.int64] | None = None, covariates: Floats | None = None
) -> Floats:
    """Compute principal components of expression over some individuals.

    Each gene is centred and scaled to variance 1 over these individuals, missing values are replaced by the mean, and
    known covariates are taken out, so that the components add to them.

    Parameters
    ----------
    expression
        float64 (n_genes, n_individuals); NaN is missing.
    k
        Number of components.
    rows
        int64 (n,): individuals of the fit; None takes all.
    covariates
        float64 (n_individuals, n_covariates), or None.

    Returns
    -------
    numpy.ndarray
        float64 (n, k): orthogonal, mean 0 and variance 1, by falling explained variance; the entry of the largest
        magnitude of each component is positive.

    Raises
    ------
    SettingError
        If there are fewer than `MIN_GENES` genes that vary, or `k` is not from 1 to the number that the data allow.
    """
    rows = np.arange(expression.shape[1]) if rows is None else rows
    values = expression[:, rows].astype(np.float32)
    present = np.isfinite(values)
    count = np.maximum(present.sum(axis=1, keepdims=True), 1)
    values[~present] = 0.0
    values -= values.sum(axis=1, keepdims=True) / count
    values[~present] = 0.0
    spread = np.sqrt((values**2).sum(axis=1, keepdims=True) / count)
    usable = spread[:, 0] > 1e-6 * np.abs(expression[:, rows]).max(axis=1, initial=1e-300, where=present)
    if usable.sum() < MIN_GENES:
        raise SettingError(
            f"expression components need at least {MIN_GENES} genes that vary, got {int(usable.sum())}; compute them "
            "from all genes and pass them as covariates"
        )
    values = values[usable] / spread[usable]
    basis = covariate_basis(covariates[rows], len(rows)) if covariates is not None else _ones(len(rows))
    values -= (values @ basis.astype(np.float32)) @ basis.T.astype(np.float32)
    largest = min(len(rows) - basis.shape[1] - 1, int(usable.sum()))
    if not 1 <= k <= largest:
        raise SettingError(f"k must be from 1 to {largest} with {len(rows)} individuals, got {k}")
    _, vectors = np.linalg.eigh((values.T @ values).astype(np.float64))
    scores = vectors[:, ::-1][:, :k]
    scores = scores - basis @ (basis.T @ scores)
    scores = scores * np.where(scores[np.abs(scores).argmax(axis=0), np.arange(k)] < 0, -1.0, 1.0)
    return np.asarray(scores / scores.std(axis=0), dtype=np.float64)


def _ones(n: int) -> Floats:
    return np.full((n, 1), n**-0.5)
