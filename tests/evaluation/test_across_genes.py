"""Correlation across genes: equals SciPy on the means, is undefined with a reason, ignores replicates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pgxeval.evaluation import Evaluator
from pgxeval.evaluation.across_genes import FEW, PERFECT, across_genes
from pgxeval.tables import Predictions


def _bed(expression: np.ndarray) -> pd.DataFrame:
    genes, people = expression.shape
    place = pd.DataFrame(
        {"#chr": "chr1", "start": range(genes), "end": range(1, genes + 1), "gene_id": [f"G{g}" for g in range(genes)]}
    )
    return pd.concat([place, pd.DataFrame(expression, columns=[f"P{i}" for i in range(people)])], axis=1)


def _table(values: np.ndarray, name: str = "mine", replicate: int = 0) -> pd.DataFrame:
    genes, people = values.shape
    return pd.DataFrame(
        {
            "predictor": name,
            "gene_id": np.repeat([f"G{g}" for g in range(genes)], people),
            "individual": [f"P{i}" for i in range(people)] * genes,
            "replicate": replicate,
            "prediction": values.ravel(),
        }
    )


def test_it_equals_scipy_on_the_means() -> None:
    random = np.random.default_rng(0)
    level = random.normal(size=(40, 1))
    expression = level + 0.1 * random.normal(size=(40, 12))
    values = 2 * level + random.normal(size=(40, 12))
    predictions = Predictions.from_table(_table(values))
    (row,) = across_genes(predictions, Evaluator(_bed(expression)).target).itertuples()
    assert row.n_genes == 40
    assert row.spearman == pytest.approx(stats.spearmanr(values.mean(axis=1), expression.mean(axis=1)).statistic)
    assert row.pearson == pytest.approx(stats.pearsonr(values.mean(axis=1), expression.mean(axis=1)).statistic)
    assert row.low < row.spearman < row.high
    assert row.reason == ""


def test_few_genes_are_undefined_with_the_reason() -> None:
    expression = np.random.default_rng(1).normal(size=(5, 12))
    (row,) = across_genes(Predictions.from_table(_table(expression)), Evaluator(_bed(expression)).target).itertuples()
    assert np.isnan(row.spearman)
    assert row.reason == FEW


def test_a_perfect_order_has_no_interval() -> None:
    expression = np.arange(12.0)[:, None] + np.linspace(0, 0.1, 12)
    predictions = Predictions.from_table(_table(2 * expression))
    (row,) = across_genes(predictions, Evaluator(_bed(expression)).target).itertuples()
    assert row.spearman == 1
    assert np.isnan([row.low, row.high]).all()
    assert row.reason == PERFECT
