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
    n_rows, n = values.shape
    order = np.argsort(values, axis=1)
    order += np.arange(n_rows)[:, None] * n
    place = order.reshape(-1)
    ordered = values.reshape(-1)[place].reshape(n_rows, n)
    # a comparison with NaN is False, so missing values are never tied
    tied = (ordered[:, 1:] - ordered[:, :-1]) <= tolerance.reshape(-1, 1)
    ranks = np.empty(n_rows * n)
    missing = np.isnan(values) if np.isnan(ordered[:, -1:]).any() else None
    present = np.full(n_rows, n) if missing is None else n - missing.sum(axis=1)
    if tied.any():
        first = np.ones((n_rows, n), dtype=bool)
        np.logical_not(tied, out=first[:, 1:])
        begin = np.flatnonzero(first)
        size = np.diff(begin, append=n_rows * n)
        ranks[place] = np.repeat(begin % n + (size + 1) / 2, size)
        start_of_row = np.searchsorted(begin, np.arange(n_rows) * n)
        tied_pairs = np.add.reduceat(size**2, start_of_row) - (n - present)
        mode = np.maximum.reduceat(size, start_of_row)
    else:
        ranks[place] = np.tile(np.arange(1.0, n + 1.0), n_rows)
        tied_pairs, mode = present.copy(), np.minimum(present, 1)
    if missing is not None:
        ranks[missing.reshape(-1)] = np.nan
    return Ranks(ranks=ranks.reshape(n_rows, n), tied_pairs=tied_pairs, mode=mode)


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
    """

    grades: Floats
    values: Floats
    grade_shrinkage: Floats
    value_shrinkage: Floats
    informative: Floats
    others: Ints


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
    n_rows, n = values.shape
    grades, scaled = np.zeros((2, n_rows, n))
    estimated, unbiased, informative, total, varying, fourth = np.zeros((6, n_rows))
    others = np.zeros(n_rows, dtype=np.int64)
    for fold in np.unique(folds[folds >= 0]):
        columns = np.flatnonzero(folds == fold)
        part = values[:, columns]
        ties = rank_with_ties(part, tolerance)
        here = ~np.isnan(part)
        count = here.sum(axis=1)
        usable = (count >= FEWEST_IN_FOLD) & (ties.mode < count)
        complete = bool(usable.all() and (count == len(columns)).all())
        size = np.where(usable, count, FEWEST_IN_FOLD)
        others += np.where(count > 0, count - ties.mode, 0)
        total += np.maximum(count - 1, 0)
        informative += np.where(usable, count - 1, 0)
        varying += usable
        grade = ties.ranks
        grade -= (count[:, None] + 1) / 2
        grade /= size[:, None]
        largest = np.max(np.abs(part), axis=1, initial=0.0, where=here)
        part /= np.where(largest > 0, largest, 1.0)[:, None]
        mean = (part if complete else np.where(here, part, 0.0)).sum(axis=1) / np.maximum(count, 1)
        part -= mean[:, None]
        if not complete:
            unusable = ~(here & usable[:, None])
            grade[unusable] = part[unusable] = 0.0
        squares = np.einsum("ij,ij->i", grade, grade)
        pairs = (size.astype(np.float64) ** 2 - ties.tied_pairs) / 4
        estimated += squares
        unbiased += np.where(usable, (squares * size**2 - pairs) / (size * (size - 2)), 0.0)
        squares = np.einsum("ij,ij->i", part, part)
        part *= np.sqrt((size - 1) / np.where(squares > 0, squares, 1.0))[:, None]
        fourth += np.einsum("ij,ij,ij,ij->i", part, part, part, part)
        grades[:, columns], scaled[:, columns] = grade, part
    mean_size = np.maximum(informative, 1) / np.maximum(varying, 1) + 1
    kurtosis = fourth * (informative + varying) / np.maximum(informative, 1) ** 2
    return FoldScores(
        grades=grades,
        values=scaled,
        grade_shrinkage=np.where(informative > 0, np.sqrt(unbiased / np.where(estimated > 0, estimated, 1.0)), 1.0),
        value_shrinkage=1 - np.clip((kurtosis - 1) / (8 * mean_size), 0.0, 0.2),
        informative=informative / np.maximum(total, 1),
        others=others,
    )
