"""Workers: the same bytes on any executor; workers that die name their gene and end with their parent."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import joblib
import pytest

from pgxeval.errors import PgxevalError
from pgxeval.prediction import predict_cohort
from pgxeval.prediction.workers import available_cores, count_workers
from pgxeval.tables.predictions import Predictions

SETTINGS = {"folds": 3, "replicates": 1, "progress": False}


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{Path(__file__).parents[2] / 'src'}{os.pathsep}{Path(__file__).parent}"}


@pytest.fixture(scope="module")
def serial(cheap: ModuleType) -> Predictions:
    predictors = [cheap.Cheap(), cheap.CheapZeroShot()]
    return predict_cohort(cheap.cheap_cohort(), predictors, workers=1, **SETTINGS)


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


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
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
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    deadline = time.monotonic() + 20
    while any(map(_alive, workers)):
        assert time.monotonic() < deadline, "workers or their trackers live on"
        time.sleep(0.1)


def test_a_dask_cluster_gives_the_same_bytes_though_a_worker_is_killed(
    cheap: ModuleType, serial: Predictions, tmp_path: Path
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
