"""What a model says of itself is checked when it says it."""

from __future__ import annotations

import pickle
from typing import Any

import pandas as pd
import pytest

from pgxeval.errors import SettingError, TableError
from pgxeval.predictors.sequence.model import ModelInfo


def info(**changed: Any) -> ModelInfo:
    tracks = pd.DataFrame({"name": ["a", "b"], "bin_width_bp": [16, 32]})
    arguments = {"name": "m", "version": "1", "context_lengths": (256, 128), "tracks": tracks, **changed}
    return ModelInfo(**arguments)


def test_geometry() -> None:
    made = info(output_offset_bp=32)
    assert made.context_lengths == (128, 256)
    assert made.n_bins(128, [1]) == 2
    assert made.n_bins(256, [0]) == 12
    with pytest.raises(SettingError, match=r"must share the bin width, got \[16, 32\] bp"):
        made.bin_width_bp([0, 1])
    with pytest.raises(SettingError, match="numbers from 0 to 1"):
        made.bin_width_bp([2])
    with pytest.raises(SettingError, match="numbers from 0 to 1"):
        made.bin_width_bp([])
    with pytest.raises(SettingError, match=r"does not accept sequences of 200 bp; it accepts 128, 256 bp"):
        made.check_length(200)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"name": ""}, "name must be a text"),
        ({"version": 2}, "version must be a text"),
        ({"context_lengths": ()}, "at least one length"),
        ({"context_lengths": 0}, "at least one length"),
        ({"context_lengths": 144}, "144 bp without 0 bp at either end is not a whole number of 32-bp bins"),
        ({"output_offset_bp": 128}, "not a whole number of 16-bp bins"),
        ({"n_policy": "maybe"}, "'accept' or 'refuse'"),
        ({"batch_size": 0}, "batch_size must be a whole number"),
        ({"in_flight": 0}, "in_flight must be a whole number"),
        ({"in_flight": True}, "in_flight must be a whole number"),
        ({"in_flight": 2.0}, "in_flight must be a whole number"),
        ({"tracks": pd.DataFrame({"name": [], "bin_width_bp": []})}, "has no row"),
    ],
)
def test_infos_that_cannot_be_are_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        info(**changed)
    with pytest.raises(TableError, match=r"must be a pandas.DataFrame.*got list"):
        info(tracks=[1])


def test_one_sequence_at_a_time_unless_a_model_says_more() -> None:
    assert info().in_flight == 1
    assert info(in_flight=8).in_flight == 8


def test_pickles() -> None:
    made = pickle.loads(pickle.dumps(info(settings={"precision": "fp32"})))
    assert made.settings == {"precision": "fp32"}
    pd.testing.assert_frame_equal(made.tracks, info().tracks)
