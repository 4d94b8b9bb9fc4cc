"""Alleles as edits: which ones change bases, and which read as the reference."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from pgxeval import Interval, PersonalGenome

REFERENCE = "ACGTTGCAAC" * 10

WINDOW = Interval("c", 5, 45)

Record = tuple[int, str, list[str], list[str]]


def on_disk(
    folder: Path, oracles: ModuleType, records: list[Record], *, reference: str = REFERENCE, **policies: object
) -> PersonalGenome:
    """Individuals p0, p1 ... with the genotypes that each record ends with."""
    n = len(records[0][3])
    lines = [oracles.record_line("c", record[:3], record[3]) for record in records]
    text = oracles.vcf_text({"c": len(reference)}, [f"p{i}" for i in range(n)], lines)
    fasta = oracles.write_fasta(folder / "r.fa", {"c": reference})
    return PersonalGenome(oracles.write_vcf(folder / "v.vcf.gz", text), fasta, **policies)


def edited(*edits: tuple[int, int, str]) -> str:
    """The window of the reference with bases [start, end) replaced, drawn in from the right."""
    bases = REFERENCE
    for start, end, new in sorted(edits, reverse=True):
        bases = bases[:start] + new + bases[end:]
    return bases[WINDOW.start : WINDOW.end]


@pytest.mark.parametrize(
    ("alt", "kind"),
    [
        ("*", "star"),
        ("<DEL>", "symbolic"),
        ("<NON_REF>", "symbolic"),
        ("<*>", "symbolic"),
        ("A[c:50[", "breakend"),
        ("]c:50]A", "breakend"),
        (".C", "breakend"),
        ("R", "other"),
    ],
)
def test_skipped_alleles_read_as_the_reference(tmp_path: Path, oracles: ModuleType, alt: str, kind: str) -> None:
    """And they take no bases: the record behind, which overlaps them, is used."""
    genome = on_disk(tmp_path, oracles, [(10, "ACGT", [alt, "A"], ["1|2"]), (12, "G", ["C"], ["1|1"])])
    haplotypes = genome.haplotypes(WINDOW)
    assert haplotypes["p0", 0].sequence == edited((12, 13, "C"))
    assert haplotypes["p0", 1].sequence == edited((11, 14, ""))
    assert haplotypes.counts[kind] == 1
    assert haplotypes.counts["not_applied"] == 1
    assert haplotypes.counts["overlapping"] == 1
    assert haplotypes.counts["alleles"] == 2


def test_duplicate_records_at_one_position(tmp_path: Path, oracles: ModuleType) -> None:
    genome = on_disk(
        tmp_path, oracles, [(10, "A", ["C"], ["1|0"]), (10, "A", ["G"], ["1|1"]), (10, "A", ["AT"], ["1|1"])]
    )
    haplotypes = genome.haplotypes(WINDOW)
    assert haplotypes["p0", 0].sequence == edited((10, 11, "CT"))  # the insertion keeps the base before it
    assert haplotypes["p0", 1].sequence == edited((10, 11, "GT"))
    assert haplotypes.counts["overlapping"] == 1
