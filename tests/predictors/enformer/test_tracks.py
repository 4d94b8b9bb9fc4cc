"""Names of Enformer's tracks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pgxeval.predictors.enformer.predictor import EnformerModel

pytest.importorskip("enformer_pytorch", reason="Enformer needs the extra `enformer`")

Make = Callable[..., Any]


def test_tracks_of_the_full_head_have_names(make_enformer: Make) -> None:
    # only the head is of full size
    model = EnformerModel(
        make_enformer(num_downsamples=7, dim_divisible_by=8, output_heads={"human": 5_313}, target_length=2),
        context_length=1_024,
    )
    assert model.info.tracks.loc[5_110, "name"] == "CAGE:GM12878"
    assert model.info.bin_width_bp([5_110]) == 128
