"""The plugin keeps pgxeval's contracts, finds planted sites, and is found by its name."""

# ruff: noqa: D101, D102, D103 (names of tests say it)

from __future__ import annotations

import numpy as np
import pytest
from promoter_motifs import MotifModel
from promoter_motifs.model import BIN_BP, CONTEXT_BP

from pgxeval.predictors.registry import available_predictors, make_predictor
from pgxeval.testing import Golden, PredictorTests, SequenceModelTests


def _with_site(site: str, at: int) -> np.ndarray:
    sequence = np.full(CONTEXT_BP, ord("N"), dtype=np.uint8)
    sequence[at : at + len(site)] = np.frombuffer(site.encode(), dtype=np.uint8)
    return sequence[None]


class TestModel(SequenceModelTests):
    @pytest.fixture
    def model(self) -> MotifModel:
        return MotifModel()

    @pytest.fixture
    def equivariant(self) -> bool:
        return True

    @pytest.fixture
    def golden(self) -> Golden:
        # by hand: a perfect GC box in bin 3; next to nothing of it is left where it is off the other consensuses
        sequence = _with_site("GGGGCGGGG", 3 * BIN_BP + 20)
        values = MotifModel().predict_tracks(np.full((1, CONTEXT_BP), ord("N"), np.uint8), [2])
        values[0, 3, 0] += 1.0
        return Golden(sequences=sequence, tracks=(2,), values=values, absolute=0.1)


class TestPredictor(PredictorTests):
    @pytest.fixture
    def predictor(self) -> object:
        return make_predictor("promoter_motifs")


def test_it_is_found_by_name() -> None:
    assert available_predictors()["promoter_motifs"] == "promoter-motifs 1.0 (promoter_motifs:make_predictor)"
    assert make_predictor("promoter_motifs", bins=4, name="near").name == "near"


def test_a_directed_site_points_along_its_strand() -> None:
    forward = MotifModel().predict_tracks(_with_site("TATAAAAG", 2_000), [0, 1])
    assert forward[0, 2_000 // BIN_BP, 0] == pytest.approx(1.0, abs=0.1)
    assert forward[0, 2_000 // BIN_BP, 1] < 0.1
