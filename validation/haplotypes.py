"""Are haplotypes exact? Every one of 91 individuals over 44 windows, drawn cases, a stress test and a fuzz run.

Writes `haplotypes.md` next to this file. The judges are `bcftools consensus` (run once a haplotype over the whole
contig with its chain file, then sliced), the slow implementation of `tests/genome/oracles.py`, and the strict
parser of `tests/genome/test_fuzz.py`.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from pgxeval import Interval, PersonalGenome

REPOSITORY = Path(__file__).resolve().parents[1]
LENGTHS = (20_000, 50_000, 100_000, 196_608, 393_216, 524_288, 1_000_000)
CONTIG_LENGTH = 5_020_000


def load(name: str) -> ModuleType:
    """Load a module of the tests by its path."""
    path = REPOSITORY / "tests" / "genome" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"genome_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def draw_windows(n: int, number: int) -> list[tuple[int, int, int]]:
    """Draw (start, length, anchor), the ends of the contig among them."""
    choose = random.Random(number)
    drawn = [(-700, 20_000, 300), (CONTIG_LENGTH - 15_000, 20_000, CONTIG_LENGTH - 1)]
    while len(drawn) < n:
        length = LENGTHS[len(drawn) % len(LENGTHS)]
        start = choose.randrange(0, 5_000_000 - length)
        drawn.append((start, length, start + choose.choice([0, length // 2, length - 1, choose.randrange(length)])))
    return drawn


def against_bcftools(oracles: ModuleType, folder: Path, n_windows: int, n_people: int | None) -> dict[str, object]:
    """Compare every haplotype of every individual over all windows."""
    vcf, fasta = folder / "variants.vcf.gz", folder / "reference.fa"
    genome = PersonalGenome(vcf, fasta)
    windows = draw_windows(n_windows, 1)
    made = [
        genome.haplotypes(Interval("chr1", start, start + length), anchor=anchor) for start, length, anchor in windows
    ]
    outcome: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as scratch:
        for individual in genome.individuals[:n_people]:
            for copy in (0, 1):
                whole, blocks = oracles.bcftools_consensus(vcf, fasta, individual, copy, Path(scratch))["1"]
                for (start, length, anchor), haplotypes in zip(windows, made, strict=True):
                    there = oracles.lift(blocks, anchor)
                    if there is None:
                        outcome["anchor deleted or replaced"] += 1
                        continue
                    wanted = oracles.cut(whole, there - (anchor - start), length)
                    same = haplotypes[individual, copy].sequence == wanted
                    outcome["equal" if same else "DIFFERENT"] += 1
                    outcome["bases"] += length
    return {
        "study": f"{len(genome.individuals[:n_people])} individuals x 2 x {n_windows} windows, bcftools consensus",
        "compared": outcome["equal"] + outcome["DIFFERENT"],
        "different": outcome["DIFFERENT"],
        "remarks": f"{outcome['bases']:,} bases; {outcome['anchor deleted or replaced']} anchors in a gap of the chain",
    }


def drawn_cases(oracles: ModuleType, n_files: int) -> dict[str, object]:
    """Compare drawn stretches, each with four haplotypes, with bcftools and with the slow implementation."""
    outcome: Counter[str] = Counter()

    @seed(1)
    @settings(max_examples=n_files, deadline=None, suppress_health_check=list(HealthCheck), database=None,
              phases=[Phase.generate])  # fmt: skip
    @given(cases=st.lists(oracles.stretches(), min_size=20, max_size=40), number=st.integers(0, 2**32))
    def run(cases: list[object], number: int) -> None:
        reference, records, haplotypes = oracles.joined(cases)
        choose = random.Random(number)
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            fasta = oracles.write_fasta(folder / "r.fa", {"c": reference})
            lines = [
                oracles.record_line("c", record, [f"{a}|{b}", f"{c}|{d}"])
                for record, (a, b, c, d) in zip(records, haplotypes, strict=True)
            ]
            vcf = oracles.write_vcf(folder / "v.vcf.gz", oracles.vcf_text({"c": len(reference)}, ["x", "y"], lines))
            genome = PersonalGenome(vcf, fasta)
            whole_contig = genome.haplotypes(Interval("c", 0, len(reference)))
            outcome["stretches"] += len(cases)
            for column, (name, copy) in enumerate([("x", 0), ("x", 1), ("y", 0), ("y", 1)]):
                theirs, blocks = oracles.bcftools_consensus(vcf, fasta, name, copy, folder)["c"]
                slow = oracles.slow_haplotype(reference, records, [row[column] for row in haplotypes])
                outcome["compared"] += len(cases)
                start = oracles.lift(blocks, 0)
                ours = whole_contig[name, copy].sequence
                if oracles.bases(slow) != theirs or (start == 0 and ours != oracles.cut(theirs, 0, len(reference))):
                    outcome["different"] += 1
                for _ in range(len(cases)):
                    anchor = choose.randrange(len(reference))
                    begin, end = anchor - choose.randrange(80), anchor + 1 + choose.randrange(80)
                    made = genome.haplotypes(Interval("c", begin, end), [name], anchor)[name, copy]
                    cells = oracles.slow_window(slow, len(reference), begin, end, anchor)
                    outcome["windows"] += 1
                    indices = np.arange(end - begin)
                    right = made.sequence == oracles.bases(cells)
                    right &= made.to_reference(indices).tolist() == [at for _, at in cells]
                    outcome["different"] += not right

    run()
    return {
        "study": f"{outcome['stretches']:,} drawn stretches, bcftools consensus and the slow implementation",
        "compared": outcome["compared"] + outcome["windows"],
        "different": outcome["different"],
        "remarks": f"{outcome['windows']:,} windows with their maps; SNV, MNV, insertion, deletion, multi-allelic, "
        "overlapping, duplicate",
    }


_SHARED: tuple[PersonalGenome, ModuleType] | None = None


def in_process(window: tuple[int, int, int]) -> str:
    """Digest one window in a process that was forked."""
    assert _SHARED is not None
    return str(_SHARED[1].digest(_SHARED[0], window))


def stress(folder: Path, n_windows: int) -> list[dict[str, object]]:
    """Compare 8 threads and 4 processes with one thread."""
    global _SHARED  # noqa: PLW0603 (what a fork inherits)
    concurrency = load("test_concurrency")
    genome = PersonalGenome(folder / "variants.vcf.gz", folder / "reference.fa", cache_bytes=5_000_000)
    _SHARED = (genome, concurrency)
    windows = concurrency.windows(n_windows, 20)
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("fork")) as pool:
        processes = list(pool.map(in_process, windows, chunksize=8))
    alone = [concurrency.digest(genome, window) for window in windows]
    with ThreadPoolExecutor(8) as threads:
        threaded = list(threads.map(lambda window: concurrency.digest(genome, window), windows))
    return [
        {
            "study": f"one PersonalGenome in {how} over {n_windows:,} windows, against one thread",
            "compared": n_windows,
            "different": sum(a != b for a, b in zip(alone, given_, strict=True)),
            "remarks": "sequences, index and dosages, by digest",
        }
        for how, given_ in (("8 threads", threaded), ("4 processes", processes))
    ]


def fuzz(oracles: ModuleType, folder: Path, n_cases: int) -> dict[str, object]:
    """Mutate real VCFs; every answer is that of the strict parser and the slow implementation, or refused."""
    fuzzing = load("test_fuzz")
    choose = random.Random(30)
    outcome: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as scratch:
        text, fasta, bases = fuzzing.real_case(Path(scratch), oracles, folder)
        for _ in range(n_cases):
            mutant = fuzzing.mutate(choose, text)
            try:
                outcome[fuzzing.check_case(oracles, Path(scratch), mutant, fasta, bases, choose)] += 1
            except AssertionError:
                outcome["wrong"] += 1
    return {
        "study": f"{n_cases:,} mutated real VCFs, against the strict parser and the slow implementation",
        "compared": n_cases,
        "different": outcome["wrong"],
        "remarks": f"{outcome['right']:,} read rightly, {outcome['refused']:,} refused rightly",
    }


def main() -> None:
    """Run all studies and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=44)
    parser.add_argument("--people", type=int, default=None, help="only the first of them")
    parser.add_argument("--files", type=int, default=150, help="files of drawn stretches")
    parser.add_argument("--stress", type=int, default=1_000)
    parser.add_argument("--mutants", type=int, default=5_000)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    given_ = parser.parse_args()
    shared = Path(os.environ.get("PGXEVAL_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    folder = shared / "kgp_chr1"
    if not folder.is_dir():
        raise SystemExit(f"real data not found at {folder}; set PGXEVAL_SHARED_DATA")
    oracles = load("oracles")
    if not oracles.has_bcftools():
        raise SystemExit("bcftools is not installed")
    began = time.perf_counter()
    rows = [
        *stress(folder, given_.stress),  # first: it forks
        against_bcftools(oracles, folder, given_.windows, given_.people),
        drawn_cases(oracles, given_.files),
        fuzz(oracles, folder, given_.mutants),
    ]
    version = subprocess.run(["bcftools", "--version"], capture_output=True, text=True, check=True).stdout.split("\n")
    table = pd.DataFrame(rows).to_markdown(index=False)
    given_.out.write_text(
        f"# Haplotypes\n\n{__doc__}\n{version[0]}; windows of {LENGTHS[0]:,} to {LENGTHS[-1]:,} bp.\n\n{table}\n"
    )
    print(given_.out.read_text(), f"{time.perf_counter() - began:.0f} s")
    if any(row["different"] for row in rows):
        raise SystemExit("there are differences")


if __name__ == "__main__":
    main()
