"""Workers: the same bytes on any executor; workers that die name their gene and end with their parent."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import joblib
import pytest
from joblib.externals.loky import get_reusable_executor

from pgxeval.errors import PgxevalError
from pgxeval.prediction import PredictionStore, predict_cohort
from pgxeval.prediction.workers import available_cores, count_workers
from pgxeval.tables.predictions import Predictions

SETTINGS = {"folds": 3, "replicates": 1, "progress": False}
QUIET = {"progress": False}


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{Path(__file__).parents[2] / 'src'}{os.pathsep}{Path(__file__).parent}"}


@pytest.fixture(scope="module")
def serial(cheap: ModuleType) -> Predictions:
    predictors = [cheap.Cheap(), cheap.CheapZeroShot()]
    return predict_cohort(cheap.cheap_cohort(), predictors, workers=1, **SETTINGS)


@pytest.fixture(scope="module")
def by_sequence(travelling: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Predictions:
    folder = tmp_path_factory.mktemp("here")
    predictions = predict_cohort(travelling.sequence_cohort(folder), [travelling.make_predictor(folder)], **QUIET)
    assert travelling.loads(folder) == {os.getpid(): 1}
    assert predictions.table["prediction"].nunique() > 9
    assert predictions.table.query("gene_id == 'none'")["reason"].str.contains("has no strand").all()
    return predictions


def test_cores_are_those_that_were_granted() -> None:
    assert available_cores() == joblib.cpu_count() <= len(os.sched_getaffinity(0))
    assert count_workers(None) == count_workers(-1) == available_cores()
    assert count_workers(3) == 3


def test_threads_give_the_same_bytes(cheap: ModuleType, serial: Predictions) -> None:
    with ThreadPoolExecutor(3) as executor:
        predictors = [cheap.Cheap(), cheap.CheapZeroShot()]
        threaded = predict_cohort(cheap.cheap_cohort(), predictors, executor=executor, **SETTINGS)
    assert threaded.table.equals(serial.table)
    assert threaded.settings == serial.settings


def test_worker_processes_give_the_same_bytes_and_a_dead_one_names_its_gene(
    cheap: ModuleType, serial: Predictions, tmp_path: Path
) -> None:
    cohort = cheap.cheap_cohort()
    parallel = predict_cohort(cohort, [cheap.Cheap(), cheap.CheapZeroShot()], workers=2, **SETTINGS)
    assert parallel.table.equals(serial.table)
    # a worker that the kernel kills for its memory, and one that ends by itself
    predictors = [cheap.Cheap(die_at=["G00004"], how="kill"), cheap.CheapZeroShot()]
    stored = predict_cohort(cohort, predictors, workers=2, store=tmp_path / "store", **SETTINGS)
    assert stored.failures["gene_id"].tolist() == ["G00004"]
    assert "worker process died" in stored.failures["reason"][0]
    assert "workers=1" in stored.failures["reason"][0]
    table = stored.table
    others = (table["gene_id"] != "G00004").to_numpy()
    assert table["prediction"][others].equals(serial.table["prediction"][others])
    with pytest.raises(PgxevalError, match=r"workers died .*SIGKILL.* while these genes were under way: .*G00004"):
        predict_cohort(cohort, [cheap.Cheap(die_at=["G00004"], how="kill")], workers=2, on_error="raise", **SETTINGS)


@pytest.mark.parametrize("how", ["exit", "segfault"])
def test_however_a_worker_dies_its_gene_is_named(cheap: ModuleType, how: str) -> None:
    predictions = predict_cohort(
        cheap.cheap_cohort(4), [cheap.Cheap(die_at=["G00001"], how=how)], workers=2, folds=2, replicates=0
    )
    assert predictions.failures["gene_id"].tolist() == ["G00001"]
    assert "worker process died" in predictions.failures["reason"][0]


def test_a_zero_shot_predictor_that_travels_may_crash_its_process(cheap: ModuleType) -> None:
    cohort, here = cheap.cheap_cohort(6), cheap.CheapZeroShot()
    expected = predict_cohort(cohort, [here], workers=2)
    assert len(here.calls) == 6  # one that does not declare it stays in this process
    away = cheap.CheapZeroShot(travels=True, die_at=["G00002"])
    predictions = predict_cohort(cohort, [away], workers=2)
    assert away.calls == []
    assert predictions.failures["gene_id"].tolist() == ["G00002"]
    assert "worker process died" in predictions.failures["reason"][0]
    others = (expected.table["gene_id"] != "G00002").to_numpy()
    assert predictions.table["prediction"][others].equals(expected.table["prediction"][others])


def test_what_cannot_be_pickled_says_what_to_do(cheap: ModuleType) -> None:
    predictor = cheap.Cheap()
    predictor.calls = threading.Lock()
    with pytest.raises(PgxevalError, match=r"predictors \(cheap\) cannot be sent .*lock.*workers=1"):
        predict_cohort(cheap.cheap_cohort(), [predictor], workers=2, **SETTINGS)


PARENT = """
    import sys
    import cheap
    from pgxeval.prediction import predict_cohort

    if __name__ == "__main__":
        predict_cohort(cheap.cheap_cohort(200), [cheap.Cheap(seconds=0.05)], workers=2, folds=2, replicates=0)
