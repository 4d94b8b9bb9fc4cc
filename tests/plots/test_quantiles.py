"""Quantiles of p-values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pgxeval import plots
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.evaluator import Evaluator

pytestmark = pytest.mark.filterwarnings("ignore::pgxeval.errors.PgxevalWarning")

GENES, PEOPLE = 60, 40


def _tables(seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    random = np.random.default_rng(seed)
    people = [f"P{i}" for i in range(PEOPLE)]
    measured = random.normal(size=(GENES, PEOPLE))
    place = pd.DataFrame({"#chr": "chr1", "start": np.arange(GENES) * 5_000_000})
    place["end"], place["gene_id"] = place["start"] + 1, [f"G{g}" for g in range(GENES)]
    rows = []
    for name, weight in (("weak", 0.2), ("strong", 0.6)):
        values = weight * measured + random.normal(size=measured.shape)
        values[4] = 0.0 if name == "weak" else values[4]
        rows.append(
            pd.DataFrame(
                {
                    "predictor": name,
                    "gene_id": np.repeat(place["gene_id"].to_numpy(), PEOPLE),
                    "individual": people * GENES,
                    "prediction": values.ravel(),
                }
            )
        )
    return pd.concat([place, pd.DataFrame(measured, columns=people)], axis=1), pd.concat(rows, ignore_index=True)


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    expression, predictions = _tables()
    return Evaluator(expression, threads=1).evaluate(predictions)


def test_quantiles_are_sorted_p_values_against_their_ranks(evaluation: Evaluation) -> None:
    null = pd.DataFrame({"predictor": "strong", "gene_id": "G", "p_value": np.linspace(0.01, 0.99, 30)})
    ax = plots.p_value_quantiles(evaluation, null)
    lines = {line.get_label(): line for line in ax.lines}
    p = np.sort(evaluation.per_gene.loc[evaluation.per_gene["predictor"] == "weak", "p_value"].dropna())
    assert len(p) == GENES - 1
    np.testing.assert_allclose(lines["weak"].get_ydata(), -np.log10(p))
    np.testing.assert_allclose(lines["weak"].get_xdata(), -np.log10(np.arange(1, GENES) / GENES))
    np.testing.assert_allclose(lines["strong, permuted"].get_ydata(), -np.log10(null["p_value"]))
    assert "weak, permuted" not in lines
    band = ax.collections[0].get_paths()[0].vertices
    assert band[:, 1].max() == pytest.approx(-np.log10(stats.beta.ppf(0.025, 1, GENES)), rel=1e-6)
