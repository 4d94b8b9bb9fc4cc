"""digest: what shapes a prediction is in the description, whatever it is made of, and nothing else is."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import functools
import re
import threading
import types
from pathlib import Path

import attrs
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pgxeval.errors import SettingError
from pgxeval.prediction.digest import digest
from pgxeval.prediction.predictor_state import identify
from pgxeval.predictors.trained.random_forest import RandomForestPredictor
from pgxeval.testing.tiny_world import TinyWorld


def of(value: object) -> str:
    return digest(identify(value, "it"))


class Plain:
    def __init__(self, estimator: object) -> None:
        self.estimator = estimator


@dataclasses.dataclass
class Data:
    estimator: object


@attrs.frozen(eq=False)
class Attrs:
    estimator: object


@attrs.frozen(slots=True)
class Slotted:
    estimator: object


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@pytest.mark.parametrize("wrapper", [Plain, Data, Attrs, Slotted])
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Ridge(1), Ridge(1e4)),
        (make_pipeline(StandardScaler(), Ridge(1)), make_pipeline(StandardScaler(), Ridge(2))),
        (np.arange(3.0), np.array([0.0, 1.0, 2.5])),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (np.int64(15), np.int64(16)),
        ({"b": {1, 2}}, {"b": {1, 3}}),
        (pd.Series([1.0], index=["a"]), pd.Series([1.0], index=["b"])),
        (Colour.RED, Colour.BLUE),
        (datetime.date(2024, 1, 1), datetime.date(2024, 1, 2)),
        (re.compile("a"), re.compile("b")),
        (np.random.default_rng(1), np.random.default_rng(2)),
        (functools.partial(max, 1), functools.partial(max, 2)),
        ([None, True], [None, 1.5]),
        ("weights", Path("weights")),
        (b"one", b"two"),
        ((1, (2, 3)), (1, 2, 3)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_nested_change_changes_the_digest(wrapper: type, one: object, other: object) -> None:
    assert of(wrapper(one)) != of(wrapper(other))
    assert of(wrapper(one)) == of(wrapper(one))


def test_equal_settings_have_equal_digests() -> None:
    assert of(np.int64(15)) == of(15)
    assert of(np.float64(0.5)) == of(0.5)
    assert of({"a": 1, "b": 2}) == of({"b": 2, "a": 1})
    assert of({3, 1, 2}) == of({2, 3, 1})
    assert of(np.asfortranarray(np.eye(3))) == of(np.eye(3))
    shared = [1]
    assert of([shared, shared]) == of([[1], [1]])
    assert of(RandomForestPredictor(min_samples_leaf=15)) != of(RandomForestPredictor(min_samples_leaf=16))


def test_fitted_models_are_told_apart_by_what_they_learned() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 2)), rng.normal(size=30)

    def forest(seed: int) -> RandomForestRegressor:
        return RandomForestRegressor(3, random_state=seed).fit(x, y)

    assert of(forest(0)) == of(forest(0))
    first, second = forest(0), forest(1)
    second.random_state = 0
    assert of(first) != of(second)


def test_circles_end() -> None:
    one, other = Plain(1), Plain(1)
    one.me, other.me = [one], [other]  # type: ignore[attr-defined]
    assert of(one) == of(other)


class Declared:
    def __init__(self, alpha: float) -> None:
        self.alpha, self.calls, self.lock = alpha, 0, threading.Lock()

    @property
    def settings(self) -> dict[str, float]:
        return {"alpha": self.alpha}


REFERRED = """
import functools, logging, threading
import numpy as np, pandas as pd
from sklearn.base import clone
from sklearn.linear_model import Ridge

GRID, MODEL, TABLE = {"alpha": 1}, Ridge(1), pd.DataFrame({"alpha": [1.0]})
LOCK, LOG = threading.Lock(), logging.getLogger("x")
CACHE, CALLS, SCALE, COUNT = {}, [], 2, 0

class Options:
    pass

OPTIONS = Options()
OPTIONS.alpha = 1

@functools.lru_cache
def cached():
    return 1

