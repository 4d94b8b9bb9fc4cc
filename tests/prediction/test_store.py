"""PredictionStore: nothing is lost, nothing stale is taken, and any program reads what it holds."""

from __future__ import annotations

import itertools
import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import attrs
import numpy as np
import pandas as pd
import pytest

from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import InputFileError, PgxevalWarning, SettingError, UnknownNameError
from pgxeval.prediction import PredictionStore, StoredPredictions, parts, predict_cohort
from pgxeval.simulation.simulate import simulate_cohort
from pgxeval.tables.predictions import Predictions

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


def test_a_run_with_a_store_gives_what_one_without_gives(cohort: Cohort, cheap: ModuleType, tmp_path: Path) -> None:
    predictors = [cheap.Cheap(), cheap.CheapZeroShot()]
    plain = _run(cohort, predictors)
    stored = _run(cohort, predictors, tmp_path / "store")
    again = _run(cohort, predictors, tmp_path / "store")
    for kept in (stored, again):
        assert kept.table.equals(plain.table)
        assert json.loads(json.dumps(kept.settings)) == json.loads(json.dumps(plain.settings))
        assert kept.failures.empty
        assert (kept.predictors, kept.replicates) == (("cheap", "zero"), 1)
    plain.write(tmp_path / "plain.parquet")
    again.write(tmp_path / "again.parquet")
    assert (tmp_path / "plain.parquet").read_bytes() == (tmp_path / "again.parquet").read_bytes()


def test_a_stopped_run_goes_on_where_it_was(cohort: Cohort, cheap: ModuleType, tmp_path: Path, counted) -> None:
    stopped, calls = counted("stopped", die_at=["G00006"], how="interrupt")
    with pytest.raises(KeyboardInterrupt):
        _run(cohort, stopped, tmp_path / "store")
    assert len(_calls(calls)) == 7
    # what is done is there for every program, whether its region is complete or not
    assert pd.read_parquet(tmp_path / "store")["gene_id"].nunique() == 6
    assert not [*(tmp_path / "store" / "_pgxeval" / "singles").rglob("*.arrow")]
    second, calls = counted("second")
    resumed = _run(cohort, second, tmp_path / "store")
    assert _calls(calls) == dict.fromkeys(cohort.gene_ids[6:], FITS)
    assert resumed.table.equals(_run(cohort, cheap.Cheap()).table)


def test_zero_shot_predictors_are_kept_and_resumed(cohort: Cohort, cheap: ModuleType, tmp_path: Path) -> None:
    first, second = cheap.CheapZeroShot(), cheap.CheapZeroShot()
    _run(cohort, first, tmp_path / "store", genes=slice(0, 5))
    # neither folds nor seed nor expression matter to it
    other = attrs.evolve(cohort, expression=cohort.expression + 1)
    result = _run(other, second, tmp_path / "store", folds=4, seed=9)
    assert (first.calls, second.calls) == ([*cohort.gene_ids[:5]], [*cohort.gene_ids[5:]])
    assert result.table.equals(_run(cohort, cheap.CheapZeroShot()).table)


@pytest.mark.parametrize("settings", [{"seed": 5}, {"replicates": 2}, {"method": "prequential"}, {"folds": 4}])
def test_other_settings_take_nothing_and_the_difference_is_logged(
    cohort: Cohort, tmp_path: Path, counted, caplog: pytest.LogCaptureFixture, settings: dict
) -> None:
    _run(cohort, counted("first")[0], tmp_path / "store")
    predictor, calls = counted("second")
    with caplog.at_level("WARNING", logger="pgxeval"):
        fresh = _run(cohort, predictor, tmp_path / "store", **settings)
    assert len(_calls(calls)) == GENES
    name, value = next(iter(settings.items()))
    shown = json.dumps(value)
    assert f"{name}: {shown} instead of" in caplog.text
    assert fresh.table.equals(_run(cohort, counted("third")[0], **settings).table)
    with pytest.raises(SettingError, match=f"2 runs of predictor cheap; choose one.*{name}: "):
        PredictionStore(tmp_path / "store").run("cheap")


