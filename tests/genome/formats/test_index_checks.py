"""An index that is missing, stale or of another version of its file."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pgxeval import InputFileError, PgxevalWarning
from pgxeval.genome.formats.opening import open_genotypes

NAMES = ["a", "b", "c"]


@pytest.fixture
def good(tmp_path: Path, oracles: ModuleType) -> Path:
    made = [oracles.record_line("c", (i, "A", ["C"]), ["0|1", "1|0", "0|0"]) for i in range(5, 9)]
    return oracles.write_vcf(tmp_path / "good.vcf.gz", oracles.vcf_text({"c": 99}, NAMES, made))


def test_missing_index(good: Path) -> None:
    Path(f"{good}.tbi").unlink()
    with pytest.raises(InputFileError, match=r"good\.vcf\.gz: its index is missing; run `bcftools index"):
        open_genotypes(good)


def test_stale_index_warns(good: Path) -> None:
    os.utime(f"{good}.tbi", (1, 1))
    with pytest.warns(PgxevalWarning, match=r"good\.vcf\.gz\.tbi is older than"):
        source = open_genotypes(good)
    assert pickle.loads(pickle.dumps(source)).individuals == source.individuals  # and does not warn again


def test_index_of_a_longer_file(tmp_path: Path, good: Path, oracles: ModuleType) -> None:
    """Else the records that the index promises would simply not be there."""
    names = [f"s{i}" for i in range(300)]
    choose = np.random.default_rng(4)
    made = [
        oracles.record_line("c", (at, "A", ["C"]), [f"{a}|{b}" for a, b in choose.integers(0, 2, (300, 2)).tolist()])
        for at in range(0, 90_000, 100)
    ]
    path = oracles.write_vcf(tmp_path / "long.vcf.gz", oracles.vcf_text({"c": 99_999}, names, made))
    path.write_bytes(good.read_bytes())
    os.utime(f"{path}.tbi", (2e9, 2e9))
    with pytest.raises(
        InputFileError, match=r"long\.vcf\.gz: .*belongs to another version of the file; index it again"
    ):
        open_genotypes(path).read("c", 80_000, 90_000)