"""


def _descendants(pid: int) -> set[int]:
    children: dict[int, set[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            fields = path.read_text().rpartition(")")[2].split()
            if fields[0] != "Z":
                children.setdefault(int(fields[1]), set()).add(int(path.parent.name))
    found: set[int] = set()
    rest = [pid]
    while rest:
        rest += (new := children.get(rest.pop(), set()) - found)
        found |= new
    return found


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path, by: signal.Signals) -> None:
    script = tmp_path / "parent.py"
    script.write_text(textwrap.dedent(PARENT))
    parent = subprocess.Popen([sys.executable, str(script)], env=_environment(), stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while len(workers := _descendants(parent.pid)) < 2:
            assert time.monotonic() < deadline, "no workers were started"
            assert parent.poll() is None
            time.sleep(0.1)
        time.sleep(1)
        workers = _descendants(parent.pid)
    finally:
        parent.send_signal(by)
        parent.wait()
    deadline = time.monotonic() + 20
    while any(map(_alive, workers)):
        assert time.monotonic() < deadline, "workers or their trackers live on"
        time.sleep(0.1)


SLOW = """
    import sys
    import cheap
    from pgxeval.prediction import predict_cohort

    if __name__ == "__main__":
        first = cheap.Cheap(seconds=600, slow=["G00000"])
        predict_cohort(cheap.cheap_cohort(20), [first], workers=2, folds=2, replicates=0, store=sys.argv[1])
