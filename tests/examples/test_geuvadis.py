"""The example on real genotypes and expression runs from files to page, on a part of the genes."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pgxeval.cohort import read_expression
from pgxeval.tables.predictions import Predictions

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "geuvadis.py"


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), *arguments])
    with pytest.raises(SystemExit) as done:
        runpy.run_path(str(EXAMPLE), run_name="__main__")
    return int(done.value.code or 0)


def _correlation_within_folds(x: np.ndarray, y: np.ndarray, folds: np.ndarray) -> float:
    """Return the rank correlation within folds by its definition; see docs/explanation/out-of-fold.md."""
    ranks = pd.Series(y).rank().to_numpy()
    score, grades, estimates, informative, total = np.zeros(len(x)), 0.0, 0.0, 0, 0
    centred = ranks - pd.Series(ranks).groupby(folds).transform("mean").to_numpy()
    for fold in np.unique(folds):
        members = np.flatnonzero(folds == fold)
        n = len(members)
        total += n - 1
        half_sign = np.sign(x[members][:, None] - x[members][None, :]) / 2
        if not half_sign.any():
            continue
        score[members] = half_sign.sum(axis=1) / n
        triples = (half_sign.sum(axis=1) ** 2 - (half_sign**2).sum(axis=1)).sum()
        grades += triples / (n * (n - 2))
        estimates += (score[members] ** 2).sum()
        informative += n - 1
    cosine = score @ centred / np.sqrt((score @ score) * (centred @ centred))
    return float(cosine * np.sqrt(informative / total) / np.sqrt(grades / estimates))


@pytest.mark.filterwarnings("ignore:fewer than 5 effective genomic blocks:pgxeval.errors.PgxevalWarning")
def test_part_of_the_genes(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = shared_data / "geuvadis"
    arguments = ["--folder", str(tmp_path), "--genes", "4", "--replicates", "1", "--workers", "1"]
    assert _run(monkeypatch, str(data), *arguments) == 0
    last = capsys.readouterr().out.rstrip("\n").splitlines()[-1]
    assert Path(last) == (tmp_path / "report.html").resolve()
    assert "Geuvadis" in Path(last).read_text()

    table = Predictions.read(tmp_path / "predictions.parquet").table
    measured = read_expression(data / "expression.bed.gz")
    assert len(table) == 2 * 4 * 90 * 2
    assert set(table["individual"].astype(str)) == set(measured.individuals)

    # The page reports what the definition gives for the predictions in the files.
    per_gene = pd.read_csv(tmp_path / "per_gene.tsv", sep="\t").set_index(["predictor", "gene_id"])
    observed = table[table["replicate"] == 0].astype({"individual": str, "gene_id": str, "predictor": str})
    compared = 0
    for key, part in observed.groupby(["predictor", "gene_id"]):
        row = measured.gene_ids.index(key[1])
        expression = pd.Series(measured.values[row], index=list(measured.individuals))
        centred = (part["prediction"] - part["training_mean"]).to_numpy()
        said = per_gene.loc[key, "spearman"]
        if np.ptp(centred) < 1e-9:
            assert np.isnan(said)
            continue
        measured_values = expression[part["individual"]].to_numpy()
        rho = _correlation_within_folds(np.round(centred, 12), measured_values, part["fold"].to_numpy(dtype=int))
        assert said == pytest.approx(rho, abs=1e-6)
        compared += 1
    assert compared >= 6


def test_explains_a_missing_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, str(tmp_path / "nowhere"), "--folder", str(tmp_path / "out")) == 1
    captured = capsys.readouterr()
    assert "nowhere" in captured.err
    assert captured.out == ""
    assert not (tmp_path / "out").exists()
