"""Planted effects: exact heritability, no main effect where none is meant, judged by statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from pgxeval.errors import SettingError
from pgxeval.simulation.linkage import simulate_window
from pgxeval.simulation.planting import KINDS, Kind, Planted, plant


@pytest.fixture(scope="module")
def dosages() -> np.ndarray:
    return simulate_window(300, seed=3).dosages


def _planted(dosages: np.ndarray, kind: Kind, seed: int, n_causal: int = 3) -> Planted:
    return plant(dosages, kind, heritability=0.25, n_causal=n_causal, rng=np.random.default_rng(seed))


def _explained(values: np.ndarray, columns: np.ndarray) -> float:
    return float(sm.OLS(values, sm.add_constant(columns.astype(float))).fit().rsquared)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "null"])
@pytest.mark.parametrize("seed", range(5))
def test_heritability_is_exact(dosages: np.ndarray, kind: Kind, seed: int) -> None:
    planted = _planted(dosages, kind, seed)
    assert planted.heritability == 0.25
    assert np.var(planted.values) == pytest.approx(0.25, rel=1e-10)
    assert planted.values.mean() == pytest.approx(0, abs=1e-12)
    linear = _explained(planted.values, dosages[:, list(planted.causal)]) * 0.25
    assert planted.linear_heritability == pytest.approx(linear, abs=1e-10)


@pytest.mark.parametrize("seed", range(20))
def test_overdominant_has_no_additive_slope(dosages: np.ndarray, seed: int) -> None:
    planted = _planted(dosages, "overdominant", seed)
    (causal,) = planted.causal
    dosage = dosages[:, causal]
    assert _explained(planted.values, dosage) < 1e-12
    # All of it is explained by the heterozygotes once the dosage is in the model.
    assert _explained(planted.values, np.column_stack([dosage, dosage == 1])) == pytest.approx(1)
    means = [planted.values[dosage == state].mean() for state in (0, 1, 2)]
    assert (means[1] - means[0]) * (means[1] - means[2]) > 0
    assert min((dosage == 0).mean(), (dosage == 2).mean()) >= 0.09


@pytest.mark.parametrize("seed", range(20))
def test_recessive_sets_the_rarer_homozygotes_apart(dosages: np.ndarray, seed: int) -> None:
    planted = _planted(dosages, "recessive", seed)
    dosage = dosages[:, planted.causal[0]]
    rare = 2 if dosage.mean() < 1 else 0
    assert np.unique(planted.values[dosage != rare]).size == 1
    assert np.unique(planted.values[dosage == rare]).size == 1
    assert (dosage == rare).mean() >= 0.0625
    assert 0 < planted.linear_heritability < 0.25


@pytest.mark.parametrize("seed", range(20))
def test_epistatic_has_no_main_effects(dosages: np.ndarray, seed: int) -> None:
    planted = _planted(dosages, "epistatic", seed)
    pair = dosages[:, list(planted.causal)].astype(float)
    assert _explained(planted.values, pair) < 1e-12
    assert _explained(planted.values, np.column_stack([pair, pair.prod(axis=1)])) == pytest.approx(1)
    assert np.corrcoef(pair, rowvar=False)[0, 1] ** 2 < 0.05


@pytest.mark.parametrize("n_causal", [1, 3, 10])
def test_additive_uses_common_variants(dosages: np.ndarray, n_causal: int) -> None:
    planted = _planted(dosages, "additive", 1, n_causal)
    assert len(set(planted.causal)) == n_causal
    chosen = dosages[:, list(planted.causal)]
    alt = chosen.mean(axis=0) / 2
    assert np.minimum(alt, 1 - alt).min() >= 0.05
    assert _explained(planted.values, chosen) == pytest.approx(1)


def test_both_signs_occur(dosages: np.ndarray) -> None:
    signs = {np.sign(_planted(dosages, "recessive", seed).effects.popitem()[1]) for seed in range(12)}
    assert signs == {-1.0, 1.0}


def test_null_is_nothing(dosages: np.ndarray) -> None:
    planted = _planted(dosages, "null", 1)
    assert (planted.heritability, planted.causal, dict(planted.effects)) == (0, (), {})
    assert not planted.values.any()


def test_falls_back_to_the_most_common() -> None:
    rng = np.random.default_rng(4)
    rare = rng.binomial(2, 0.03, (400, 12)).astype(np.int8)
    rare[0, :] = 2
    planted = _planted(rare, "additive", 1, 3)
    maf = rare.mean(axis=0) / 2
    assert set(planted.causal) == set(np.argsort(-maf, kind="stable")[:3].tolist())
    assert np.var(_planted(rare, "overdominant", 1).values) == pytest.approx(0.25)


def test_too_few_variants(dosages: np.ndarray) -> None:
    with pytest.raises(SettingError, match=r"10 causal variant.*holds only 4"):
        _planted(dosages[:, :4], "additive", 1, 10)
