"""Runs a cohort on the worker processes of mpi4py.futures: run by test_workers.

usage: mpiexec -n 3 python -m mpi4py.futures mpi_driver.py FOLDER
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import cheap
import travelling
from mpi4py.futures import MPIPoolExecutor

from pgxeval.prediction import predict_cohort


def main(folder: Path) -> None:
    """Run and write."""
    with MPIPoolExecutor() as executor:
        cheaply = predict_cohort(
            cheap.cheap_cohort(),
            [cheap.Cheap(), cheap.CheapZeroShot()],
            executor=executor,
            folds=3,
            replicates=1,
            progress=False,
        )
        predictor = travelling.make_predictor(folder)
        cohort = travelling.sequence_cohort(folder)
        by_sequence = predict_cohort(cohort, [predictor], executor=executor, progress=False)
    assert os.getpid() not in travelling.loads(folder), "the model ran in the first process"
    cheaply.write(folder / "cheap.parquet")
    by_sequence.write(folder / "sequence.parquet")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
