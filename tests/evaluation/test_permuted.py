"""A permuted replicate judged as if it were observed: uniform p-values, whatever the observed data hold."""

from __future__ import annotations

import attrs
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pgxeval.errors import SettingError
from pgxeval.evaluation.evaluator import Evaluator
from pgxeval.evaluation.permuted import permuted_p_values
from pgxeval.evaluation.tissues import evaluate_tissues
from pgxeval.tables.predictions import Predictions

pytestmark = pytest.mark.filterwarnings("ignore::pgxeval.errors.PgxevalWarning")


def test_a_replicate_of_a_cross_fitted_predictor_is_judged_against_the_others(top_variant) -> None:
    made = top_variant(200, 60, replicates=4, seed=3)
    evaluation = Evaluator(made.expression_table(), threads=1).evaluate(made.predictions())
    found = permuted_p_values(evaluation)
    assert found.columns.tolist() == ["predictor", "gene_id", "p_value"]
    assert set(found["predictor"]) == {"top"}
    assert stats.kstest(found["p_value"], "uniform").pvalue > 1e-3
    # the slow way: the last replicate relabelled, the first three as its replicates
    table = made.predictions().table
    table = table[table["replicate"] > 0].assign(replicate=lambda t: t["replicate"] % 4)
    slow = Evaluator(made.expression_table(), threads=1).evaluate(
        Predictions.from_table(table, made.predictions().settings)
    )
    expected = slow.per_gene.set_index("gene_id")["p_value"].dropna()
    np.testing.assert_allclose(found.set_index("gene_id")["p_value"], expected)


def test_individuals_of_a_zero_shot_predictor_are_permuted(bed, long) -> None:
    random = np.random.default_rng(1)
    people = [f"P{i}" for i in range(50)]
    measured = random.normal(size=(300, 50))
    table = long("deep", measured[None] + random.normal(size=(1, 300, 50)), people, None, None)
    evaluation = Evaluator(bed(measured, people), threads=1).evaluate(table)
    assert evaluation.per_gene["p_value"].median() < 0.01
    found = permuted_p_values(evaluation)
    assert len(found) == 300
    assert stats.kstest(found["p_value"], "uniform").pvalue > 1e-3
    assert len(permuted_p_values(evaluation, max_genes=20)) == 20
    with pytest.raises(SettingError, match="max_genes must be 1 or more"):
        permuted_p_values(evaluation, max_genes=0)


def test_nothing_where_there_is_nothing_to_permute(top_variant) -> None:
    made = top_variant(20, 50, replicates=1, seed=4)
    evaluation = Evaluator(made.expression_table(), threads=1).evaluate(made.predictions())
    assert permuted_p_values(evaluation).empty  # one replicate has no other one to be compared with
    assert permuted_p_values(attrs.evolve(evaluation, predictions=None)).empty
    assert isinstance(permuted_p_values(evaluation), pd.DataFrame)


def test_several_tissues_share_the_number_of_pairs_and_are_judged_one_by_one(top_variant) -> None:
    made = {name: top_variant(60, 50, replicates=3, seed=seed) for name, seed in (("blood", 5), ("brain", 6))}
    expression = {name: one.expression_table() for name, one in made.items()}
    evaluation = evaluate_tissues(expression, {name: one.predictions() for name, one in made.items()})
    found = permuted_p_values(evaluation)
    for name, one in made.items():
        alone = permuted_p_values(Evaluator(expression[name], threads=1).evaluate(one.predictions()))
        part = found[found["tissue"] == name].drop(columns="tissue").reset_index(drop=True)
        pd.testing.assert_frame_equal(part, alone)
    few = permuted_p_values(evaluation, max_genes=20).groupby("tissue").size()
    assert few.between(8, 10).all()  # a gene whose folds all predict the mean has no p-value
    assert len(few) == 2
    assert permuted_p_values(attrs.evolve(evaluation, values={})).empty


def test_a_store_gives_what_its_table_gives(top_variant) -> None:
    made = top_variant(30, 50, replicates=3, seed=7)
    table = made.predictions().table

    class Batches:
        predictors, replicates, settings = ("top",), 3, made.predictions().settings
        failures = made.predictions().failures

        def batches(self, predictor: str):
            genes = table["gene_id"].cat.categories
            for part in (genes[:11], genes[11:]):
                rows = table[table["gene_id"].isin(part)].reset_index(drop=True)
                yield rows.assign(gene_id=rows["gene_id"].cat.remove_unused_categories())

        def rows_of(self, gene_id: str) -> pd.DataFrame:
            return table[table["gene_id"] == gene_id]

    evaluator = Evaluator(made.expression_table(), threads=1)
    pd.testing.assert_frame_equal(
        permuted_p_values(evaluator.evaluate(Batches())), permuted_p_values(evaluator.evaluate(table))
    )
