"""Strata from one half, results from the other: nothing is shared, planted genes are found, and the tables average."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pgxeval.errors import SettingError
from pgxeval.evaluation import EvaluationSettings, Evaluator, top_nonlinear
from pgxeval.predictors import Prediction
from pgxeval.predictors.trained import BlupPredictor, TopVariantPredictor
from pgxeval.simulation import simulate_cohort_in_memory
from pgxeval.study import SplitSettings, split_strata

pytestmark = pytest.mark.filterwarnings("ignore:fewer than 5 effective", "ignore:.*shares? more than kinship")
SETTINGS = EvaluationSettings(elastic_net="blup", random_forest="top_variant", permutations=20)


class Shot:
    """A zero-shot predictor that counts its calls."""

    name = "shot"

    def __init__(self) -> None:
        self.calls = 0

    def predict(self, gene, genome, individuals) -> Prediction:
        self.calls += 1
        number = np.array([sum(map(ord, name)) % 7 for name in individuals], dtype=float)
        return Prediction.of(number + np.arange(len(individuals)) % 3, individuals)


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort_in_memory(individuals=100, kinds={"additive": 5, "null": 5}, window_bp=20_000, seed=4)[0]


@pytest.fixture(scope="module")
def shot() -> Shot:
    return Shot()


@pytest.fixture(scope="module")
def found(cohort, shot):
    return split_strata(
        cohort,
        [BlupPredictor(), TopVariantPredictor(), shot],
        split=SplitSettings(splits=2, replicates=3, folds=3, top=4),
        settings=SETTINGS,
        workers=1,
    )


def test_every_half_defines_the_strata_of_the_other_and_results_are_averaged(cohort, found) -> None:
    everything = found.summary.query("stratum == 'all'").set_index("predictor")
    assert everything.index.tolist() == ["blup", "top_variant", "shot"]
    assert everything["splits"].tolist() == [4, 4, 4]
    assert (everything["n_genes"] == len(cohort.genes)).all()
    assert (everything["mean_low"] < everything["mean_correlation"]).all()
    assert (everything["mean_correlation"] < everything["mean_high"]).all()
    assert everything.loc["blup", "mean_correlation"] > 0.1
    top = found.summary.query("stratum == 'top 4 nonlinear'")
    assert top["n_genes"].tolist() == [4, 4, 4]
    shares = found.genes.set_index("gene_id")[["linear", "nonlinear", "unpredictable"]]
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert set((shares * 4).to_numpy().ravel()) <= {0, 1, 2, 3, 4}
    halves = found.halves.query("stratum == 'all' and predictor == 'blup'")
    assert halves[["division", "half"]].to_numpy().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert halves["mean_correlation"].mean() == pytest.approx(everything.loc["blup", "mean_correlation"])
    sizes = found.halves.query("stratum == 'linear' and predictor == 'blup'").set_index(["division", "half"])["n_genes"]
    counted = found.strata.query("stratum == 'linear'").groupby(["division", "half"]).size()
    assert sizes[sizes > 0].to_dict() == counted.to_dict()
    pair = found.comparison.query("stratum == 'all' and predictor_a == 'blup' and predictor_b == 'top_variant'").iloc[0]
    assert pair["mean_difference_low"] < pair["mean_difference"] < pair["mean_difference_high"]
    assert 0 < pair["p_value"] <= 1


def test_zero_shot_predictors_run_once_per_gene(cohort, found, shot) -> None:
    assert found is not None
    assert shot.calls == len(cohort.genes)


def test_one_division_is_what_the_steps_give_by_hand(cohort) -> None:
    import pgxeval

    predictors = [BlupPredictor(), TopVariantPredictor()]
    split = SplitSettings(splits=1, replicates=2, folds=3, seed=5)
    found = split_strata(cohort, predictors, split=split, settings=SETTINGS, workers=1)
    expected = []
    halves = cohort.halves(5)
    tables = [
        pgxeval.predict_cohort(half, predictors, folds=3, seed=5, replicates=2, workers=1, progress=False)
        for half in halves
    ]
    own = [Evaluator(half).evaluate(one, settings=SETTINGS) for half, one in zip(halves, tables, strict=True)]
    for side in (0, 1):
        strata = own[1 - side].strata
        judged = Evaluator(halves[side]).evaluate(tables[side], settings=SETTINGS, strata=strata)
        expected.append(judged.summary.query("stratum == 'all' and predictor == 'blup'")["mean_correlation"].iloc[0])
    row = found.summary.query("stratum == 'all' and predictor == 'blup'").iloc[0]
    assert row["mean_correlation"] == pytest.approx(np.mean(expected))
    assert row["sd"] == pytest.approx(np.std(expected, ddof=1))


def test_a_store_gives_the_same_and_is_continued(cohort, tmp_path) -> None:
    arguments = {"split": SplitSettings(splits=1, replicates=2, folds=3), "settings": SETTINGS, "workers": 1}
    predictors = [BlupPredictor(), TopVariantPredictor()]
    plain = split_strata(cohort, predictors, **arguments)
    for _ in range(2):
        stored = split_strata(cohort, predictors, store=tmp_path / "store", **arguments)
        pd.testing.assert_frame_equal(plain.summary, stored.summary)
    assert {one.name for one in (tmp_path / "store").iterdir()} == {"division 0, half 0", "division 0, half 1"}


def test_the_predictors_that_define_the_strata_are_needed(cohort) -> None:
    with pytest.raises(SettingError, match="random_forest is not among the predictors"):
        split_strata(cohort, ["elastic_net"])


def test_the_top_genes_of_an_evaluation_are_naive(cohort) -> None:
    import pgxeval

    predictors = [BlupPredictor(), TopVariantPredictor(), Shot()]
    predictions = pgxeval.predict_cohort(cohort, predictors, folds=3, replicates=2, workers=1, progress=False)
    evaluation = Evaluator(cohort).evaluate(predictions, settings=SETTINGS)
    top = top_nonlinear(evaluation, 5)
    assert top["gene_id"].tolist() == evaluation.strata.nlargest(5, "gain")["gene_id"].tolist()
    again = Evaluator(cohort).evaluate(predictions, settings=SETTINGS, strata=top)
    rows = again.summary.query("stratum == 'top 5 nonlinear'").set_index("predictor")
    assert rows["assignment"].to_dict() == {"blup": "naive", "top_variant": "naive", "shot": "same individuals"}
    assert (rows["n_genes"] == 5).all()
    nothing = Evaluator(cohort).evaluate(predictions)
    with pytest.raises(pgxeval.TableError, match="no gene has a gain"):
        top_nonlinear(nothing)
