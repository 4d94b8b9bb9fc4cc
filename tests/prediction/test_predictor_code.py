"""The code of a predictor is part of its description."""

from __future__ import annotations

from typing import Any

import pytest

from pgxeval.prediction.digest import digest
from pgxeval.prediction.predictor_state import identify


def of(value: object) -> str:
    return digest(identify(value, "it"))


def made(source: str, **known: Any) -> object:
    names: dict[str, Any] = dict(known)
    exec(source, names)  # a class whose code differs, as after an edit of a notebook
    return names["P"]()


CLASS = """
SCALE = {scale}
def helper(x):
    return x * {factor}
class Base:
    def finish(self, x):
        return x + {shift}
class P(Base):
    '''{words}'''
    power = {power}
    def predict(self, gene, genome, individuals):
        return self.finish(helper(SCALE)) ** self.power
"""

PARTS = {"scale": 1, "factor": 2, "shift": 3, "power": 4, "words": "a"}


@pytest.mark.parametrize("part", ["scale", "factor", "shift", "power"])
def test_changed_code_changes_the_digest(part: str) -> None:
    assert of(made(CLASS.format(**PARTS))) == of(made("\n\n" + CLASS.format(**PARTS)))
    assert of(made(CLASS.format(**PARTS))) == of(made(CLASS.format(**{**PARTS, "words": "b"})))
    assert of(made(CLASS.format(**PARTS))) != of(made(CLASS.format(**{**PARTS, part: 9})))


def test_counters_that_code_refers_to_are_not_settings() -> None:
    source = "class P:\n  def predict(self):\n    calls.append(1)"
    assert of(made(source, calls=[])) == of(made(source, calls=[1, 2]))
    assert of(made(source.replace("calls.append(1)", "return calls"), calls=1.5)) != of(
        made(source.replace("calls.append(1)", "return calls"), calls=2.5)
    )


LOCAL = """
def make():
    class Inner:
        shift = {shift}
        def add(self, x):
            return x + self.shift
    return Inner()
class P:
    def predict(self, gene, genome, individuals):
        return make().add(1)
"""


def test_the_line_of_a_class_in_a_function_does_not_count() -> None:
    assert of(made(LOCAL.format(shift=1000))) == of(made("\n\n" + LOCAL.format(shift=1000)))
    assert of(made(LOCAL.format(shift=1000))) != of(made(LOCAL.format(shift=1001)))
