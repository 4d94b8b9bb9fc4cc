"""Input that no model may answer is refused by its position, never by its letters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from pgxeval.errors import SettingError
from pgxeval.predictors.sequence.input import check_input
from pgxeval.predictors.sequence.model import ModelInfo


def _info(**settings: Any) -> ModelInfo:
    tracks = pd.DataFrame({"name": ["RNA"], "bin_width_bp": [4]})
    return ModelInfo(name="toy", version="1", context_lengths=8, tracks=tracks, remote=False, **settings)


def _sequences(*texts: bytes) -> np.ndarray:
    return np.stack([np.frombuffer(text, np.uint8) for text in texts])


def test_letters_lengths_and_tracks_that_a_model_takes() -> None:
    check_input(_info(), _sequences(b"ACGTNACG", b"TTTTTTTT"), [0])


@pytest.mark.parametrize(
    ("sequences", "tracks", "words"),
    [
        (_sequences(b"ACGTNACG", b"ACGTaRCG"), [0], "2 letters of 2 sequences .* the first in sequence 1 at index 4"),
        (_sequences(b"ACGT"), [0], "8"),
        (_sequences(b"ACGTNACG"), [1], "1"),
        (_sequences(b"ACGTNACG").astype(np.int64), [0], r"expected|must be uint8 .*got int64 \(1, 8\)"),
        (["ACGTNACG"], [0], "got list"),
    ],
)
def test_what_is_refused(sequences: Any, tracks: list[int], words: str) -> None:
    with pytest.raises((SettingError, IndexError), match=words) as error:
        check_input(_info(), sequences, tracks)
    assert "ACGTN" not in str(error.value).replace("among ACGTN", "")


def test_a_model_may_refuse_n() -> None:
    with pytest.raises(SettingError, match="at index 4"):
        check_input(_info(n_policy="refuse"), _sequences(b"ACGTNACG"), [0])
