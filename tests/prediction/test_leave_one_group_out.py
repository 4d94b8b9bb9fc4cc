"""Leave-one-group-out folds: every individual is predicted by models trained in the other populations."""

from __future__ import annotations

import attrs
import numpy as np
import pandas as pd
import pytest

import pgxeval
from pgxeval.errors import SettingError
from pgxeval.predictors import Prediction
from pgxeval.seeding import leave_one_out_folds
from pgxeval.simulation import simulate_cohort_in_memory

POPULATIONS = ("CEU",) * 12 + ("YRI",) * 14 + ("GBR",) * 10


class Remembers:
    """Predicts the number of its training individuals of each population, as one number."""

    name = "remembers"

    def fit(self, gene, genome, expression: pd.Series, *, seed: int):
        return _Fitted(frozenset(expression.index))


@attrs.frozen
class _Fitted:
    known: frozenset[str]
    name: str = "remembers"

    def predict(self, gene, genome, individuals) -> Prediction:
        assert not self.known & set(individuals)
        return Prediction.of(np.full(len(individuals), float(len(self.known))), individuals)


@pytest.fixture(scope="module")
def cohort():
    made = simulate_cohort_in_memory(individuals=36, kinds={"null": 2}, window_bp=20_000, seed=3)[0]
    return attrs.evolve(made, strata=POPULATIONS)


def test_each_population_is_a_fold_and_is_predicted_from_the_others(cohort) -> None:
    table = pgxeval.predict_cohort(
        cohort, [Remembers()], folds="leave-one-group-out", replicates=2, workers=1, progress=False
    )
    rows = table.table[table.table["replicate"] == 0]
    population = dict(zip(cohort.individuals, POPULATIONS, strict=True))
    by_fold = rows.groupby(rows["individual"].astype(str).map(population))
    assert by_fold["fold"].unique().map(list).to_dict() == {"CEU": [1], "GBR": [2], "YRI": [3]}
    assert by_fold["prediction"].first().to_dict() == {"CEU": 24, "GBR": 26, "YRI": 22}
    # permutations stay within populations, so folds do as well
    permuted = table.table[table.table["replicate"] == 2]
    assert (permuted["fold"].to_numpy() == rows["fold"].to_numpy()).all()
    assert table.settings["remembers"]["folds"] == "leave-one-group-out"


def test_a_store_keeps_both_kinds_of_folds_apart(cohort, tmp_path) -> None:
    predictor = pgxeval.predictors.trained.TopVariantPredictor(flank_bp=20_000)
    arguments = {"replicates": 0, "workers": 1, "progress": False, "store": tmp_path / "store"}
    one = pgxeval.predict_cohort(cohort, [predictor], folds="leave-one-group-out", **arguments).load()
    other = pgxeval.predict_cohort(cohort, [predictor], folds=3, **arguments).load()
    again = pgxeval.predict_cohort(cohort, [predictor], folds="leave-one-group-out", **arguments).load()
    pd.testing.assert_frame_equal(one.table, again.table)
    assert not one.table["fold"].equals(other.table["fold"])


def test_folds_are_numbered_by_label() -> None:
    assert leave_one_out_folds(POPULATIONS[::-1]).tolist() == leave_one_out_folds(POPULATIONS).tolist()[::-1]
    with pytest.raises(SettingError, match="at least two groups, got 1"):
        leave_one_out_folds(["a", "a"])


def test_what_cannot_be_left_out_is_refused(cohort) -> None:
    def run(one, **arguments):
        return pgxeval.predict_cohort(one, [Remembers()], folds="leave-one-group-out", progress=False, **arguments)

    with pytest.raises(SettingError, match="leaves out one stratum of individuals at a time, and the cohort has 0"):
        run(attrs.evolve(cohort, strata=None))
    with pytest.raises(SettingError, match='needs method="crossfit"'):
        run(cohort, method="prequential")
    families = tuple(f"F{k // 2}" if k in (11, 12) or k < 2 else f"S{k}" for k in range(36))
    families = (*families[:11], "F", "F", *families[13:])
    with pytest.raises(SettingError, match=r"1 group\(s\) have members in several strata \(F\)"):
        run(attrs.evolve(cohort, groups=families))
    with pytest.raises(SettingError, match="folds must be a whole number or \"leave-one-group-out\", got 'loo'"):
        pgxeval.predict_cohort(cohort, [Remembers()], folds="loo", progress=False)
