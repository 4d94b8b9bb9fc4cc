"""Track tables: defaults, pairs and contradictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from pgxeval.errors import TableError
from pgxeval.predictors.sequence.track_table import TRACK_COLUMNS, make_track_table


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
