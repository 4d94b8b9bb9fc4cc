"""Rows of the predictions table against plain loops, and the summary of settings that were used."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pgxeval.prediction.results import GeneResult
from pgxeval.prediction.rows import UsedSettings, predictions_table
from pgxeval.tables.checking import COLUMNS, check_predictions

INDIVIDUALS = ["ann", "bob", "cat"]
GENES = ["G2", "G1"]


def _result(gene_id: str, seed: int) -> GeneResult:
    random = np.random.default_rng(seed)
    prediction = random.normal(size=(2, 3))
    prediction[:, 1] = np.nan
    return GeneResult(
        predictor="p",
        gene_id=gene_id,
        prediction=prediction,
        fold=np.array([[1, 2, 1], [2, 1, 1]], np.int16),
        training_mean=random.normal(size=(2, 3)),
        reasons=({1: "no variant"}, {1: "no variant"}),
        used=(),
    )


def test_rows_are_ordered_by_predictor_replicate_gene_and_individual() -> None:
    results = {gene_id: _result(gene_id, seed) for seed, gene_id in enumerate(GENES)}
    table = predictions_table(reversed(list(results.values())), ["p"], GENES, INDIVIDUALS)
    expected = [
        ("p", gene_id, name, replicate, results[gene_id].fold[replicate, i], results[gene_id].prediction[replicate, i])
        for replicate in range(2)
        for gene_id in GENES
        for i, name in enumerate(INDIVIDUALS)
    ]
    pd.testing.assert_frame_equal(
        table[["predictor", "gene_id", "individual", "replicate", "fold", "prediction"]].astype(
            {"predictor": object, "gene_id": object, "individual": object}
        ),
        pd.DataFrame(
            expected, columns=["predictor", "gene_id", "individual", "replicate", "fold", "prediction"]
        ).astype({"predictor": object, "gene_id": object, "individual": object}),
        check_dtype=False,
    )
    assert list(table.columns) == list(COLUMNS)
    assert (table["reason"].notna() == table["prediction"].isna()).all()
    assert len(check_predictions(table)) == len(table)


def test_settings_that_vary_are_summed_up() -> None:
    used = UsedSettings()
    for penalty, kind in ((0.5, "a"), (0.1, "a"), (0.3, "b")):
        used.add({"penalty": penalty, "kind": kind, "folds": 5})
    assert used.summary() == {
        "penalty": {"min": 0.1, "median": 0.3, "max": 0.5},
        "kind": {"a": 2, "b": 1},
        "folds": 5,
    }
