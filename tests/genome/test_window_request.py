"""How far around a window genotypes are read: until the flanks suffice."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pgxeval.genome import window_request
from pgxeval.genome.intervals import Interval
from pgxeval.genome.personal import PersonalGenome
from pgxeval.genome.single_variants import single_variants

BASES = "".join(np.random.default_rng(6).choice(list("ACGT"), 1_200))

OTHER = {"A": "C", "C": "G", "G": "T", "T": "A"}

PEOPLE = ("one", "two", "three")

# 0-based start, REF, ALT, genotypes
RECORDS = [
    (300, BASES[300], "A" if BASES[300] != "A" else "C", ["1/1", "1/1", "1/1"]),  # outside of the window
    (480, BASES[480:486], BASES[480], ["0/1", "./.", "0/0"]),
    (520, BASES[520], BASES[520] + "GATTACA", ["0/0", "1/0", "1/1"]),
    (530, BASES[530], f"{OTHER[BASES[530]]},{OTHER[OTHER[BASES[530]]]}", ["1/2", "0/2", "2/2"]),
    (540, BASES[540], OTHER[BASES[540]], ["0/0", "0/0", "0/0"]),  # carried by no one
    (550, BASES[550], "*", ["0/1", "0/0", "0/0"]),
    (590, BASES[590:596], BASES[590], ["0/1", "0/1", "0/0"]),
]


def write(folder: Path, oracles: ModuleType, records: list[Any] = RECORDS, contig: str = "chr1") -> PersonalGenome:
    fasta = oracles.write_fasta(folder / "genome.fa", {contig: BASES})
    lines = [
        "\t".join([contig, str(start + 1), ".", ref, alt, ".", "PASS", ".", "GT", *genotypes])
        for start, ref, alt, genotypes in records
    ]
    vcf = oracles.write_vcf(folder / "calls.vcf.gz", oracles.vcf_text({contig: len(BASES)}, PEOPLE, lines))
    return PersonalGenome(vcf, fasta)


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory, oracles: ModuleType) -> PersonalGenome:
    return write(tmp_path_factory.mktemp("single"), oracles)


def edited(start: int, ref: str, alt: str, anchor: int, interval: Interval) -> str:
    """Edit the contig by hand and cut the window so that the anchor keeps its index."""
    text = BASES[:start] + alt + BASES[start + len(ref) :]
    moved = len(alt) - len(ref) if start < anchor else 0
    first = interval.start + moved
    return text[first : first + interval.length]


def test_deletion_that_asks_for_more_flank_than_was_read(
    tmp_path: Path, oracles: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window_request, "_FLANK_BP", 4)
    records = [(560, BASES[560:640], BASES[560], ["0/1", "0/0", "0/0"])]
    genome = write(tmp_path, oracles, records)
    interval = Interval("chr1", 450, 650)
    single = single_variants(genome, [interval], PEOPLE, 525)
    start, ref, alt, _ = records[0]
    assert single.haplotypes[0]["allele 0", 0].sequence == edited(start, ref, alt, 525, interval)
