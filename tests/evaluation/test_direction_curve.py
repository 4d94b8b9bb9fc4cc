"""Calibration curve of directions: bins, sizes of predicted effects and their oracle."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pgxeval.errors import SettingError, TableError
from pgxeval.evaluation import Evaluation, Evaluator, direction_curve
from pgxeval.evaluation.direction_curve import COLUMNS, predicted_effects
from pgxeval.plots import direction_calibration

pytestmark = pytest.mark.filterwarnings("ignore:fewer than 5 effective")
GENES, N = 200, 40


@pytest.fixture(scope="module")
def evaluation(long) -> Evaluation:
    """Return an evaluation in which a larger predicted effect is more often right."""
    random = np.random.default_rng(1)
    people = [f"S{i:02d}" for i in range(N)]
    y = random.normal(size=(GENES, N))
    size = np.linspace(0.1, 2, GENES)
    right = np.where(random.random(GENES) < 0.5 + 0.24 * size, 1, -1)
    values = size[:, None] * (right[:, None] * y + 0.3 * random.normal(size=y.shape))
    place = pd.DataFrame({"#chr": "chr1", "start": np.arange(GENES) * 6_000_000})
    place["end"], place["gene_id"] = place["start"] + 1, [f"G{g:04d}" for g in range(GENES)]
    fold, mean = np.arange(N) % 4 + 1, np.zeros((1, GENES, N))
    rows = [long("shot", values[None], people, None, None)]
    rows.append(long("fitted", (values + 100 * fold)[None], people, fold, mean + 100 * fold))
    return Evaluator(pd.concat([place, pd.DataFrame(y, columns=people)], axis=1)).evaluate(pd.concat(rows))


def test_larger_predicted_effects_are_more_often_right(evaluation) -> None:
    curve = direction_curve(evaluation, "predicted_effect", bins=5)
    shot = curve[curve["predictor"] == "shot"]
    assert shot["n_directed"].tolist() == [40] * 5
    assert (np.diff(shot["middle"]) > 0).all()
    assert shot["share_right"].iloc[-1] > shot["share_right"].iloc[0] + 0.2
    assert ((shot["share_low"] <= shot["share_right"]) & (shot["share_right"] <= shot["share_high"])).all()
    right = (evaluation.per_gene.query("predictor == 'shot'")["direction"] > 0).sum()
    assert shot["n_right"].sum() == right
    assert list(curve.columns) == list(COLUMNS)


def test_predicted_effects_are_standard_deviations_within_folds(evaluation) -> None:
    sizes = predicted_effects(evaluation)
    table = evaluation.predictions.table
    one = table.query("predictor == 'shot' and gene_id == 'G0007'")["prediction"]
    assert sizes["shot", "G0007"] == pytest.approx(one.std(ddof=1))
    rows = table.query("predictor == 'fitted' and gene_id == 'G0007'")
    squares = sum(((part - part.mean()) ** 2).sum() for _, part in rows.groupby("fold")["prediction"])
    assert sizes["fitted", "G0007"] == pytest.approx(np.sqrt(squares / (N - 4)))


def test_any_value_per_gene_orders_the_genes_and_unknown_ones_are_counted(evaluation) -> None:
    strength = pd.Series(np.arange(150.0), index=[f"G{g:04d}" for g in range(150)], name="cis heritability")
    curve = direction_curve(evaluation, strength, bins=3)
    assert curve["by"].unique().tolist() == ["cis heritability"]
    assert curve["n_directed"].tolist() == [50] * 6
    assert curve["unknown"].tolist() == [50] * 6
    tied = direction_curve(evaluation, dict.fromkeys(strength.index, 1.0), bins=4)
    assert tied["bin"].tolist() == [1, 1]
    with pytest.raises(TableError, match="no gene of the evaluation has a value"):
        direction_curve(evaluation, {"other": 1.0})
    with pytest.raises(SettingError, match="bins must be at least 2"):
        direction_curve(evaluation, strength, bins=1)
    with pytest.raises(SettingError, match="or a value per gene"):
        direction_curve(evaluation, "h2")


def test_an_evaluation_from_a_folder_takes_values_and_binomial_limits(evaluation, tmp_path) -> None:
    again = Evaluation.read(evaluation.write(tmp_path / "evaluation"))
    with pytest.raises(SettingError, match="read from a folder"):
        direction_curve(again, "predicted_effect")
    values = {f"G{g:04d}": float(g) for g in range(GENES)}
    both = [direction_curve(one, values) for one in (evaluation, again)]
    assert both[0]["share_right"].tolist() == both[1]["share_right"].tolist()
    assert (both[1]["share_low"] < both[1]["share_right"]).all()


def test_the_figure_draws_one_curve_per_predictor(evaluation) -> None:
    ax = direction_calibration(direction_curve(evaluation, "predicted_effect"))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["shot", "fitted"]
    assert "predicted effect" in ax.get_xlabel()
    assert direction_calibration(pd.DataFrame(columns=list(COLUMNS))).get_legend() is None
