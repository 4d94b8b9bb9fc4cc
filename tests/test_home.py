"""A path may begin with ``~`` wherever a path goes."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

import pgxeval
from pgxeval.datasets import load_example
from pgxeval.prediction import PredictionStore
from pgxeval.predictors.sequence import ScoreCache
from pgxeval.simulation import read_truth
from pgxeval.testing import Golden


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "home"


def test_every_door_expands_the_home_folder(home: Path) -> None:
    pytest.importorskip("msprime", reason="the simulated cohort needs the extra `demo`")
    made = pgxeval.simulate_cohort("~/cohort", individuals=30, genes=3, window_bp=10_000)
    names = {key: f"~/cohort/{Path(path).name}" for key, path in made.files.items()}
    assert all(Path(name).expanduser().is_file() for name in names.values())
    cohort = pgxeval.Cohort.from_files(**names, screen_genotypes=False)
    assert len(read_truth("~/cohort/truth.tsv")) == 3
    predictor = pgxeval.RandomForestPredictor(flank_bp=2_000, n_estimators=3)
    asked = {"folds": 3, "replicates": 1, "workers": 1, "progress": False}
    predictions = pgxeval.predict_cohort(cohort, [predictor], **asked)
    pgxeval.predict_cohort(cohort, [predictor], store="~/store", **asked)
    assert len(PredictionStore("~/store").runs) == 1
    for ending in ("parquet", "tsv"):
        predictions.write(f"~/predictions.{ending}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pgxeval.PgxevalWarning)
        evaluation = pgxeval.Evaluator(names["expression"]).evaluate("~/predictions.parquet")
        pgxeval.Evaluator(names["expression"]).evaluate(pgxeval.Predictions.read("~/predictions.tsv"))
        evaluation.write("~/evaluation")
        pgxeval.Evaluation.read("~/evaluation")
        evaluation.to_html("~/report.html")
        load_example(individuals=30, genes=3, folder="~/example")
    ScoreCache("~/scores")
    Golden(sequences=np.full((1, 4), 65, np.uint8), tracks=(0,), values=np.zeros((1, 1, 1), np.float32)).write(
        "~/g.npz"
    )
    Golden.read("~/g.npz")
    written = {path.name for path in home.iterdir()}
    files = {"predictions.parquet", "predictions.tsv", "report.html", "g.npz"}
    assert {"cohort", "store", "evaluation", "example", "scores", *files} <= written
    assert not list((home.parent / "elsewhere").iterdir())
