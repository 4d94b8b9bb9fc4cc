"""The judge of residuals is least squares."""

from __future__ import annotations

import numpy as np
import pytest

from pgxeval.evaluation.ranks import score_within_folds
from pgxeval.evaluation.residuals import CovariateBasis


@pytest.mark.parametrize("missing", [False, True])
def test_residuals_are_those_of_least_squares(missing: bool) -> None:
    random = np.random.default_rng(0)
    covariates = random.normal(size=(30, 3))
    covariates[:, 2] = covariates[:, 0] + covariates[:, 1]
    values = random.normal(size=(12, 30))
    mask = np.ones(values.shape, dtype=bool)
    if missing:
        mask[::2, random.integers(30, size=4)] = False
    result = CovariateBasis(covariates).units(values, mask)
    for row, unit, rank, chosen in zip(values, result.units, result.rank, mask, strict=True):
        design = np.column_stack([np.ones(chosen.sum()), covariates[chosen]])
        residual = row[chosen] - design @ np.linalg.lstsq(design, row[chosen], rcond=None)[0]
        np.testing.assert_allclose(unit[chosen], residual / np.linalg.norm(residual), atol=1e-12)
        assert not unit[~chosen].any()
        assert rank == 2


def test_what_the_covariates_explain_has_no_residuals() -> None:
    random = np.random.default_rng(1)
    covariates = random.normal(size=(20, 2))
    values = np.array([covariates[:, 0] - 2 * covariates[:, 1] + 5, np.full(20, 3.0), random.normal(size=20)])
    result = CovariateBasis(covariates).units(values, np.ones(values.shape, dtype=bool))
    assert result.explained.tolist() == [True, False, False]
    assert result.units.any(axis=1).tolist() == [False, False, True]


def test_scores_within_folds_need_no_further_centring() -> None:
    random = np.random.default_rng(3)
    folds = np.arange(31) % 4
    values = random.normal(size=(5, 31))
    values[0], values[1, folds == 2] = 1.5, 0.25
    scores = score_within_folds(values, folds, np.full(5, 1e-12)).grades
    basis = CovariateBasis((folds[:, None] == np.arange(4)).astype(float), folds)
    mask = np.ones(values.shape, dtype=bool)
    found, expected = basis.units_of_scores(scores, mask), basis.units(scores, mask)
    np.testing.assert_allclose(found.units, expected.units, atol=1e-14)
    np.testing.assert_array_equal(found.rank, expected.rank)
    np.testing.assert_array_equal(found.explained, expected.explained)
    mask[2, 3] = False
    np.testing.assert_array_equal(basis.units_of_scores(scores, mask).units, basis.units(scores, mask).units)
