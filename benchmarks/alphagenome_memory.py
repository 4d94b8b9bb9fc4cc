"""Peak memory of a hosted run at 1,048,576 bp: one answer per call under way, for any size of cohort.

Writes `alphagenome_memory.md` next to this file. The server runs in a separate process, answers in bfloat16, and takes
its time, so that as many calls as are allowed are under way together. Each row is a fresh process; what it held before
the first call (imports, connection, the plan of the run, which makes every sequence once) is taken off. An answer is
float32, ``(1,048,576, tracks of the ontology term)``: the client gets all tracks of a term.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from measuring import machine
from server_process import server

import pgxeval
from pgxeval.predictors.alphagenome.predictor import AlphaGenomePredictor
from pgxeval.simulation.simulate import simulate_cohort

LENGTH = 1_048_576
# terms with one track and with four
TISSUES = {"Whole_Blood": 1, "Liver": 4}
MOST_ANSWERS = 5.0  # bytes per call under way, in answers: the chunks, the bytes, their float32, the copy that is read


def resident_bytes() -> int:
    """Return what is resident now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure(address: str, folder: Path, tissue: str, in_flight: int, individuals: int) -> dict[str, int]:
    """Run in this process; returns calls, and bytes before and at the peak."""
    cohort = pgxeval.Cohort.from_files(
        expression=folder / "expression.bed.gz",
        genotypes=folder / "genotypes.vcf.gz",
        genes=folder / "genes.gtf.gz",
        reference=folder / "reference.fa",
    )
    cohort = cohort.subset(individuals=list(cohort.individuals[:individuals]))
    predictor = AlphaGenomePredictor.hosted(
        address=address,
        tissue=tissue,
        context_length=LENGTH,
        in_flight=in_flight,
        allow_remote=True,
        score_cache=None,
        progress=False,
    )
    calls = predictor.plan(cohort, progress=False).calls
    before = resident_bytes()
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here on
    table = pgxeval.predict_cohort(cohort, [predictor], progress=False).table
    assert table["prediction"].notna().all()
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
    assert peak <= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + 2**20
    return {"calls": calls, "before": before, "peak": peak}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", nargs=5, metavar=("ADDRESS", "FOLDER", "TISSUE", "IN_FLIGHT", "INDIVIDUALS"))
    asked = parser.parse_args()
    if asked.run:
        address, folder, tissue, in_flight, individuals = asked.run
        print(json.dumps(measure(address, Path(folder), tissue, int(in_flight), int(individuals))))
        return 0
    rows = []
    with tempfile.TemporaryDirectory() as folder, server(bf16=True, delay_s=0.4) as running:
        simulate_cohort(folder, individuals=20, genes=1, window_bp=1_000_000, spacing_bp=60_000, seed=1)
        table = [("Whole_Blood", n, 20) for n in (1, 2, 4, 8)] + [("Whole_Blood", 8, 10), ("Liver", 1, 20)]
        for tissue, in_flight, individuals in [*table, ("Liver", 8, 20)]:
            arguments = [running.address, folder, tissue, str(in_flight), str(individuals)]
            done = subprocess.run(
                [sys.executable, __file__, "--run", *arguments],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
            found = json.loads(done.stdout)
            answer = LENGTH * 4 * TISSUES[tissue]
            more = found["peak"] - found["before"]
            rows.append(
                {
                    "tracks": TISSUES[tissue],
                    "in flight": in_flight,
                    "individuals": individuals,
                    "calls": found["calls"],
                    "one answer [MB]": round(answer / 1e6, 1),
                    "before [MB]": round(found["before"] / 1e6),
                    "peak [MB]": round(found["peak"] / 1e6),
                    "more [MB]": round(more / 1e6, 1),
                    "answers per call under way": round(more / answer / in_flight, 2),
                }
            )
            print(rows[-1], flush=True)
    frame = pd.DataFrame(rows)
    slopes = {
        tracks: np.polyfit(some["in flight"], some["more [MB]"] / some["one answer [MB]"], 1)[0]
        for tracks, some in frame[frame["individuals"] == 20].groupby("tracks")
    }
    held = all(slope <= MOST_ANSWERS for slope in slopes.values())
    words = " and ".join(
        f"{slope:.1f} answers at {tracks} track{'s' * (tracks > 1)}" for tracks, slope in slopes.items()
    )
    lines = [
        "# Memory at 1 Mb",
        "",
        frame.astype(str).to_markdown(index=False, disable_numparse=True),
        "",
        f"One more call under way costs the memory of {words} (wanted: at most {MOST_ANSWERS:.0f}, for while "
        "it is unpacked an answer exists as chunks, as bfloat16, as float32 and as the column that is read); more "
        f"individuals cost no answers. {'Holds.' if held else 'Does not hold.'}",
        "",
        f"{machine('alphagenome', 'grpcio', 'numpy', 'pandas')}",
    ]
    text = "\n".join(lines) + "\n"
    Path(__file__).with_suffix(".md").write_text(text)
    print(text)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
