"""The summary and concordance tables against counts and a jackknife written out gene by gene."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from pgxeval.evaluation.comparison import joint_replicates
from pgxeval.evaluation.concordance import ODDS_RATIO_KINDS, PairedTable, clopper_pearson
from pgxeval.evaluation.per_gene import Judged
from pgxeval.evaluation.strata import Stratum
from pgxeval.evaluation.summary import Summariser
from pgxeval.evaluation.tables import COMPARISON, CONCORDANCE, SUMMARY


def _judged(name: str, r: np.ndarray, null: np.ndarray | None = None, key: tuple[int, int] | None = (0, 50)) -> Judged:
    n = len(r)
    none = np.full(n, np.nan)
    null = np.empty((0, n)) if null is None else null
    return Judged(
        predictor=name,
        kind="crossfit",
        measure="spearman",
        spearman=r,
        pearson=r,
        spearman_low=none,
        spearman_high=none,
        spearman_p=np.where(np.isnan(r), np.nan, 0.01),
        q_value=np.where(np.abs(r) > 0.15, 0.01, 0.2),
        n=np.full(n, 50),
        df=np.full(n, 48),
        inference=np.full(n, "", dtype=object),
        p_predicts=none,
        pearson_low=none,
        pearson_high=none,
        pearson_p=none,
        reason=np.full(n, "", dtype=object),
        withheld=np.full(n, "", dtype=object),
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
    settings = {"confidence": 0.95, "level": 0.05} | kwargs
    return Summariser(judged=judged, blocks=blocks, **settings).tables(strata)


def test_counts_and_means_are_those_of_the_genes(world) -> None:
    judged, r, null, blocks = world
    summary, _, _ = _summarise(judged, blocks)
    assert list(summary.columns) == list(SUMMARY)
    row = summary.iloc[0]
    defined = r[0][~np.isnan(r[0])]
    assert (row["n_genes"], row["defined"], row["undefined"]) == (200, len(defined), 200 - len(defined))
    assert row["mean_correlation"] == pytest.approx(defined.mean())
    assert row["median_correlation"] == pytest.approx(np.median(defined))
    assert row["mean_correlation_undefined_as_0"] == pytest.approx(defined.sum() / 200)
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


def _jackknife(values: list[float], whole: float) -> float:
    blocks = len(values)
    return float(np.sqrt((blocks - 1) / blocks * np.sum((np.array(values) - whole) ** 2)))


def test_intervals_are_those_of_a_jackknife_written_out(world) -> None:
    judged, r, null, blocks = world
    summary, concordance, _ = _summarise(judged, blocks)

    def statistics(genes: np.ndarray) -> dict[str, float]:
        mine, theirs = r[0][genes], null[0][:, genes]
        share = np.sum(mine > 0) / np.sum(~np.isnan(mine))
        table = PairedTable.of(mine, r[1][genes])
        reference = PairedTable.of(null[0, :4, genes].ravel(), null[1, :4, genes].ravel())
        return {
            "share": np.log(share / (1 - share)),
            "difference": share - np.sum(theirs > 0) / np.sum(~np.isnan(theirs)),
            "mcnemar": np.log(table.mcnemar().value),
            "over": np.log(table.mcnemar().value / reference.mcnemar().value),
            "marginal": np.log(table.marginal().value),
        }

    whole = statistics(np.arange(200))
    left = [statistics(np.flatnonzero(blocks != k)) for k in range(50)]
    error = {name: _jackknife([one[name] for one in left], whole[name]) for name in whole}
    row, pair = summary.iloc[0], concordance.iloc[0]
    quantile = stats.t.ppf(0.975, row["effective_blocks"] - 1)
    expected = special.expit(whole["share"] + np.array([-1, 1]) * quantile * error["share"])
    assert (row["share_low"], row["share_high"]) == pytest.approx(tuple(expected), rel=2e-3)

    directed = ~np.isnan(null[0])
    shares = (np.nan_to_num(null[0]) > 0).sum(axis=1) / directed.sum(axis=1)
    within = []
    for replicate in null[0]:

        def share(genes: np.ndarray, replicate: np.ndarray = replicate) -> float:
            return float(np.sum(replicate[genes] > 0) / np.sum(~np.isnan(replicate[genes])))

        within.append(_jackknife([share(np.flatnonzero(blocks != k)) for k in range(50)], share(np.arange(200))) ** 2)
    extra = max(0.0, shares.var(ddof=1) - np.mean(within)) * (1 + 1 / 6) * 7 / 5
    half = row["difference_high"] - row["difference"]
    block_df = _kish(blocks, ~np.isnan(r[0]), directed.sum(axis=0)) - 1
    parts = stats.t.ppf(0.975, block_df) * error["difference"], stats.t.ppf(0.975, 5) * np.sqrt(extra)
    assert extra > 0
    assert half == pytest.approx(np.hypot(*parts), rel=2e-3)
    assert row["difference_p"] < 0.05
    for kind in ("mcnemar", "marginal"):
        middle = np.log([pair[f"{kind}_or_low"], pair[f"{kind}_or_high"]]).mean()
        assert middle == pytest.approx(whole[kind])
    quantile = stats.t.ppf(0.975, pair["effective_blocks"] - 1)
    width = np.log(pair["mcnemar_or_high"] / pair["mcnemar_or_low"]) / 2
    assert width / quantile == pytest.approx(error["mcnemar"], rel=0.02)
    assert pair["mcnemar_p"] == pytest.approx(
        2 * stats.t.sf(abs(whole["mcnemar"]) / (width / quantile), pair["effective_blocks"] - 1)
    )
    assert np.log(pair["mcnemar_over_reference"]) == pytest.approx(whole["over"])
    over = np.log(pair["mcnemar_over_reference_high"] / pair["mcnemar_over_reference_low"]) / 2
    assert over / quantile >= 0.97 * error["over"]


def _kish(blocks: np.ndarray, *weights: np.ndarray) -> float:
    sums = [np.bincount(blocks, weight) for weight in weights]
    return min(one.sum() ** 2 / (one**2).sum() for one in sums)


def test_noise_that_all_genes_of_a_replicate_share_widens_the_difference(world) -> None:
    judged, r, null, blocks = world
    shared = null[0] + np.array([-0.1, 0.1, -0.1, 0.1, -0.1, 0.1])[:, None]
    calm, _, _ = _summarise(judged[:1], blocks)
    restless, _, _ = _summarise([_judged("a", r[0], shared)], blocks)
    widths = [one["difference_high"].iloc[0] - one["difference_low"].iloc[0] for one in (calm, restless)]
    assert widths[1] > 3 * widths[0]
    assert restless["reference_sd"].iloc[0] > 0.3


def test_the_share_among_significant_genes(world) -> None:
    judged, r, _, blocks = world
    row = _summarise(judged, blocks)[0].iloc[0]
    significant = np.abs(r[0]) > 0.15
    right = int((r[0][significant] > 0).sum())
    assert row["share_right_significant"] == pytest.approx(right / significant.sum())
    assert (row["share_right_significant_low"], row["share_right_significant_high"]) == pytest.approx(
        clopper_pearson(right, int(significant.sum()))
    )


def test_one_rule_for_undefined_genes_in_mean_and_reference(world) -> None:
    judged, r, null, blocks = world
    summary, _, comparison = _summarise(judged, blocks)
    row = summary.iloc[0]
    assert row["reference_mean_correlation"] == pytest.approx(np.nanmean(null[0]))
    assert row["reference_mean_correlation_undefined_as_0"] == pytest.approx(np.nan_to_num(null[0]).mean())
    assert list(comparison.columns) == list(COMPARISON)
    pair = comparison.iloc[0]
    assert pair["mean_difference"] == pytest.approx(np.mean(np.nan_to_num(r[0]) - r[1]))
    assert pair["reference_difference"] == pytest.approx(np.mean(np.nan_to_num(null[0, :4]) - null[1, :4]))
    assert pair["over_reference"] == pytest.approx(pair["mean_difference"] - pair["reference_difference"])


def test_an_unknown_reference_is_nan_and_never_zero(world) -> None:
    judged, r, _, blocks = world
    _, _, comparison = _summarise([judged[0], _judged("b", r[1])], blocks)
    row = comparison.iloc[0]
    assert np.isfinite(row["mean_difference"])
    assert np.isnan(row[["reference_difference", "over_reference", "over_reference_p"]].astype(float)).all()
    assert "no permuted replicates of b" in row["reference"]


def test_pairs_are_counted_and_compared_with_joint_replicates(world) -> None:
    judged, r, null, blocks = world
    _, concordance, _ = _summarise(judged, blocks)
    assert list(concordance.columns) == list(CONCORDANCE)
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
    assert pair["association_exact_p"] == pytest.approx(table.association().p_value)
    assert pair["mcnemar_exact_p"] == pytest.approx(table.mcnemar().p_value)
    assert pair["replicates"] == 4
    assert pair["intervals"] == "block jackknife"


def test_nulls_that_are_not_joint_give_no_reference(world) -> None:
    judged, r, null, blocks = world
    a = judged[0]
    for other, said in (
        (_judged("b", r[1]), "no permuted replicates of b"),
        (_judged("b", r[1], null[1], key=(1, 50)), "different seeds"),
        (_judged("b", r[1], null[1], key=(0, 49)), "different individuals"),
    ):
        assert len(joint_replicates(a, other)[0]) == 0
        _, concordance, _ = _summarise([a, other], blocks)
        assert said in concordance.iloc[0]["reference"]
        assert np.isnan(concordance.iloc[0]["reference_mcnemar_or"])
        assert np.isnan(concordance.iloc[0]["mcnemar_over_reference_low"])
        assert concordance.iloc[0]["mcnemar_or"] > 0


def test_where_no_block_changes_anything_the_exact_interval_is_shown() -> None:
    r = np.abs(np.random.default_rng(1).normal(size=20)) + 0.1
    b = np.where(np.arange(20) < 6, -r, r)
    summary, concordance, _ = _summarise([_judged("a", r), _judged("b", b)], np.arange(20))
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
    summary, concordance, _ = _summarise(judged, blocks, np.zeros(200, dtype=bool))
    row, pair = summary.iloc[0], concordance.iloc[0]
    assert row["n_genes"] == row["n_blocks"] == pair["n"] == 0
    assert np.isnan([row["share_right"], row["share_low"], row["mean_correlation"], pair["mcnemar_or"]]).all()


def test_assignment_labels_rows_that_are_biased() -> None:
    genes = np.ones(3, dtype=bool)
    own = Stratum(name="linear", genes=genes, definers=frozenset({"en", "rf"}), given=False)
    assert own.assignment("en") == own.assignment("rf", "x") == "naive"
    assert own.assignment("x") == "same individuals"
    given = Stratum(name="linear", genes=genes, definers=frozenset(), given=True)
    assert given.assignment("en") == "independent"
    assert Stratum(name="all", genes=genes, definers=frozenset(), given=False).assignment("en") == "all genes"


def test_one_block_has_no_jackknife_interval(world) -> None:
    judged, _, _, _ = world
    summary, concordance, _ = _summarise(judged, np.zeros(200, dtype=np.int64))
    row, pair = summary.iloc[0], concordance.iloc[0]
    assert np.isnan(row[["share_low", "share_high", "difference_low", "mean_low"]].to_numpy(dtype=float)).all()
    assert row["binomial_low"] < row["share_right"] < row["binomial_high"]
    assert np.isnan([pair["mcnemar_or_low"], pair["marginal_or_high"], pair["marginal_p"]]).all()
    assert pair["mcnemar_exact_low"] < pair["mcnemar_or"] < pair["mcnemar_exact_high"]
    assert pair["intervals"] == "none: fewer than two blocks"


def test_one_rule_for_undefined_genes_on_both_sides_of_each_pair_of_means(world) -> None:
    """On permuted expression that equals the observed one, each reference equals what it is the reference of."""
    _, r, _, blocks = world
    twice = [_judged(name, one, np.stack([one, one])) for name, one in zip("ab", r, strict=True)]
    summary, _, comparison = _summarise(twice, blocks)
    assert summary["undefined"].tolist() == [23, 0]
    for name in ("mean_correlation", "mean_correlation_undefined_as_0"):
        np.testing.assert_allclose(summary[name], summary[f"reference_{name}"], atol=1e-12)
    assert summary["mean_correlation"][0] != pytest.approx(summary["mean_correlation_undefined_as_0"][0], abs=1e-4)
    pair = comparison.iloc[0]
    assert pair["reference_difference"] == pytest.approx(pair["mean_difference"])
    assert pair["mean_difference"] == pytest.approx(-np.diff(summary["mean_correlation_undefined_as_0"])[0])


def test_one_replicate_gives_a_reference_but_no_interval_of_the_difference(world) -> None:
    _, r, null, blocks = world
    summary, concordance, comparison = _summarise([_judged(n, r[k], null[k, :1]) for k, n in enumerate("ab")], blocks)
    assert summary["difference"].notna().all()
    assert summary[["difference_low", "difference_high", "difference_p"]].isna().all(axis=None)
    assert comparison["over_reference"].notna().all()
    assert comparison[["over_reference_low", "over_reference_p"]].isna().all(axis=None)
    assert concordance["mcnemar_over_reference"].notna().all()
    assert concordance[["mcnemar_over_reference_low", "mcnemar_over_reference_p"]].isna().all(axis=None)
    assert summary[["share_low", "share_high"]].notna().all(axis=None)


_RANGES = {
    "mean": (-1, 1),
    "share_right_significant": (0, 1),
    "share": (0, 1),
    "binomial": (0, 1),
    "difference": (-1, 1),
    "mean_difference": (-2, 2),
    "over_reference": (-4, 4),
    **{f"{kind}_{name}": (0, np.inf) for kind in ODDS_RATIO_KINDS for name in ("or", "over_reference", "exact")},
}


def test_every_interval_ends_at_the_possible_range() -> None:
    random = np.random.default_rng(3)
    seen = set()
    for genes, blocks in ((6, 3), (8, 8), (12, 4)):
        for k in range(40):
            r = np.tanh(random.normal(0, 2, size=(2, genes)))
            if k % 4 == 0:
                r[0] = abs(r[0])  # all right
            # permutations that move all genes together, so that replicates differ
            null = np.tanh(random.normal(0, 2, size=(2, 3, genes)) + random.normal(0, 3, size=(2, 3, 1)))
            judged = [_judged("a", r[0], null[0]), _judged("b", r[1], null[1])]
            summariser = Summariser(judged=judged, blocks=np.arange(genes) % blocks, confidence=0.95, level=0.05)
            for table in summariser.tables(
                [Stratum(name="all", genes=np.ones(genes, dtype=bool), definers=frozenset(), given=False)]
            ):
                for low in (name for name in table if name.endswith("_low")):
                    stem = low.removesuffix("_low")
                    least, most = _RANGES[stem]
                    ends = table[[low, f"{stem}_high"]].to_numpy(dtype=float)
                    ends = ends[~np.isnan(ends).any(axis=1)]
                    assert (ends >= least).all(), low
                    assert (ends <= most).all(), low
                    assert (ends[:, 0] <= ends[:, 1]).all(), low
                    seen |= {(stem, bool(limit)) for limit in (ends == (least, most)).ravel()}
    # limits at the end of the range do occur
    assert {("difference", True), ("mean", True), ("mean_difference", True)} <= seen
