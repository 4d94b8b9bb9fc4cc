"""Logs: one logger per module, what an operator needs, and nothing of any individual."""

from __future__ import annotations

import ast
import logging
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import pgxeval
from pgxeval.errors import GenotypeError
from pgxeval.prediction import PredictionStore, predict_cohort


def test_every_logger_has_the_name_of_its_module() -> None:
    found = 0
    for path in Path(pgxeval.__file__).parent.rglob("*.py"):
        calls = [
            node
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("getLogger")
        ]
        assert len(calls) <= 1, path
        for call in calls:
            assert ast.unparse(call) == "logging.getLogger(__name__)", path
        found += len(calls)
    assert found >= 6


def test_nothing_of_any_individual_is_logged(
    cheap: ModuleType,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Genes fail in all ways, a worker dies, a part is damaged, other settings share the store; all at level DEBUG."""
    caplog.set_level(logging.DEBUG, logger="pgxeval")
    cohort = cheap.cheap_cohort()
    secret = f"unphased genotype 0/1 at chr1:1234 of {cohort.individuals[3]}"

    def refuse(self: Any, gene: Any, genome: Any, individuals: Any) -> None:
        raise GenotypeError(secret)

    settings: dict[str, Any] = {"folds": 3, "replicates": 1, "progress": True, "store": tmp_path / "store"}
    predict_cohort(cohort, [cheap.Cheap(die_at=["G00002"])], workers=1, **settings)
    killed = cheap.Cheap(name="killed", die_at=["G00005"], how="kill")
    predict_cohort(cohort, [killed], workers=2, **settings)
    predict_cohort(cohort, [cheap.Cheap(weight=2.0)], workers=1, **settings)
    part = min((tmp_path / "store").glob("run=*/*.parquet"))
    part.write_bytes(part.read_bytes()[:-9])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        PredictionStore(tmp_path / "store").status()
    with monkeypatch.context() as patched:
        patched.setattr(cheap.CheapZeroShot, "predict", refuse)
        with pytest.raises(GenotypeError, match="1234"):
            predict_cohort(cohort, [cheap.CheapZeroShot()], workers=1, **settings)
    text = caplog.text
    for words in ("failed at gene G00002", "failed at gene G00005", "other settings", "zero failed at", "wrote chr1-"):
        assert words in text
    everything = text + "".join(capfd.readouterr())
    for word in (*cohort.individuals, "1234", "0/1", "GATTACA"):
        assert word not in everything, word
    assert {record.name for record in caplog.records} <= {
        f"pgxeval.prediction.{module}"
        for module in ("flight", "ledger", "progress", "store", "stored_run", "workers", "together")
    }
