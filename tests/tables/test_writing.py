"""Files appear whole or not at all, for many writers at once."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
import pytest

from pgxeval.errors import InputFileError, SettingError
from pgxeval.tables import Predictions

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


def test_nothing_half_written_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "p.csv"
    old = Predictions.from_table(table(), {"zero": {"version": 1}})
    old.write(path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(SettingError, match=r"cannot be written as JSON.*type object"):
        Predictions.from_table(table(), {"zero": {"model": object()}}).write(path)

    def fails_half_way(self: pd.DataFrame, target: BinaryIO, **_: object) -> None:
        target.write(b"predictor,")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", fails_half_way)
    with pytest.raises(InputFileError, match="No space left"):
        old.write(path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    with pytest.raises(InputFileError, match="cannot be written"):
        old.write(tmp_path / "no_folder" / "p.parquet")
    with pytest.raises(SettingError, match="its ending belongs to no known format"):
        old.write(tmp_path / "p.pickle")


def test_written_files_are_private_whole_and_follow_no_link(tmp_path: Path) -> None:
    predictions = Predictions.from_table(table(), {"zero": {"seed": 0}})
    victim = tmp_path / "victim"
    victim.write_text("precious")
    path = tmp_path / "p.parquet"
    path.symlink_to(victim)
    predictions.write(path)
    assert victim.read_text() == "precious"
    assert not path.is_symlink()
    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.glob("p.*")} == {
        "p.parquet": 0o600,
        "p.parquet.json": 0o600,
    }
    assert sorted(file.name for file in tmp_path.iterdir()) == ["p.parquet", "p.parquet.json", "victim"]


def test_many_writers_of_one_path_leave_one_whole_file(tmp_path: Path) -> None:
    versions = [Predictions.from_table(table().assign(prediction=float(number))) for number in range(4)]
    path = tmp_path / "p.parquet"
    broken = []

    def write(predictions: Predictions) -> None:
        for _ in range(10):
            predictions.write(path)
            if Predictions.read(path).table["prediction"].std() != 0:
                broken.append(path)

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(write, predictions) for predictions in versions]:
            future.result()
    assert not broken
    assert len(list(tmp_path.iterdir())) == 2
