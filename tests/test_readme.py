"""The README is true: its Python runs as it stands, and its commands are the ones that CI takes from it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest

import pgxeval
from pgxeval.prediction import replicates
from pgxeval.simulation.simulate import simulate_cohort

README = Path(__file__).resolve().parents[1] / "README.md"


def block(word: str) -> str:
    """Return the one block of Python that holds a word."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    (found,) = [block for block in blocks if word in block]
    return found


def test_the_front_door_and_a_model_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("msprime", reason="the simulated cohort needs the extra `demo`")
    made = simulate_cohort(tmp_path, individuals=60, kinds={"null": 2, "additive": 4}, window_bp=20_000, covariates=2)
    made.genes.rename(tmp_path / "gencode.gtf.gz")
    made.covariates.rename(tmp_path / "covariates.txt")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(replicates, "NULL_DRAWS", 12)
    monkeypatch.setattr(replicates, "FEWEST_REPLICATES", 2)
    monkeypatch.setattr(joblib, "cpu_count", lambda: 1)  # pytest.warns and worker threads do not go together
    names: dict[str, object] = {}
    with pytest.warns(pgxeval.PgxevalWarning, match="blocks"):
        exec(block("Cohort.from_files"), names)
    evaluation = names["evaluation"]
    assert set(evaluation.per_gene["gene_id"]) == set(names["cohort"].gene_ids)
    page = (tmp_path / "report.html").read_text()
    assert "<html" in page
    assert "elastic_net" in page

    with pytest.warns(pgxeval.PgxevalWarning):
        again = pgxeval.Evaluator(names["cohort"]).evaluate("predictions.parquet")
    assert again.per_gene.equals(evaluation.per_gene)

    exec(block("iter_haplotypes"), names)
    assert names["haplotypes"].index.shape == (60, 2)
    assert len(names["one"].sequence) == 10_000

    exec(block("class MyModel"), names)
    mine = pgxeval.predict_cohort(names["cohort"], [names["MyModel"]()], progress=False)
    assert np.isfinite(mine.table["prediction"]).all()

    few = names["cohort"].subset(genes=names["cohort"].gene_ids[:3])
    names |= {"blood": few, "cortex": few, "predictors": ["elastic_net"]}
    exec(block("run_study"), names)
    assert len(names["study"].findings) == 5
    assert "<html" in (tmp_path / "study.html").read_text()


def test_the_deep_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for package in ("msprime", "alphagenome", "enformer_pytorch"):
        pytest.importorskip(package)
    from pgxeval.predictors.alphagenome import client as alphagenome_client
    from pgxeval.testing import AlphaGenomeServer

    sys.path.insert(0, str(Path(__file__).parent / "predictors"))
    try:
        from small_enformers import make_enformer, write_enformer
    finally:
        sys.path.pop(0)
    made = simulate_cohort(tmp_path, individuals=12, kinds={"additive": 1}, window_bp=20_000)
    # as wide as the published one, for its 5,313 tracks, and very thin
    heads = {"human": 5_313}
    thin = make_enformer(
        dim=24, depth=1, heads=1, num_downsamples=7, dim_divisible_by=8, target_length=896, output_heads=heads
    )
    write_enformer(tmp_path / "weights-folder", thin)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(replicates, "NULL_DRAWS", 2)
    monkeypatch.setattr(joblib, "cpu_count", lambda: 1)
    monkeypatch.setenv("PGXEVAL_CACHE", str(tmp_path / "scores"))
    cohort = pgxeval.Cohort.from_files(
        expression=made.expression, genotypes=made.genotypes, genes=made.genes, reference=made.reference
    )
    names: dict[str, object] = {"pgxeval": pgxeval, "cohort": cohort}
    with AlphaGenomeServer() as server:
        monkeypatch.setattr(alphagenome_client, "ADDRESS", server.address)
        exec(block("AlphaGenomePredictor.hosted"), names)
        plan = names["alphagenome"].plan(cohort, progress=False)
        assert server.calls["PredictSequence"] == plan.cached > 0
        assert plan.calls == 0
    table = names["predictions"].table
    assert set(table["predictor"]) == {"alphagenome", "enformer", "elastic_net"}
    assert np.isfinite(table.loc[table["predictor"] != "elastic_net", "prediction"]).all()
    assert "calls to make" in capsys.readouterr().out


def test_both_commands_stand_in_the_readme_and_ci_takes_them_from_there() -> None:
    found = re.findall(r"<!-- command: (\w+) -->\n```bash\n(.*?)\n```", README.read_text(), flags=re.DOTALL)
    assert [name for name, _ in found] == ["demo", "tests"]
    ci = (README.parent / ".ci" / "run").read_text()
    for name, command in found:
        assert f"command_of {name}" in ci
        assert command.startswith("python -m pip install ")
        assert command.split(" && ")[1] not in ci


def test_the_first_line_says_what_pgx_is_not() -> None:
    assert "personal genome" in README.read_text().splitlines()[0]
