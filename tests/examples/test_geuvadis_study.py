"""The study on real data runs from files to pages, on a few genes, and finds what was planted."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

import pgxeval

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "geuvadis_study.py"


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), *arguments])
    with pytest.raises(SystemExit) as done:
        runpy.run_path(str(EXAMPLE), run_name="__main__")
    return int(done.value.code or 0)


def test_few_genes(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = ["--genes", "3", "--planted", "6", "--replicates", "1", "--attributed", "2", "--workers", "1"]
    assert _run(monkeypatch, str(shared_data), "--folder", str(tmp_path), *numbers) == 0
    last = capsys.readouterr().out.rstrip("\n").splitlines()[-1]
    assert Path(last) == (tmp_path / "haplotypes" / "report.html").resolve()
    assert "filters_a" in Path(last).read_text()

    real = pgxeval.Study.read(tmp_path / "geuvadis")
    assert real.settings["tissues"]["LCL"]["individuals"] == 90
    assert list(real.settings["kinds"].values()) == ["trained"] * 4
    assert real.answers[0].reason == "there are fewer than two zero-shot predictors"
    assert "content" in real.methods  # digests of the files

    planted = pgxeval.Study.read(tmp_path / "haplotypes")
    assert not planted.failures["predictor"].str.startswith("filters").any()
    per_gene = planted.evaluation.per_gene
    own = per_gene[(per_gene["predictor"] == "filters_a") & per_gene["gene_id"].isin(["REAL002", "REAL005"])]
    # genes that follow the first model: in 70 and 91 individuals r is about the root of the planted heritability
    assert np.abs(own["correlation"] - np.sqrt(0.4)).max() < 0.3
    assert len(own) == 4


def test_explains_a_missing_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, str(tmp_path / "nowhere"), "--folder", str(tmp_path / "out")) == 1
    captured = capsys.readouterr()
    assert "nowhere" in captured.err
    assert not (tmp_path / "out").exists()
