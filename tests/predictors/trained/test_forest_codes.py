"""Codes are ranks of dosages: exact up to 255 distinct values, bins of about equal size beyond."""

from __future__ import annotations

import numpy as np
import pytest

from pgxeval.predictors.trained.forest_codes import MOST_LEVELS, ForestCodes


def coded(codes: ForestCodes, column: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the codes of an original column and the smallest and largest value of each of its levels."""
    position = int(np.flatnonzero(codes.member == column)[0])
    k = int(np.searchsorted(codes.member_first, position, side="right")) - 1
    n_kept = codes.codes.shape[1]
    values = codes.codes[:, k] if k < n_kept else codes.many[k - n_kept]
    levels = slice(codes.level_first[k], codes.level_first[k + 1])
    lowest, highest = codes.lowest[levels], codes.highest[levels]
    if codes.member_flipped[position]:
        return len(lowest) - 1 - values, (2 - highest)[::-1], (2 - lowest)[::-1]
    return values, lowest, highest


@pytest.mark.parametrize("kind", ["calls", "missing calls", "fractions"])
def test_levels_are_the_distinct_imputed_values(kind: str) -> None:
    rng = np.random.default_rng(5)
    for _ in range(100):
        n, p = int(rng.integers(5, 60)), int(rng.integers(1, 20))
        dosages = rng.binomial(2, rng.uniform(0.1, 0.9, p), (n, p)).astype(np.int8)
        dosages = dosages[:, rng.integers(0, p, p)]
        if kind == "fractions":
            dosages = (dosages * rng.choice([1, 0.9, 0.5, 0.25], (n, p))).astype(np.float32)
        if kind != "calls":
            dosages[rng.random((n, p)) < 0.1] = -1
            dosages[0] = 1
        called = np.where(dosages >= 0, dosages, np.nan).astype(np.float64)
        means = np.nanmean(called, axis=0)
        codes = ForestCodes.make(dosages, means)
        imputed = np.where(np.isnan(called), means, called)
        assert codes.n_binned == 0
        for column in range(p):
            values, lowest, highest = coded(codes, column)
            distinct, rank = np.unique(imputed[:, column], return_inverse=True)
            np.testing.assert_allclose(lowest, distinct, rtol=0, atol=1e-12)
            np.testing.assert_array_equal(lowest, highest)
            np.testing.assert_array_equal(values, rank)
        assert np.bincount(codes.owner, minlength=codes.multiplicity.size).tolist() == (codes.multiplicity - 1).tolist()


def test_beyond_255_distinct_values_neighbours_share_a_bin() -> None:
    dosages = np.random.default_rng(0).uniform(0, 2, (1000, 3)).astype(np.float32)
    dosages[:, 1] = np.round(dosages[:, 1] * 100) / 100
    codes = ForestCodes.make(dosages, dosages.mean(axis=0, dtype=np.float64))
    assert codes.n_binned == 2
    for column in (0, 2):
        values, lowest, highest = coded(codes, column)
        assert len(lowest) == MOST_LEVELS
        assert (lowest[1:] > highest[:-1]).all()
        assert np.bincount(values).max() <= np.ceil(1000 / MOST_LEVELS) + 1
        assert (dosages[:, column] >= lowest[values]).all()
        assert (dosages[:, column] <= highest[values]).all()
    assert len(np.unique(coded(codes, 1)[0])) == len(np.unique(dosages[:, 1]))
