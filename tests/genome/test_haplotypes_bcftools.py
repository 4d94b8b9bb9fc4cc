"""Haplotypes against `bcftools consensus`, and the slow implementation against it too.

Where the two rightly differ, `test_haplotypes.py` tests the difference for itself: symbolic deletions (read as
the reference here, applied there), `*` (reference here, written there), haploid and half-missing calls, IUPAC
bases in the FASTA, N and refilling at the ends of the window.
"""

from __future__ import annotations

import random
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgxeval import Interval, PersonalGenome

pytestmark = pytest.mark.bcftools


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_drawn_cases_equal_bcftools(
    tmp_path_factory: pytest.TempPathFactory, bcftools: ModuleType, data: st.DataObject, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("drawn")
    cases = data.draw(st.lists(bcftools.stretches(), min_size=10, max_size=30))
    reference, records, haplotypes = bcftools.joined(cases)
    fasta = bcftools.write_fasta(folder / "r.fa", {"c": reference})
    lines = [
        bcftools.record_line("c", record, [f"{a}|{b}", f"{c}|{d}"])
        for record, (a, b, c, d) in zip(records, haplotypes, strict=True)
    ]
    vcf = bcftools.write_vcf(folder / "v.vcf.gz", bcftools.vcf_text({"c": len(reference)}, ["x", "y"], lines))
    genome = PersonalGenome(vcf, fasta)
    choose = random.Random(seed)
    everyone = [
        (genome.haplotypes(interval, anchor=anchor), interval, anchor)
        for interval, anchor in (_window(choose, len(reference)) for _ in range(2 * len(cases)))
    ]
    for column, (individual, copy) in enumerate([("x", 0), ("x", 1), ("y", 0), ("y", 1)]):
        whole, blocks = bcftools.bcftools_consensus(vcf, fasta, individual, copy, folder)["c"]
        slow = bcftools.slow_haplotype(reference, records, [row[column] for row in haplotypes])
        assert bcftools.bases(slow) == whole
        for made, interval, anchor in everyone:
            sequence = made[individual, copy].sequence
            there = bcftools.lift(blocks, anchor)
            if there is not None:
                assert sequence == bcftools.cut(whole, there - made.anchor_index, interval.length)
            assert sequence == bcftools.bases(
                bcftools.slow_window(slow, len(reference), interval.start, interval.end, anchor)
            )


def _window(choose: random.Random, contig_length: int) -> tuple[Interval, int]:
    anchor = choose.randrange(contig_length)
    return Interval("c", anchor - choose.randrange(60), anchor + 1 + choose.randrange(60)), anchor


def test_real_haplotypes_equal_bcftools(tmp_path: Path, bcftools: ModuleType, kgp: Path) -> None:
    vcf, fasta = kgp / "variants.vcf.gz", kgp / "reference.fa"
    genome = PersonalGenome(vcf, fasta)
    choose = random.Random(5)
    windows = []
    for length in (20_000, 20_000, 100_000, 196_608, 500_000, 1_000_000):
        start = choose.randrange(-500, 5_000_000 - length)
        windows.append((start, length, choose.randrange(max(0, start), start + length)))
    everyone = {
        window: genome.haplotypes(Interval("chr1", window[0], window[0] + window[1]), anchor=window[2])
        for window in windows
    }
    compared = 0
    for individual in choose.sample(genome.individuals, 3):
        for copy in (0, 1):
            whole, blocks = bcftools.bcftools_consensus(vcf, fasta, individual, copy, tmp_path)["1"]
            for (start, length, anchor), haplotypes in everyone.items():
                there = bcftools.lift(blocks, anchor)
                if there is None:
                    continue
                compared += 1
                same = haplotypes[individual, copy].sequence == bcftools.cut(whole, there - (anchor - start), length)
                assert same, (individual, copy, start, length, anchor)
    assert compared > 30
