"""Predictions in files of every format, and files that cannot be read."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pgxeval.errors import InputFileError, InputFileNotFoundError, SettingError, TableError
from pgxeval.tables import COLUMNS, Predictions

NAMES = ["NA", "007", "1", "nan", "None", "a,b", 'say "x"', "tab\there", "1e5", "Ångström"]


def table(**columns: object) -> pd.DataFrame:
    """A zero-shot and a cross-fitted predictor, two genes, two replicates, reasons, awkward names."""
    random = np.random.default_rng(0)
    rows = [
        (predictor, gene, name, replicate, fold)
        for predictor, replicates in (("zero", 1), ("fitted", 2))
        for gene in ("ENSG1.1", "TRUE")
        for replicate in range(replicates)
        for fold, name in enumerate(NAMES)
    ]
    frame = pd.DataFrame(rows, columns=["predictor", "gene_id", "individual", "replicate", "fold"])
    cross = (frame["predictor"] == "fitted").to_numpy()
    frame["fold"] = pd.array(np.where(cross, frame["fold"] % 5 + 1, -1), dtype="Int16")
    frame.loc[~cross, "fold"] = pd.NA
    frame["prediction"] = random.normal(size=len(frame)) * 10.0 ** random.integers(-20, 20, size=len(frame))
    frame["training_mean"] = np.where(cross, random.normal(size=len(frame)), np.nan)
    frame["reason"] = pd.Series([None] * len(frame), dtype=object)
    frame.loc[[3, 25], "prediction"] = np.nan
    frame.loc[[3, 25], "reason"] = ["NA", "no variant, none at all"]
    return frame.assign(**columns)


def plain(frame: pd.DataFrame) -> list[tuple[object, ...]]:
    """All values as plain Python ones, None for missing."""
    return [
        tuple(None if pd.isna(value) else value for value in row)
        for row in frame[list(COLUMNS)].itertuples(index=False)
    ]


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".tsv", ".csv.gz", ".tsv.gz", ".txt", ".CSV"])
def test_round_trip(tmp_path: Path, ending: str) -> None:
    settings = {
        "zero": {"asked": {"window_bp": np.int64(5)}, "array": np.array([1.5, 2])},
        "fitted": {"where": Path("x")},
    }
    written = Predictions.from_table(table(), settings)
    path = written.write(tmp_path / f"predictions.v1{ending}")
    read = Predictions.read(path)
    assert plain(read.table) == plain(table())
    assert {name: str(dtype) for name, dtype in read.table.dtypes.items()} == {
        name: str(dtype) for name, dtype in written.table.dtypes.items()
    }
    assert read.settings == {"zero": {"asked": {"window_bp": 5}, "array": [1.5, 2]}, "fitted": {"where": "x"}}
    assert read.predictors == ("zero", "fitted")
    assert read.replicates == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([path.name, path.name + ".json"])


@pytest.mark.parametrize("ending", [".parquet", ".csv"])
def test_round_trip_without_reasons_or_folds(tmp_path: Path, ending: str) -> None:
    given = table()
    given = given[given["predictor"] == "zero"].drop(columns=["fold", "training_mean", "reason"])
    written = Predictions.from_table(given)
    read = Predictions.read(written.write(tmp_path / f"p{ending}"))
    assert plain(read.table) == plain(written.table)
    assert str(read.table["reason"].dtype) == "category"


def test_files_written_by_others(tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text(
        "individual,prediction,gene_id,predictor,comment\n007,0.1,G,model,x\nNA,NA,G,model,\n1e5,-2,G,model,y\n,1,G,model,z\n"
    )
    with pytest.raises(TableError, match=r"theirs\.csv: individual is empty in 1 row\(s\), the first is row 3"):
        Predictions.read(path)
    path.write_text(path.read_text().rsplit("\n", 2)[0] + "\n")
    read = Predictions.read(path).table
    assert read["individual"].tolist() == ["007", "NA", "1e5"]
    np.testing.assert_array_equal(read["prediction"], [0.1, np.nan, -2])
    theirs = tmp_path / "theirs.parquet"
    pd.DataFrame(
        {"individual": ["007", "NA"], "prediction": [1, 2], "gene_id": "G", "predictor": "m", "fold": [1.0, 2.0]}
    ).assign(training_mean=0.0).to_parquet(theirs)
    read = Predictions.read(theirs).table
    assert read["fold"].tolist() == [1, 2]
    assert read["individual"].tolist() == ["007", "NA"]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputFileNotFoundError, match="does not exist"):
        Predictions.read(tmp_path / "no.csv")
    for name, content in (
        ("a.parquet", b"not parquet"),
        ("a.csv", b""),
        ("a.csv.gz", gzip.compress(table().to_csv(index=False).encode())[:-200]),
        ("b.csv.gz", b"not gzip"),
        ("c.csv", b"predictor,gene_id,individual,prediction\nm,g,i,1,2\nm,g,j,1,2\n"),
        ("d.csv", b"predictor,gene_id,individual,prediction\nm,g,i,1\nm,g,j,1,2\n"),
        ("e.csv", b"predictor,gene_id,individual,prediction\nm,g,i,1\nm,g,ind"),
        ("f.csv", b"predictor,gene_id,individual,prediction,reason\nm,g,i,1,\nm,g,j,1"),
        ("g.csv", b"predictor,gene_id,individual,prediction\nm,g,\xff,1\n"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputFileError, match=rf"predictions file .*{name} cannot be read"):
            Predictions.read(tmp_path / name)
    (tmp_path / "a.xlsx").write_bytes(b"")
    with pytest.raises(SettingError, match=r"expected \.parquet, \.csv"):
        Predictions.read(tmp_path / "a.xlsx")


@pytest.mark.parametrize("content", ["{", "[1]", '{"zero": 1}'])
def test_a_broken_sidecar_is_named(tmp_path: Path, content: str) -> None:
    path = Predictions.from_table(table()).write(tmp_path / "p.csv")
    (tmp_path / "p.csv.json").write_text(content)
    with pytest.raises(InputFileError, match=r"settings file .*p\.csv\.json"):
        Predictions.read(path)


def test_the_sidecar_is_json_for_people(tmp_path: Path) -> None:
    path = Predictions.from_table(table(), {"zero": {"seed": 0}}).write(tmp_path / "p.parquet")
    assert json.loads(Path(f"{path}.json").read_text()) == {"zero": {"seed": 0}}
