"""Joined predictions are those of a single run."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pgxeval.errors import SettingError, UnknownNameError
from pgxeval.tables import Predictions


def _predictions(individuals: list[str], seed: int, **more: object) -> Predictions:
    random = np.random.default_rng(seed)
    table = pd.DataFrame({
        "predictor": np.repeat(["one", "two"], 2 * len(individuals)),
        "gene_id": np.tile(np.repeat(["G1", "G2"], len(individuals)), 2),
        "individual": individuals * 4,
        "prediction": random.normal(size=4 * len(individuals)),
    })  # fmt: skip
    return Predictions.from_table(table, {"one": {"seed": seed, "genes": 2, **more}})


BLOOD, BRAIN = _predictions(["007", "NA", "c"], 1), _predictions(["c", "d"], 2)


@pytest.fixture
def both() -> Predictions:
    return Predictions.concat([BLOOD.with_tissue("Whole_Blood"), BRAIN.with_tissue("NA")])


def test_slices_of_genes_in_several_tissues_are_joined_as_one_run_gives_them(both) -> None:
    slices = [
        Predictions.from_table(part.table[part.table["gene_id"] == gene], part.settings).with_tissue(tissue)
        for gene in ("G1", "G2")
        for tissue, part in (("Whole_Blood", BLOOD), ("NA", BRAIN))
    ]
    joined = Predictions.concat(slices)
    pd.testing.assert_frame_equal(joined.table, both.table)
    assert joined.settings["one"]["tissues"]["NA"] == {"seed": 2, "genes": 4}
    assert both.settings["one"]["tissues"]["NA"]["genes"] == 2
    other = _predictions(["c", "d"], 2, folds=5)
    slices[-1] = Predictions.from_table(other.table[other.table["gene_id"] == "G2"], {"one": {"seed": 3}}).with_tissue(
        "NA"
    )
    with pytest.raises(SettingError, match=r"predictions of one in NA cannot be joined.*seed is 2 in part 1"):
        Predictions.concat(slices)


def test_what_cannot_be_done_says_what_to_do(both) -> None:
    with pytest.raises(SettingError, match=r"part 1 .* no column tissue.*with_tissue"):
        Predictions.concat([both, BRAIN])
    with pytest.raises(SettingError, match="have tissues already: Whole_Blood, NA"):
        both.with_tissue("Liver")
    with pytest.raises(SettingError, match="must be a name"):
        BLOOD.with_tissue(" ")
    with pytest.raises(UnknownNameError, match=r"tissue Liver is not in the .*; it has Whole_Blood, NA"):
        both.of_tissue("Liver")
    with pytest.raises(UnknownNameError, match="no column tissue"):
        BLOOD.of_tissue("Liver")
