"""The example on a cohort of one's own: nothing leaves before it may, and a second run pays nothing."""

from __future__ import annotations

import importlib.util
import io
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from pgxeval.predictors.alphagenome import client as alphagenome_client
from pgxeval.simulation.simulate import simulate_cohort
from pgxeval.tables.predictions import Predictions
from pgxeval.testing import AlphaGenomeServer

pytest.importorskip("alphagenome", reason="AlphaGenome needs the extra `alphagenome`")
pytest.importorskip("msprime", reason="the simulated cohort needs the extra `demo`")

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "alphagenome_cohort.py"


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("example_alphagenome_cohort", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[AlphaGenomeServer]:
    """Let a local server stand where the service is reached by default."""
    monkeypatch.setenv("PGXEVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ALPHAGENOME_API_KEY", raising=False)
    with AlphaGenomeServer() as server:
        monkeypatch.setattr(alphagenome_client, "ADDRESS", server.address)
        yield server


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    made = simulate_cohort(tmp_path / "files", individuals=24, kinds={"null": 2}, window_bp=20_000, seed=7)
    return [part for name, path in made.files.items() for part in (f"--{name}", str(path))]


def _run(example: ModuleType, *arguments: str) -> tuple[int, str, str]:
    out, err, given = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = [str(EXAMPLE), *arguments]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            status = example.main()
    finally:
        sys.argv = given
    return status, out.getvalue(), err.getvalue()


def test_own_files(example: ModuleType, service: AlphaGenomeServer, files: list[str], tmp_path: Path) -> None:
    asked = [*files, "--tissue", "Liver", "--clip", "--context-length", "16384", "--out", str(tmp_path / "out")]

    status, out, _ = _run(example, *asked, "--plan-only", "--calls-per-minute", "60")
    assert status == 0
    assert not service.calls
    plan = pd.read_csv(tmp_path / "out" / "plan.tsv", sep="\t")
    assert plan["haplotypes"].tolist() == [48, 48]
    assert f"{plan['calls'].sum()} calls to make" in out

    status, _, err = _run(example, *asked)
    assert status == 1
    assert not service.calls
    assert "16,384 bases" in err
    assert "allow_remote=True" in err

    judged = [*asked, "--allow-remote", "--replicates", "1", "--workers", "1"]
    status, out, err = _run(example, *judged)
    assert status == 0, err
    assert service.calls["PredictSequence"] == plan["calls"].sum()
    assert Path(out.rstrip("\n").splitlines()[-1]) == (tmp_path / "out" / "report.html").resolve()
    table = Predictions.read(tmp_path / "out" / "predictions.parquet").table
    ours = table[table["predictor"] == "alphagenome"]
    assert len(ours) == 48
    assert np.isfinite(ours["prediction"]).all()
    assert (ours.groupby("gene_id", observed=True)["prediction"].std() > 0).all()

    status, out, _ = _run(example, *judged, "--only-genes", plan["gene_id"].iloc[1])
    assert status == 0
    assert "0 calls to make" in out
    assert service.calls["PredictSequence"] == plan["calls"].sum()


def test_genes_that_cannot_be_read_are_named_before(
    example: ModuleType, service: AlphaGenomeServer, files: list[str], tmp_path: Path
) -> None:
    asked = [*files, "--tissue", "Liver", "--context-length", "16384", "--out", str(tmp_path / "out"), "--plan-only"]
    status, out, _ = _run(example, *asked)
    assert status == 0
    plan = pd.read_csv(tmp_path / "out" / "plan.tsv", sep="\t")
    models = pd.read_csv(tmp_path / "files" / "genes.gtf.gz", sep="\t", header=None, comment="#")
    genes = models[models[2] == "gene"]
    lengths = dict(zip(genes[8].str.extract('gene_id "(.*?)"')[0], genes[4] - genes[3] + 1, strict=True))
    beyond = [lengths[gene] > 8_192 for gene in plan["gene_id"]]  # the TSS is in the middle of the context
    assert sorted(beyond) == [False, True]
    assert plan["reason"].notna().tolist() == beyond
    assert (plan["calls"] > 0).tolist() == [not one for one in beyond]
    counts = [int(line.split()[-1]) for line in out.splitlines() if line.split()[:1] == ["haplotypes"]]
    assert counts[0] == plan["calls"].sum()
    assert len(counts) == 4


def test_demonstration(example: ModuleType, service: AlphaGenomeServer, tmp_path: Path) -> None:
    options = ("--local-server", "--replicates", "1", "--workers", "1", "--mode", "additive", "--min-maf", "0.05")
    status, out, err = _run(example, *options, "--out", str(tmp_path / "out"))
    assert status == 0, err
    assert not service.calls
    assert not (tmp_path / "cache").exists()
    assert "alphagenome" in out
    assert Path(out.rstrip("\n").splitlines()[-1]).is_file()
    table = Predictions.read(tmp_path / "out" / "predictions.parquet").table
    assert np.isfinite(table.loc[table["predictor"] == "alphagenome", "prediction"]).all()


def test_says_what_is_missing(example: ModuleType, tmp_path: Path) -> None:
    status, out, err = _run(example, "--genotypes", "v.vcf.gz", "--out", str(tmp_path / "out"))
    assert status == 1
    assert "--expression, --genes, --reference, --tissue must be given" in err
    assert not out
    assert not (tmp_path / "out").exists()
