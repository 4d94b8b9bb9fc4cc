"""Regions of genome browsers, and what notebooks show."""

from __future__ import annotations

import random
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pgxeval import Interval, PersonalGenome, SettingError
from pgxeval.genome.intervals import as_interval
from pgxeval.genome.single_variants import single_variants


@pytest.mark.parametrize(
    ("region", "interval"),
    [
        ("chr1:1,001-2,000", Interval("chr1", 1000, 2000)),
        ("1:5-5", Interval("1", 4, 5)),
        (" chrX:1-10\n", Interval("chrX", 0, 10)),
        ("HLA-A*01:01:01:01:7-9", Interval("HLA-A*01:01:01:01", 6, 9)),
        ("chrUn_KI270302v1:10-20", Interval("chrUn_KI270302v1", 9, 20)),
        ("chr1:248,956,422-248,956,422", Interval("chr1", 248_956_421, 248_956_422)),
    ],
)
def test_regions(region: str, interval: Interval) -> None:
    assert Interval.parse(region) == as_interval(region) == interval
    assert Interval.parse(interval.region) == interval


@pytest.mark.parametrize(
    "region",
    ["chr1", "chr1:5", "chr1:0-5", "chr1:9-5", "chr1:-5-9", "chr1:5-", ":1-2", "chr1:a-b", "", "chr1:1-9" + "9" * 5000,
     "chr1:1.5-2", "chr1:1–9", "chr1 1 9", "chr1:５-９"],
)  # fmt: skip
def test_what_is_not_a_region(region: str) -> None:
    with pytest.raises(SettingError, match=r"region") as error:
        Interval.parse(region)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("where", [None, 5, ("chr1", 1, 2), b"chr1:1-2"])
def test_what_is_neither(where: object) -> None:
    with pytest.raises(SettingError, match=r"expected an Interval or a region such as"):
        as_interval(where)  # type: ignore[arg-type]


def test_regions_are_taken_wherever_intervals_are(tmp_path: Path, oracles: ModuleType) -> None:
    bases = "".join(random.Random(1).choices("ACGT", k=300))
    lines = [oracles.record_line("c", (at, bases[at], ["ACGT"[("ACGT".index(bases[at]) + 1) % 4]]), ["0|1", "1|1"])
             for at in range(20, 280, 20)]  # fmt: skip
    vcf = oracles.write_vcf(tmp_path / "v.vcf.gz", oracles.vcf_text({"c": 300}, ["a", "b"], lines))
    genome = PersonalGenome(vcf, oracles.write_fasta(tmp_path / "r.fa", {"c": bases}))
    region, interval = "chrc:51-150", Interval("c", 50, 150)
    assert genome.reference is not None
    assert genome.reference.fetch(interval).tobytes() == genome.reference.fetch(Interval.parse(region)).tobytes()
    assert np.array_equal(genome.dosages(region).values, genome.dosages(interval).values)
    one, other = (genome.haplotypes(where, anchor=100) for where in (region, interval))
    assert np.array_equal(one.sequences, other.sequences)
    assert [len(batch) for batch in genome.iter_haplotypes(region)] == [
        len(batch) for batch in genome.iter_haplotypes(interval)
    ]
    singles = [single_variants(genome, [where], ["a", "b"], 100).dosages for where in (region, interval)]
    assert np.array_equal(*singles)
