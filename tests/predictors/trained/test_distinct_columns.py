"""Groups of identical dosage columns against a slow comparison of every pair."""

from __future__ import annotations

import numpy as np
import pytest

from pgxeval.predictors.trained.distinct_columns import find_distinct


def draw(rng: np.random.Generator, dtype: type) -> np.ndarray:
    n, p = rng.integers(4, 30), rng.integers(1, 25)
    dosages = rng.binomial(2, rng.uniform(0.1, 0.9, p), (n, p)).astype(dtype)
    if dtype is np.float32:
        dosages[rng.random((n, p)) < 0.3] = 0.25
    missing = rng.random((n, p)) < rng.choice([0.0, 0.1])
    copies = rng.integers(0, p, p)
    flip = rng.random(p) < 0.5
    dosages = np.where(flip, 2 - dosages[:, copies], dosages[:, copies]).astype(dtype)
    dosages[missing[:, copies]] = -1 if dtype is np.int8 else np.nan
    return dosages


@pytest.mark.parametrize("dtype", [np.int8, np.float32])
def test_equals_a_comparison_of_all_pairs(dtype: type) -> None:
    rng = np.random.default_rng(3)
    groups = 0
    for _ in range(200):
        dosages = draw(rng, dtype)
        found = find_distinct(dosages)
        values = np.where(dosages >= 0, dosages, np.nan)
        p = dosages.shape[1]
        for i in range(p):
            for j in range(p):
                same = np.array_equal(values[:, i], values[:, j], equal_nan=True)
                mirrored = np.array_equal(values[:, i], 2 - values[:, j], equal_nan=True)
                assert (found.group[i] == found.group[j]) == (same or mirrored)
        representative = values[:, found.representative[found.group]]
        np.testing.assert_array_equal(np.where(found.flipped, 2 - representative, representative), values)
        assert (np.diff(found.representative) > 0).all()
        assert found.group[found.representative].tolist() == list(range(found.representative.size))
        assert found.multiplicity.tolist() == np.bincount(found.group).tolist()
        groups += int((found.multiplicity > 1).sum())
    assert groups > 300
