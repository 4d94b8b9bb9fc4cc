"""REF alleles that disagree with the reference genome, and the cause that is named."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from pgxeval import GenotypeError, Interval, PersonalGenome

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


def test_ref_mismatch(tmp_path: Path, oracles: ModuleType) -> None:
    records: list[Record] = [(10, "A", ["C"], ["0|1"]), *((i, "T", ["G"], ["0|1"]) for i in (12, 15, 16, 20))]
    with pytest.raises(
        GenotypeError,
        match=r"REF is not what .*r\.fa has at 4 of 5 records around c:5-45; "
        r"the first at \(1-based\) c:13, c:16, c:17\. "
        r"Likely cause: the genotypes and the FASTA are of different genome builds",
    ) as error:
        on_disk(tmp_path, oracles, records).haplotypes(WINDOW)
    assert "GT" not in str(error.value).replace("REF", "")
    haplotypes = on_disk(tmp_path, oracles, records, ref_mismatch="skip").haplotypes(WINDOW)
    assert haplotypes.counts["ref_mismatch"] == 4
    assert haplotypes["p0", 1].sequence == edited((10, 11, "C"))


def test_few_ref_mismatches_have_another_cause(tmp_path: Path, oracles: ModuleType) -> None:
    records: list[Record] = [(i, REFERENCE[i], ["G" if REFERENCE[i] != "G" else "T"], ["0|1"]) for i in range(6, 40)]
    records[7] = (13, "G" if REFERENCE[13] != "G" else "T", ["A" if REFERENCE[13] != "A" else "C"], ["0|1"])
    with pytest.raises(GenotypeError, match=r"at 1 of 34 records.*lifted against another FASTA"):
        on_disk(tmp_path, oracles, records).haplotypes(WINDOW)


def test_ref_beyond_the_contig(tmp_path: Path, oracles: ModuleType) -> None:
    genome = on_disk(tmp_path, oracles, [(98, "ACGT", ["A"], ["0|1"])])
    with pytest.raises(GenotypeError, match="REF is not what"):
        genome.haplotypes(Interval("c", 90, 100))


def test_lower_case_and_ambiguous_bases(tmp_path: Path, oracles: ModuleType) -> None:
    """R is A or G: REF A may be right, and REF C is not."""
    reference = "acgtt" + "gcaac" + "NRYAA" + REFERENCE[15:]
    records: list[Record] = [(6, "c", ["t"], ["0|1"]), (11, "A", ["T"], ["0|1"]), (10, "G", ["C"], ["1|0"])]
    genome = on_disk(tmp_path, oracles, sorted(records), reference=reference)
    haplotypes = genome.haplotypes(Interval("c", 0, 20))
    assert haplotypes["p0", 1].sequence == "ACGTTGTAACNTYAA" + REFERENCE[15:20]
    assert haplotypes["p0", 0].sequence == "ACGTTGCAACCRYAA" + REFERENCE[15:20]
    assert haplotypes.counts["ref_ambiguous"] == 2
    wrong = on_disk(tmp_path, oracles, [(11, "C", ["T"], ["0|1"])], reference=reference)
    with pytest.raises(GenotypeError, match="REF is not what"):
        wrong.haplotypes(Interval("c", 0, 20))


def test_unused_records_are_not_compared(tmp_path: Path, oracles: ModuleType) -> None:
    """A record without a usable allele changes nothing, whatever its REF."""
    genome = on_disk(tmp_path, oracles, [(10, "T", ["<DEL>"], ["0|1"]), (12, "T", [], ["0|0"])])
    assert genome.haplotypes(WINDOW).n_distinct == 1
