"""REML against a dense textbook likelihood, planted heritability and its null distribution."""

from __future__ import annotations

import numpy as np
import pytest

from pgxeval.errors import TableError
from pgxeval.evaluation import heritability, share_of_ceiling, spearman_ceiling
from pgxeval.simulation import simulate_window

Arrays = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def dosages() -> np.ndarray:
    window = simulate_window(200, 150_000, seed=4)
    return window.dosages[:, window.minor_allele_frequency >= 0.02].astype(float)


def _traits(dosages: np.ndarray, h2: float, n_traits: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    Z = (dosages - dosages.mean(axis=0)) / dosages.std(axis=0)
    additive = Z @ rng.standard_normal((Z.shape[1], n_traits)) / np.sqrt(Z.shape[1])
    noise = rng.standard_normal(additive.shape)
    return np.asarray((np.sqrt(h2) * additive + np.sqrt(1 - h2) * noise).T)


def test_planted_heritability_is_found_and_its_absence_too(dosages: np.ndarray) -> None:
    null = heritability(_traits(dosages, 0.0, 4_000, 2), dosages, draws=50_000)
    assert 0.04 < (null["h2_p"] < 0.05).mean() < 0.06
    assert (null["h2_p"] < 0.005).mean() < 0.009
    assert abs(null["h2_unbounded"].mean()) < 0.005
    assert null["h2"].mean() > null["h2_unbounded"].mean()
    for h2 in (0.1, 0.4):
        table = heritability(_traits(dosages, h2, 400, 3), dosages, draws=500)
        assert table["h2"].mean() == pytest.approx(h2, abs=0.03)
        assert table["h2_se"].mean() == pytest.approx(table["h2"].std(), rel=0.25)
        assert (table["h2_p"] < 0.05).mean() > 0.5


def test_more_variants_than_individuals_and_fewer_give_the_same(dosages: np.ndarray) -> None:
    y = _traits(dosages, 0.3, 2, 5)
    few = dosages[:, :150]
    repeated = np.concatenate([few, few], axis=1)
    one, two = heritability(y, few, draws=100), heritability(y, repeated, draws=100)
    np.testing.assert_allclose(one["h2"], two["h2"], atol=1e-6)


def test_what_cannot_be_estimated_has_a_reason(dosages: np.ndarray) -> None:
    y = _traits(dosages, 0.3, 2, 6)
    y[1] = 2.0
    table = heritability(y, dosages, draws=100)
    assert np.isfinite(table.loc[0, ["h2", "h2_se", "h2_p", "h2_unbounded"]].astype(float)).all()
    assert np.isnan(table.loc[1, "h2"])
    assert table["reason"].tolist() == ["", "constant expression, given the covariates"]
    assert heritability(y[0], dosages[:, :2] * 0)["reason"][0] == "no variant with a dosage that varies"
    assert "fewer than 20" in heritability(y[0, :15], dosages[:15])["reason"][0]
    with pytest.raises(TableError, match="must have the same individuals"):
        heritability(y[0, :50], dosages)
    with pytest.raises(TableError, match="must be finite"):
        heritability(np.where(np.arange(200) == 3, np.nan, y[0]), dosages)


def test_ceiling_of_spearman_and_share_of_it() -> None:
    rng = np.random.default_rng(0)
    additive, noise = rng.standard_normal((2, 200_000))
    from scipy import stats

    for h2 in (0.1, 0.5):
        reached = stats.spearmanr(additive, np.sqrt(h2) * additive + np.sqrt(1 - h2) * noise)[0]
        assert spearman_ceiling(h2) == pytest.approx(reached, abs=0.01)
    assert share_of_ceiling([0.2, np.nan, 0.1], [0.16, 0.5, 0.01], measure="pearson") == pytest.approx(0.3 / 0.5)
    assert np.isnan(share_of_ceiling([0.1], [0.0]))


@pytest.mark.filterwarnings("ignore")
def test_estimates_equal_those_of_glimix_core(dosages: np.ndarray) -> None:
    lmm = pytest.importorskip("glimix_core.lmm")
    linalg = pytest.importorskip("numpy_sugar.linalg")
    Z = (dosages - dosages.mean(axis=0)) / dosages.std(axis=0)
    K = Z @ Z.T / Z.shape[1]
    scale = (Z**2).sum() / Z.shape[1] / 199  # the mean of the diagonal after projection is 1 here
    for y in _traits(dosages, 0.3, 3, 7):
        model = lmm.LMM(y, np.ones((200, 1)), linalg.economic_qs(K), restricted=True)
        model.fit(verbose=False)
        expected = model.v0 * scale / (model.v0 * scale + model.v1)
        assert heritability(y, dosages, draws=100)["h2"][0] == pytest.approx(expected, abs=1e-3)
