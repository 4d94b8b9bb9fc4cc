"""Judges: statsmodels and SciPy for every odds ratio and interval that they define, zero cells included."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from pgxeval.errors import SettingError
from pgxeval.evaluation.concordance import (
    ODDS_RATIO_KINDS,
    PairedTable,
    Share,
    clopper_pearson,
    directions_of,
    log_odds_ratio,
    paired_indicators,
)

ZEROS = [(0, 0, 0, 0), (5, 0, 0, 0), (0, 4, 0, 0), (0, 4, 3, 0), (6, 0, 0, 7), (5, 3, 0, 2), (5, 0, 2, 1), (0, 5, 3, 2)]


def _tables() -> list[tuple[int, int, int, int]]:
    random = np.random.default_rng(0)
    drawn = [tuple(int(k) for k in random.integers(0, top, size=4)) for top in (3, 10, 60, 400) for _ in range(25)]
    return [*ZEROS, *drawn]


def _table(counts: tuple[int, int, int, int]) -> PairedTable:
    return PairedTable(both_right=counts[0], only_a=counts[1], only_b=counts[2], neither=counts[3])


def _same(found: float, expected: float, rel: float = 1e-7) -> None:
    assert found == pytest.approx(expected, rel=rel, nan_ok=True)


@pytest.mark.parametrize("counts", _tables(), ids=str)
def test_mcnemar_is_that_of_statsmodels(counts: tuple[int, int, int, int]) -> None:
    found = _table(counts).mcnemar(0.9)
    expected = mcnemar(np.array(counts).reshape(2, 2), exact=True)
    _same(found.p_value, expected.pvalue)
    a, b = counts[1], counts[2]
    if a + b == 0:
        assert np.isnan(found.value)
        assert (found.low, found.high) == (0.0, np.inf)
        return
    interval = stats.binomtest(a, a + b).proportion_ci(0.9, method="exact")
    _same(found.value, a / b if b else np.inf)
    _same(found.low, interval.low / (1 - interval.low))
    _same(found.high, interval.high / (1 - interval.high) if interval.high < 1 else np.inf)
    assert found.low <= found.value <= found.high


@pytest.mark.parametrize("counts", _tables(), ids=str)
def test_association_is_that_of_scipy(counts: tuple[int, int, int, int]) -> None:
    if sum(counts) == 0:
        assert np.isnan(_table(counts).association().value)
        return
    found = _table(counts).association(0.95)
    expected = stats.contingency.odds_ratio(np.array(counts).reshape(2, 2), kind="conditional")
    interval = expected.confidence_interval(0.95)
    _same(found.value, expected.statistic)
    _same(found.low, interval.low)
    _same(found.high, interval.high)
    _same(found.p_value, stats.fisher_exact(np.array(counts).reshape(2, 2)).pvalue)


@pytest.mark.parametrize("counts", _tables(), ids=str)
def test_marginal_is_the_ratio_of_the_odds(counts: tuple[int, int, int, int]) -> None:
    both, a, b, neither = counts
    found = _table(counts).marginal()
    top, bottom = (both + a) * (a + neither), (b + neither) * (both + b)
    if bottom:
        _same(found.value, top / bottom)
    elif top:
        assert found.value == np.inf
        assert 0 <= found.low < found.high == np.inf
    else:
        assert np.isnan(found.value)
    if top == 0 < bottom:
        assert (found.value, found.low) == (0.0, 0.0)
        assert found.high > 0


def test_the_one_sided_marginal_interval_covers() -> None:
    """Predictor a is right in 97 % of 20 genes, b in 60 %: the interval of a zero cell must hold the truth."""
    random = np.random.default_rng(1)
    truth = (0.97 / 0.03) / (0.6 / 0.4)
    covered = []
    for _ in range(3000):
        a, b = random.random(20) < 0.97, random.random(20) < 0.6
        found = PairedTable.of(np.where(a, 1, -1), np.where(b, 1, -1)).marginal()
        if found.value == np.inf:
            covered.append(found.low <= truth)
    assert len(covered) > 1000
    assert np.mean(covered) > 0.95


@pytest.mark.parametrize(("k", "n"), [(0, 7), (7, 7), (3, 11), (250, 700)])
def test_clopper_pearson_is_that_of_statsmodels_and_scipy(k: int, n: int) -> None:
    found = clopper_pearson(k, n, 0.95)
    assert found == pytest.approx(proportion_confint(k, n, 0.05, method="beta"))
    interval = stats.binomtest(k, n).proportion_ci(0.95, method="exact")
    assert found == pytest.approx((interval.low, interval.high))


def test_share_excludes_genes_without_direction() -> None:
    share = Share.of([0.1, -0.2, 0.3, np.nan, 0.0])
    assert (share.right, share.defined, share.share) == (2, 3, 2 / 3)
    assert np.isnan(Share.of([np.nan]).share)


def test_pairs_are_counted_gene_by_gene() -> None:
    random = np.random.default_rng(2)
    a, b = random.choice([-0.2, 0.1, 0.0, np.nan], size=(2, 400))
    found = PairedTable.of(a, b)
    slow = {"both": 0, "a": 0, "b": 0, "neither": 0, "undefined": 0}
    for x, y in zip(a, b, strict=True):
        if np.isnan(x) or np.isnan(y) or x == 0 or y == 0:
            slow["undefined"] += 1
        else:
            slow[
                {(True, True): "both", (True, False): "a", (False, True): "b", (False, False): "neither"}[x > 0, y > 0]
            ] += 1
    assert (*found.counts, found.undefined) == tuple(slow.values())
    assert found.n == 400 - found.undefined
    swapped = PairedTable.of(b, a)
    assert swapped.mcnemar().value == pytest.approx(1 / found.mcnemar().value)
    assert swapped.association().value == pytest.approx(found.association().value)


def test_directions_of_a_matrix() -> None:
    found = directions_of(np.array([[0.1, np.nan], [-0.1, 0.0]]))
    assert found.dtype == np.int8
    assert found.tolist() == [[1, 0], [-1, 0]]
    assert paired_indicators(found, found).sum() == 2


@pytest.mark.parametrize("kind", ODDS_RATIO_KINDS)
def test_log_odds_ratio_over_blocks_against_leaving_out_each_block(kind) -> None:
    sums = np.random.default_rng(3).integers(3, 30, size=(40, 4)).astype(float)
    found = log_odds_ratio(sums, kind)

    def slow(both: float, a: float, b: float, neither: float) -> float:
        if kind == "mcnemar":
            return np.log(a / b)
        if kind == "marginal":
            return np.log((both + a) / (b + neither) / ((both + b) / (a + neither)))
        return np.log(both * neither / (a * b))

    assert found.value == pytest.approx(slow(*sums.sum(axis=0)))
    left = np.array([slow(*(sums.sum(axis=0) - block)) for block in sums])
    # the delta method leaves second-order terms, about 1 / (2 * 40) here
    assert found.standard_error == pytest.approx(np.sqrt(39 / 40 * ((left - found.value) ** 2).sum()), rel=0.02)


@pytest.mark.parametrize("kind", ODDS_RATIO_KINDS)
def test_an_empty_cell_has_no_jackknife_interval(kind) -> None:
    sums = np.array([[4.0, 3.0, 0.0, 0.0], [5.0, 2.0, 0.0, 0.0]])
    found = log_odds_ratio(sums, kind)
    assert not np.isfinite(found.value)
    assert np.isnan(found.interval()).all()
    assert np.isnan(found.p_value())


def test_zeros_of_published_tables_can_count_as_wrong() -> None:
    r = [0.1, -0.2, 0.3, np.nan, 0.0]
    assert (Share.of(r).right, Share.of(r).defined) == (2, 3)
    assert (Share.of(r, zero="wrong").right, Share.of(r, zero="wrong").defined) == (2, 4)
    a, b = [0.0, 0.1, 0.0, 0.2], [0.3, 0.0, np.nan, 0.1]
    assert PairedTable.of(a, b).counts == (1, 0, 0, 0)
    table = PairedTable.of(a, b, zero="wrong")
    assert (*table.counts, table.undefined) == (1, 1, 1, 0, 1)
    with pytest.raises(SettingError, match="zero must be"):
        Share.of(r, zero="half")  # type: ignore[arg-type] # refused on purpose


def test_thousands_of_genes_do_not_take_seconds() -> None:
    table = _table((50_000, 30_000, 25_000, 40_000))
    sample = 50_000 * 40_000 / (30_000 * 25_000)
    found = table.association()
    assert found.value == pytest.approx(sample, rel=1e-3)
    half = 1.96 * np.sqrt(sum(1 / count for count in table.counts))
    assert (found.low, found.high) == pytest.approx((sample * np.exp(-half), sample * np.exp(half)), rel=1e-3)
