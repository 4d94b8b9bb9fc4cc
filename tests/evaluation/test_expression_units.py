"""ExpressionUnits: which individuals of a gene are in use decides on its ranks, not which rows are asked for."""

from __future__ import annotations

import numpy as np

from pgxeval.evaluation.correlation import RankedExpression


def test_individuals_outside_all_folds_are_excluded() -> None:
    random = np.random.default_rng(13)
    x, y = random.normal(size=(2, 20, 50))
    folds = random.integers(-1, 3, size=50)
    chosen = folds >= 0
    whole = RankedExpression(y).correlate(x, folds=folds)
    part = RankedExpression(y[:, chosen]).correlate(x[:, chosen], folds=folds[chosen])
    np.testing.assert_allclose(whole.spearman, part.spearman, atol=1e-12)
    np.testing.assert_allclose(whole.pearson_errors.se, part.pearson_errors.se, atol=1e-12)
