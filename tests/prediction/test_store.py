"""PredictionStore: nothing is lost, nothing stale is taken, and any program reads what it holds."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path
from types import ModuleType

import attrs
import numpy as np
import pandas as pd
import pytest

from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import InputFileError, SettingError, UnknownNameError
from pgxeval.prediction import PredictionStore, StoredPredictions, predict_cohort
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


def test_the_status_of_slices_knows_what_is_open(cohort: Cohort, cheap: ModuleType, tmp_path: Path) -> None:
    _run(cohort, cheap.Cheap(), tmp_path / "store", genes=slice(0, 5))
    (row,) = PredictionStore(tmp_path / "store").runs.itertuples()
    assert (row.genes, row.done, row.failed, row.open) == (12, 5, 0, 7)
    _run(cohort, cheap.Cheap(), tmp_path / "store", genes=slice(5, None))
    whole = _run(cohort, cheap.Cheap(), tmp_path / "store", genes=None)
    assert whole.table.equals(_run(cohort, cheap.Cheap()).table)


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


def test_other_expression_is_kept_apart_and_said(
    cheap: ModuleType, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"store": tmp_path, "workers": 1, "folds": 2, "replicates": 0}
    predict_cohort(cheap.cheap_cohort(6), [cheap.Cheap()], **options)
    other = cheap.cheap_cohort(6, seed=1)
    stored = predict_cohort(other, [cheap.Cheap()], **options)
    assert "other positions or expression is kept apart" in caplog.text
    assert "6 of the 6 genes in common differ (G00000, G00001, G00002 and 3 more)" in caplog.text
    fresh = predict_cohort(other, [cheap.Cheap()], workers=1, folds=2, replicates=0)
    assert stored.table.equals(fresh.table)


def test_what_is_not_a_store_or_a_list_of_genes(cheap: ModuleType) -> None:
    with pytest.raises(SettingError, match="store must be the path of a folder, got a int"):
        predict_cohort(cheap.cheap_cohort(6), [cheap.Cheap()], store=3)
    with pytest.raises(SettingError, match="genes must be a slice or a list of gene identifiers, got 3"):
        predict_cohort(cheap.cheap_cohort(6), [cheap.Cheap()], genes=3)
    predictions = predict_cohort(cheap.cheap_cohort(6), [cheap.Cheap()], workers=1, folds=2, replicates=0)
    for wrong, kind in ((predictions, "Predictions"), ("x", "str"), (["x"], "str")):
        with pytest.raises(SettingError, match=f"joins a list of Predictions, got a {kind}"):
            Predictions.concat(wrong)
    assert Predictions.concat(iter([predictions])).table.equals(predictions.table)
