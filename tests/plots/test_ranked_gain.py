"""Gains by rank."""

from __future__ import annotations

import attrs
import numpy as np
import pandas as pd
import pytest

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


def test_gains_are_ranked_and_the_largest_nonlinear_genes_are_named(evaluation: Evaluation) -> None:
    gain = np.linspace(-0.2, 0.5, GENES)
    strata = pd.DataFrame({"gene_id": [f"G{g}" for g in range(GENES)], "gain": gain, "stratum": "unpredictable"})
    strata.loc[strata["gain"] > 0.4, "stratum"] = "nonlinear"
    named = evaluation.per_gene.assign(gene_name="symbol of " + evaluation.per_gene["gene_id"])
    ax = plots.ranked_gain(attrs.evolve(evaluation, strata=strata, per_gene=named))
    points = np.concatenate([one.get_offsets() for one in ax.collections])
    np.testing.assert_allclose(points[np.argsort(points[:, 0]), 1], gain[::-1])
    labels = {text.get_text() for text in ax.texts}
    assert labels == {f"symbol of G{g}" for g in range(GENES - 1, GENES - 6, -1)}
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {"nonlinear (9)", "unpredictable (51)"}
    empty = plots.ranked_gain(attrs.evolve(evaluation, strata=strata[:0]))
    assert "no gain" in empty.texts[0].get_text()
