"""places_changed: assignments and changes in place are told from what is only read."""

from __future__ import annotations

import pytest

from pgxeval.prediction.code_changes import Place, places_changed, variables_in


def _changed(body: str) -> set[str]:
    names: dict[str, object] = {}
    exec("def f(self, x):\n" + "".join(f"    {line}\n" for line in body.split("\n")), names)
    return {_text(place) for place in places_changed(names["f"].__code__)}  # type: ignore[attr-defined]


def _text(place: Place) -> str:
    return ("local " if place.local else "") + ".".join((place.variable, *place.path))


@pytest.mark.parametrize(
    ("body", "changed"),
    [
        ("counts['x'] += 1", {"counts.[]"}),
        ("counts['a']['b'] += 1", {"counts.[].[]"}),
        ("buffer[0:2] = x", {"buffer.[]"}),
        ("buffer[0:2] += x", {"buffer.[]"}),
        ("cache[x if x else 3] = alpha[x]", {"cache.[]"}),
        ("stats.calls += 1", {"stats.calls"}),
        ("global total\ntotal += x", {"total"}),
        ("calls.append(alpha)", {"calls.[]"}),
        ("def inner():\n    calls.append(1)", {"calls.[]"}),
        ("del seen[x], stats.last", {"seen.[]", "stats.last"}),
        ("self.weights = weights", {"local self.weights"}),
        ("seen = self.seen\nseen[x] = 1", {"local self.seen.[]"}),
        ("type(self).calls += 1", {"local self.__class__.calls"}),
        ("self.__class__.calls = x", {"local self.__class__.calls"}),
        ("helpers.cache[x] = alpha", {"helpers.cache.[]"}),
        ("try:\n    return cache[x]\nexcept KeyError:\n    cache[x] = alpha", {"cache.[]"}),
        ("while x:\n    for k in alpha:\n        cache[k] = [u for u in k if u]\nwith lock:\n    seen[x] = 1",
         {"cache.[]", "seen.[]"}),
        ("y = alpha[x] + beta.gamma\nf(y)[1] = 2\nreturn f'{y!r:3}'", set()),
    ],
)  # fmt: skip
def test_what_is_changed(body: str, changed: set[str]) -> None:
    assert _changed(body) == changed


def test_attributes_are_not_variables() -> None:
    def code(x: object) -> object:
        return [alpha + x.beta() for _ in x.gamma]  # type: ignore[name-defined,attr-defined]  # noqa: F821

    assert variables_in(code.__code__) == {"alpha"}
