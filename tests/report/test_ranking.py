"""The paired difference of mean correlations, against a bootstrap written out block by block."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from pgxeval.evaluation.evaluator import Evaluation
from pgxeval.evaluation.per_gene import NOT_IN_TABLE
from pgxeval.report.ranking import mean_difference


def _wide(evaluation: Evaluation) -> np.ndarray:
    table = evaluation.per_gene.pivot_table(
        index="gene_id", columns="predictor", values="spearman", dropna=False, sort=False
    )
    return table[["random_forest", "elastic_net"]].to_numpy()


def test_counts_an_undefined_correlation_as_zero(evaluation: Evaluation) -> None:
    wide = _wide(evaluation)
    assert np.isnan(wide).sum() == 1
    found = mean_difference(evaluation, "random_forest", "elastic_net")
    assert found.genes == 40
    assert found.difference == pytest.approx(np.mean([(a or 0) - (0 if np.isnan(b) else b) for a, b in wide]))


def test_interval_agrees_with_resampling_blocks_one_by_one(evaluation: Evaluation) -> None:
    found = mean_difference(evaluation, "random_forest", "elastic_net")
    gains = np.nan_to_num(_wide(evaluation)) @ [1, -1]
    random = np.random.default_rng(5)
    # every gene lies in a megabase of its own, so blocks are genes
    means = [random.choice(gains, len(gains)).mean() for _ in range(20_000)]
    np.testing.assert_allclose([found.low, found.high], np.quantile(means, [0.025, 0.975]), atol=0.012)
    assert found.decided == (found.low > max(0, found.reference) or found.high < min(0, found.reference))


def test_turning_the_pair_around_turns_the_answer_around(evaluation: Evaluation) -> None:
    one = mean_difference(evaluation, "random_forest", "elastic_net")
    other = mean_difference(evaluation, "elastic_net", "random_forest")
    assert (other.difference, other.low, other.high) == pytest.approx((-one.difference, -one.high, -one.low))


def test_leaves_out_genes_that_one_was_never_asked_for(evaluation: Evaluation) -> None:
    table = evaluation.per_gene.copy()
    lost = (table["predictor"] == "elastic_net") & (table["gene_id"].isin(["GENE00001", "GENE00002"]))
    table.loc[lost, ["spearman", "reason"]] = [np.nan, NOT_IN_TABLE]
    changed = attrs.evolve(evaluation, per_gene=table)
    assert mean_difference(changed, "random_forest", "elastic_net").genes == 38


def test_without_places_of_genes_there_is_no_interval(evaluation: Evaluation) -> None:
    class Tables:
        per_gene = evaluation.per_gene

    found = mean_difference(Tables(), "random_forest", "elastic_net")
    assert np.isfinite(found.difference)
    assert np.isnan([found.low, found.high]).all()
    assert not found.decided


def test_a_difference_that_permuted_expression_shows_too_decides_nothing(evaluation: Evaluation) -> None:
    found = mean_difference(evaluation, "random_forest", "elastic_net")
    assert found.decided
    summary = evaluation.summary.copy()
    summary["reference_mean_spearman"] = 0.0
    forest = summary["predictor"].astype(str) == "random_forest"
    above = found.low + 0.01 if found.low > 0 else found.high - 0.01
    summary.loc[forest, "reference_mean_spearman"] = above
    changed = mean_difference(attrs.evolve(evaluation, summary=summary), "random_forest", "elastic_net")
    assert changed.reference == pytest.approx(above)
    assert not changed.decided
