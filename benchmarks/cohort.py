"""The cohort that genotypes and haplotypes are timed on: simulated, written where the caller says.

Haplotypes come from msprime (European history, 1 cM/Mb), the reference sequence is random, one variant in ten
is an insertion or deletion of 1 to 30 bp. Every variant has two alleles and none overlap, so that every
program compared reads the same files.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

import attrs
import numpy as np
import numpy.typing as npt
import pysam

from pgxeval import Interval
from pgxeval.simulation.alleles import draw_alleles, draw_sequence
from pgxeval.simulation.files import write_reference
from pgxeval.simulation.linkage import simulate_window

WINDOW_BP = 196_608
MARGIN_BP = 20_000
CONTIG = "chr1"

_SEED = 3
_MUTATION_RATE = 2.36e-8  # what the history was fitted with: 11 variants per kb among 953 individuals
_CALLS = np.frombuffer(b"0|0\t0|1\t1|0\t1|1\t", np.uint8).reshape(4, 4)
_DRAWN_TAILS = 4096
_HEADER = """##fileformat=VCFv4.2
##FILTER=<ID=PASS,Description="All filters passed">
##contig=<ID={contig},length={length}>
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=AD,Number=R,Type=Integer,Description="Depth of each allele">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">
##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Quality">
##FORMAT=<ID=PL,Number=G,Type=Integer,Description="Likelihoods">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{individuals}
"""


@attrs.frozen(kw_only=True)
class BenchmarkCohort:
    """Files of one cohort.

    Parameters
    ----------
    individuals
        Names, in file order.
    windows
        Stretches of `WINDOW_BP` that were simulated, side by side.
    variants_per_kb
        Density of the variants.
    reference
        FASTA.
    genotypes
        ``VCF.gz`` and ``BCF`` with GT alone, over all windows.
    full
        The same with GT:AD:DP:GQ:PL, over the first `n_full` windows.
    n_full
        Number of windows in `full`.
    """

    individuals: tuple[str, ...]
    windows: tuple[Interval, ...]
    variants_per_kb: float
    reference: Path
    genotypes: dict[str, Path]
    full: dict[str, Path]
    n_full: int


def make_cohort(
    folder: Path, individuals: int, windows: int, *, n_full: int = 0, bcf: bool = False, most_per_kb: float = np.inf
) -> BenchmarkCohort:
    """Simulate a cohort and write its files; above `most_per_kb` variants are thinned at random."""
    folder.mkdir(parents=True, exist_ok=True)
    length = windows * WINDOW_BP + 2 * MARGIN_BP
    simulated = simulate_window(individuals, length, seed=_SEED, mutation_rate=_MUTATION_RATE)
    rng = np.random.default_rng(_SEED)
    n_simulated = len(simulated.positions)
    n_kept = int(min(n_simulated, most_per_kb * length / 1000))
    kept = np.sort(rng.choice(n_simulated, n_kept, replace=False))
    positions = simulated.positions[kept]
    sequence = draw_sequence(length, rng)
    ref, alt = draw_alleles(sequence, positions, rng)
    write_reference(folder / "reference.fa", {CONTIG: sequence})

    names = tuple(f"I{i:05d}" for i in range(individuals))
    starts = [MARGIN_BP + k * WINDOW_BP for k in range(windows)]
    places = tuple(Interval(CONTIG, start, start + WINDOW_BP) for start in starts)
    header = _HEADER.format(contig=CONTIG, length=length, individuals="\t".join(names)).encode()
    lines = [
        f"{CONTIG}\t{position + 1}\t.\t{a}\t{b}\t.\tPASS\t.\t".encode()
        for position, a, b in zip(positions.tolist(), ref, alt, strict=True)
    ]

    def codes(row: int) -> npt.NDArray[np.int8]:
        both: npt.NDArray[np.int8] = simulated.haplotypes[:, :, kept[row]]
        return 2 * both[:, 0] + both[:, 1]

    files = {"genotypes": folder / "genotypes.vcf.gz"}
    _write_vcf(
        files["genotypes"],
        header,
        (line + b"GT\t" + _CALLS[codes(row)].tobytes()[:-1] + b"\n" for row, line in enumerate(lines)),
    )
    if n_full:
        files["full"] = folder / "full.vcf.gz"
        n_lines = int(np.searchsorted(positions, places[n_full - 1].end + MARGIN_BP // 2))
        tails = _draw_cells(rng)
        drawn = (rng.integers(0, _DRAWN_TAILS, individuals) for _ in range(n_lines))
        _write_vcf(
            files["full"],
            header,
            (
                lines[row] + b"GT:AD:DP:GQ:PL\t" + b"\t".join(tails[codes(row), tail].tolist()) + b"\n"
                for row, tail in enumerate(drawn)
            ),
        )
    made = {kind: {"VCF.gz": path} | ({"BCF": _to_bcf(path)} if bcf else {}) for kind, path in files.items()}
    return BenchmarkCohort(
        individuals=names,
        windows=places,
        variants_per_kb=n_kept / length * 1000,
        reference=folder / "reference.fa",
        genotypes=made["genotypes"],
        full=made.get("full", {}),
        n_full=n_full,
    )


def _draw_cells(rng: np.random.Generator) -> npt.NDArray[np.object_]:
    """Draw cells such as ``0|1:14,17:31:99:412,0,385`` for each of the four genotypes, about 30-fold depth."""
    cells = np.empty((4, _DRAWN_TAILS), object)
    for code, call in enumerate((b"0|0", b"0|1", b"1|0", b"1|1")):
        copies = code // 2 + code % 2
        depth = np.maximum(rng.poisson(30, _DRAWN_TAILS), 2)
        noise = rng.normal(0, (4, 60), (_DRAWN_TAILS, 2))
        alternative = rng.binomial(depth, (0.003, 0.5, 0.997)[copies])
        for k, (n, n_alt) in enumerate(zip(depth.tolist(), alternative.tolist(), strict=True)):
            near, far = (max(1, int(mean + spread)) for mean, spread in zip((3 * n, 33 * n), noise[k], strict=True))
            likelihoods = [[0, near, far], [14 * n_alt, 0, 14 * (n - n_alt)], [far, near, 0]][copies]
            quality = min(99, sorted(likelihoods)[1])
            text = ",".join(map(str, likelihoods))
            cells[code, k] = call + f":{n - n_alt},{n_alt}:{n}:{quality}:{text}".encode()
    return cells


def _write_vcf(path: Path, header: bytes, lines: Iterable[bytes]) -> None:
    with pysam.BGZFile(str(path), "w") as out:
        out.write(header)
        for line in lines:
            out.write(line)
    pysam.tabix_index(str(path), preset="vcf", force=True)


def _to_bcf(path: Path) -> Path:
    bcf = path.with_name(path.name.replace(".vcf.gz", ".bcf"))
    subprocess.run(["bcftools", "view", "-Ob", "-o", str(bcf), str(path)], check=True)
    subprocess.run(["bcftools", "index", "-f", str(bcf)], check=True)
    return bcf
