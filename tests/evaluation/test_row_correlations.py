"""RowCorrelations: what is undefined says why."""

from __future__ import annotations

import numpy as np

from pgxeval.evaluation.correlation import RankedExpression, correlate_rows
from pgxeval.evaluation.row_correlations import (
    CONSTANT_EXPRESSION,
    CONSTANT_PREDICTION,
    EXPLAINED,
    FEW,
    SMALL_FOLDS,
)


def test_undefined_is_nan_with_a_reason() -> None:
    random = np.random.default_rng(4)
    covariates = random.normal(size=(20, 1))
    x, y = random.normal(size=(6, 20)), random.normal(size=(6, 20))
    x[0] = 5.0 * (1 + 1e-15 * random.normal(size=20))
    y[1] = 3.0
    x[2, 9:] = np.nan
    x[3] = np.argsort(np.argsort(covariates[:, 0]))
    linear = np.argsort(np.argsort(covariates[:, 0]))[:, None].astype(float)
    found = correlate_rows(x, y, linear)
    assert found.reason.tolist() == [CONSTANT_PREDICTION, CONSTANT_EXPRESSION, FEW, EXPLAINED, 0, 0]
    assert np.isnan(found.spearman[:4]).all()
    assert np.isnan(found.pearson[:4]).all()
    assert not np.isnan(found.spearman[4:]).any()


def test_ten_individuals_are_enough_and_nine_are_not() -> None:
    random = np.random.default_rng(5)
    assert not np.isnan(correlate_rows(random.normal(size=(1, 10)), random.normal(size=(1, 10))).spearman[0])
    assert np.isnan(correlate_rows(random.normal(size=(1, 9)), random.normal(size=(1, 9))).spearman[0])


def test_folds_of_two_individuals_are_too_small() -> None:
    x, y = np.random.default_rng(14).normal(size=(2, 3, 20))
    result = RankedExpression(y).correlate(x, folds=np.arange(20) // 2)
    assert np.isnan(result.spearman).all()
    assert (result.reason == SMALL_FOLDS).all()
