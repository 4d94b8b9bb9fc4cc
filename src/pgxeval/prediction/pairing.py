"""Pairing of expression and genotypes in one replicate, its folds, and who may train the model of a fold."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.cohort.expression_pcs import expression_components
from pgxeval.seeding import assign_folds, leave_one_out_folds, permute_individuals

Method = Literal["crossfit", "prequential"]


@attrs.frozen(kw_only=True, eq=False)
class Pairing:
    """Who is paired with whose genotypes in one replicate, and in which fold; the same for all genes of a run.

    Parameters
    ----------
    partner
        int64 (n_individuals,), row of the individual whose genotypes each row is paired with.
    fold
        int16 (n_individuals,), fold of these genotypes, from 1.
    by_name
        int64 (n_individuals,), rows in the order of the names of their genotypes.
    """

    partner: npt.NDArray[np.int64]
    fold: npt.NDArray[np.int16]
    by_name: npt.NDArray[np.int64]


@lru_cache(maxsize=512)
def make_pairing(  # noqa: PLR0917 (cached by position)
    individuals: tuple[str, ...],
    groups: tuple[str, ...] | None,
    strata: tuple[str, ...] | None,
    folds: int,
    seed: int,
    replicate: int,
    fold_labels: tuple[str, ...] | None = None,
) -> Pairing:
    """Return the permutation and the folds of one replicate, computed once per run and process.

    Examples
    --------
    >>> make_pairing(("b", "a", "c"), None, None, 2, 0, 0).by_name
    array([1, 0, 2])
    """
    partner = permute_individuals(individuals, replicate, seed, groups=groups, strata=strata)
    if fold_labels is None:
        fold = assign_folds(individuals, folds, seed, groups=groups)[partner]
    else:
        fold = leave_one_out_folds(fold_labels)[partner]
    names = [individuals[row] for row in partner]
    by_name = np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.int64)
    for array in (partner, fold, by_name):
        array.flags.writeable = False
    return Pairing(partner=partner, fold=fold, by_name=by_name)


def training_rows(pairing: Pairing, k: int, method: Method) -> npt.NDArray[np.bool_]:
    """Return which rows may train the model of fold k."""
    return pairing.fold < k if method == "prequential" else pairing.fold != k


def fold_factors(
    expression: npt.NDArray[np.float64],
    covariates: npt.NDArray[np.float64] | None,
    k: int,
    *,
    pairings: Sequence[Pairing],
    folds: int,
    method: Method,
) -> npt.NDArray[np.float32]:
    """Learn expression components from the training individuals of each replicate and fold.

    Parameters
    ----------
    expression
        float64 (n_genes, n_individuals), all genes of the cohort.
    covariates
        float64 (n_individuals, n_covariates): known covariates, or None.
    k
        Number of components.
    pairings
        One per replicate, the observed one first.
    folds, method
        As for `CrossFitter`.

    Returns
    -------
    numpy.ndarray
        float32 (n_replicates + 1, folds, n_individuals, k), NaN outside the training individuals.
    """
    factors = np.full((len(pairings), folds, expression.shape[1], k), np.nan, dtype=np.float32)
    for replicate, pairing in enumerate(pairings):
        for fold in np.unique(pairing.fold).tolist():
            # in the order of names, so that the order of the cohort's individuals changes no sum
            rows = pairing.by_name[training_rows(pairing, fold, method)[pairing.by_name]]
            if len(rows):
                factors[replicate, fold - 1, rows] = expression_components(expression, k, rows, covariates)
    factors.flags.writeable = False
    return factors
