"""What a hosted run pays twice when it is killed again and again, and whether its results stay the same.

Writes `alphagenome_kills.md` next to this file. 30 genes x 40 simulated individuals at 16,384 bp against the local
AlphaGenome server, which takes 150 ms per call. `predict_cohort` runs in a separate process, which is killed by
SIGKILL at a random moment after its first call and started again, until that number of kills is reached; then it may
finish.
Another run, with a separate cache, is not disturbed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

import pgxeval
from pgxeval.predictors.alphagenome.predictor import AlphaGenomePredictor
from pgxeval.simulation.simulate import simulate_cohort
from pgxeval.testing import AlphaGenomeServer

DELAY_S, IN_FLIGHT, LONGEST_S = 0.15, 8, 0.5


def predict(address: str, folder: Path, cache: Path, out: Path) -> None:
    """Run to the end, if that is granted."""
    cohort = pgxeval.Cohort.from_files(
        expression=folder / "expression.bed.gz",
        genotypes=folder / "genotypes.vcf.gz",
        genes=folder / "genes.gtf.gz",
        reference=folder / "reference.fa",
    )
    predictor = AlphaGenomePredictor.hosted(
        address=address,
        tissue="Whole_Blood",
        readout="tss",
        context_length=16_384,
        in_flight=IN_FLIGHT,
        allow_remote=True,
        score_cache=cache,
        progress=False,
    )
    pgxeval.predict_cohort(cohort, [predictor], progress=False).write(out)


def start(address: str, folder: Path, cache: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-W", "error", __file__, "--run", address, folder, cache, out]
    return subprocess.Popen([str(part) for part in command], env={**os.environ, "OMP_NUM_THREADS": "1"})


def wait_for(server: AlphaGenomeServer, process: subprocess.Popen[bytes], calls: int) -> None:
    while server.calls["PredictSequence"] <= calls:
        assert process.poll() is None, "the run ended early"
        time.sleep(0.002)


def study(kills: int, seed: int, work: Path) -> tuple[pd.DataFrame, dict[str, object]]:
    rng = np.random.default_rng(seed)
    folder = work / "cohort"
    simulate_cohort(folder, individuals=40, genes=30, window_bp=20_000, seed=seed)
    rows = []
    with AlphaGenomeServer(delay_s=DELAY_S) as server:
        arguments = (server.address, folder, work / "cache", work / "killed.parquet")
        asked_at_kills: list[Counter[str]] = []
        for kill in range(kills):
            before = server.calls["PredictSequence"]
            process = start(*arguments)
            wait_for(server, process, before)
            moment = rng.uniform(0, LONGEST_S)
            time.sleep(moment)
            in_flight = server.in_flight
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
            while server.in_flight:
                time.sleep(0.002)
            asked_at_kills.append(server.sequences)
            rows.append({"kill": kill + 1, "after its first call [s]": round(moment, 3), "in flight": in_flight})
            rows[-1] |= {"answered so far": len(server.paid)}
        process = start(*arguments)
        assert process.wait() == 0
        asked_at_kills.append(server.sequences)
        paid, calls = server.paid, server.sequences
        periods = [later - earlier for earlier, later in pairwise([Counter[str](), *asked_at_kills])]
        for row, called, later in zip(rows, periods, asked_at_kills, strict=False):
            # called again in any later life: what this one asked for and did not keep
            row["called again later"] = sum(1 for digest in called if calls[digest] > later[digest])
        again = server.calls["PredictSequence"]
        assert start(*arguments).wait() == 0
        second_run = server.calls["PredictSequence"] - again
        alone = (server.address, folder, work / "other", work / "undisturbed.parquet")
        assert start(*alone).wait() == 0
    same = (work / "killed.parquet").read_bytes() == (work / "undisturbed.parquet").read_bytes()
    tables = [pgxeval.Predictions.read(work / f"{name}.parquet").table for name in ("killed", "undisturbed")]
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    assert tables[0]["prediction"].notna().all()
    digests = [hashlib.sha256(table["prediction"].to_numpy().tobytes()).hexdigest()[:16] for table in tables]
    return pd.DataFrame(rows), {
        "distinct haplotypes": len(paid),
        "calls": sum(calls.values()),
        "called more than once": sum(number - 1 for number in calls.values()),
        "in flight at the kills": sum(int(row["in flight"]) for row in rows),
        "paid more than once": sum(number - 1 for number in paid.values()),
        "calls of a further run": second_run,
        "predictions, killed and undisturbed": " = ".join(digests)
        if digests[0] == digests[1]
        else " != ".join(digests),
        "files are the same bytes": same,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--run", nargs=4, metavar=("ADDRESS", "FOLDER", "CACHE", "OUT"), help="be the process to kill")
    asked = parser.parse_args()
    if asked.run:
        predict(asked.run[0], *map(Path, asked.run[1:]))
        return 0
    with tempfile.TemporaryDirectory() as work:
        table, total = study(asked.kills, asked.seed, Path(work))
    bounded = bool((table["called again later"] <= IN_FLIGHT).all())
    held = bounded and total["calls of a further run"] == 0
    lines = ["# Killed at random moments", "", table.to_markdown(index=False), ""]
    lines += [f"* {name}: {value}" for name, value in total.items()]
    lines += [
        "",
        f"Wanted: after each kill at most the {IN_FLIGHT} calls that may be in flight are made again, a further run "
        f"calls nothing, and the predictions are the same to the last bit. {'All hold.' if held else 'Not all hold.'}",
        "",
        __doc__.split("\n\n", 1)[1].replace("\n", " ").strip(),
    ]
    text = "\n".join(lines) + "\n"
    Path(__file__).with_suffix(".md").write_text(text)
    print(text)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
