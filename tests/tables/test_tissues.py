"""The column tissue of the predictions table: a key, through files, added, taken and joined."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pgxeval.errors import TableError
from pgxeval.tables import COLUMNS, Predictions


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


def test_a_tissue_is_added_joined_and_taken_again(both) -> None:
    assert both.tissues == ("Whole_Blood", "NA")
    assert both.table.columns.tolist() == ["predictor", "tissue", *COLUMNS[1:]]
    assert "2 tissue(s)" in repr(both)
    for tissue, alone in (("Whole_Blood", BLOOD), ("NA", BRAIN)):
        part = both.of_tissue(tissue)
        assert part.tissues == ()
        assert part.settings == alone.settings
        pd.testing.assert_frame_equal(part.table.astype(object), alone.table.astype(object))
    assert both.settings["one"]["tissues"]["NA"]["seed"] == 2
    assert both.rows_of("G1")["tissue"].tolist().count("NA") == 4


@pytest.mark.parametrize("name", ["both.parquet", "both.csv", "both.tsv.gz"])
def test_tissues_survive_a_file(both, tmp_path, name) -> None:
    again = Predictions.read(both.write(tmp_path / name))
    assert again.tissues == both.tissues
    assert again.settings == both.settings
    pd.testing.assert_frame_equal(again.table.astype(object), both.table.astype(object))


def test_the_same_individual_and_gene_may_occur_once_per_tissue(both) -> None:
    doubled = pd.concat([both.table, both.table.iloc[[1]]])
    with pytest.raises(TableError, match=r"predictor one, tissue Whole_Blood, gene G1, individual NA, replicate 0"):
        Predictions.from_table(doubled)
    with pytest.raises(TableError, match="tissue is empty in 1 row"):
        Predictions.from_table(both.table.assign(tissue=[None, *both.table["tissue"][1:]]))
    with pytest.raises(TableError, match="duplicate keys"):
        Predictions.from_table(both.table.drop(columns="tissue"))


def test_failures_name_the_tissue() -> None:
    spoiled = BRAIN.table.assign(prediction=np.nan, reason="failed: no memory")
    parts = [Predictions.from_table(spoiled).with_tissue(name) for name in ("a", "b")]
    failures = Predictions.concat(parts).failures
    assert failures["reason"].tolist() == 2 * (2 * ["a: no memory"] + 2 * ["b: no memory"])
    assert failures["gene_id"].tolist() == 4 * ["G1", "G2"]
