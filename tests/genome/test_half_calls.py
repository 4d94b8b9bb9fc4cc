"""Half-calls: counted, and by policy missing or with the reference for the missing copy."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pgxeval import Interval, PersonalGenome

CELLS = ["1|.", ".|1", "0|.", ".|0", ".|.", "1|1", "0|1", "./1", "1/.", ".", "1", "2|.", ".|2", "1|2"]
NAMES = [f"p{i}" for i in range(len(CELLS))]
MISSING = -1


@pytest.fixture(params=["v.vcf.gz", "v.bcf"])
def path(request: pytest.FixtureRequest, tmp_path: Path, oracles: ModuleType) -> Path:
    lines = [oracles.record_line("c", (5, "A", ["C", "G"]), CELLS)]
    return oracles.write_vcf(tmp_path / request.param, oracles.vcf_text({"c": 99}, NAMES, lines))


def test_they_are_missing_by_default_and_counted(path: Path) -> None:
    dosages = PersonalGenome(path).dosages("c:1-99")
    by_hand = [MISSING] * 5 + [2, 1] + [MISSING] * 3 + [1, MISSING, MISSING, 1]
    assert dosages.values[:, 0].tolist() == by_hand
    assert dosages.counts["half_missing"] == 8
    assert dosages.counts["half_missing_carriers"] == 6
    assert dosages.counts["missing"] == 2


def test_the_missing_copy_counts_as_the_reference_by_policy(path: Path) -> None:
    dosages = PersonalGenome(path, half_missing="reference").dosages("c:1-99")
    assert dosages.values[:, 0].tolist() == [1, 1, 0, 0, MISSING, 2, 1, 1, 1, MISSING, 1, 0, 0, 1]
    assert dosages.values[:, 1].tolist() == [0, 0, 0, 0, MISSING, 0, 0, 0, 0, MISSING, 0, 1, 1, 1]
    assert dosages.counts["half_missing"] == 8
    assert not dosages.is_called[4].any()


def test_counts_over_windows(path: Path) -> None:
    genome = PersonalGenome(path)
    counts = genome.count_calls(["c:1-10", Interval("c", 20, 30), Interval("chr1", 0, 9), Interval("chrc", 0, 9)])
    assert counts["half_missing"] == 16
    assert counts["half_missing_carriers"] == 12
    assert counts["records"] == 2


def test_records_that_bcftools_splits(tmp_path: Path, oracles: ModuleType, bcftools: ModuleType) -> None:
    """`bcftools norm -m -` writes ``0`` for another allele; vt and vcfbreakmulti ``.``: with the policy both agree."""
    del bcftools
    choose = np.random.default_rng(3)
    cells = [f"{a}|{b}" for a, b in choose.integers(0, 3, (200, 2)).tolist()]
    names = [f"p{i}" for i in range(200)]
    whole = oracles.write_vcf(
        tmp_path / "w.vcf.gz",
        oracles.vcf_text({"c": 99}, names, [oracles.record_line("c", (5, "A", ["C", "G"]), cells)]),
    )
    split = tmp_path / "bcftools.vcf.gz"
    subprocess.run(["bcftools", "norm", "-m", "-", "-Oz", "-o", split, whole], check=True, capture_output=True)
    subprocess.run(["bcftools", "index", "-t", split], check=True)
    lines = [
        oracles.record_line("c", (5, "A", [alt]), [cell.replace(other, ".").replace(mine, "1") for cell in cells])
        for alt, mine, other in (("C", "1", "2"), ("G", "2", "1"))
    ]
    by_vt = oracles.write_vcf(tmp_path / "vt.vcf.gz", oracles.vcf_text({"c": 99}, names, lines))
    truth = PersonalGenome(whole).dosages("c:1-99").values
    assert np.array_equal(PersonalGenome(split).dosages("c:1-99").values, truth)
    filled = PersonalGenome(by_vt, half_missing="reference").dosages("c:1-99")
    both = np.array(["1|2" in cell or "2|1" in cell or cell in {"1|1", "2|2"} for cell in cells])
    plain = np.array([cell not in {"1|1", "2|2"} for cell in cells])
    assert np.array_equal(filled.values[plain], truth[plain])
    assert both.any()
    lost = (PersonalGenome(by_vt).dosages("c:1-99").values == MISSING) & (truth > 0)
    assert lost.sum() > 0.2 * (truth > 0).sum()
