"""ReferenceGenome against samtools' own reader (pysam), and what it refuses."""

from __future__ import annotations

import os
import pickle
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pysam
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgxeval import (
    InputFileError,
    InputFileNotFoundError,
    Interval,
    ReferenceGenome,
    UnknownNameError,
)


@pytest.fixture(scope="module")
def fasta(tmp_path_factory: pytest.TempPathFactory, oracles: ModuleType) -> Path:
    choose = random.Random(1)
    contigs = {
        "chr1": "".join(choose.choices("ACGTacgtNnRyM", k=1234)),
        "chr2": "ACGT" * 15,
        "chrM": "A",
    }
    return oracles.write_fasta(tmp_path_factory.mktemp("fasta") / "g.fa", contigs, width=61)


@pytest.fixture(scope="module")
def compressed(fasta: Path) -> Path:
    path = fasta.with_suffix(".fa.gz")
    pysam.tabix_compress(str(fasta), str(path))
    pysam.faidx(str(path))
    return path


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.integers(-70, 1300), length=st.integers(0, 400), contig=st.sampled_from(["chr1", "chr2", "chrM"]))
def test_fetch_equals_samtools(fasta: Path, compressed: Path, start: int, length: int, contig: str) -> None:
    interval = Interval(contig, start, start + length)
    with pysam.FastaFile(str(fasta)) as judge:
        whole = judge.fetch(contig).upper()
    wanted = "".join(whole[i] if 0 <= i < len(whole) else "N" for i in range(start, start + length))
    for path in (fasta, compressed):
        bases = ReferenceGenome(path).fetch(interval)
        assert bases.tobytes().decode() == wanted
        assert not bases.flags.writeable


def test_contigs_and_names(fasta: Path) -> None:
    genome = ReferenceGenome(fasta)
    assert dict(genome.contigs) == {"chr1": 1234, "chr2": 60, "chrM": 1}
    assert genome.contig_name("MT") == "chrM"
    assert genome.fetch(Interval("2", 0, 4)).tobytes() == b"ACGT"
    with pytest.raises(UnknownNameError, match=r"contig chr3 is not in .*g.fa .*chr1, chr2, chrM.*near"):
        genome.fetch(Interval("chr3", 0, 1))
    assert "ACGT" not in repr(genome)


def test_pickles_by_path_and_serves_threads(fasta: Path) -> None:
    genome = pickle.loads(pickle.dumps(ReferenceGenome(fasta)))
    intervals = [Interval("chr1", i, i + 50) for i in range(0, 1200, 7)]
    alone = [genome.fetch(interval).tobytes() for interval in intervals]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda interval: genome.fetch(interval).tobytes(), intervals * 5))
    assert together == alone * 5


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputFileNotFoundError, match=r"none\.fa") as error:
        ReferenceGenome(tmp_path / "none.fa")
    assert isinstance(error.value, FileNotFoundError)


def test_truncated_file(tmp_path: Path, fasta: Path) -> None:
    path = tmp_path / "cut.fa"
    Path(f"{path}.fai").write_bytes(Path(f"{fasta}.fai").read_bytes())
    path.write_bytes(fasta.read_bytes()[:700])
    os.utime(f"{path}.fai", (2e9, 2e9))  # as new as it can be, and still wrong
    with pytest.raises(InputFileError, match="chr1 ends before the 1234 bases"):
        ReferenceGenome(path)


def test_no_fasta(tmp_path: Path) -> None:
    path = tmp_path / "text.fa"
    path.write_text("this is no fasta\n")
    with pytest.raises(InputFileError, match=r"text\.fa"):
        ReferenceGenome(path)


# --- indexes that are made, by several processes, and in folders that cannot be written to


def test_regions(fasta: Path) -> None:
    genome = ReferenceGenome(fasta)
    assert genome.fetch("chr2:3-6").tobytes() == genome.fetch(Interval("chr2", 2, 6)).tobytes() == b"GTAC"


def test_large_windows_of_a_compressed_file(tmp_path: Path, oracles: ModuleType) -> None:
    """Over many blocks of 64 kB, at any place."""
    choose = random.Random(3)
    bases = "".join(choose.choices("ACGT", k=400_000))
    path = oracles.write_fasta(tmp_path / "g.fa", {"a": "ACGT" * 999, "b": bases})
    pysam.tabix_compress(str(path), f"{path}.gz")
    genome = ReferenceGenome(f"{path}.gz")
    for _ in range(50):
        start = choose.randrange(400_000)
        end = min(400_000, start + choose.choice([1, 100, 70_000, 300_000]))
        assert genome.fetch(Interval("b", start, end)).tobytes().decode() == bases[start:end]
