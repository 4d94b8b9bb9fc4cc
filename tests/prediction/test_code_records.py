"""Records: what a predictor, or anything that it uses, changes itself is no setting, and everything else is."""

from __future__ import annotations

from typing import Any

import pytest

from pgxeval.prediction.digest import digest
from pgxeval.prediction.predictor_state import identify

NAMED = """
import logging, threading
from os import environ

counts, cache, weights, values = {"x": 0}, {}, [1], 1
class Stats:
    calls = 0
stats = Stats()
class Engine:
    def __init__(self):
        self.lock = threading.Lock()
    def score(self, x):
        return 2 * x
engine = Engine()
options = {"alpha": 1}
def configure(alpha):
    options["alpha"] = alpha
def look(x):
    return cache.get(x)
def keep(x):
    cache[x] = x
class Base:
    seen = {}
    def shift(self, x):
        return x
class Other(Base):
    pass
class P(Base):
    threshold = 1
    def __init__(self):
        self.log = logging.getLogger("mine")
    def set(self, threshold):
        self.threshold = threshold
    def predict(self, x):
        counts["x"] += 1
        stats.calls += 1
        look(x) or keep(x)
        self.seen[x] = Other().shift(x)
        self.weights = weights
        self.log.debug("x")
        return x.values, engine.score(x), environ.get("HOME"), options
"""


def _named(changes: str) -> str:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(NAMED, names)
    predictor = names["P"]()
    exec(changes, names)
    return digest(identify(predictor, "it"))


@pytest.mark.parametrize(
    "change",
    [
        "P.threshold = 2", "weights.append(2)", "Engine.score = lambda self, x: 3 * x", "configure(2)",
        "Base.shift = lambda self, x: -x",
    ],
)  # fmt: skip
def test_a_setting_is_none_the_less_one_if_something_of_its_name_is_assigned(change: str) -> None:
    assert _named(change) != _named("pass")


@pytest.mark.parametrize(
    "record",
    [
        "counts['x'] += 1", "stats.calls += 1", "keep(1)", "Base.seen[1] = 1", "values = 2",
        "logging.getLogger('another').debug('x')", "P().log.debug('x')",
    ],
)  # fmt: skip
def test_what_anything_that_the_predictor_uses_changes_is_a_record(record: str) -> None:
    assert _named(record) == _named("pass")


def test_the_environment_of_a_process_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    before = _named("pass")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "5")
    assert _named("pass") == before
