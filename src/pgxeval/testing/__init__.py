"""Checks for authors of models and predictors; the library itself never imports them.

In a notebook: `check_sequence_model` and `check_predictor` return a table of named checks. Under pytest:
`SequenceModelTests` and `PredictorTests` are classes to inherit from, with one test per check. `AlphaGenomeServer` is
a local server in place of the hosted AlphaGenome; it needs the extra ``alphagenome``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pgxeval.genome.formats.memory import InMemoryGenotypes
from pgxeval.testing.alphagenome.faults import random_faults
from pgxeval.testing.alphagenome.local import LocalAlphaGenome
from pgxeval.testing.alphagenome.server import AlphaGenomeServer
from pgxeval.testing.checks.checking import CheckFailedError
from pgxeval.testing.checks.golden import Golden
from pgxeval.testing.checks.predictor import PREDICTOR_CHECKS, check_predictor
from pgxeval.testing.checks.sequence_model import SEQUENCE_MODEL_CHECKS, check_sequence_model
from pgxeval.testing.tiny_world import TinyWorld

if TYPE_CHECKING:
    from pgxeval.testing.checks.suites import PredictorTests, SequenceModelTests

__all__ = [
    "PREDICTOR_CHECKS",
    "SEQUENCE_MODEL_CHECKS",
    "AlphaGenomeServer",
    "CheckFailedError",
    "Golden",
    "InMemoryGenotypes",
    "LocalAlphaGenome",
    "PredictorTests",
    "SequenceModelTests",
    "TinyWorld",
    "check_predictor",
    "check_sequence_model",
    "random_faults",
]

_SUITES = ("PredictorTests", "SequenceModelTests")


def __getattr__(name: str) -> Any:
    if name in _SUITES:  # they need pytest, which may not be installed
        from pgxeval.testing.checks import suites

        return getattr(suites, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
