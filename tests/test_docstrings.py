"""The examples in docstrings run as they stand."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import pgxeval

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(pgxeval.__path__, "pgxeval.", onerror=lambda name: None)
    if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("pgxeval"):
            raise
        pytest.skip(f"needs {error.name}, which belongs to an extra")
    failed, _ = doctest.testmod(module)
    assert failed == 0


def test_the_important_names_carry_an_example() -> None:
    finder = doctest.DocTestFinder()
    for thing in (pgxeval.Interval, pgxeval.Predictions, pgxeval.ElasticNetPredictor, pgxeval.RandomForestPredictor):
        assert any(found.examples for found in finder.find(thing)), thing
