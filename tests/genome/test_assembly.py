"""Policies: what is refused, what is counted, and where we rightly differ from `bcftools consensus`."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from pgxeval import GenotypeError, Interval, PersonalGenome, SettingError, UnknownNameError
from pgxeval.genome.policies import Policies

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


# --- phase


def test_unphased_heterozygotes_are_refused(tmp_path: Path, oracles: ModuleType) -> None:
    genome = on_disk(tmp_path, oracles, [(10, "A", ["C"], ["0|1", "1/1"]), (20, "A", ["G"], ["0/0", "0/1"])])
    with pytest.raises(GenotypeError, match=r"1 unphased heterozygous genotypes over c:5-45, the first at c:21 of p1"):
        genome.haplotypes(WINDOW, ["p1"])
    both = genome.haplotypes(WINDOW)
    assert both.index.tolist() == [[0, 1], [-1, -1]]
    assert both.refused == {"p1": "unphased heterozygous genotype at c:21"}
    assert both.counts["refused"] == both.counts["unphased"] == 1
    with pytest.raises(GenotypeError, match="individual p1 has no haplotypes over c:5-45: unphased heterozygous"):
        both["p1", 0]
    assert both["p0", 1].sequence == edited((10, 11, "C"))
    assert genome.haplotypes(WINDOW, ["p0"])["p0", 1].sequence == edited((10, 11, "C"))
    assert genome.haplotypes(Interval("c", 5, 20)).counts["unphased"] == 0


def test_unphased_as_written(tmp_path: Path, oracles: ModuleType) -> None:
    genome = on_disk(tmp_path, oracles, [(10, "A", ["C", "G"], ["0/1", "2/1"])], unphased="as_written")
    haplotypes = genome.haplotypes(WINDOW)
    assert haplotypes.counts["unphased"] == 2
    assert haplotypes["p1", 0].sequence == edited((10, 11, "G"))
    assert haplotypes["p1", 1].sequence == edited((10, 11, "C"))


@pytest.mark.parametrize(
    ("genotype", "n"),
    [
        ("1/.", 1),
        ("./1", 1),
        ("0/.", 0),
        ("./.", 0),
        ("1/1", 0),
        ("1/2", 1),
        ("3/0", 0),
        ("3/1", 1),
        ("1|2", 0),
        ("1", 0),
    ],
)
def test_what_counts_as_unphased(tmp_path: Path, oracles: ModuleType, genotype: str, n: int) -> None:
    """Allele 3 is skipped, so it reads as the reference on whichever copy it is."""
    genome = on_disk(
        tmp_path,
        oracles,
        [(10, "A", ["C", "G", "<DEL>"], [genotype]), (12, "G", ["T"], ["0|0"])],
        mixed_ploidy="reference",
    )
    if n:
        with pytest.raises(GenotypeError, match=f"^[^:]*: {n} unphased"):
            genome.haplotypes(WINDOW)
    else:
        assert genome.haplotypes(WINDOW).counts["unphased"] == 0


def test_phase_sets(tmp_path: Path, oracles: ModuleType) -> None:
    """Two blocks of read-based phasing: which alleles of one go with which of the other is not known."""
    head = '##FORMAT=<ID=PS,Number=1,Type=Integer,Description="phase set">'
    cells = [("0|1:11", "1|1:.", "0|1:.", "0|1:7"), ("1|0:21", "0|1:21", "1|0:.", "1|0:7")]
    lines = [
        "\t".join(["c", str(at + 1), ".", "A", "C", ".", ".", ".", "GT:PS", *row])
        for at, row in zip((10, 20), cells, strict=True)
    ]
    lines.append("\t".join(["c", "31", ".", "A", "G", ".", ".", ".", "GT", "0|1", "0|0", "0|0", "0|0"]))
    text = oracles.vcf_text({"c": 100}, ["p0", "p1", "p2", "p3"], lines, [head])
    fasta = oracles.write_fasta(tmp_path / "r.fa", {"c": REFERENCE})
    for name in ("v.vcf.gz", "v.bcf"):
        vcf = oracles.write_vcf(tmp_path / name, text)
        sets = PersonalGenome(vcf).source.read("c", 0, 99).phase_sets
        assert sets is not None
        assert (sets < 0).tolist() == [[False, True, True, False], [False, False, True, False], [True] * 4]
        assert sets[0, 3] == sets[1, 3] != sets[0, 0] != sets[1, 0] == sets[1, 1]
        with pytest.raises(GenotypeError, match=r"1 individuals have heterozygous .* in several phase sets \(PS\)"):
            PersonalGenome(vcf, fasta).haplotypes(WINDOW, ["p0"])
        refused = PersonalGenome(vcf, fasta).haplotypes(WINDOW)
        assert list(refused.refused) == ["p0"]
        assert refused["p3", 1].sequence == edited((10, 11, "C"))
        assert PersonalGenome(vcf, fasta).haplotypes(WINDOW, ["p1", "p2", "p3"]).counts["phase_sets"] == 0
        assert PersonalGenome(vcf, fasta).haplotypes(Interval("c", 15, 29)).counts["phase_sets"] == 0
        read = PersonalGenome(vcf, fasta, phase_sets="as_written").haplotypes(WINDOW)
        assert read.counts["phase_sets"] == 1
        assert read["p0", 1].sequence == edited((10, 11, "C"), (30, 31, "G"))


# --- missing


def test_missing_reads_as_the_reference(tmp_path: Path, oracles: ModuleType) -> None:
    genome = on_disk(tmp_path, oracles, [(10, "A", ["C"], [".|.", "1|.", ".|1", "1|1", "./."])])
    haplotypes = genome.haplotypes(WINDOW)
    assert haplotypes.counts["missing"] == 2
    assert haplotypes.counts["half_missing"] == 2
    assert haplotypes.index.tolist() == [[0, 0], [1, 0], [0, 1], [1, 1], [0, 0]]
    assert haplotypes["p1", 0].sequence == edited((10, 11, "C"))


def test_missing_refused(tmp_path: Path, oracles: ModuleType) -> None:
    genome = on_disk(tmp_path, oracles, [(10, "A", ["C"], ["0|1", "1|."])], missing="refuse")
    with pytest.raises(GenotypeError, match=r"1 missing genotypes over c:5-45, the first at c:11 of p1"):
        genome.haplotypes(WINDOW, ["p1"])
    assert genome.haplotypes(WINDOW).refused == {"p1": "missing genotype at c:11"}
    assert genome.haplotypes(WINDOW).n_distinct == 2


# --- ploidy


def test_haploid_calls_make_one_haplotype(tmp_path: Path, oracles: ModuleType) -> None:
    genome = on_disk(
        tmp_path,
        oracles,
        [(10, "A", ["C"], ["1", "0|1", ".", "1", "."]), (20, "A", ["G"], ["0", "1|1", ".", "./.", "./."])],
    )
    haplotypes = genome.haplotypes(WINDOW)
    assert haplotypes.counts["haploid"] == 3
    assert haplotypes.index.tolist() == [[0, -1], [1, 2], [3, -1], [0, -1], [3, 3]]
    assert haplotypes["p0", 0].sequence == edited((10, 11, "C"))
    with pytest.raises(UnknownNameError, match="individual p0 is haploid over c:5-45: copy 1 does not exist"):
        haplotypes["p0", 1]


def test_mixed_ploidy(tmp_path: Path, oracles: ModuleType) -> None:
    records: list[Record] = [(10, "A", ["C"], ["1", "0|1"]), (20, "A", ["G"], ["0|1", "1|1"])]
    with pytest.raises(GenotypeError, match=r"1 individuals have haploid and diploid calls over c:5-45, the first: p0"):
        on_disk(tmp_path, oracles, records).haplotypes(WINDOW, ["p0"])
    refused = on_disk(tmp_path, oracles, records).haplotypes(WINDOW)
    assert refused.refused == {"p0": "haploid and diploid calls over c:5-45"}
    assert refused.index.tolist()[0] == [-1, -1]
    haplotypes = on_disk(tmp_path, oracles, records, mixed_ploidy="reference").haplotypes(WINDOW)
    assert haplotypes["p0", 0].sequence == edited((10, 11, "C"))
    assert haplotypes["p0", 1].sequence == edited((20, 21, "G"))
    assert haplotypes.counts["mixed_ploidy"] == 1
    assert on_disk(tmp_path, oracles, records).haplotypes(Interval("c", 5, 20)).counts["haploid"] == 1


# --- REF against the FASTA


# --- alleles without bases


# --- settings


@pytest.mark.parametrize("name", ["unphased", "phase_sets", "missing", "half_missing", "ref_mismatch", "mixed_ploidy"])
def test_unknown_policies(name: str) -> None:
    with pytest.raises(SettingError, match=f"Policies: {name} must be .*got 'guess'"):
        Policies(**{name: "guess"})  # type: ignore[arg-type]


def test_contig_by_other_names(tmp_path: Path, oracles: ModuleType) -> None:
    lines = [oracles.record_line("7", (10, "A", ["C"]), ["0|1"])]
    vcf = oracles.write_vcf(tmp_path / "v.vcf.gz", oracles.vcf_text({"7": 100}, ["p0"], lines))
    genome = PersonalGenome(vcf, oracles.write_fasta(tmp_path / "r.fa", {"chr7": REFERENCE, "chr8": REFERENCE}))
    for name in ("7", "chr7"):
        haplotypes = genome.haplotypes(Interval(name, 5, 45))
        assert haplotypes["p0", 1].sequence == edited((10, 11, "C"))
        assert haplotypes.interval.contig == "chr7"
    with pytest.raises(UnknownNameError, match=r"contig chr8 is not in .*v\.vcf\.gz"):
        genome.haplotypes(Interval("chr8", 5, 45))
    with pytest.raises(UnknownNameError, match=r"contig chr9 is not in .*r\.fa"):
        genome.haplotypes(Interval("chr9", 5, 45))


def test_every_format_gives_the_same(tmp_path: Path, oracles: ModuleType, kgp: Path) -> None:
    """91 individuals and the first variants of 1000 Genomes, as VCF (tabix and CSI) and BCF; PGEN is in test_plink."""
    with_tabix = PersonalGenome(kgp / "variants.vcf.gz", kgp / "reference.fa")
    if not oracles.has_bcftools():
        pytest.skip("bcftools is not installed")
    bcf = tmp_path / "v.bcf"
    view = ["bcftools", "view", "-r", "1:990000-1120000", "-Ob", "-o", bcf, kgp / "variants.vcf.gz"]
    subprocess.run([str(part) for part in view], check=True, capture_output=True)
    subprocess.run(["bcftools", "index", str(bcf)], check=True)
    window = Interval("chr1", 1_000_000, 1_100_000)
    one, other = (
        genome.haplotypes(window, anchor=1_050_000)
        for genome in (with_tabix, PersonalGenome(bcf, kgp / "reference.fa"))
    )
    assert np.array_equal(one.index, other.index)
    assert np.array_equal(one.sequences, other.sequences)
    assert one.counts == other.counts


# --- where bcftools differs


@pytest.mark.bcftools
def test_differences_from_bcftools(tmp_path: Path, bcftools: ModuleType) -> None:
    """bcftools takes `<DEL>` with its END as a deletion; here it is skipped and counted, as its ends are not exact."""
    folder = tmp_path
    line = "\t".join(["c", "11", ".", "A", "<DEL>", ".", ".", "END=14", "GT", "1|1"])
    fasta = bcftools.write_fasta(folder / "r.fa", {"c": REFERENCE})
    vcf = bcftools.write_vcf(folder / "v.vcf.gz", bcftools.vcf_text({"c": 100}, ["p0"], [line]))
    theirs, _ = bcftools.bcftools_consensus(vcf, fasta, "p0", 0, folder)["c"]
    ours = PersonalGenome(vcf, fasta).haplotypes(Interval("c", 0, 100))["p0", 0]
    assert theirs == REFERENCE[:11] + REFERENCE[14:]
    assert ours.sequence == REFERENCE


@pytest.mark.bcftools
@pytest.mark.parametrize(("genotype", "copies"), [("1|.", (1, 0)), (".|1", (0, 1)), ("1", (1, 0)), (".|.", (0, 0))])
def test_same_as_bcftools_where_calls_are_missing(
    tmp_path: Path, bcftools: ModuleType, genotype: str, copies: tuple[int, int]
) -> None:
    """A missing copy is the reference for both; for bcftools the absent copy is too, here there is none."""
    genome = on_disk(tmp_path, bcftools, [(10, "A", ["C"], [genotype])])
    haplotypes = genome.haplotypes(Interval("c", 0, 100))
    for copy, carries in enumerate(copies):
        theirs, _ = bcftools.bcftools_consensus(tmp_path / "v.vcf.gz", tmp_path / "r.fa", "p0", copy, tmp_path)["c"]
        assert (theirs != REFERENCE) == bool(carries)
        if genotype == "1" and copy == 1:
            assert haplotypes.index[0, 1] == -1
        else:
            assert haplotypes["p0", copy].sequence == theirs