"""


def test_genes_after_a_slow_first_one_survive_a_kill(cheap: ModuleType, tmp_path: Path) -> None:
    script, store = tmp_path / "parent.py", tmp_path / "store"
    script.write_text(textwrap.dedent(SLOW))
    parent = subprocess.Popen([sys.executable, str(script), str(store)], env=_environment())
    try:
        deadline = time.monotonic() + 90
        while len(_done(store)) < 19:
            assert time.monotonic() < deadline, f"{len(_done(store))} genes are kept"
            assert parent.poll() is None
            time.sleep(0.2)
    finally:
        parent.kill()
        parent.wait()
    assert _done(store) == {f"G{k:05d}" for k in range(1, 20)}
    cohort, folder = cheap.cheap_cohort(20), tmp_path / "calls"
    folder.mkdir()
    options = {"workers": 1, "folds": 2, "replicates": 0}
    stored = predict_cohort(cohort, [cheap.Cheap(calls=folder)], store=store, **options)
    assert [path.name for path in folder.iterdir()] == ["G00000"]  # the only one that is computed
    assert stored.table.equals(predict_cohort(cohort, [cheap.Cheap()], **options).table)


def _done(store: Path) -> set[str]:
    status = PredictionStore(store).status()
    return set(status.loc[status["state"] == "done", "gene_id"].astype(str))


def test_a_dask_cluster_gives_the_same_bytes_though_a_worker_is_killed(
    cheap: ModuleType, serial: Predictions, by_sequence: Predictions, tmp_path: Path
) -> None:
    pytest.importorskip("distributed", reason="needs the extra `dask`")
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("dask_driver.py")), str(tmp_path / "out.parquet")],
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert Predictions.read(tmp_path / "out.parquet").table.equals(serial.table)
    assert Predictions.read(tmp_path / "sequence.parquet").table.equals(by_sequence.table)


def test_mpi_gives_the_same_bytes(serial: Predictions, by_sequence: Predictions, tmp_path: Path) -> None:
    """One process of the run and two workers of mpi4py.futures."""
    mpi = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if importlib.util.find_spec("mpi4py") is None or mpi is None:
        pytest.skip("mpi4py with an MPI is not installed: pip install mpi4py mpich")
    driver = str(Path(__file__).with_name("mpi_driver.py"))
    done = subprocess.run(
        [mpi, "-n", "3", sys.executable, "-m", "mpi4py.futures", driver, str(tmp_path)],
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert Predictions.read(tmp_path / "cheap.parquet").table.equals(serial.table)
    assert Predictions.read(tmp_path / "sequence.parquet").table.equals(by_sequence.table)


@pytest.mark.parametrize("cached", [False, True])
def test_a_sequence_model_is_loaded_once_per_worker(
    travelling: ModuleType, by_sequence: Predictions, tmp_path: Path, cached: bool
) -> None:
    cohort = travelling.sequence_cohort(tmp_path)
    options = {"score_cache": tmp_path / "scores"} if cached else {}
    with get_reusable_executor(max_workers=2, timeout=5, reuse=False) as executor:
        there = predict_cohort(cohort, [travelling.make_predictor(tmp_path, **options)], executor=executor, **QUIET)
    assert there.table.equals(by_sequence.table)
    assert there.settings == by_sequence.settings
    loads = travelling.loads(tmp_path)
    assert os.getpid() not in loads
    assert set(loads.values()) == {1}
    assert len(loads) <= 2
    assert there.failures.equals(by_sequence.failures)


def test_what_does_not_travel_stays_in_this_process(travelling: ModuleType, tmp_path: Path) -> None:
    cohort = travelling.sequence_cohort(tmp_path)
    with get_reusable_executor(max_workers=1, timeout=5, reuse=False) as executor:
        predict_cohort(cohort, [travelling.make_predictor(tmp_path, travels=False)], executor=executor, **QUIET)
    assert travelling.loads(tmp_path) == {os.getpid(): 1}
    threads = tmp_path / "threads"
    threads.mkdir()
    with ThreadPoolExecutor(2) as pool:  # which would share the model
        predict_cohort(cohort, [travelling.make_predictor(threads)], executor=pool, **QUIET)
    assert travelling.loads(threads) == {os.getpid(): 1}


def test_a_model_that_cannot_predict_anyone_says_so_from_workers(travelling: ModuleType, tmp_path: Path) -> None:
    cohort = travelling.sequence_cohort(tmp_path)
    cohort = cohort.subset(genes=["none"])
    predictor = travelling.make_predictor(tmp_path)
    with pytest.raises(PgxevalError, match="has no strand"):
        predict_cohort(cohort, [predictor], **QUIET)
    with (
        get_reusable_executor(max_workers=1, timeout=5, reuse=False) as executor,
        pytest.raises(PgxevalError, match=r"could not predict anyone at any of 1 genes; at gene none: .*has no strand"),
    ):
        predict_cohort(cohort, [predictor], executor=executor, **QUIET)


def test_an_error_from_a_worker_shows_the_predictor_and_not_the_executor(cheap: ModuleType) -> None:
    predictor = cheap.Cheap(die_at=["G00004"])
    with pytest.raises(PgxevalError, match="predictor 'cheap' failed at gene G00004 with RuntimeError") as caught:
        predict_cohort(cheap.cheap_cohort(), [predictor], workers=2, on_error="raise", **SETTINGS)
    text = "".join(traceback.format_exception(caught.value))
    assert "in die" in text  # the line of the predictor
    assert "joblib" not in text
    assert "process_executor" not in text
    assert len(text.splitlines()) < 45
