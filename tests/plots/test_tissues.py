"""Predictors over tissues."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pgxeval import plots
from pgxeval.errors import SettingError
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.evaluator import Evaluator
from pgxeval.evaluation.tissues import evaluate_tissues

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


def test_tissues_are_rows_with_one_marker_per_predictor() -> None:
    tissues = {"blood": _tables(1), "brain": _tables(2)}
    evaluation = evaluate_tissues({k: v[0] for k, v in tissues.items()}, {k: v[1] for k, v in tissues.items()})
    ax = plots.tissue_comparison(evaluation)
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert {label.split("  ")[0] for label in labels} == {"blood", "brain"}
    means = evaluation.per_gene.groupby(["predictor", "tissue"])["correlation"].mean()
    drawn = {
        round(float(x), 6) for line in ax.lines for x in np.atleast_1d(line.get_xdata()) if line.get_marker() != "None"
    }
    assert {round(float(one), 6) for one in means} <= drawn
    with pytest.raises(SettingError, match="one tissue"):
        plots.tissue_comparison(Evaluator(tissues["blood"][0], threads=1).evaluate(tissues["blood"][1]))
