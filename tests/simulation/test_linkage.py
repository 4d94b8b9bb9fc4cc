"""Linked haplotypes: linkage decays, windows are independent, the sample looks European."""

from __future__ import annotations

import sys
from itertools import pairwise

import numpy as np
import pytest

from pgxeval.errors import PgxevalError, SettingError
from pgxeval.simulation.linkage import SimulatedWindow, simulate_window


@pytest.fixture(scope="module")
def windows() -> list[SimulatedWindow]:
    return [simulate_window(300, seed=11, names=(number,)) for number in range(12)]


def _r2_by_distance(dosages: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    r2 = np.corrcoef(dosages, rowvar=False) ** 2
    first, second = np.triu_indices(len(positions), k=1)
    return positions[second] - positions[first], r2[first, second]


def _common(window: SimulatedWindow) -> np.ndarray:
    return np.flatnonzero(window.minor_allele_frequency >= 0.05)


def test_linkage_decays_with_distance(windows: list[SimulatedWindow]) -> None:
    distances, r2s = [], []
    for window in windows:
        chosen = _common(window)
        distance, r2 = _r2_by_distance(window.dosages[:, chosen], window.positions[chosen])
        distances.append(distance)
        r2s.append(r2)
    distance, r2 = np.concatenate(distances), np.concatenate(r2s)
    edges = [0, 1_000, 5_000, 20_000, 50_000, 100_000]
    means = [r2[(distance >= a) & (distance < b)].mean() for a, b in pairwise(edges)]
    assert all(near > far for near, far in pairwise(means)), means
    # In Europeans r2 of common variants is some 0.4 within a kilobase and has fallen by half at 50 kb.
    assert 0.3 < means[0] < 0.7
    assert 0.05 < means[-1] < means[0] / 2


def test_neighbours_are_more_alike_than_chance(windows: list[SimulatedWindow]) -> None:
    rng = np.random.default_rng(1)
    for window in windows:
        dosages = window.dosages[:, _common(window)].astype(float)
        adjacent = np.mean(
            [np.corrcoef(dosages[:, i], dosages[:, i + 1])[0, 1] ** 2 for i in range(dosages.shape[1] - 1)]
        )
        shuffled = rng.permuted(dosages, axis=0)
        r2 = np.corrcoef(shuffled, rowvar=False) ** 2
        assert adjacent > 0.15
        # Shuffling individuals within each variant leaves the chance level, 1 / (n - 1).
        assert abs(r2[np.triu_indices(len(r2), k=1)].mean() - 1 / 299) < 0.001


def test_windows_are_independent(windows: list[SimulatedWindow]) -> None:
    between = []
    for one, other in pairwise(windows):
        a, b = one.dosages[:, _common(one)], other.dosages[:, _common(other)]
        joint = np.corrcoef(np.column_stack([a, b]), rowvar=False)[: a.shape[1], a.shape[1] :]
        between.append((joint**2).mean())
    assert abs(np.mean(between) - 1 / 299) < 0.0015


def test_counts_and_frequencies(windows: list[SimulatedWindow]) -> None:
    common = [int((window.minor_allele_frequency >= 0.01).sum()) for window in windows]
    assert 110 < np.mean(common) < 190
    for window in windows:
        assert np.all(np.diff(window.positions) > 0)
        assert window.positions[0] >= 0
        assert window.positions[-1] < 100_000
        assert set(np.unique(window.haplotypes)) == {0, 1}
        assert window.minor_allele_frequency.min() > 0
    alt = np.concatenate([window.haplotypes.mean(axis=(0, 1)) for window in windows])
    # A reference genome that is one of the population carries the minor allele now and then.
    assert 0.02 < (alt > 0.5).mean() < 0.3
    # Growth makes singletons the largest class.
    counts = np.round(np.minimum(alt, 1 - alt) * 600)
    assert (counts == 1).mean() > 0.2


def test_hardy_weinberg(windows: list[SimulatedWindow]) -> None:
    excess = []
    for window in windows:
        dosages = window.dosages[:, _common(window)]
        frequency = dosages.mean(axis=0) / 2
        excess.append((dosages == 1).mean(axis=0) / (2 * frequency * (1 - frequency)) - 1)
    assert abs(np.concatenate(excess).mean()) < 0.02


def test_seed_and_names_decide() -> None:
    once = simulate_window(20, 20_000, seed=1, names=(1,))
    again = simulate_window(20, 20_000, seed=1, names=(1,))
    np.testing.assert_array_equal(once.haplotypes, again.haplotypes)
    np.testing.assert_array_equal(once.positions, again.positions)
    for other in (simulate_window(20, 20_000, seed=2, names=(1,)), simulate_window(20, 20_000, seed=1)):
        assert not np.array_equal(once.positions, other.positions)


def test_arrays_are_read_only() -> None:
    window = simulate_window(5, 5_000, seed=1)
    with pytest.raises(ValueError, match="read-only"):
        window.haplotypes[0, 0, 0] = 1


def test_without_msprime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msprime", None)
    with pytest.raises(PgxevalError, match=r'pip install "pgxeval\[demo\]"'):
        simulate_window(10)


@pytest.mark.parametrize(("individuals", "window_bp"), [(1, 1_000), (10, 0)])
def test_refuses(individuals: int, window_bp: int) -> None:
    with pytest.raises(SettingError, match="must be"):
        simulate_window(individuals, window_bp)
