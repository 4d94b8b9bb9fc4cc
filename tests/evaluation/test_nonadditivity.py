"""Departures from additivity: planted ones are found, additive genes are not called."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from pgxeval.errors import TableError
from pgxeval.evaluation.nonadditivity import (
    FEW_INDIVIDUALS,
    NO_VARIANT,
    NonadditivitySettings,
    cauchy_combination,
    nonadditivity,
)

FAST = NonadditivitySettings(permutations=199)


def _dosages(random: np.random.Generator, n: int = 200, p: int = 30) -> np.ndarray:
    return random.binomial(2, random.uniform(0.2, 0.5, size=p), size=(n, p)).astype(float)


def test_additive_genes_keep_the_level() -> None:
    calls = np.zeros(3)
    runs = 200
    for seed in range(runs):
        random = np.random.default_rng(seed)
        dosages = _dosages(random, n=80)
        expression = 0.4 * dosages[:, 0] + 0.3 * dosages[:, 1] + random.normal(size=80)
        result = nonadditivity(expression, dosages, settings=NonadditivitySettings(permutations=99), seed=seed)
        calls += [result.dominance_p <= 0.05, result.pairwise_p <= 0.05, result.p_value <= 0.05]
    assert calls.max() <= 0.1 * runs  # 0.05 and three binomial standard errors


def test_dominance_is_found_and_agrees_with_a_regression() -> None:
    random = np.random.default_rng(5)
    dosages = _dosages(random)
    expression = dosages[:, 3] + 0.4 * (dosages[:, 3] == 1) + random.normal(size=200)
    result = nonadditivity(expression, dosages, settings=NonadditivitySettings(leads=1, permutations=1999))
    assert result.leads == (3,)
    design = sm.add_constant(np.column_stack([dosages[:, 3], dosages[:, 3] == 1]).astype(float))
    assert result.dominance_p == pytest.approx(sm.OLS(expression, design).fit().pvalues[2], abs=0.02)


def test_a_product_of_two_leading_variants_is_found() -> None:
    random = np.random.default_rng(6)
    dosages = _dosages(random, n=400)
    expression = dosages[:, 2] + dosages[:, 9] + 0.6 * dosages[:, 2] * dosages[:, 9] + random.normal(size=400)
    result = nonadditivity(expression, dosages, settings=FAST)
    assert {2, 9} <= set(result.leads)
    assert result.interaction_p < 0.02
    assert result.p_value < 0.05


def test_pure_epistasis_is_found_by_the_variance_component() -> None:
    random = np.random.default_rng(7)
    dosages = _dosages(random, n=400, p=8)
    standard = (dosages - dosages.mean(axis=0)) / dosages.std(axis=0)
    expression = standard[:, 1] * standard[:, 5] + 0.8 * random.normal(size=400)
    assert nonadditivity(expression, dosages, settings=FAST).pairwise_p < 0.02


def test_covariates_are_removed() -> None:
    random = np.random.default_rng(8)
    dosages = _dosages(random)
    covariate = random.normal(size=200)
    basis = np.linalg.qr(np.column_stack([np.ones(200), covariate]))[0]
    expression = random.normal(size=200)
    with_it = nonadditivity(expression + 5 * covariate, dosages, basis, settings=FAST)
    without = nonadditivity(expression, dosages, basis, settings=FAST)
    assert with_it.leads == without.leads
    assert with_it.p_value == pytest.approx(without.p_value, abs=1e-6)


def test_undefined_has_a_reason_and_bad_input_is_refused() -> None:
    assert nonadditivity(np.zeros(10), np.ones((10, 2))).reason == FEW_INDIVIDUALS
    assert nonadditivity(np.arange(30.0), np.ones((30, 2))).reason == NO_VARIANT
    with pytest.raises(TableError, match="same individuals"):
        nonadditivity(np.zeros(30), np.zeros((29, 2)))
    with pytest.raises(TableError, match="finite"):
        nonadditivity(np.full(30, np.nan), np.zeros((30, 2)))


def test_the_combination_of_equal_p_values_is_their_value() -> None:
    for p in (1e-6, 0.03, 0.4, 0.9):
        assert cauchy_combination([p, p, float("nan")]) == pytest.approx(p, rel=1e-6)
