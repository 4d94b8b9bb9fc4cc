"""Shares and odds ratios of true directions: planted truth, a generic optimiser, and what cannot be identified."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, special

import pgxeval
from pgxeval.evaluation.settings import EvaluationSettings
from pgxeval.evaluation.true_directions import TrueShare, true_odds_ratio, true_share

N = 90
ERROR = 1 / math.sqrt(N - 3)


def drawn(random: np.random.Generator, genes: int, share: float, without: float, rho: float = 0.1) -> np.ndarray:
    """Return observed correlations of genes of which some have no effect."""
    truth = np.where(random.random(genes) < share, 1, -1) * np.arctanh(rho) * (random.random(genes) >= without)
    return np.tanh(truth + random.normal(size=genes) * ERROR)


@pytest.mark.parametrize(("without", "tolerance"), [(0.0, 0.02), (0.5, 0.05)])
def test_planted_shares_are_recovered_where_the_observed_ones_are_attenuated(without: float, tolerance: float) -> None:
    random = np.random.default_rng(3)
    r = [drawn(random, 20_000, share, without) for share in (0.8, 0.55)]
    a, b = (true_share(one, np.full(20_000, ERROR)) for one in r)
    assert abs(a.share - 0.8) < tolerance
    assert abs(b.share - 0.55) < tolerance
    assert float((r[0] > 0).mean()) < 0.72
    odds = true_odds_ratio(a, b)
    assert odds.low < 3.27 < odds.high


def test_intervals_cover_the_planted_share() -> None:
    random = np.random.default_rng(4)
    covered = []
    for _ in range(60):
        result = true_share(drawn(random, 400, 0.7, 0.5), np.full(400, ERROR))
        covered.append(result.low <= 0.7 <= result.high)
    assert np.mean(covered) >= 0.88  # 95 % of 60, less 2.5 standard errors


def test_the_likelihood_is_that_of_a_generic_optimiser() -> None:
    """All parameters at once by a quasi-Newton method on logits, from several starts."""
    random = np.random.default_rng(5)
    z = np.arctanh(drawn(random, 300, 0.75, 0.3, rho=0.2))
    result = true_share(np.tanh(z), np.full(300, ERROR))
    sizes = np.r_[0.0, np.geomspace(ERROR / 2, max(np.abs(z).max(), ERROR), 14)]
    density = [np.exp(-(((z[:, None] - sign * sizes) / ERROR) ** 2) / 2) for sign in (1, -1)]

    def negative(parameters: np.ndarray) -> float:
        share, weights = special.expit(parameters[0]), special.softmax(parameters[1:])
        return -float(np.log((share * density[0] + (1 - share) * density[1]) @ weights).sum())

    def profile(share: float) -> float:
        return min(
            float(optimize.minimize(lambda w: negative(np.r_[special.logit(share), w]), start, method="L-BFGS-B").fun)
            for start in (np.zeros(15),)
        )

    best = min(optimize.minimize(negative, np.r_[1.0, np.zeros(15)], method="L-BFGS-B").fun, profile(result.share))
    assert profile(result.share) - best < 0.03
    for limit in (result.low, result.high):
        assert profile(limit) - best == pytest.approx(1.96**2 / 2, abs=0.12)


def test_genes_that_move_together_widen_the_interval() -> None:
    random = np.random.default_rng(6)
    truth = np.repeat(np.where(random.random(200) < 0.7, 0.2, -0.2), 10)
    r = np.tanh(truth + np.repeat(random.normal(size=200), 10) * ERROR)
    alone = true_share(r, np.full(2000, ERROR))
    together = true_share(r, np.full(2000, ERROR), np.repeat(np.arange(200), 10))
    assert together.share == alone.share
    assert 2.2 < (together.high - together.low) / (alone.high - alone.low) < 4.2  # the square root of 10


def test_the_order_of_genes_changes_nothing_and_the_sign_reflects() -> None:
    random = np.random.default_rng(7)
    r, blocks = drawn(random, 300, 0.8, 0.0, rho=0.3), np.arange(300) // 3
    order = random.permutation(300)
    one = true_share(r, np.full(300, ERROR), blocks)
    other = true_share(r[order], np.full(300, ERROR), blocks[order])
    reflected = true_share(-r, np.full(300, ERROR), blocks)
    assert other.share == pytest.approx(one.share, abs=2e-3)
    assert other.low == pytest.approx(one.low, abs=5e-3)
    assert reflected.share == pytest.approx(1 - one.share, abs=5e-3)


def test_two_equal_predictors_have_odds_ratio_one_without_error() -> None:
    r = drawn(np.random.default_rng(8), 500, 0.8, 0.0)
    share = true_share(r, np.full(500, ERROR))
    odds = true_odds_ratio(share, share)
    assert odds.value == pytest.approx(1)
    wide = true_odds_ratio(share, true_share(drawn(np.random.default_rng(9), 500, 0.8, 0.0), np.full(500, ERROR)))
    assert math.log(odds.high / odds.low) < 0.6 * math.log(wide.high / wide.low)


def test_noise_is_not_identified_and_says_so() -> None:
    random = np.random.default_rng(10)
    results = [true_share(np.tanh(random.normal(size=500) * ERROR), np.full(500, ERROR)) for _ in range(20)]
    result = next(one for one in results if one.reason)
    assert sum(math.isnan(one.share) for one in results) >= 17
    assert math.isnan(result.share)
    assert "not identified: standard errors alone explain" in result.reason
    odds = true_odds_ratio(result, true_share(drawn(random, 500, 0.8, 0.0), np.full(500, ERROR)))
    assert math.isnan(odds.value)
    assert odds.reason.startswith("a: not identified")


def test_too_few_genes_or_blocks_have_a_reason() -> None:
    r, error = np.full(49, 0.1), np.full(49, ERROR)
    assert true_share(r, error).reason.startswith("49 genes")
    assert true_share([], []).reason.startswith("0 genes")
    assert "blocks" in true_share(np.full(60, 0.1), np.full(60, ERROR), np.zeros(60, dtype=int)).reason
    assert math.isnan(true_odds_ratio(true_share(r, error), TrueShare(share=0.5, low=0.4, high=0.6)).value)


def test_undefined_genes_are_not_used() -> None:
    r = np.r_[drawn(np.random.default_rng(11), 200, 0.8, 0.0), np.nan, 1.0, 0.2]
    error = np.r_[np.full(202, ERROR), np.nan]
    assert true_share(r, error).n == 200


def test_a_share_of_one_leaves_the_odds_ratio_open_above() -> None:
    random = np.random.default_rng(12)
    error = np.full(300, ERROR)
    perfect = true_share(np.tanh(0.5 + random.normal(size=300) * ERROR), error)
    assert perfect.high == 1
    odds = true_odds_ratio(perfect, true_share(drawn(random, 300, 0.6, 0.0, rho=0.3), error))
    assert math.isinf(odds.high)
    assert odds.low > 10


def test_an_evaluation_shows_true_directions_next_to_observed_ones() -> None:
    random = np.random.default_rng(13)
    genes, people = 150, [f"S{i:02d}" for i in range(60)]
    y = random.normal(size=(genes, 60))
    place = pd.DataFrame(
        {"#chr": "chr1", "start": np.arange(genes) * 6_000_000, "end": np.arange(genes) * 6_000_000 + 1}
    )
    place["gene_id"] = [f"G{k:03d}" for k in range(genes)]
    tables = []
    for name, share in (("good", 0.9), ("poor", 0.6)):
        sign = np.where(random.random(genes) < share, 1, -1)[:, None]
        values = 0.4 * sign * y + random.normal(size=y.shape)
        table = pd.DataFrame({"gene_id": np.repeat(place["gene_id"].to_numpy(), 60), "individual": people * genes})
        tables.append(table.assign(predictor=name, prediction=values.ravel()))
    expression = pd.concat([place, pd.DataFrame(y, columns=people)], axis=1)
    evaluation = pgxeval.Evaluator(expression).evaluate(
        pd.concat(tables, ignore_index=True), settings=EvaluationSettings(permutations=0)
    )
    row = evaluation.true_directions.iloc[0]
    assert (row["predictor_a"], row["predictor_b"], row["stratum"], row["n"]) == ("good", "poor", "all", genes)
    assert row["true_share_a_low"] < 0.9 < row["true_share_a_high"]
    assert row["true_share_b_low"] < 0.6 < row["true_share_b_high"]
    assert row["observed_or"] == evaluation.concordance["marginal_or"].iloc[0]
    assert row["true_or_low"] < 6 < row["true_or_high"]
    assert row["method"].startswith("model")