class Mine:
    grid = {"alpha": 1}
    model = Ridge(1)
    seen = {}

    def fit(self, x):
        global COUNT
        COUNT += 1
        CALLS.append(1)
        CACHE[x.name] = self.seen[x.name, 1] = np.zeros(3)
        CACHE["deep"]["er"] = 1
        LOG.info("fitted")
        out = np.zeros(3)
        out[0] = GRID["alpha"] * SCALE  # what is read on the right is not changed
        with LOCK:
            values = OPTIONS.alpha, cached(), helpers.ALPHA * helpers.f()
            return self.grid, clone(self.model), clone(MODEL), TABLE, values
"""


def _mine(changes: str) -> str:
    """Return the digest of a predictor whose module is changed after it was made."""
    helpers = types.ModuleType("helpers")
    exec("ALPHA = 1\ndef f():\n    return deep()\ndef deep():\n    return 1\n", helpers.__dict__)
    module = types.ModuleType("mine")
    module.__dict__["helpers"] = helpers
    exec(REFERRED, module.__dict__)
    exec(changes, module.__dict__)
    return of(module.Mine())


@pytest.mark.parametrize(
    "change",
    [
        "GRID['alpha'] = 2", "MODEL.set_params(alpha=2)", "TABLE.loc[0, 'alpha'] = 2.0", "OPTIONS.alpha = 2",
        "Mine.grid['alpha'] = 2", "Mine.model.set_params(alpha=2)", "SCALE = 3", "helpers.ALPHA = 2",
        "helpers.deep = lambda: 2", "cached = functools.lru_cache(lambda: 2)",
    ],
)  # fmt: skip
def test_what_code_refers_to_is_described_whatever_it_is(change: str) -> None:
    assert _mine(change) != _mine("pass")


@pytest.mark.parametrize(
    "record", ["COUNT = 5", "CALLS.append(3)", "CACHE['x'] = 3", "Mine.seen['x'] = 3", "LOCK = threading.Lock()"]
)
def test_what_code_changes_itself_is_a_record(record: str) -> None:
    assert _mine(record) == _mine("pass")


def test_variables_around_a_function_are_described() -> None:
    def around(model: Ridge) -> object:
        return lambda x: model.fit(x, x)

    assert of(around(Ridge(1))) != of(around(Ridge(2)))
    assert of(around(Ridge(1))) == of(around(Ridge(1)))


def test_values_of_enumerations_count() -> None:
    assert of(enum.Enum("Level", {"LOW": 1}).LOW) != of(enum.Enum("Level", {"LOW": 2}).LOW)


def test_declared_settings_stand_for_the_state() -> None:
    one, other = Declared(1.0), Declared(1.0)
    other.calls = 7
    assert of(one) == of(other) != of(Declared(2.0))


def test_what_cannot_be_described_is_refused_with_the_way_out() -> None:
    with pytest.raises(SettingError, match=r"predictor 'x' .*its part estimator\['a'\]\[0\] \(lock\).*`settings`"):
        identify(Plain({"a": [threading.Lock()]}), "predictor 'x'")


def test_a_file_is_identified_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    first = of(Plain(path))
    assert of(Plain(str(path))) != of(Plain(str(tmp_path / "other")))
    path.write_bytes(b"two")
    assert of(Plain(path)) != first
    path.write_bytes(b"one")
    assert of(Plain(path)) == first
    large = tmp_path / "large"
    large.write_bytes(bytes(17 * 2**20))
    before = of(Plain(large))
    with large.open("r+b") as file:
        file.seek(large.stat().st_size // 2)
        file.write(b"x")
    assert of(Plain(large)) != before


def test_a_text_that_is_longer_than_a_path_is_a_text() -> None:
    assert of(Plain("/" + "a" * 300)) != of(Plain("/" + "a" * 301))


def test_a_predictor_may_hold_a_genome_and_reading_it_changes_nothing(tmp_path: Path) -> None:
    world = TinyWorld.make(tmp_path)
    before = of(Plain(world.genome))
    world.genome.dosages("chr1:600001-600100")
    assert of(Plain(world.genome)) == before != of(Plain(world.strangers))


def test_tensors_and_modules_are_described_by_content() -> None:
    torch = pytest.importorskip("torch")
    layer = torch.nn.Linear(2, 1)
    before = of(Plain(layer))
    assert of(Plain(layer)) == before
    with torch.no_grad():
        layer.weight += 1
    assert of(Plain(layer)) != before
    assert of(torch.zeros(2, dtype=torch.bfloat16)) != of(torch.zeros(2, dtype=torch.float16))
