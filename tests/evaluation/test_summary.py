"""Judges: counts and a slow bootstrap written out gene by gene."""

from __future__ import annotations

import numpy as np
import pytest

from pgxeval.evaluation.concordance import PairedTable, clopper_pearson
from pgxeval.evaluation.per_gene import Judged
from pgxeval.evaluation.resampling import block_weights
from pgxeval.evaluation.summary import CONCORDANCE, SUMMARY, Stratum, Summariser, joint_replicates


def _judged(name: str, r: np.ndarray, null: np.ndarray | None = None, key: tuple[int, int] | None = (0, 50)) -> Judged:
    n = len(r)
    none = np.full(n, np.nan)
    null = np.empty((0, n)) if null is None else null
    return Judged(
        predictor=name,
        kind="crossfit",
        spearman=r,
        pearson=r,
        ci_low=none,
        ci_high=none,
        p_value=np.where(np.isnan(r), np.nan, 0.01),
        q_value=np.where(np.abs(r) > 0.15, 0.01, 0.2),
        n=np.full(n, 50),
        df=np.full(n, 48),
        inference=np.full(n, "", dtype=object),
        reason=np.full(n, "", dtype=object),
        null=null,
        null_df=np.full(null.shape, 48),
        null_replicates=np.arange(1, len(null) + 1),
        null_key=key if len(null) else None,
        reference="made up",
    )


@pytest.fixture(scope="module")
def world():
    random = np.random.default_rng(0)
    r = random.normal(0.05, 0.1, size=(2, 200))
    r[0, ::9] = np.nan
    r[1, ::11] = 0.0
    null = random.normal(-0.02, 0.1, size=(2, 6, 200))
    null[0, :, ::5] = np.nan
    blocks = np.repeat(np.arange(50), 4)
    judged = [_judged("a", r[0], null[0]), _judged("b", r[1], null[1, :4])]
    return judged, r, null, blocks


def _summarise(judged, blocks, genes=None, **kwargs):
    genes = np.ones(len(blocks), dtype=bool) if genes is None else genes
    strata = [Stratum(name="all", genes=genes, definers=frozenset(), given=False)]
    settings = {"confidence": 0.95, "bootstraps": 500, "seed": 3, "level": 0.05} | kwargs
    return Summariser(judged=judged, blocks=blocks, **settings).tables(strata)


def test_counts_and_means_are_those_of_the_genes(world) -> None:
    judged, r, null, blocks = world
    summary, _ = _summarise(judged, blocks)
    assert tuple(summary.columns) == SUMMARY
    row = summary.iloc[0]
    defined = r[0][~np.isnan(r[0])]
    assert (row["n_genes"], row["defined"], row["undefined"]) == (200, len(defined), 200 - len(defined))
    assert row["mean_spearman"] == pytest.approx(defined.mean())
    assert row["median_spearman"] == pytest.approx(np.median(defined))
    assert row["mean_spearman_undefined_as_0"] == pytest.approx(defined.sum() / 200)
    assert row["n_right"] == (defined > 0).sum()
    assert row["share_right"] == pytest.approx(np.mean(defined > 0))
    assert (row["binomial_low"], row["binomial_high"]) == clopper_pearson(row["n_right"], len(defined))
    drawn = null[0][~np.isnan(null[0])]
    assert row["reference_share"] == pytest.approx(np.mean(drawn > 0))
    assert row["difference"] == pytest.approx(np.mean(defined > 0) - np.mean(drawn > 0))
    assert row["n_significant"] == (np.abs(defined) > 0.15).sum()
    assert row["n_significant_wrong"] == (defined < -0.15).sum()
    zeros = summary.iloc[1]
    assert zeros["defined"] == 200
    assert zeros["n_directed"] == (r[1] != 0).sum()


def test_intervals_are_those_of_a_bootstrap_written_out(world) -> None:
    judged, r, null, blocks = world
    summary, concordance = _summarise(judged, blocks)
    weights = block_weights(50, 500, 3)
    share, difference, mcnemar, over, marginal = [], [], [], [], []
    for draw in weights:
        genes = np.concatenate([np.flatnonzero(blocks == k) for k in range(50) for _ in range(int(draw[k]))])
        mine, theirs = r[0][genes], null[0][:, genes]
        share.append(np.sum(mine > 0) / np.sum(~np.isnan(mine)))
        difference.append(share[-1] - np.sum(theirs > 0) / np.sum(~np.isnan(theirs)))
        table = PairedTable.of(mine, r[1][genes])
        mcnemar.append(table.mcnemar().value)
        marginal.append(table.marginal().value)
        reference = PairedTable.of(null[0, :4, genes].ravel(), null[1, :4, genes].ravel())
        over.append(mcnemar[-1] / reference.mcnemar().value)

    def limits(draws: list[float]) -> tuple[float, float]:
        return (
            float(np.quantile(draws, 0.025, method="lower")),
            float(np.quantile(draws, 0.975, method="higher")),
        )

    row, pair = summary.iloc[0], concordance.iloc[0]
    assert (row["share_low"], row["share_high"]) == pytest.approx(limits(share))
    assert (row["difference_low"], row["difference_high"]) == pytest.approx(limits(difference))
    assert (pair["mcnemar_or_low"], pair["mcnemar_or_high"]) == pytest.approx(limits(mcnemar))
    assert (pair["marginal_or_low"], pair["marginal_or_high"]) == pytest.approx(limits(marginal))
    assert (pair["mcnemar_over_reference_low"], pair["mcnemar_over_reference_high"]) == pytest.approx(limits(over))
    one_side = min(np.sum(np.array(marginal) <= 1), np.sum(np.array(marginal) >= 1))
    assert pair["marginal_p"] == pytest.approx(min(1, 2 * (1 + one_side) / 501))


