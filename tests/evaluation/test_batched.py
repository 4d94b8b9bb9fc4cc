"""BatchedTable: a store that is read gene batch by gene batch is judged as the table in memory is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pgxeval.errors import PgxevalWarning
from pgxeval.evaluation import Evaluator, matrices
from pgxeval.tables import Predictions

GENES, PEOPLE = [f"ENSG{i:011d}.3" for i in range(12)], [f"P{i:02d}" for i in range(40)]


def _expression() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    places = pd.DataFrame({"#chr": "chr1", "start": np.arange(12) * 10**7, "end": np.arange(12) * 10**7 + 1})
    values = pd.DataFrame(rng.normal(size=(12, 40)), columns=PEOPLE)
    return pd.concat([places, pd.Series(GENES, name="gene_id"), values], axis=1)


def _predictions() -> Predictions:
    rng = np.random.default_rng(1)
    expression = _expression().set_index("gene_id")[PEOPLE].to_numpy()
    folds = np.resize([1, 2, 3], 40)
    blocks = []
    for predictor, replicates in (("trained", 3), ("zero", 1)):
        for replicate in range(replicates):
            for row, gene in enumerate(GENES):
                values = rng.normal(size=40) + (replicate == 0) * expression[row]
                values[row] = np.nan
                block = {"predictor": predictor, "gene_id": gene, "individual": PEOPLE, "replicate": replicate}
                block |= {"prediction": values, "reason": np.where(np.isnan(values), f"why {row % 2}", None)}
                if predictor == "trained":
                    block |= {"fold": folds, "training_mean": folds / 10}
                blocks.append(pd.DataFrame(block))
    return Predictions.from_table(pd.concat(blocks), {"trained": {"cross_fitting": "crossfit", "seed": 3}})


class Batched:
    """Predictions that come five genes at a time, in an order of their own."""

    def __init__(self, predictions: Predictions) -> None:
        self._whole = predictions
        self.predictors, self.replicates = predictions.predictors, predictions.replicates
        self.settings: Mapping[str, Mapping[str, Any]] = predictions.settings
        self.failures = predictions.failures

    def batches(self, predictor: str) -> Iterator[pd.DataFrame]:
        genes = [*self._whole.table["gene_id"].unique()][::-1]
        for start in range(0, len(genes), 5):
            table = self._whole.table
            yield table[table["gene_id"].isin(genes[start : start + 5]) & (table["predictor"] == predictor)]

    def rows_of(self, gene_id: str) -> pd.DataFrame:
        return self._whole.rows_of(gene_id)


def test_a_store_is_judged_as_the_table_is() -> None:
    evaluator = Evaluator(_expression())
    whole = evaluator.evaluate(_predictions())
    batched = evaluator.evaluate(Batched(_predictions()))
    for name in ("summary", "per_gene", "concordance", "comparison", "strata", "exclusions"):
        pd.testing.assert_frame_equal(getattr(batched, name), getattr(whole, name), check_exact=True)
    pd.testing.assert_frame_equal(
        batched.observed_predicted(GENES[2], "trained").reset_index(drop=True),
        whole.observed_predicted(GENES[2], "trained").reset_index(drop=True),
    )


def test_units_of_a_table_do_not_change_a_number(monkeypatch) -> None:
    """Genes are worked on in units: their size, the number of threads and the order of rows change no byte."""
    predictions = _predictions()
    whole = Evaluator(_expression(), threads=1).evaluate(predictions)
    shuffled = Predictions.from_table(predictions.table.sample(frac=1, random_state=1), predictions.settings)
    monkeypatch.setattr(matrices, "_ROWS", 90)
    for size, threads in ((1, 2), (2, 1), (5, 3)):
        monkeypatch.setattr(matrices, "_GENES_PER_UNIT", size)
        for source in (predictions, shuffled):
            found = Evaluator(_expression(), threads=threads).evaluate(source)
            for name in ("summary", "per_gene", "strata"):
                one, other = (
                    table.sort_values([*table.columns[:3]], ignore_index=True)
                    for table in (getattr(found, name), getattr(whole, name))
                )
                pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_units_hold_few_genes_where_their_rows_are_close_together(monkeypatch) -> None:
    """No row is looked at more than a few times, however the rows are ordered."""
    monkeypatch.setattr(matrices, "_ROWS", 40)
    monkeypatch.setattr(matrices, "_GENES_PER_UNIT", 2)
    table = _predictions().table
    zero = table[table["predictor"] == "zero"].reset_index(drop=True)
    by_individual = zero.sort_values("individual", kind="stable", ignore_index=True)
    sizes = [
        [next(unit()).values.shape[1] for unit in matrices.LongTable(one, tuple(GENES), tuple(PEOPLE)).units()]
        for one in (zero, by_individual)
    ]
    assert sizes == [[2] * 6, [8, 4]]


def test_what_is_missing_on_either_side_is_counted_as_in_a_table() -> None:
    predictions = _predictions()
    table = predictions.table[predictions.table["individual"].isin(PEOPLE[:30])]
    fewer = Predictions.from_table(table[table["gene_id"] != GENES[1]], predictions.settings)
    expression = _expression().drop(columns=PEOPLE[4]).iloc[:-1]
    evaluator = Evaluator(expression)
    found = []
    for source in (fewer, Batched(fewer)):
        with pytest.warns(PgxevalWarning, match="predicted, but without measured expression"):
            found.append(evaluator.evaluate(source, unknown_genes="drop"))
    pd.testing.assert_frame_equal(found[0].exclusions, found[1].exclusions)
    pd.testing.assert_frame_equal(found[0].per_gene, found[1].per_gene, check_exact=True)


def test_genes_of_another_version_and_matrices_are_judged() -> None:
    predictions = _predictions()
    zero = predictions.table[predictions.table["predictor"] == "zero"]
    whole = Evaluator(_expression()).evaluate(Predictions.from_table(zero)).per_gene
    matrix = zero.astype({"gene_id": str, "individual": str}).pivot_table(
        index="gene_id", columns="individual", values="prediction"
    )
    matrix.index = [name.replace(".3", ".7") for name in matrix.index]
    judged = Evaluator(_expression()).evaluate(matrix)
    columns = ["gene_id", "n", "spearman", "pearson"]
    pd.testing.assert_frame_equal(judged.per_gene[columns], whole[columns])
    assert judged.per_gene["predictor"].unique().tolist() == ["predictions"]
    assert len(judged.observed_predicted(GENES[0], "predictions")) == 40
    polars = pytest.importorskip("polars")
    wide = polars.from_pandas(matrix.rename_axis("gene_id").reset_index())
    pd.testing.assert_frame_equal(Evaluator(_expression()).evaluate(wide).per_gene, judged.per_gene)
