"""The judge of ranks is `scipy.stats.rankdata`, and of ties a count of pairs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pgxeval.evaluation.ranks import order_rows, rank_rows, rank_with_ties, score_within_folds


@pytest.mark.parametrize("decimals", [1, 8], ids=["ties", "no ties"])
def test_ranks_are_those_of_scipy(decimals: int) -> None:
    values = np.random.default_rng(1).normal(size=(50, 41)).round(decimals)
    np.testing.assert_array_equal(rank_rows(values), stats.rankdata(values, axis=1))


def test_ranks_leave_missing_values_out() -> None:
    values = np.random.default_rng(2).normal(size=(30, 20)).round(1)
    values[np.random.default_rng(3).random(values.shape) < 0.2] = np.nan
    np.testing.assert_array_equal(rank_rows(values), stats.rankdata(values, axis=1, nan_policy="omit"))


def test_ties_are_counted() -> None:
    values = np.random.default_rng(4).normal(size=(20, 30)).round(0)
    values[3, :7] = np.nan
    ties = rank_with_ties(values, np.zeros(1))
    for row, pairs, mode in zip(values, ties.tied_pairs, ties.mode, strict=True):
        counts = np.unique(row[np.isfinite(row)], return_counts=True)[1]
        assert pairs == (counts**2).sum()
        assert mode == counts.max()


def test_grades_of_folds_have_the_variance_of_the_population() -> None:
    """The shrinkage turns the variance of ranks in small folds into that of the grades of three genotypes."""
    random = np.random.default_rng(5)
    p = 0.3
    values = random.binomial(2, p, size=(20_000, 24)).astype(float)
    scores = score_within_folds(values, np.arange(24) % 4, np.zeros(len(values)))
    frequency = np.array([(1 - p) ** 2, 2 * p * (1 - p), p**2])
    grade = np.cumsum(frequency) - frequency / 2 - 0.5
    squares = (scores.grades**2).sum(axis=1)
    estimated, corrected = squares.mean() / 20, (squares * scores.grade_shrinkage**2).mean() / 20
    truth = frequency @ grade**2
    assert estimated > 1.02 * truth
    assert corrected == pytest.approx(truth, rel=0.003)


def test_constant_folds_score_zero_and_are_not_informative() -> None:
    values = np.random.default_rng(6).normal(size=(2, 12))
    folds = np.repeat([0, 1, 2], 4)
    values[0, folds == 1] = 0.5
    scores = score_within_folds(values, folds, np.full(2, 1e-12))
    for part in (scores.grades, scores.values):
        assert not part[0, folds == 1].any()
        assert part[1].all()
    assert scores.informative.tolist() == [2 / 3, 1.0]
    assert scores.others.tolist() == [6, 9]


def test_a_row_is_flat_if_no_fold_distinguishes_individuals() -> None:
    values = np.random.default_rng(7).normal(size=(3, 12))
    folds = np.repeat([0, 1, 2], 4)
    values[0] = 0.3 * folds + 1e-16
    values[1, folds < 2] = 0.5
    assert score_within_folds(values, folds, np.full(3, 1e-12)).flat.tolist() == [True, False, False]


def test_rows_are_ordered_as_a_stable_sort_does() -> None:
    random = np.random.default_rng(0)
    for n in (1, 2, 37, 64, 65, 300):
        values = random.normal(size=(12, n)) * 10.0 ** random.integers(-5, 5, (12, 1))
        values[1] = np.round(values[1])
        values[2] = 1 + 1e-14 * random.normal(size=n)
        values[3] = np.where(random.random(n) < 0.5, 1 + 1e-15 * random.normal(size=n), random.normal(size=n))
        values[4, ::3], values[5], values[6], values[7] = np.nan, np.nan, -0.0, 0.0
        values[6, ::2] = 0.0
        values[8], values[9] = values[8] * 5e-324, values[9] * 1e300
        values[10, ::2], values[11, ::2] = np.inf, -np.inf
        np.testing.assert_array_equal(order_rows(values), np.argsort(values, axis=1, kind="stable"))
