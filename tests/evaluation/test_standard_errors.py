"""The judge is the spread of the correlation over simulated data sets."""

from __future__ import annotations

import numpy as np
import pytest

from pgxeval.evaluation.correlation import RankedExpression, correlate_rows


@pytest.mark.parametrize("kind", ["normal", "genotype", "heteroscedastic", "zero-inflated"])
def test_standard_errors_are_the_spread_of_fishers_z(kind: str) -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=(4000, 120))
    noise = random.normal(size=x.shape)
    if kind != "normal":
        x = random.binomial(2, 0.3, size=x.shape).astype(float)
    if kind == "heteroscedastic":
        noise *= 1 + x
    y = 0.4 * x + noise
    if kind == "zero-inflated":
        y = np.where(random.random(x.shape) < 0.4, np.exp(y), 0.0)
    found = correlate_rows(x, y)
    spread = np.arctanh(found.spearman).std()
    assert np.sqrt(np.mean(found.spearman_errors.se**2)) == pytest.approx(spread, rel=0.07)


def test_covariates_and_folds_cost_degrees_of_freedom() -> None:
    """With 60 covariates among 150 individuals the errors are those of 85 individuals, and tests hold their level."""
    random = np.random.default_rng(2)
    x, y = random.normal(size=(2, 3000, 150))
    covariates = random.normal(size=(150, 60))
    found = RankedExpression(y, covariates).correlate(x, folds=np.arange(150) % 5)
    assert (found.df == 150 - 2 - 60 - 4).all()
    assert np.sqrt(np.mean(found.spearman_errors.se**2)) == pytest.approx(np.arctanh(found.spearman).std(), rel=0.06)


def test_errors_by_family_hold_where_those_by_individual_are_too_small() -> None:
    """Predictions and expression shared by three sibs, but unrelated to each other."""
    random = np.random.default_rng(3)
    families = np.repeat(np.arange(50), 3)
    x, y = random.normal(size=(2, 3000, 150)) + 1.5 * random.normal(size=(2, 3000, 50))[:, :, families]
    by_family = RankedExpression(y, groups=families).correlate(x)
    by_individual = RankedExpression(y).correlate(x)
    np.testing.assert_array_equal(by_family.spearman, by_individual.spearman)
    spread = np.arctanh(by_family.spearman).std()
    assert np.sqrt(np.mean(by_family.spearman_errors.se**2)) == pytest.approx(spread, rel=0.06)
    assert np.sqrt(np.mean(by_individual.spearman_errors.se**2)) < 0.8 * spread
