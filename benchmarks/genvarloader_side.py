"""The other side of `haplotypes.py`: GenVarLoader, in a separate environment.

Reads one JSON request a line (files, windows, batch sizes), answers one JSON line: seconds to write a dataset of all
windows, to open it, and to read every window, as one array and in batches of individuals.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from typing import Any

import genvarloader as gvl
import polars as pl


def measure(asked: dict[str, Any]) -> dict[str, Any]:
    start = time.perf_counter()
    bed = pl.DataFrame(asked["windows"], schema=["chrom", "chromStart", "chromEnd"], orient="row")
    gvl.write(asked["dataset"], bed, variants=asked["genotypes"], overwrite=True)
    written = time.perf_counter()
    length = asked["windows"][0][2] - asked["windows"][0][1]
    dataset = gvl.Dataset.open(asked["dataset"], reference=asked["reference"]).with_seqs("haplotypes").with_len(length)
    opened = time.perf_counter()
    digests = []
    as_array = 0.0
    for row in range(len(bed)):
        begun = time.perf_counter()
        array = dataset[row, :]
        as_array += time.perf_counter() - begun
        if asked["digests"]:
            digests.append(hashlib.sha256(array.tobytes()).hexdigest())
        del array
    batches = {}
    for size in asked["batch_individuals"]:
        begun = time.perf_counter()
        for row in range(len(bed)):
            for first in range(0, dataset.n_samples, size):
                dataset[row, first : first + size]
        batches[size] = time.perf_counter() - begun
    return {
        "version": gvl.__version__,
        "write": written - start,
        "open": opened - written,
        "array": as_array,
        "batches": batches,
        "digests": digests,
    }


def main() -> None:
    print(json.dumps({"ready": gvl.__version__}), flush=True)
    for line in sys.stdin:
        print(json.dumps(measure(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
