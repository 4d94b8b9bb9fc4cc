"""Average ranks of the rows of a matrix, over all individuals or within folds."""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FEWEST_IN_FOLD = 3
"""A fold needs this many individuals before the variance of its grades can be estimated without bias."""


@attrs.frozen(kw_only=True, eq=False)
class Ranks:
    """Average ranks with what is known about their ties.

    Parameters
    ----------
    ranks
        float64 (n_rows, n_columns), from 1; NaN where the value is missing.
    tied_pairs
        int64 (n_rows,): sum over groups of equal values of the squared group size.
    mode
        int64 (n_rows,): size of the largest group of equal values.
    """

    ranks: Floats
    tied_pairs: Ints
    mode: Ints


def rank_rows(values: npt.ArrayLike, tolerance: npt.ArrayLike = 0.0) -> Floats:
    """Rank each row, ties sharing the mean of their ranks.

    Parameters
    ----------
    values
        float64 (n_rows, n_columns); NaN is missing.
    tolerance
        Neighbours in sorted order that differ by no more than this are tied: one number, or one per row.

    Returns
    -------
    numpy.ndarray
        float64 (n_rows, n_columns), ranks from 1; NaN where the value is missing.

    Examples
    --------
    >>> rank_rows([[10.0, 30.0, 10.0, float("nan")]]).tolist()
    [[1.5, 3.0, 1.5, nan]]
    """
    matrix = np.atleast_2d(np.asarray(values, dtype=np.float64))
    return rank_with_ties(matrix, np.asarray(tolerance, dtype=np.float64)).ranks


def rank_with_ties(values: Floats, tolerance: Floats) -> Ranks:
    """Rank each row as `rank_rows` does, and count its ties."""
    from pgxeval.evaluation.rank_kernel import rank_ordered

    ranks = np.empty(values.shape)
    tied_pairs, mode = np.zeros((2, len(values)), dtype=np.int64)
    rank_ordered(values, order_rows(values), _one_per_row(tolerance, len(values)), ranks, tied_pairs, mode)
    return Ranks(ranks=ranks, tied_pairs=tied_pairs, mode=mode)


def order_rows(values: Floats) -> Ints:
    """Return the columns that sort each row, missing values last and equal ones in the order of their columns.

    The result is that of ``numpy.argsort(values, axis=1, kind="stable")``. NumPy sorts whole numbers several times as
    fast as it sorts the places of numbers, so numbers are made that hold their place.

    Parameters
    ----------
    values
        float64 (n_rows, n_columns); NaN is missing.

    Returns
    -------
    numpy.ndarray
        int64 (n_rows, n_columns).
    """
    from pgxeval.evaluation.rank_kernel import order_of_keys, sort_keys

    values = np.ascontiguousarray(values)
    low = (1 << max(values.shape[1] - 1, 1).bit_length()) - 1
    keys = np.empty(values.shape, dtype=np.uint64)
    sort_keys(values.view(np.uint64), np.uint64(low), keys)
    keys.sort(axis=1)
    order = keys.view(np.int64)
    unfinished = np.zeros(len(values), dtype=bool)
    order_of_keys(values, low, order, unfinished)
    if unfinished.any():
        order[unfinished] = np.argsort(values[unfinished], axis=1, kind="stable")
    return order


def _one_per_row(tolerance: Floats, n_rows: int) -> Floats:
    return np.ascontiguousarray(np.broadcast_to(tolerance.reshape(-1), (n_rows,)))


def fold_columns(folds: npt.NDArray[np.integer] | None, n: int) -> tuple[Ints, Ints]:
    """Return the individuals fold by fold, and where each fold begins; all in one fold without folds."""
    if folds is None:
        return np.arange(n), np.array([0, n])
    columns = np.argsort(folds, kind="stable")
    columns = columns[folds[columns] >= 0]
    begin = np.flatnonzero(np.diff(folds[columns], prepend=-1))
    return columns, np.append(begin, len(columns))


@attrs.frozen(kw_only=True, eq=False)
class FoldScores:
    """Predictions brought to one scale within each fold, with what corrects their correlations.

    Parameters
    ----------
    grades, values
        float64 (n_rows, n_individuals): ranks and values on a common scale, centred within folds; 0 where missing and
        in folds whose prediction is the same for everyone.
    grade_shrinkage, value_shrinkage
        float64 (n_rows,): factors by which the length of `grades` exceeds, and that of `values` misses, the
        length that belongs to the correlation in the population.
    informative
        float64 (n_rows,): sum of ``n_k - 1`` over folds with varying predictions, divided by the sum over all.
    others
        int64 (n_rows,): individuals whose prediction is not the commonest of their fold.
    flat
        bool (n_rows,): in no fold do predictions differ by more than the tolerance.
    """

    grades: Floats
    values: Floats
    grade_shrinkage: Floats
    value_shrinkage: Floats
    informative: Floats
    others: Ints
    flat: npt.NDArray[np.bool_]


def score_within_folds(values: Floats, folds: npt.NDArray[np.integer], tolerance: Floats) -> FoldScores:
    """Bring predictions of different models, one per fold, to a common scale.

    A grade is the centred average rank within the fold divided by the number of individuals there: it estimates
    the quantile of the prediction among all predictions of that model, less one half. Ties are those of one model, so
    equal genotypes stay tied. The variance of the true grades is the mean over ordered triples of different
    individuals of ``s_ij s_il``, ``s`` being half the sign of the difference (a U-statistic; Hoeffding 1948, Ann Math
    Stat 19:293). The variance of the estimated grades is larger, which would attenuate a correlation by about
    ``1 / (2 n_k)``; `FoldScores.grade_shrinkage` is the square root of their ratio.

    A value is centred and divided by the standard deviation within its fold. The expected standard deviation of
    ``n_k`` values is smaller than that of the population by the factor ``1 - (kurtosis - 1) / (8 n_k)``, which is
    `FoldScores.value_shrinkage` (at least 0.8).

    Parameters
    ----------
    values
        float64 (n_rows, n_individuals); NaN is missing.
    folds
        int (n_individuals,); negative for individuals outside all folds, whose values must be NaN.
    tolerance
        float64 (n_rows,): predictions that differ by no more than this are equal.
    """
    from pgxeval.evaluation.rank_kernel import score_folds

    n_rows, n = values.shape
    columns, bounds = fold_columns(folds, n)
    fold_of = np.full(n, -1)
    fold_of[columns] = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
    grades, scaled = np.empty((n_rows, n)), np.empty((n_rows, n))
    sums = np.empty((6, n_rows))
    others, flat = np.empty(n_rows, dtype=np.int64), np.empty(n_rows, dtype=bool)
    within, order = _one_per_row(tolerance, n_rows), order_rows(values)
    score_folds(values, order, fold_of, bounds, within, FEWEST_IN_FOLD, grades, scaled, sums, others, flat)
    estimated, unbiased, informative, total, varying, fourth = sums
    mean_size = np.maximum(informative, 1) / np.maximum(varying, 1) + 1
    kurtosis = fourth * (informative + varying) / np.maximum(informative, 1) ** 2
    return FoldScores(
        grades=grades,
        values=scaled,
        grade_shrinkage=np.where(informative > 0, np.sqrt(unbiased / np.where(estimated > 0, estimated, 1.0)), 1.0),
        value_shrinkage=1 - np.clip((kurtosis - 1) / (8 * mean_size), 0.0, 0.2),
        informative=informative / np.maximum(total, 1),
        others=others,
        flat=flat,
    )