def test_another_predictor_of_the_same_class_and_name_takes_nothing(
    cohort: Cohort, cheap: ModuleType, tmp_path: Path
) -> None:
    one, other = cheap.Cheap(weight=1.0), cheap.Cheap(weight=2.0)
    _run(cohort, one, tmp_path / "store")
    assert _run(cohort, other, tmp_path / "store").table.equals(_run(cohort, other).table)
    renamed = attrs.evolve(other, name="renamed")
    assert _run(cohort, [other, renamed], tmp_path / "store").predictors == ("cheap", "renamed")


def test_a_predictor_that_cannot_be_described_is_refused_before_anything_runs(
    cohort: Cohort, cheap: ModuleType, tmp_path: Path
) -> None:
    class Secretive:
        name = "secretive"

        def __init__(self) -> None:
            self.handle = Path(__file__).open("rb")  # noqa: SIM115

        def predict(self, gene, genome, individuals):
            raise AssertionError("must not run")

    predictor = Secretive()
    with pytest.raises(SettingError, match=r"'secretive' cannot be used with store=: its part handle .*`settings`"):
        _run(cohort, predictor, tmp_path / "store")
    predictor.handle.close()
    assert not (tmp_path / "store").exists()


def test_changed_expression_of_one_gene_computes_that_gene(cohort: Cohort, tmp_path: Path, counted) -> None:
    _run(cohort, counted("first")[0], tmp_path / "store")
    expression = cohort.expression.copy()
    expression[2, 4] += 0.5
    predictor, calls = counted("second")
    changed = attrs.evolve(cohort, expression=expression)
    result = _run(changed, predictor, tmp_path / "store")
    assert [*_calls(calls)] == [cohort.gene_ids[2]]
    assert result.table.equals(_run(changed, counted("third")[0]).table)
    fewer, calls = counted("fewer")
    _run(cohort.subset(genes=cohort.gene_ids[:5]), fewer, tmp_path / "store")
    assert not _calls(calls)


@pytest.mark.parametrize("change", ["individuals", "covariates"])
def test_other_individuals_and_covariates_take_nothing(cohort: Cohort, tmp_path: Path, counted, change: str) -> None:
    _run(cohort, counted("first")[0], tmp_path / "store")
    table = pd.DataFrame({"age": np.arange(12.0)}, index=list(cohort.individuals))
    other = (
        cohort.subset(individuals=cohort.individuals[:-1])
        if change == "individuals"
        else attrs.evolve(cohort, covariates=table)
    )
    predictor, calls = counted("second")
    _run(other, predictor, tmp_path / "store")
    assert len(_calls(calls)) == GENES


def test_changed_genotypes_take_nothing(tmp_path: Path, counted) -> None:
    made = simulate_cohort(tmp_path / "cohort", individuals=30, kinds={"null": 2}, window_bp=10_000)
    _run(
        Cohort.from_files(
            expression=made.files["expression"], genotypes=made.files["genotypes"], screen_genotypes=False
        ),
        counted("first")[0],
        tmp_path / "store",
    )
    again, calls = counted("again")
    _run(
        Cohort.from_files(
            expression=made.files["expression"], genotypes=made.files["genotypes"], screen_genotypes=False
        ),
        again,
        tmp_path / "store",
    )
    assert not _calls(calls)
    # other genotypes with the time of the old file
    state = Path(made.genotypes).stat()
    other = simulate_cohort(tmp_path / "other", individuals=30, kinds={"null": 2}, window_bp=10_000, seed=5)
    Path(made.genotypes).write_bytes(Path(other.genotypes).read_bytes())
    Path(f"{made.genotypes}.tbi").write_bytes(Path(f"{other.genotypes}.tbi").read_bytes())
    os.utime(made.genotypes, ns=(state.st_atime_ns, state.st_mtime_ns))
    changed, calls = counted("changed")
    _run(
        Cohort.from_files(
            expression=made.files["expression"], genotypes=made.files["genotypes"], screen_genotypes=False
        ),
        changed,
        tmp_path / "store",
    )
    assert len(_calls(calls)) == 2


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


def test_the_status_of_slices_knows_what_is_open(cohort: Cohort, cheap: ModuleType, tmp_path: Path) -> None:
    _run(cohort, cheap.Cheap(), tmp_path / "store", genes=slice(0, 5))
    (row,) = PredictionStore(tmp_path / "store").runs.itertuples()
    assert (row.genes, row.done, row.failed, row.open) == (12, 5, 0, 7)
    _run(cohort, cheap.Cheap(), tmp_path / "store", genes=slice(5, None))
    whole = _run(cohort, cheap.Cheap(), tmp_path / "store", genes=None)
    assert whole.table.equals(_run(cohort, cheap.Cheap()).table)


