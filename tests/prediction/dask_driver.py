"""Runs a cohort on a Dask cluster of two worker processes, one of which is killed: run by test_workers.

usage: dask_driver.py OUT.parquet

A sequence model then runs on what is left of the cluster; its predictions are written as sequence.parquet next to OUT.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

import cheap
import cloudpickle
import travelling
from distributed import Client, LocalCluster

from pgxeval.prediction import predict_cohort


def main(out: Path) -> None:
    """Run, kill and write."""
    cloudpickle.register_pickle_by_value(cheap)
    cloudpickle.register_pickle_by_value(travelling)
    logging.disable(logging.CRITICAL)
    calls = out.with_name("calls")
    calls.mkdir()
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, protocol="tcp", host="127.0.0.1"
        ) as cluster,
        Client(cluster) as client,
    ):
        pids = list(client.run(os.getpid).values())
        assert len(pids) == 2
        killed: list[int] = []

        def kill() -> None:
            while len(list(calls.iterdir())) < 3:
                time.sleep(0.02)
            os.kill(pids[0], signal.SIGKILL)
            killed.append(pids[0])

        thread = threading.Thread(target=kill)
        thread.start()
        predictors = [cheap.Cheap(calls=calls, seconds=0.02), cheap.CheapZeroShot()]
        predictions = predict_cohort(
            cheap.cheap_cohort(), predictors, executor=client.get_executor(), folds=3, replicates=1, progress=False
        )
        thread.join()
        client.wait_for_workers(2)  # the one that was killed is replaced
        by_sequence = predict_cohort(
            travelling.sequence_cohort(out.parent),
            [travelling.make_predictor(out.parent)],
            executor=client.get_executor(),
            progress=False,
        )
        workers = set(client.run(os.getpid).values())
    assert killed
    assert set(travelling.loads(out.parent)) <= workers, "the model ran elsewhere than in the workers"
    assert set(travelling.loads(out.parent).values()) == {1}, "a worker loaded the model more than once"
    by_sequence.write(out.with_name("sequence.parquet"))
    predictions.write(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
