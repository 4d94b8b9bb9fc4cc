"""Benjamini-Hochberg against statsmodels; label permutations against those of the cross-fitting run."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from pgxeval.evaluation.resampling import benjamini_hochberg, label_permutations
from pgxeval.seeding import permute_individuals


@pytest.mark.parametrize("n", [1, 2, 50, 1000])
def test_q_values_are_those_of_statsmodels(n: int) -> None:
    random = np.random.default_rng(n)
    p = np.round(random.random(n) ** 2, 2)
    q = benjamini_hochberg(p)
    np.testing.assert_allclose(q, multipletests(p, method="fdr_bh")[1], atol=1e-14)


def test_undefined_p_values_do_not_count_as_tests() -> None:
    p = np.array([0.01, np.nan, 0.2, np.nan, 0.03])
    q = benjamini_hochberg(p)
    np.testing.assert_allclose(q[[0, 2, 4]], multipletests(p[[0, 2, 4]], method="fdr_bh")[1])
    assert np.isnan(q[[1, 3]]).all()
    assert np.isnan(benjamini_hochberg([np.nan])).all()
    assert benjamini_hochberg([]).shape == (0,)


def test_permutations_are_the_joint_ones_of_the_run() -> None:
    people = ["b", "a", "d", "c", "e"]
    found = label_permutations(people, 3, seed=7)
    for replicate in (1, 2, 3):
        np.testing.assert_array_equal(found[replicate - 1], permute_individuals(people, replicate, 7))
    assert label_permutations(people, 0, 7).shape == (0, 5)
