"""The command: the same results as the library, exit codes, messages that help, nothing half-written."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgxeval import command
from pgxeval.simulation import SimulatedCohort, simulate_cohort
from pgxeval.tables import Predictions


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> SimulatedCohort:
    pytest.importorskip("msprime", reason="the simulated cohort needs the extra `demo`")
    folder = tmp_path_factory.mktemp("cohort")
    return simulate_cohort(folder, individuals=40, kinds={"null": 1, "additive": 2}, window_bp=20_000, seed=1)


def _files(simulated: SimulatedCohort) -> list[str]:
    return ["--genotypes", str(simulated.genotypes), "--expression", str(simulated.expression)]


@pytest.mark.filterwarnings("ignore::pgxeval.PgxevalWarning")
def test_run_and_evaluate(simulated: SimulatedCohort, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    arguments = ["--out", str(out), "--flank-bp", "10000", "--replicates", "2", "--workers", "1", "--quiet"]
    assert command.main(["run", *_files(simulated), "--genes", str(simulated.genes), *arguments]) == 0
    printed = capsys.readouterr().out
    assert "3 genes" in printed
    assert str(out / "report.html") in printed
    assert (out / "predictions.parquet").is_file()
    assert (out / "evaluation").is_dir()
    again = ["--predictions", str(out / "predictions.parquet"), "--expression", str(simulated.expression)]
    assert command.main(["evaluate", *again, "--out", str(tmp_path / "again")]) == 0
    assert "elastic_net" in (tmp_path / "again" / "report.html").read_text()


@pytest.mark.filterwarnings("ignore::pgxeval.PgxevalWarning")
def test_check_prints_a_table(simulated: SimulatedCohort, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["check", *_files(simulated), "--reference", str(simulated.reference)]) == 0
    assert "advice" in capsys.readouterr().out


def test_a_missing_file_is_explained_and_nothing_is_left(
    simulated: SimulatedCohort, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--genotypes", str(tmp_path / "none.vcf.gz"), "--expression", str(simulated.expression)]
    assert command.main(["run", *files, "--out", str(tmp_path / "out")]) == 1
    assert "none.vcf.gz does not exist" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("always::pgxeval.PgxevalWarning")
def test_warnings_are_notes_and_bad_files_leave_nothing(
    simulated: SimulatedCohort, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    quick = ["--out", str(out), "--flank-bp", "2000", "--replicates", "quick", "--workers", "1", "--quiet"]
    assert command.main(["run", *_files(simulated), *quick]) == 0
    written = capsys.readouterr()
    assert "Note: fewer than 5 effective genomic blocks" in written.err
    assert "command.py" not in written.err
    table = Predictions.read(out / "predictions.parquet")
    assert table.replicates == 5
    bad = ["--predictions", str(simulated.genes), "--expression", str(simulated.expression)]
    assert command.main(["evaluate", *bad, "--out", str(tmp_path / "none")]) == 1
    assert "its ending belongs to no known format" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
    assert command.main(["evaluate", *bad, "--out", str(out)]) == 1
    assert (out / "report.html").is_file()  # of the earlier run


def test_an_out_that_is_a_file_is_refused(simulated: SimulatedCohort, tmp_path: Path, capsys) -> None:
    (tmp_path / "file").write_text("")
    assert command.main(["run", *_files(simulated), "--out", str(tmp_path / "file")]) == 1
    assert "cannot be used as a folder" in capsys.readouterr().err


def test_interruption_has_its_own_status(
    simulated: SimulatedCohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "predict_cohort", interrupted)
    assert command.main(["run", *_files(simulated), "--out", str(tmp_path / "out")]) == command.INTERRUPTED
    assert "continues from the store" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [[], ["fly"], ["run"], ["run", "--out", "x", "--folds", "many"], ["run", "--replicates", "fast"]]
)
def test_wrong_arguments_end_with_the_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        command.main(arguments)
    assert stop.value.code == 2
    assert "usage: pgxeval" in capsys.readouterr().err


def test_demo_takes_its_own_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command.demo, "main", len)
    assert command.main(["demo", "--genes", "3"]) == 2
