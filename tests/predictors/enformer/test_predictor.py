"""Enformer as a predictor of personal genomes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

from pgxeval.errors import PgxevalWarning, UnknownNameError
from pgxeval.predictors.enformer.predictor import EnformerModel, EnformerPredictor
from pgxeval.predictors.sequence.predictor import SequencePredictor
from pgxeval.predictors.sequence.readout import TssBins

pytest.importorskip("enformer_pytorch", reason="Enformer needs the extra `enformer`")

Make = Callable[..., Any]

PUBLISHED_POSITIONS = {"dim": 192, "depth": 1, "heads": 1, "dim_divisible_by": 16, "target_length": 896}


@pytest.fixture(scope="module")
def module(make_enformer: Make) -> Any:
    return make_enformer()


def test_predictor_by_name_with_published_defaults(make_enformer: Make) -> None:
    from pgxeval.predictors.registry import make_predictor

    module = make_enformer(**PUBLISHED_POSITIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PgxevalWarning)
        predictor = make_predictor("enformer", weights=module, tracks=3)
    assert isinstance(predictor, EnformerPredictor)
    assert predictor.name == "enformer"
    assert predictor.readout == TssBins(n=3, aggregate="sum")
    assert predictor.settings["model_settings"] == {"head": "human", "precision": "float32", "use_tf_gamma": True}
    assert EnformerPredictor(module, tracks=3, readout="centre_10", use_tf_gamma=True).readout == TssBins(
        n=10, aggregate="mean"
    )
    with pytest.raises(UnknownNameError, match=r"unknown readout 'centre10'; .* tss_3.*near: centre_10"):
        EnformerPredictor(module, tracks=3, readout="centre10")


def test_as_a_predictor_of_personal_genomes_keeps_the_contract(make_enformer: Make) -> None:
    from pgxeval.testing import check_predictor

    model = EnformerModel(make_enformer(), context_length=512)
    check_predictor(SequencePredictor(model, TssBins(), tracks=[1]), tolerance=1e-5, on_failure="raise")
