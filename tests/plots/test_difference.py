"""Differences of two predictors, gene by gene."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from pgxeval import plots
from pgxeval.errors import UnknownNameError
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


def _bars(ax: Axes) -> np.ndarray:
    return np.asarray(ax.patches[0].get_data().values)


def test_a_difference_counts_every_gene_and_shows_the_mean_of_the_table(evaluation: Evaluation) -> None:
    ax = plots.paired_difference(evaluation, "strong", "weak")
    assert _bars(ax).sum() == GENES
    wide = evaluation.per_gene.pivot_table(index="gene_id", columns="predictor", values="correlation").fillna(0)
    difference = wide["strong"] - wide["weak"]
    row = evaluation.comparison.iloc[0]  # weak less strong
    title = ax.get_title(loc="left")
    assert f"strong higher at {(difference > 0).sum()}, weak at {(difference < 0).sum()} of 60 genes" in title
    low, high = -row["mean_difference_high"], -row["mean_difference_low"]
    assert f"mean difference {difference.mean():.3f} [{low:.3f}, {high:.3f}]" in title
    squares = [line for line in ax.lines if line.get_marker() == "s"]
    assert squares[0].get_xdata()[0] == pytest.approx(difference.mean())
    turned = plots.paired_difference(evaluation, "weak", "strong")
    np.testing.assert_array_equal(_bars(turned), _bars(ax)[::-1])
    with pytest.raises(UnknownNameError, match="other is not in the table"):
        plots.paired_difference(evaluation, "strong", "other")
