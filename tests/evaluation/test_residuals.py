"""The judge of residuals is least squares."""

from __future__ import annotations

import numpy as np
import pytest

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
