"""Time of fits and batches, extrapolated."""

from __future__ import annotations

import numpy as np
import pytest
from tests.prediction.cheap import Cheap, cheap_cohort

from pgxeval.prediction import timing
from pgxeval.prediction.plan import RunPlan, plan
from pgxeval.prediction.timing import FitTimes, _line

FIT_SECONDS = 0.02


class Clock:
    """A clock that only predictors move on, in place of `time`."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


class Slow(Cheap):
    """Takes a fixed time per fit, the first fit of all more, as compiling does."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(name="slow")
        self.clock, self.warm = clock, False

    def fit(self, *args, **settings):
        self.clock.now += FIT_SECONDS if self.warm else 20.0
        self.warm = True
        return super().fit(*args, **settings)


def _row(made: RunPlan, name: str) -> dict:
    return made.predictors.set_index("predictor").loc[name].to_dict()


@pytest.mark.parametrize(
    ("settings", "fits"),
    [
        ({"replicates": 2}, 12 * 3 * 3),
        ({"replicates": 2, "genes": slice(0, 4)}, 4 * 3 * 3),
        ({"method": "prequential"}, 12 * 2),
    ],
)
def test_time_of_trained_predictors_follows_from_the_first_fits(
    settings: dict, fits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort, clock = cheap_cohort(n_genes=12, n_individuals=30), Clock()
    monkeypatch.setattr(timing, "time", clock)
    made = plan(cohort, [Slow(clock)], folds=3, workers=1, **settings)
    assert _row(made, "slow")["fits"] == fits
    assert made.seconds == pytest.approx(fits * FIT_SECONDS)
    two = plan(cohort, [Slow(clock)], folds=3, workers=2, **settings)
    assert two.seconds == pytest.approx(fits * FIT_SECONDS / 2)


def test_time_grows_with_variants_and_is_never_negative() -> None:
    assert _line(np.array([100.0, 200.0]), np.array([1.0, 1.5])) == pytest.approx((0.5, 0.005))
    assert _line(np.array([100.0, 200.0]), np.array([1.0, 0.5])) == pytest.approx((0.75, 0.0))
    assert _line(np.array([100.0, 200.0]), np.array([0.1, 0.5])) == pytest.approx((0.0, 0.0022))
    assert _line(np.array([0.0]), np.array([0.4])) == (0.4, 0.0)
    times = FitTimes(reading=1.0, first=(0.0, 0.001), repeated=(0.1, 0.0), n_variants=2_000, n_genes=2)
    assert times.per_gene(folds=5, replicates=2) == pytest.approx(1 + 5 * (2 + 2 * 0.1))
