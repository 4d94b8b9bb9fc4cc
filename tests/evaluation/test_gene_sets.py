"""Gene sets as strata: accepted forms, overlap, and predictors that would judge themselves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pgxeval.errors import TableError, UnknownNameError
from pgxeval.evaluation import Evaluator, evaluate_tissues, gene_sets, genes_selected_by

pytestmark = pytest.mark.filterwarnings("ignore:fewer than 5 effective")


@pytest.fixture(scope="module")
def tables(long) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return expression and predictions: a zero-shot predictor and two that are cross-fitted."""
    random = np.random.default_rng(5)
    genes, people = 40, [f"S{i:02d}" for i in range(50)]
    y = random.normal(size=(genes, 50))
    place = pd.DataFrame({"#chr": "chr1", "start": np.arange(genes) * 6_000_000})
    place["end"], place["gene_id"] = place["start"] + 1, [f"G{g:04d}" for g in range(genes)]
    fold = np.arange(50) % 5 + 1
    signal = np.where(np.arange(genes) < 20, 1.5, 0.0)[:, None]
    rows = [long("shot", (signal * y + random.normal(size=y.shape))[None], people, None, None)]
    for name in ("elastic_net", "random_forest"):
        values = np.concatenate([signal * y + random.normal(size=y.shape), *random.normal(size=(25, *y.shape))])
        values = values.reshape(26, genes, 50)
        rows.append(long(name, values, people, fold, np.zeros_like(values)))
    return pd.concat([place, pd.DataFrame(y, columns=people)], axis=1), pd.concat(rows, ignore_index=True)


@pytest.fixture(scope="module")
def evaluation(tables):
    expression, predictions = tables
    return Evaluator(expression).evaluate(predictions)


def test_a_list_a_mapping_and_a_table_say_the_same(tables) -> None:
    expression, predictions = tables
    genes = ["G0001", "G0005", "G0007"]
    summaries = [
        Evaluator(expression).evaluate(predictions, strata=strata).summary
        for strata in (genes, {"listed": genes}, pd.DataFrame({"gene_id": genes, "stratum": "listed"}))
    ]
    for other in summaries[1:]:
        pd.testing.assert_frame_equal(summaries[0], other)
    listed = summaries[0][summaries[0]["stratum"] == "listed"]
    assert listed["n_genes"].tolist() == [3, 3, 3]
    assert set(listed["assignment"]) == {"independent"}


def test_a_gene_may_be_in_several_sets(tables) -> None:
    expression, predictions = tables
    sets = {"expressed": [f"G{g:04d}" for g in range(30)], "eGenes": [f"G{g:04d}" for g in range(20, 40)]}
    found = Evaluator(expression).evaluate(predictions, strata=sets)
    sizes = found.summary.groupby("stratum")["n_genes"].first()
    assert sizes.to_dict() == {"all": 40, "expressed": 30, "eGenes": 20}
    names = found.strata.set_index("gene_id")["stratum"]
    assert names["G0025"] == "expressed + eGenes"
    assert names["G0035"] == "eGenes"


def test_genes_selected_by_the_elastic_net_judge_neither_it_nor_the_forest(tables, evaluation) -> None:
    expression, predictions = tables
    selected = genes_selected_by(evaluation, "elastic_net", level=0.1)
    rows = evaluation.per_gene.query("predictor == 'elastic_net' and q_value < 0.1 and direction > 0")
    assert selected["gene_id"].tolist() == rows["gene_id"].tolist()
    assert 10 < len(selected) < 25
    found = Evaluator(expression).evaluate(predictions, strata=selected)
    shown = found.summary[found.summary["stratum"] != "all"]
    assert shown["predictor"].tolist() == ["shot"]
    assert shown["assignment"].tolist() == ["same individuals"]
    assert shown["stratum"].tolist() == ["elastic_net q < 0.1"]
    assert set(found.concordance["stratum"]) == {"all"}
    assert set(found.true_directions["stratum"]) == {"all"}
    assert "selected on the same individuals" in found.strata["assignment"].iloc[0]
    with pytest.raises(UnknownNameError, match="predictor lasso is not in the evaluation"):
        genes_selected_by(evaluation, "lasso")


def test_sets_hold_in_every_tissue(tables) -> None:
    expression, predictions = tables
    found = evaluate_tissues(
        {"a": expression, "b": expression}, {"a": predictions, "b": predictions}, strata=["G0001", "G0002"]
    )
    assert found.summary.query("stratum == 'listed'")["n_genes"].tolist() == [4, 4, 4]


def test_sets_are_matched_without_ensembl_version_and_must_name_a_gene(tables) -> None:
    expression, predictions = tables
    versioned = {f"G{g:04d}": f"ENSG{g:011d}.7" for g in range(40)}
    expression = expression.assign(gene_id=expression["gene_id"].map(versioned))
    predictions = predictions.assign(gene_id=predictions["gene_id"].map(versioned))
    found = Evaluator(expression).evaluate(predictions, strata=["ENSG00000000003.2", "ENSG00000000004", "ENSG9"])
    assert found.summary.query("stratum == 'listed'")["n_genes"].tolist() == [2, 2, 2]
    with pytest.raises(TableError, match="none of its 2 genes was evaluated; it has A, B, the evaluation ENSG0000"):
        Evaluator(expression).evaluate(predictions, strata=["A", "B"])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("G1", "got the text 'G1'"),
        (pd.DataFrame({"gene": ["G1"]}), "missing column"),
        ({"a": ["G1", "G1"]}, "gene G1 occurs more than once"),
        ({"all": ["G1"]}, "denotes all genes"),
    ],
)
def test_malformed_sets_are_refused(source, message) -> None:
    with pytest.raises(TableError, match=message):
        gene_sets(source)
