"""Judge: each permuted correlation is that of predictions that were permuted first."""

from __future__ import annotations

import numpy as np
import pytest

from pgxeval.evaluation.correlation import RankedExpression, correlate_rows


@pytest.mark.parametrize("covariates", [False, True])
@pytest.mark.parametrize("missing", [False, True])
def test_permuted_correlations_are_those_of_permuted_predictions(covariates: bool, missing: bool) -> None:
    random = np.random.default_rng(8)
    x, y = random.normal(size=(300, 25)).round(1), random.normal(size=(300, 25))
    if missing:
        x[random.random(x.shape) < 0.05] = np.nan
        y[random.random(y.shape) < 0.05] = np.nan
    design = random.normal(size=(25, 2)) if covariates else None
    permutations = np.array([random.permutation(25) for _ in range(4)])
    found = RankedExpression(y, design).correlate(x, permutations=permutations)
    for k, partner in enumerate(permutations):
        again = correlate_rows(x[:, partner], y, design)
        np.testing.assert_allclose(found.null[k], again.spearman, atol=1e-12)
        np.testing.assert_array_equal(found.null_df[k], again.df)