@pytest.mark.parametrize("damage", ["flip", "truncate", "version"])
def test_a_damaged_part_is_set_aside_with_a_warning_and_computed_again(
    cohort: Cohort, tmp_path: Path, counted, damage: str
) -> None:
    whole = _run(cohort, counted("first")[0], tmp_path / "store").table
    part = min((tmp_path / "store").glob("run=*/chr1-0001-*.parquet"))
    content = bytearray(part.read_bytes())
    if damage == "flip":
        content[len(content) // 3] ^= 4
    elif damage == "truncate":
        del content[-10:]
    else:
        part = part.rename(part.with_name("chr1-0001-0123456789abcdef.parquet"))
    part.write_bytes(content)
    predictor, calls = counted("second")
    with pytest.warns(PgxevalWarning, match=r"chr1-0001-.* is damaged.*computed again"):
        again = _run(cohort, predictor, tmp_path / "store")
    assert [*_calls(calls)] == [*cohort.gene_ids[4:8]]
    assert again.table.equals(whole)
    assert len([*(tmp_path / "store" / "_pgxeval" / "damaged").iterdir()]) == 1
    assert pd.read_parquet(tmp_path / "store").shape[0] == len(whole)


def test_every_flipped_bit_is_noticed(cohort: Cohort, cheap: ModuleType, tmp_path: Path) -> None:
    stored = _run(cohort, cheap.Cheap(), tmp_path / "store")
    whole = stored.table
    parts = sorted((tmp_path / "store").glob("run=*/*.parquet"))
    rng = np.random.default_rng(0)
    for _ in range(300):
        part = parts[rng.integers(len(parts))]
        content = bytearray(part.read_bytes())
        sound = bytes(content)
        content[rng.integers(len(content))] ^= 1 << rng.integers(8)
        part.write_bytes(content)
        with pytest.raises(InputFileError, match="was changed or removed"):
            StoredPredictions([stored._runs["cheap"]], stored.gene_ids).load()
        stored._runs["cheap"]._open = None
        part.write_bytes(sound)
    assert stored.table.equals(whole)


def test_a_part_of_another_version_is_set_aside_and_computed_again(
    cohort: Cohort, tmp_path: Path, counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _run(cohort, counted("first")[0], tmp_path / "store").table
    path = min((tmp_path / "store").glob("run=*/chr1-0001-*.parquet"))
    part = parts.read_part(path)
    with monkeypatch.context() as other:
        other.setattr(parts, "FORMAT", parts.FORMAT + 1)
        path.unlink()
        parts.write_part(path.parent, "chr1-0001", part, list(cohort.individuals))
    predictor, calls = counted("second")
    with pytest.warns(PgxevalWarning, match=r"has format 2 of the store; this version reads format 1.*computed again"):
        again = _run(cohort, predictor, tmp_path / "store")
    assert [*_calls(calls)] == [*cohort.gene_ids[4:8]]
    assert again.table.equals(whole)


def test_a_truncated_file_of_a_single_gene_is_set_aside_and_computed_again(
    cohort: Cohort, tmp_path: Path, counted
) -> None:
    """As an interrupted run leaves them, and a crash of the machine may cut them."""
    stopped, _ = counted("stopped", die_at=["G00006"], how="interrupt")
    with pytest.raises(KeyboardInterrupt):
        _run(cohort, stopped, tmp_path / "store")
    folder = tmp_path / "store"
    run = PredictionStore(folder).run("cheap")
    run.load()
    part = parts.read_part(min(folder.glob("run=*/chr1-0001-*.parquet")))
    first = next(iter(part.keys))
    single = parts.Part(keys={first: part.keys[first]}, results=part.results[:1])
    for path in folder.glob("run=*/chr1-0001-*.parquet"):
        path.unlink()
    kept = parts.write_part(
        folder / "_pgxeval" / "singles" / run.run, part.keys[first], single, list(cohort.individuals), single=True
    )
    kept.write_bytes(kept.read_bytes()[:-40])
    predictor, calls = counted("second")
    with pytest.warns(PgxevalWarning, match=r"\.arrow is damaged.*computed again"):
        again = _run(cohort, predictor, folder)
    assert [*_calls(calls)] == [*cohort.gene_ids[4:]]
    assert again.table.equals(_run(cohort, counted("plain")[0]).table)


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


def test_files_are_private(cohort: Cohort, cheap: ModuleType, tmp_path: Path) -> None:
    _run(cohort, [cheap.Cheap(die_at=["G00003"])], tmp_path / "store")
    for path in [tmp_path / "store", *(tmp_path / "store").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingError, match="is a file; give a folder"):
        PredictionStore(tmp_path / "file")


def test_an_unknown_run_is_named(cohort: Cohort, cheap: ModuleType, tmp_path: Path) -> None:
    _run(cohort, cheap.Cheap(), tmp_path)
    with pytest.raises(UnknownNameError, match="no run of predictor forest; it has runs of cheap"):
        PredictionStore(tmp_path).run("forest")


def test_a_full_disk_is_a_clear_error_and_the_rest_goes_on_later(
    cohort: Cohort, cheap: ModuleType, tmp_path: Path
) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=36k", "tmpfs", folder], check=False)
    if mounted.returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    try:
        with pytest.raises(InputFileError, match=r"cannot be written \(No space left on device\).*run again"):
            _run(cohort, cheap.Cheap(), folder / "store")
        assert not list(folder.rglob("*.partial"))
        subprocess.run(["mount", "-o", "remount,size=10m", folder], check=True)
        done = int(PredictionStore(folder / "store").runs["done"].sum())
        assert 0 < done < GENES
        assert _run(cohort, cheap.Cheap(), folder / "store").table.equals(_run(cohort, cheap.Cheap()).table)
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        assert _run(cohort, cheap.Cheap(), folder / "store").failures.empty
        with pytest.raises(InputFileError, match=r"cannot be (written|made a folder) \(Read-only file system\)"):
            _run(cohort, cheap.Cheap(weight=3.0), folder / "store")
    finally:
        subprocess.run(["umount", folder], check=True)


def test_other_programs_read_the_store(cohort: Cohort, cheap: ModuleType, tmp_path: Path) -> None:
    whole = _run(cohort, [cheap.Cheap(), cheap.CheapZeroShot()], tmp_path / "store").table
    keys = ["predictor", "gene_id", "individual", "replicate"]
    expected = whole.astype(dict.fromkeys(keys[:3], str)).sort_values(keys)["prediction"].to_numpy()
    by_pandas = pd.read_parquet(tmp_path / "store").astype(dict.fromkeys(keys[:3], str)).sort_values(keys)
    np.testing.assert_array_equal(by_pandas["prediction"], expected)
    assert by_pandas["run"].nunique() == 2
    polars = pytest.importorskip("polars")
    by_polars = polars.read_parquet(tmp_path / "store" / "**" / "*.parquet").with_columns(
        polars.col(keys[:3]).cast(polars.String)
    )
    np.testing.assert_array_equal(by_polars.sort(keys)["prediction"].fill_null(np.nan).to_numpy(), expected)
    duckdb = pytest.importorskip("duckdb")
    found = duckdb.sql(
        f"select predictor, count(*), count(prediction) from '{tmp_path}/store/**/*.parquet' group by 1 order by 1"
    ).fetchall()
    assert found == [("cheap", 12 * 12 * 2, 12 * 12 * 2 - 1 * 2 * 3), ("zero", 12 * 12, 12 * 12 - 1)]


def test_batches_hold_every_row_once(cohort: Cohort, cheap: ModuleType, tmp_path: Path) -> None:
    stored = _run(cohort, [cheap.Cheap(die_at=["G00005"]), cheap.CheapZeroShot()], tmp_path / "store")
    for predictor in stored.predictors:
        batches = [*stored.batches(predictor, genes_per_batch=5)]
        assert [batch["gene_id"].nunique() for batch in batches] == [5, 5, 2]
        joined = Predictions.concat([Predictions(table=batch) for batch in batches])
        mine = stored.table[stored.table["predictor"] == predictor]
        keys = ["gene_id", "individual", "replicate"]
        one, other = (
            table.astype(dict.fromkeys([*keys[:2], "predictor", "reason"], "string")).sort_values(
                keys, ignore_index=True
            )
            for table in (joined.table, mine)
        )
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    with pytest.raises(UnknownNameError, match="predictor forest is not in the store"):
        next(stored.batches("forest"))


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
