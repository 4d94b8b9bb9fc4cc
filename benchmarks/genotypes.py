"""Genotypes out of a file: `GenotypeSource.read` compared with cyvcf2 and pysam, and formats with each other.

Writes `genotypes.md` next to this file. All readers are timed in one run, one thread each. A window of 196,608 bp of
953 simulated individuals is read into arrays: alleles and phase for all records by ours, ``genotype.array()`` record by
record by cyvcf2, ``sample.allele_indices`` by pysam (on fewer records, scaled). Files are open before the clock starts
and lie in the page cache; each number is the median over windows and repeats, compiling is not counted.
`of it decompression` is what ours spends on inflating the blocks, which bounds what any decoder can reach.

The second table compares the size of the files and the time of `GenotypeSource.read` for one cohort in several formats.
The VCF has GT alone; `vcf2zarr convert` makes the VCF Zarr store with its default chunks of 1,000 records and 10,000
individuals.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import cyvcf2
import numpy as np
import pandas as pd
import pysam
from measuring import interleaved, machine, verdict

from cohort import BenchmarkCohort, make_cohort
from pgxeval import Interval
from pgxeval.genome.formats.bgzf import read_blocks
from pgxeval.genome.formats.index import VariantIndex
from pgxeval.genome.formats.index_checks import open_index
from pgxeval.genome.formats.opening import open_genotypes
from pgxeval.genome.formats.source import GenotypeSource

_BARS = {("GT", "VCF.gz"): 3.0, ("GT:AD:DP:GQ:PL", "VCF.gz"): 1.0, ("GT", "BCF"): 1.0, ("GT:AD:DP:GQ:PL", "BCF"): 1.0}
_PYSAM_RECORDS = 100


def by_cyvcf2(reader: cyvcf2.VCF, window: Interval) -> list[np.ndarray]:
    return [record.genotype.array() for record in reader(f"{window.contig}:{window.start + 1}-{window.end}")]


def by_pysam(reader: pysam.VariantFile, window: Interval) -> int:
    n_records = 0
    for record in reader.fetch(window.contig, window.start, window.end):
        for sample in record.samples.values():
            _ = sample.allele_indices
        n_records += 1
        if n_records == _PYSAM_RECORDS:
            break
    return n_records


def inflate(path: Path, index: VariantIndex, window: Interval) -> int:
    chunks = index.chunks(0, window.start, window.end)
    return sum(len(block) for begin, end in chunks for block in read_blocks(str(path), begin, end))


def check(source: GenotypeSource, reader: cyvcf2.VCF, window: Interval) -> int:
    """Return the number of genotypes, once both sides agree about every one."""
    calls = source.read(window.contig, window.start, window.end)
    theirs = np.stack(by_cyvcf2(reader, window))
    if not (np.array_equal(calls.alleles, theirs[:, :, :2]) and np.array_equal(calls.phased, theirs[:, :, 2] == 1)):
        raise SystemExit(f"{source.path}: the two readers differ")
    return calls.phased.size


def compare(field: str, kind: str, path: Path, windows: tuple[Interval, ...], repeats: int) -> dict[str, object]:
    source, reader, slow = open_genotypes(path), cyvcf2.VCF(str(path)), pysam.VariantFile(str(path))
    index = open_index(str(path))
    rows = []
    for window in windows:
        n_genotypes = check(source, reader, window)
        spent = interleaved(
            {
                "ours": lambda w=window: source.read(w.contig, w.start, w.end),
                "cyvcf2": lambda w=window: by_cyvcf2(reader, w),
                "pysam": lambda w=window: by_pysam(slow, w),
                "inflate": lambda w=window: inflate(path, index, w),
            },
            repeats,
        )
        spent["pysam"] *= n_genotypes / (_PYSAM_RECORDS * len(source.individuals))
        rows.append({"genotypes": n_genotypes, **spent})
    middle = pd.DataFrame(rows).median()
    ratio = middle["cyvcf2"] / middle["ours"]
    rate = middle["genotypes"] / middle / 1e6
    return {
        "file": kind,
        "FORMAT": field,
        "ours [ms]": 1e3 * middle["ours"],
        "of it decompression [ms]": 1e3 * middle["inflate"],
        "cyvcf2 [ms]": 1e3 * middle["cyvcf2"],
        "ours [M/s]": rate["ours"],
        "cyvcf2 [M/s]": rate["cyvcf2"],
        "pysam [M/s]": rate["pysam"],
        "times cyvcf2": ratio,
        "bar": _BARS[field, kind],
        "": verdict(ratio, _BARS[field, kind]),
    }


def measure(cohort: BenchmarkCohort, repeats: int) -> pd.DataFrame:
    windows = cohort.windows[: cohort.n_full]
    rows = [compare("GT", kind, path, windows, repeats) for kind, path in cohort.genotypes.items()]
    rows += [compare("GT:AD:DP:GQ:PL", kind, path, windows, repeats) for kind, path in cohort.full.items()]
    return pd.DataFrame(rows)


def to_zarr(vcf: Path) -> Path:
    made = vcf.with_name("genotypes.vcz")
    subprocess.run(["vcf2zarr", "convert", "-Q", "-f", str(vcf), str(made)], check=True, capture_output=True)
    return made


def size(path: Path) -> int:
    """Return the bytes of the arrays that are read, or of a file."""
    if path.is_file():
        return path.stat().st_size
    unread = {"call_genotype_mask", "variant_quality", "variant_id_mask"}
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file() and file.parent.name not in unread)


def compare_formats(folder: Path, individuals: int, windows: int, repeats: int) -> list[dict[str, object]]:
    cohort = make_cohort(folder, individuals, windows, bcf=True)
    paths = {**cohort.genotypes, "VCF Zarr": to_zarr(cohort.genotypes["VCF.gz"])}
    sources = {kind: open_genotypes(path) for kind, path in paths.items()}
    window = cohort.windows[0]
    first = sources["VCF.gz"].read(window.contig, window.start, window.end)
    for kind, source in sources.items():
        calls = source.read(window.contig, window.start, window.end)
        if not (np.array_equal(calls.alleles, first.alleles) and np.array_equal(calls.phased, first.phased)):
            raise SystemExit(f"{kind} differs from VCF.gz")
    spent = interleaved(
        {kind: lambda s=source: s.read(window.contig, window.start, window.end) for kind, source in sources.items()},
        repeats,
    )
    n_all = sources["VCF.gz"].read(window.contig, 0, 1 << 30).phased.size
    return [
        {
            "individuals": individuals,
            "format": kind,
            "size [MB]": size(path) / 1e6,
            "bits per genotype": 8 * size(path) / n_all,
            "window [ms]": 1e3 * spent[kind],
            "read [M/s]": first.phased.size / spent[kind] / 1e6,
            "times VCF.gz": spent["VCF.gz"] / spent[kind],
        }
        for kind, path in paths.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer individuals and windows; no table is written")
    asked = parser.parse_args()
    n_windows = 2 if asked.quick else 4
    with tempfile.TemporaryDirectory() as folder:
        cohort = make_cohort(Path(folder), 100 if asked.quick else 953, n_windows, n_full=n_windows, bcf=True)
        table = measure(cohort, 2 if asked.quick else 9)
        rows = []
        for n, windows in ((100, 1),) if asked.quick else ((953, 4), (10_000, 1)):
            rows += compare_formats(Path(folder) / str(n), n, windows, 2 if asked.quick else 5)
    text = table.to_markdown(index=False, floatfmt=("", "", ".1f", ".1f", ".1f", ".0f", ".0f", ".1f", ".1f", ".0f", ""))
    about = (
        f"{len(cohort.individuals)} individuals, {cohort.variants_per_kb:.1f} variants per kb. "
        f"{machine('cyvcf2', 'pysam', 'numba', 'isal', 'zarr')}"
    )
    formats = pd.DataFrame(rows).to_markdown(index=False, floatfmt=("", "", ".1f", ".2f", ".1f", ".0f", ".1f"))
    report = f"# Genotypes out of a file\n\n{__doc__}\n{about}\n\n{text}\n\n{formats}\n"
    print(report)
    if not asked.quick:
        Path(__file__).with_suffix(".md").write_text(report)


if __name__ == "__main__":
    main()