def test_pairs_are_counted_and_set_beside_joint_replicates(world) -> None:
    judged, r, null, blocks = world
    _, concordance = _summarise(judged, blocks)
    assert tuple(concordance.columns) == CONCORDANCE
    pair = concordance.iloc[0]
    table = PairedTable.of(r[0], r[1])
    assert tuple(pair[["both_right", "only_a", "only_b", "neither"]]) == table.counts
    assert (pair["n"], pair["undefined"]) == (table.n, table.undefined)
    expected = PairedTable.of(null[0, :4].ravel(), null[1, :4].ravel())
    for kind in ("mcnemar", "marginal", "association"):
        observed, reference = getattr(table, kind)(), getattr(expected, kind)()
        assert pair[f"{kind}_or"] == pytest.approx(observed.value)
        assert pair[f"reference_{kind}_or"] == pytest.approx(reference.value)
        assert pair[f"{kind}_over_reference"] == pytest.approx(observed.value / reference.value)
    assert pair["mcnemar_exact_low"] == pytest.approx(table.mcnemar().low)
    assert pair["association_p"] == pytest.approx(table.association().p_value)
    assert pair["replicates"] == 4
    assert pair["intervals"] == "block bootstrap"


def test_nulls_that_are_not_joint_give_no_reference(world) -> None:
    judged, r, null, blocks = world
    a = judged[0]
    for other, said in (
        (_judged("b", r[1]), "no permuted replicates of b"),
        (_judged("b", r[1], null[1], key=(1, 50)), "different seeds"),
        (_judged("b", r[1], null[1], key=(0, 49)), "different individuals"),
    ):
        assert len(joint_replicates(a, other)[0]) == 0
        _, concordance = _summarise([a, other], blocks)
        assert said in concordance.iloc[0]["reference"]
        assert np.isnan(concordance.iloc[0]["reference_mcnemar_or"])
        assert np.isnan(concordance.iloc[0]["mcnemar_over_reference_low"])
        assert concordance.iloc[0]["mcnemar_or"] > 0


def test_where_a_bootstrap_cannot_move_the_exact_interval_stands() -> None:
    r = np.abs(np.random.default_rng(1).normal(size=20)) + 0.1
    b = np.where(np.arange(20) < 6, -r, r)
    summary, concordance = _summarise([_judged("a", r), _judged("b", b)], np.arange(20))
    row, pair = summary.iloc[0], concordance.iloc[0]
    assert row["share_right"] == 1
    assert (row["share_low"], row["share_high"]) == clopper_pearson(20, 20)
    exact = PairedTable.of(r, b).mcnemar()
    assert pair["mcnemar_or"] == np.inf
    assert (pair["mcnemar_or_low"], pair["mcnemar_or_high"]) == (pytest.approx(exact.low), np.inf)
    assert pair["marginal_or"] == np.inf
    assert 0 < pair["marginal_or_low"] < np.inf
    assert np.isnan(pair["association_or"])
    assert "mcnemar, marginal, association (zero cell)" in pair["intervals"]


def test_an_empty_stratum_is_all_nan(world) -> None:
    judged, _, _, blocks = world
    summary, concordance = _summarise(judged, blocks, np.zeros(200, dtype=bool))
    row, pair = summary.iloc[0], concordance.iloc[0]
    assert row["n_genes"] == row["n_blocks"] == pair["n"] == 0
    assert np.isnan([row["share_right"], row["share_low"], row["mean_spearman"], pair["mcnemar_or"]]).all()


def test_assignment_says_who_may_not_be_believed() -> None:
    genes = np.ones(3, dtype=bool)
    own = Stratum(name="linear", genes=genes, definers=frozenset({"en", "rf"}), given=False)
    assert own.assignment("en") == own.assignment("rf", "x") == "naive"
    assert own.assignment("x") == "same individuals"
    given = Stratum(name="linear", genes=genes, definers=frozenset(), given=True)
    assert given.assignment("en") == "independent"
    assert Stratum(name="all", genes=genes, definers=frozenset(), given=False).assignment("en") == "all genes"


def test_one_block_has_no_bootstrap_interval(world) -> None:
    judged, _, _, _ = world
    summary, concordance = _summarise(judged, np.zeros(200, dtype=np.int64))
    row, pair = summary.iloc[0], concordance.iloc[0]
    assert np.isnan(row[["share_low", "share_high", "difference_low", "mean_low"]].to_numpy(dtype=float)).all()
    assert row["binomial_low"] < row["share_right"] < row["binomial_high"]
    assert np.isnan([pair["mcnemar_or_low"], pair["marginal_or_high"], pair["marginal_p"]]).all()
    assert pair["mcnemar_exact_low"] < pair["mcnemar_or"] < pair["mcnemar_exact_high"]
    assert pair["intervals"] == "none: fewer than two blocks"
