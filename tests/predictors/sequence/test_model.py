"""What a model says of itself is checked when it says it."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pgxeval.errors import SettingError, TableError
from pgxeval.predictors.sequence.model import ModelInfo
from pgxeval.predictors.sequence.track_table import TRACK_COLUMNS, make_track_table


def info(**changed: Any) -> ModelInfo:
    tracks = pd.DataFrame({"name": ["a", "b"], "bin_width_bp": [16, 32]})
    arguments = {"name": "m", "version": "1", "context_lengths": (256, 128), "tracks": tracks, **changed}
    return ModelInfo(**arguments)


def test_table_is_filled_up_and_its_index_forgotten() -> None:
    given = pd.DataFrame(
        {"extra": [1.5, 2.5], "name": ["a", "b"], "bin_width_bp": [1.0, 1.0], "ontology": [None, "EFO:1"]}, index=[7, 3]
    )
    table = make_track_table(given)
    assert list(table.columns) == [*TRACK_COLUMNS, "extra"]
    assert table.index.tolist() == [0, 1]
    assert table["ontology"].tolist() == ["", "EFO:1"]
    assert table["pair"].tolist() == [0, 1]
    assert table["scale"].tolist() == ["linear", "linear"]
    assert table["bin_width_bp"].dtype == np.int64
    assert given.columns.tolist() == ["extra", "name", "bin_width_bp", "ontology"]


def test_stranded_tracks_without_pairs_have_none() -> None:
    table = make_track_table(pd.DataFrame({"name": ["a", "b"], "bin_width_bp": 1, "strand": ["+", "."]}))
    assert table["pair"].tolist() == [-1, 1]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"name": ["a", "b"]}, "lacks bin_width_bp"),
        ({"name": ["a", " "], "bin_width_bp": 1}, "the name is empty in 1 rows, the first is row 1"),
        ({"name": ["a", "b"], "bin_width_bp": [1, 0]}, "below 1"),
        ({"name": ["a", "b"], "bin_width_bp": [1, 2.5]}, "whole numbers"),
        ({"name": ["a", "b"], "bin_width_bp": [1, "x"]}, "whole numbers"),
        ({"name": ["a", "b"], "bin_width_bp": 1, "strand": ["+", "?"]}, "strand is not one of"),
        ({"name": ["a", "b"], "bin_width_bp": 1, "pair": [0, 2]}, "pair is not a row"),
        ({"name": ["a", "b"], "bin_width_bp": 1, "strand": ["+", "-"], "pair": [1, 1]}, "not mutual"),
        ({"name": ["a", "b"], "bin_width_bp": 1, "strand": ["+", "+"], "pair": [1, 0]}, "not the opposite strand"),
    ],
)
def test_tables_that_contradict_themselves_are_refused(columns: dict[str, Any], words: str) -> None:
    with pytest.raises(TableError, match=words):
        make_track_table(pd.DataFrame(columns))


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
