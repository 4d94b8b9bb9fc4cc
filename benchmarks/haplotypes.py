"""Haplotypes from VCF and FASTA against GenVarLoader, `bcftools consensus` and a plain copy of memory, in one run.

Writes `haplotypes.md` next to this file. Windows are 196,608 bp of 953 simulated individuals; files lie in the page
cache, all numbers are medians of repeats taken in turn, numba's compiling is done before and not counted.
GenVarLoader runs in a separate Python (``--genvarloader``), which answers one request after the other. Before
anything is timed, its haplotypes of every window, and those of `bcftools consensus` for the individuals that
it is timed on, are compared with ours. Its arrays hold every haplotype; ours hold each distinct one once, and an
index says who carries it. Its index of the VCF is made before and not counted.

A separate process, which does nothing else, measures what one pass of `iter_haplotypes` adds to its memory: the
genotypes of the window, the edits, and two batches of eight sequences, as the next is made while one is still held.
The 10,000 individuals come thinned to the density of the 953, and as the coalescent gives them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from measuring import interleaved, machine, verdict

import pgxeval
from cohort import CONTIG, MARGIN_BP, WINDOW_BP, BenchmarkCohort, make_cohort
from pgxeval import Interval, PersonalGenome
from pgxeval.genome.window_kernel import build_sequences

_BATCH = 8


class GenVarLoader:
    """The other Python, with its files in a separate folder."""

    def __init__(self, python: str, cohort: BenchmarkCohort, folder: Path) -> None:
        script = Path(__file__).with_name("genvarloader_side.py")
        self._process = subprocess.Popen(
            [python, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._request = {
            "genotypes": str(cohort.genotypes["VCF.gz"]),
            "reference": str(cohort.reference),
            "dataset": str(folder / "windows.gvl"),
            "windows": [[window.contig, window.start, window.end] for window in cohort.windows],
        }
        self.version = json.loads(self._answer())["ready"]

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("GenVarLoader ended without an answer; run benchmarks/genvarloader_side.py by hand")
        return line

    def measure(self, *, digests: bool = False) -> dict[str, Any]:
        """Ask for the seconds of one round, and for digests of the haplotypes."""
        assert self._process.stdin is not None
        request = self._request | {"digests": digests, "batch_individuals": [_BATCH // 2, 64]}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._answer())
        return answer

    def close(self) -> None:
        """End the other Python."""
        self._process.communicate()


def open_genome(cohort: BenchmarkCohort, cache_bytes: int = 256 * 2**20) -> PersonalGenome:
    return PersonalGenome(genotypes=cohort.genotypes["VCF.gz"], reference=cohort.reference, cache_bytes=cache_bytes)


def stream(genome: PersonalGenome, window: Interval) -> int:
    return sum(len(batch) for batch in genome.iter_haplotypes(window, batch_size=_BATCH))


def stream_all(cohort: BenchmarkCohort) -> None:
    genome = open_genome(cohort)
    for window in cohort.windows:
        stream(genome, window)


def arrays_of_all(cohort: BenchmarkCohort) -> None:
    genome = open_genome(cohort)
    for window in cohort.windows:
        array = genome.haplotypes(window).sequences
        del array  # before the next one, on either side


def row(what: str, ours: float, against: str, theirs: float, bar: float | None) -> dict[str, object]:
    return {
        "what": what,
        "ours [ms]": 1e3 * ours,
        "against": against,
        "theirs [ms]": 1e3 * theirs,
        "ratio": theirs / ours,
        "bar": "" if bar is None else f"{bar:g}",
        "": "" if bar is None else verdict(theirs / ours, bar),
    }


def against_genvarloader(cohort: BenchmarkCohort, python: str, folder: Path, repeats: int) -> list[dict[str, object]]:
    other = GenVarLoader(python, cohort, folder)
    genome = open_genome(cohort)
    for window, digest in zip(cohort.windows, other.measure(digests=True)["digests"], strict=True):
        made = genome.haplotypes(window)
        if hashlib.sha256(made.sequences[made.index].tobytes()).hexdigest() != digest:
            raise SystemExit(f"GenVarLoader and PersonalGenome differ over {window}")
    answers: list[dict[str, Any]] = []
    ours = interleaved(
        {
            "stream": lambda: stream_all(cohort),
            "arrays": lambda: arrays_of_all(cohort),
            "other": lambda: answers.append(other.measure()),
        },
        repeats,
    )
    other.close()
    theirs = pd.json_normalize(answers[1:]).median(numeric_only=True) / len(cohort.windows)
    batches = theirs.filter(like="batches.")
    made_ready = theirs["write"] + theirs["open"]
    name = f"GenVarLoader {other.version}"
    mine = {key: value / len(cohort.windows) for key, value in ours.items()}
    n = len(cohort.windows)
    return [
        row(
            f"cold: VCF to all haplotypes, in batches ({n} windows, each once, a window)",
            mine["stream"],
            f"{name}, write {1e3 * theirs['write']:.0f} ms, read {1e3 * min(batches.min(), theirs['array']):.0f} ms",
            made_ready + min(batches.min(), theirs["array"]),
            4,
        ),
        row(
            "the same as one array",
            mine["arrays"],
            f"{name}, the array read in {1e3 * theirs['array']:.0f} ms",
            made_ready + theirs["array"],
            1.5,
        ),
    ]


def consensus(cohort: BenchmarkCohort, window: Interval, individual: str, copy: int) -> str:
    region = f"{window.contig}:{window.start + 1}-{window.end}"
    command = (
        f"samtools faidx {cohort.reference} {region} | "
        f"bcftools consensus -s {individual} -H {copy + 1} {cohort.genotypes['VCF.gz']}"
    )
    made = subprocess.run(command, shell=True, check=True, capture_output=True, text=True)
    return made.stdout.partition("\n")[2].replace("\n", "")


def against_consensus(cohort: BenchmarkCohort, repeats: int) -> list[dict[str, object]]:
    window = cohort.windows[1]
    chosen = cohort.individuals[:: max(1, len(cohort.individuals) // 5)][:5]
    made = open_genome(cohort).haplotypes(window, chosen)
    for individual in chosen:
        for copy in (0, 1):
            ours, theirs = made[individual, copy].sequence, consensus(cohort, window, individual, copy)
            shared = min(len(ours), len(theirs)) - 100  # the ends differ: ours is refilled
            if ours[:shared] != theirs[:shared]:
                raise SystemExit(f"bcftools consensus and PersonalGenome differ over {window}")
    opened = open_genome(cohort, cache_bytes=0)  # keeps one window
    spent = interleaved(
        {
            "one": lambda: open_genome(cohort).haplotypes(window, [chosen[0]])[chosen[0], 0].sequence,
            "open": lambda: opened.haplotypes(window, [chosen[0]])[chosen[0], 0].sequence,
            "forget": lambda: opened.haplotypes(cohort.windows[2], [chosen[0]]),
            "all": lambda: open_genome(cohort).haplotypes(window).sequences,
            **{
                f"bcftools {individual} {copy}": lambda i=individual, c=copy: consensus(cohort, window, i, c)
                for individual in chosen
                for copy in (0, 1)
            },
        },
        repeats,
    )
    each = [taken for name, taken in spent.items() if name.startswith("bcftools")]
    theirs = float(np.median(each))
    n_haplotypes = 2 * len(cohort.individuals)
    pipe = "`samtools faidx` into `bcftools consensus`"
    return [
        row("one individual and window, files opened, to a string", spent["one"], pipe, theirs, 5),
        row("the same, PersonalGenome open already", spent["open"], pipe, theirs, None),
        row(
            f"all {n_haplotypes:,} haplotypes of a window, files opened, to one array",
            spent["all"],
            f"{pipe}, {len(each)} haplotypes timed, scaled",
            theirs * n_haplotypes,
            500,
        ),
    ]


def against_copying(cohort: BenchmarkCohort, repeats: int) -> list[dict[str, object]]:
    made = open_genome(cohort).haplotypes(cohort.windows[0])
    edits = made.edits
    target = made.sequences.copy()
    source = made.sequences
    small = target[:_BATCH].copy()

    def build() -> None:
        build_sequences(edits.reference, edits.origin, edits.text, edits.table, edits.applied, edits.placements, target)

    def copy_batches() -> None:
        for first in range(0, len(source), _BATCH):
            part = source[first : first + _BATCH]
            np.copyto(small[: len(part)], part)

    def stream_batches() -> None:
        for _ in made.batches(_BATCH):
            pass

    spent = interleaved(
        {
            "build": build,
            "copy": lambda: np.copyto(target, source),
            "batches": stream_batches,
            "copied batches": copy_batches,
        },
        repeats,
    )
    if not np.array_equal(target, source):
        raise SystemExit("building into an array gave other bases")
    gb = made.nbytes / 1e9
    return [
        row(
            f"warm: building {made.n_distinct:,} sequences into an array, one thread, {gb / spent['build']:.1f} GB/s",
            spent["build"],
            f"`np.copyto` of the array, {gb / spent['copy']:.1f} GB/s",
            spent["copy"],
            0.25,
        ),
        row(
            f"the same by `Haplotypes.batches`, {gb / spent['batches']:.1f} GB/s",
            spent["batches"],
            f"`np.copyto` batch by batch, {gb / spent['copied batches']:.1f} GB/s",
            spent["copied batches"],
            None,
        ),
    ]


def _status_mb(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(field))


def measure_memory(genotypes: str, reference: str) -> None:
    """Print what one pass of `iter_haplotypes` adds to this process, which does nothing else."""
    genome = PersonalGenome(genotypes=genotypes, reference=reference)
    start = Interval(CONTIG, MARGIN_BP, MARGIN_BP + WINDOW_BP)
    stream(genome, Interval(CONTIG, 8_000, 9_000))  # load what is compiled
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = _status_mb("VmRSS")
    n_distinct = stream(genome, start)
    peak = _status_mb("VmHWM")
    calls = genome.source.read(start.contig, start.start - 2048, start.end + 2048)
    print(
        json.dumps(
            {
                "individuals": len(genome.individuals),
                "variants per kb": calls.records.n_records / (WINDOW_BP + 4096) * 1000,
                "distinct": n_distinct,
                "genotypes of the window [MB]": calls.nbytes / 1e6,
                "batch [MB]": _BATCH * WINDOW_BP / 1e6,
                "peak above the start [MB]": peak - before,
                "all sequences [MB]": n_distinct * WINDOW_BP / 1e6,
                "process in all [MB]": peak,
            }
        )
    )


def memory(cohorts: list[BenchmarkCohort]) -> pd.DataFrame:
    rows = []
    for cohort in cohorts:
        command = [sys.executable, __file__, "--memory", str(cohort.genotypes["VCF.gz"]), str(cohort.reference)]
        made = subprocess.run(command, check=True, capture_output=True, text=True)
        rows.append(json.loads(made.stdout))
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few individuals and windows; no table is written")
    parser.add_argument("--genvarloader", metavar="PYTHON", help="interpreter that has genvarloader 0.43")
    parser.add_argument("--memory", nargs=2, metavar=("VCF", "FASTA"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.memory:
        measure_memory(*asked.memory)
        return
    repeats = 2 if asked.quick else 7
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cohort = make_cohort(folder / "cohort", 60 if asked.quick else 953, 3 if asked.quick else 20)
        rows = []
        if asked.genvarloader:
            rows += against_genvarloader(cohort, asked.genvarloader, folder, repeats)
        rows += against_consensus(cohort, repeats)
        rows += against_copying(cohort, 3 * repeats)
        n_large = 200 if asked.quick else 10_000
        large = [
            make_cohort(folder / f"large{most:.0f}", n_large, 1, most_per_kb=most)
            for most in (cohort.variants_per_kb, 1e9)
        ]
        peaks = memory([cohort, *large])
    table = pd.DataFrame(rows).to_markdown(index=False, floatfmt=("", ",.1f", "", ",.1f", ",.2f", "", ""))
    needs = peaks.to_markdown(index=False, floatfmt=(",.0f", ".1f", ",.0f", ",.1f", ".1f", ",.1f", ",.0f", ",.0f"))
    about = (
        f"{len(cohort.individuals)} individuals, {cohort.variants_per_kb:.1f} variants per kb, one in ten an insertion "
        f"or deletion. {machine('pysam', 'numba', 'numpy', 'isal')} {_programs()} pgxeval {pgxeval.__version__}."
    )
    report = f"# Haplotypes\n\n{__doc__}\n{about}\n\n{table}\n\n## Memory of `iter_haplotypes`\n\n{needs}\n"
    print(report)
    if not asked.quick:
        Path(__file__).with_suffix(".md").write_text(report)


def _programs() -> str:
    first = [
        subprocess.run([name, "--version"], check=True, capture_output=True).stdout.decode("latin-1").split("\n")[0]
        for name in ("bcftools", "samtools")
    ]
    return ", ".join(first) + "."


if __name__ == "__main__":
    main()
