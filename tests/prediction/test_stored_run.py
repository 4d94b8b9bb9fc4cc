"""The files of a stored run: failures, damage, kills."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from pgxeval.cohort.cohort import Cohort
from pgxeval.prediction import PredictionStore, StoredPredictions, predict_cohort

GENES, FITS = 12, 6  # three folds, observed and one replicate


@pytest.fixture(scope="session")
def cohort(cheap: ModuleType) -> Cohort:
    return cheap.cheap_cohort(GENES)


def _run(cohort: Cohort, predictors: object, store: Path | None = None, **settings: object) -> StoredPredictions:
    listed = predictors if isinstance(predictors, list) else [predictors]
    arguments = {"folds": 3, "workers": 1, "progress": False, "replicates": 1, **settings}
    return predict_cohort(cohort, listed, store=store, **arguments)


def _calls(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in sorted(folder.iterdir())}


@pytest.fixture
def counted(tmp_path: Path, cheap: ModuleType):
    """Return a maker of predictors that count their fits in a folder."""

    def make(label: str, **settings: object):
        folder = tmp_path / f"calls-{label}"
        folder.mkdir()
        return cheap.Cheap(calls=folder, **settings), folder

    return make


def test_failures_are_kept_reported_and_retried_alone(cohort: Cohort, tmp_path: Path, counted) -> None:
    bad = ["G00002", "G00009"]
    broken, _ = counted("broken", die_at=bad)
    first = _run(cohort, broken, tmp_path / "store")
    assert first.failures["gene_id"].tolist() == bad
    assert first.table["reason"].str.startswith("failed: RuntimeError (cheap.py, line ").sum() == 2 * 2 * 12
    status = PredictionStore(tmp_path / "store").status()
    assert status["state"].value_counts().to_dict() == {"done": 10, "failed": 2}
    assert status.loc[status["state"] == "failed", "reason"].str.contains("RuntimeError").all()
    kept, calls = counted("kept")
    assert _run(cohort, kept, tmp_path / "store", retry_failed=False).table.equals(first.table)
    assert not _calls(calls)
    healed, calls = counted("healed")
    result = _run(cohort, healed, tmp_path / "store")
    assert [*_calls(calls)] == bad
    assert result.failures.empty
    assert result.table.equals(_run(cohort, counted("fresh")[0]).table)
    assert set(PredictionStore(tmp_path / "store").status()["state"]) == {"done"}


def test_a_clock_that_jumps_back_changes_nothing(
    cohort: Cohort, tmp_path: Path, counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All files come from the future, and the clock of the second run goes back at each look."""
    stopped, _ = counted("stopped", die_at=["G00006"], how="interrupt")
    with pytest.raises(KeyboardInterrupt):
        _run(cohort, stopped, tmp_path / "store")
    for path in (tmp_path / "store").rglob("*"):
        os.utime(path, (4e9, 4e9))
    backward = itertools.count(1e9, -3600)
    monkeypatch.setattr(time, "time", lambda: next(backward))
    predictor, calls = counted("second")
    again = _run(cohort, predictor, tmp_path / "store")
    assert [*_calls(calls)] == [*cohort.gene_ids[6:]]
    assert again.table.equals(_run(cohort, counted("plain")[0]).table)
    assert (PredictionStore(tmp_path / "store").status()["state"] == "done").all()


def test_nothing_is_lost_or_doubled_when_writers_are_killed(tmp_path: Path) -> None:
    """Two writers on one store, killed (one, both, or a worker) at random moments; see the driver."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("kill_driver.py")), str(tmp_path), "20"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["rounds"] == 20
    assert report["killed"] >= 20
