"""Agreement of two predictors' effects: planted agreement is found, different causal variants are told apart."""

from __future__ import annotations

import numpy as np
import pytest

from pgxeval.errors import TableError
from pgxeval.evaluation.mechanism import (
    FEW_VARIANTS,
    NO_EFFECT,
    MechanismSettings,
    clumps_of,
    compare_effects,
    linkage_r2,
)

FAST = MechanismSettings(draws=199)


def _linked_dosages(random: np.random.Generator, blocks: int = 30, per_block: int = 6, n: int = 250) -> np.ndarray:
    """Return dosages in blocks of variants with r2 of about 0.9 inside a block and 0 between blocks."""
    columns = []
    for _ in range(blocks):
        maf = random.uniform(0.1, 0.5)
        core = random.random((n, 2)) < maf
        for _ in range(per_block):
            noisy = np.where(random.random((n, 2)) < 0.01, random.random((n, 2)) < maf, core)
            columns.append(noisy.sum(axis=1))
    return np.array(columns, dtype=np.float64).T


def _proxy_effects(random: np.random.Generator, causal: np.ndarray, per_block: int, n_variants: int) -> np.ndarray:
    """Return effects at one random proxy of each causal block, as an elastic net would choose it."""
    effects = np.zeros(n_variants)
    for block, size in enumerate(causal):
        if size:
            effects[block * per_block + random.integers(per_block)] = size
    return effects


def test_the_same_causal_blocks_by_different_proxies_agree() -> None:
    random = np.random.default_rng(1)
    dosages = _linked_dosages(random)
    causal = np.zeros(30)
    causal[[2, 9, 17, 25]] = [1.0, -0.8, 0.6, 0.9]
    a, b = (_proxy_effects(random, causal, 6, 180) for _ in range(2))
    assert (a != b).any()
    agreement = compare_effects(a, b, dosages, settings=FAST)
    assert agreement.overlap == 1.0
    assert agreement.overlap_p < 0.05
    assert agreement.prediction_correlation > 0.8
    assert agreement.prediction_p < 0.2  # four clumps have eight pairs of signs


def test_opposite_signs_are_seen_as_opposite() -> None:
    random = np.random.default_rng(2)
    dosages = _linked_dosages(random)
    effects = np.zeros(180)
    effects[::12] = random.normal(size=15)
    agreement = compare_effects(effects, -effects, dosages, settings=FAST)
    assert agreement.prediction_correlation == pytest.approx(-1)
    assert agreement.prediction_p < 0.05
    assert agreement.rank_correlation < 0


def test_different_causal_blocks_are_not_called_alike() -> None:
    called = {"rank_p": 0, "prediction_p": 0, "overlap_p": 0}
    runs = 150
    for seed in range(runs):
        random = np.random.default_rng(seed)
        dosages = _linked_dosages(random, n=120)
        chosen = random.permutation(30)[:8]
        one, two = np.zeros(30), np.zeros(30)
        one[chosen[:4]], two[chosen[4:]] = random.normal(size=4), random.normal(size=4)
        a, b = _proxy_effects(random, one, 6, 180), _proxy_effects(random, two, 6, 180)
        agreement = compare_effects(a, b, dosages, settings=MechanismSettings(draws=99), seed=seed)
        for name in called:
            called[name] += getattr(agreement, name) <= 0.05
    assert max(called.values()) <= 0.11 * runs, called  # 0.05 and three binomial standard errors


def test_prediction_correlation_equals_that_of_the_predictions() -> None:
    random = np.random.default_rng(3)
    dosages = _linked_dosages(random, blocks=8)
    a, b = random.normal(size=(2, 48))
    agreement = compare_effects(a, b, dosages, settings=FAST)
    assert agreement.prediction_correlation == pytest.approx(np.corrcoef(dosages @ a, dosages @ b)[0, 1])


def test_linkage_equals_numpy() -> None:
    dosages = _linked_dosages(np.random.default_rng(4), blocks=4)
    np.testing.assert_allclose(linkage_r2(dosages), np.corrcoef(dosages.T) ** 2, atol=1e-12)
    dosages[:, 3] = 2
    assert (linkage_r2(dosages)[3] == 0).all()


def test_clumps_cover_every_variant_once() -> None:
    random = np.random.default_rng(5)
    dosages = _linked_dosages(random)
    r2 = linkage_r2(dosages)
    clump = clumps_of(random.random(180), r2, 0.5)
    for index in np.unique(clump):
        assert clump[index] == index
        assert (r2[index, clump == index] >= 0.5).all()


def test_undefined_has_a_reason() -> None:
    dosages = _linked_dosages(np.random.default_rng(6), blocks=4)
    agreement = compare_effects(np.zeros(24), np.ones(24), dosages, settings=FAST)
    assert agreement.reason == NO_EFFECT
    assert np.isnan(agreement.rank_correlation)
    flat = np.ones((50, 4))
    flat[:25, 0] = 0
    assert compare_effects(np.ones(4), np.ones(4), flat, settings=FAST).reason == FEW_VARIANTS


def test_bad_input_is_refused() -> None:
    with pytest.raises(TableError, match="one value per column"):
        compare_effects([1.0, 2.0], [1.0], np.ones((5, 2)))
    with pytest.raises(TableError, match="finite"):
        compare_effects([1.0, np.nan, 1.0], [1.0, 1.0, 1.0], np.random.default_rng(0).random((9, 3)))
