"""Two predictors gene by gene: SciPy and Williams's test as oracles, type I error, and planted flips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pgxeval.errors import SettingError, UnknownNameError
from pgxeval.evaluation import EvaluationSettings, Evaluator, compare_genes, flips
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.gene_comparison import correlation_of_correlations

GENES, N = 1500, 90
PEOPLE = [f"S{i:03d}" for i in range(N)]


def _study(bed, long, rho: tuple[float, float], between: float, seed: int, genes: int = GENES):
    """Return an evaluation of two zero-shot predictors with these population correlations, and their values."""
    rng = np.random.default_rng(seed)
    covariance = np.array([[1, *rho], [rho[0], 1, between], [rho[1], between, 1]])
    y, a, b = np.moveaxis(rng.multivariate_normal(np.zeros(3), covariance, size=(genes, N)), 2, 0)
    table = pd.concat([long("a", a[None], PEOPLE, None, None), long("b", b[None], PEOPLE, None, None)])
    return Evaluator(bed(y, PEOPLE)).evaluate(table, settings=EvaluationSettings(permutations=0)), y, a, b


@pytest.fixture(scope="module")
def equal(bed, long):
    return _study(bed, long, (0.3, 0.3), 0.5, 0)


def _williams(r_a: float, r_b: float, between: float, n: int) -> float:
    """Return the two-sided p of Williams's t; Steiger 1980, Psychol Bull 87:245, eq. 7."""
    determinant = 1 - r_a**2 - r_b**2 - between**2 + 2 * r_a * r_b * between
    mean = (r_a + r_b) / 2
    t = (r_a - r_b) * np.sqrt(
        (n - 1) * (1 + between) / (2 * (n - 1) / (n - 3) * determinant + mean**2 * (1 - between) ** 3)
    )
    return float(2 * stats.t.sf(abs(t), n - 3))


def test_correlations_are_those_of_scipy_and_p_is_close_to_williams(equal) -> None:
    evaluation, y, a, b = equal
    table = compare_genes(evaluation, "a", "b")
    assert table["gene_id"].is_unique
    for g in range(40):
        between = stats.spearmanr(a[g], b[g]).statistic
        assert table["correlation_between"][g] == pytest.approx(between)
        assert table["difference"][g] == pytest.approx(
            stats.spearmanr(a[g], y[g]).statistic - stats.spearmanr(b[g], y[g]).statistic
        )
    williams = np.array(
        [_williams(*row, N) for row in table[["correlation_a", "correlation_b", "correlation_between"]].to_numpy()]
    )
    # Spearman's standard error is larger than Pearson's, and here it is robust: close, not equal
    assert stats.spearmanr(williams, table["p_value"]).statistic > 0.97
    assert np.median(np.abs(stats.norm.isf(table["p_value"] / 2) - stats.norm.isf(williams / 2))) < 0.15


def test_type_one_error_and_coverage_where_both_are_equally_good(equal) -> None:
    table = compare_genes(equal[0], "a", "b")
    # standard error 0.0056
    assert 0.035 <= (table["p_value"] < 0.05).mean() <= 0.07
    assert 0.93 <= ((table["difference_low"] <= 0) & (table["difference_high"] >= 0)).mean() <= 0.97
    excludes = (table["difference_low"] > 0) | (table["difference_high"] < 0)
    assert (excludes == (table["p_value"] < 0.05)).all()
    assert (table["better"] != "").sum() <= 1


def test_a_better_predictor_is_found_and_exchanging_turns_the_signs(bed, long) -> None:
    evaluation, *_ = _study(bed, long, (0.7, 0.1), 0.2, 1, genes=60)
    table, turned = compare_genes(evaluation, "a", "b"), compare_genes(evaluation, "b", "a")
    assert (table["better"] == "a").mean() > 0.9
    assert (turned["better"] == "b").sum() == (table["better"] == "a").sum()
    np.testing.assert_allclose(turned["difference_low"], -table["difference_high"])
    np.testing.assert_allclose(turned["p_value"], table["p_value"])


def test_correlation_of_correlations_against_simulation() -> None:
    rng = np.random.default_rng(2)
    covariance = np.array([[1, 0.4, 0.2], [0.4, 1, 0.6], [0.2, 0.6, 1]])
    drawn = rng.multivariate_normal(np.zeros(3), covariance, size=(4000, 200))
    centred = drawn - drawn.mean(axis=1, keepdims=True)
    unit = centred / np.sqrt((centred**2).sum(axis=1, keepdims=True))
    r_a, r_b = (unit[..., 0] * unit[..., 1]).sum(axis=1), (unit[..., 0] * unit[..., 2]).sum(axis=1)
    expected = float(correlation_of_correlations(0.4, 0.2, 0.6))
    assert np.corrcoef(r_a, r_b)[0, 1] == pytest.approx(expected, abs=0.04)


def test_flips_count_the_evidence_and_what_chance_gives(bed, long, equal) -> None:
    # equally good predictors: flips are chance, and as many as expected
    table = flips(equal[0], "a", "b").set_index("right")
    wide = compare_genes(equal[0], "a", "b")
    assert table.loc["a", "genes"] == ((wide["correlation_a"] > 0) & (wide["correlation_b"] < 0)).sum()
    observed, expected = table["genes"].sum(), table["expected_by_chance"].sum()
    assert abs(observed - expected) < 4 * np.sqrt(expected) + 5
    assert table["both_clear"].sum() == 0
    # opposite directions in truth: clear flips, far more than chance
    evaluation, *_ = _study(bed, long, (0.5, -0.5), 0.0, 3, genes=60)
    planted = flips(evaluation, "a", "b").set_index("right").loc["a"]
    assert planted["both_clear"] > 50
    assert planted["expected_by_chance"] < planted["genes"] / 1.5
    assert (planted["both_clear"] + planted["one_clear"] + planted["neither_clear"]) == planted["genes"]
    assert len(planted["names"].split(", ")) == 5


def test_undefined_genes_have_a_reason(bed, long) -> None:
    rng = np.random.default_rng(4)
    y, a, b = rng.normal(size=(3, 20, N))
    a[3] = 1.0
    table = pd.concat([long("a", a[None], PEOPLE, None, None), long("b", b[None], PEOPLE, None, None)])
    evaluation = Evaluator(bed(y, PEOPLE)).evaluate(
        table, settings=EvaluationSettings(permutations=0, block_bp=1_000_000)
    )
    row = compare_genes(evaluation, "a", "b").iloc[3]
    assert np.isnan([row["difference"], row["p_value"], row["difference_low"]]).all()
    assert row["reason"] == "correlation undefined for at least one of the two"
    assert row["better"] == ""
    with pytest.raises(UnknownNameError, match="predictor c is not in the evaluation; it has a, b"):
        compare_genes(evaluation, "a", "c")


def test_needs_the_predictions(equal, tmp_path: Path) -> None:
    again = Evaluation.read(equal[0].write(tmp_path / "kept"))
    with pytest.raises(SettingError, match="this evaluation was read from a folder, which holds no"):
        compare_genes(again, "a", "b")
