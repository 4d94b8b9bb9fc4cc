"""A VCF at an address, as htslib opens it, gives what the file here gives; the server is on this machine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pgxeval import InputFileError, Interval, PersonalGenome

NAMES = ["a", "b"]
REFERENCE = "ACGTTGCAAC" * 3_000


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Serve a folder from another process: pysam opens addresses without letting go of this one's lock."""
    command = [sys.executable, str(Path(__file__).with_name("range_server.py")), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        server.kill()


@pytest.mark.parametrize("name", ["v.vcf.gz", "v.bcf"])
def test_remote_equals_local(tmp_path: Path, oracles: ModuleType, served: str, name: str) -> None:
    choose = np.random.default_rng(1)
    lines = [
        oracles.record_line("c", (at, REFERENCE[at], ["CC" if REFERENCE[at] == "C" else "C"]), row)
        for at in range(5, 29_900, 7)
        for row in [[f"{a}|{b}" for a, b in choose.integers(0, 2, (2, 2)).tolist()]]
    ]
    fasta = oracles.write_fasta(tmp_path / "r.fa", {"c": REFERENCE})
    path = oracles.write_vcf(tmp_path / name, oracles.vcf_text({"c": len(REFERENCE)}, NAMES, lines))
    window = Interval("c", 20_000, 20_500)
    here, there = (PersonalGenome(source, fasta) for source in (path, f"{served}/{name}"))
    assert there.individuals == here.individuals
    assert np.array_equal(there.dosages(window).values, here.dosages(window).values)
    assert np.array_equal(there.haplotypes(window).sequences, here.haplotypes(window).sequences)


def test_nothing_there(served: str) -> None:
    with pytest.raises(InputFileError, match=r"none\.vcf\.gz: cannot be read"):
        PersonalGenome(f"{served}/none.vcf.gz")


def test_no_index_there(tmp_path: Path, oracles: ModuleType, served: str) -> None:
    line = oracles.record_line("c", (5, "A", ["C"]), ["0|1", "0|0"])
    path = oracles.write_vcf(tmp_path / "v.vcf.gz", oracles.vcf_text({"c": 99}, NAMES, [line]))
    Path(f"{path}.tbi").unlink()
    with pytest.raises(InputFileError, match=r"no index can be read at .*v\.vcf\.gz\.tbi or .*v\.vcf\.gz\.csi"):
        PersonalGenome(f"{served}/v.vcf.gz")
