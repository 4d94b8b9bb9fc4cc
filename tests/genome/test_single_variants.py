"""SingleVariants: the reference with one allele each, against editing by hand."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pgxeval.errors import GenotypeError, SettingError
from pgxeval.genome import single_variants as room
from pgxeval.genome.intervals import Interval
from pgxeval.genome.personal import PersonalGenome
from pgxeval.genome.single_variants import single_variants
from pgxeval.genome.variant_filter import VariantFilter

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


@pytest.mark.parametrize("shift", [0, 7, -5])
def test_sequences_and_dosages(genome: PersonalGenome, shift: int) -> None:
    interval = Interval("chr1", 450 + shift, 650 + shift)
    single = single_variants(genome, [Interval("chr1", 450, 650), interval], PEOPLE, 525)
    assert single.ploidy.tolist() == [2, 2, 2]
    haplotypes = single.haplotypes[1]
    texts = [haplotypes["reference", 0].sequence]
    texts += [haplotypes[f"allele {number}", 0].sequence for number in range(single.dosages.shape[1])]
    alleles = [
        (start, ref, alt, [genotype.count(str(number)) for genotype in genotypes])
        for start, ref, alts, genotypes in RECORDS[1:]
        for number, alt in enumerate(alts.split(","), start=1)
        if start != 540 and alt != "*"
    ]
    wanted = [BASES[interval.start : interval.end]]
    wanted += [edited(start, ref, alt, 525, interval) for start, ref, alt, _ in alleles]
    assert texts == wanted
    assert single.dosages.T.tolist() == [dosages for *_, dosages in alleles]


def test_individuals_in_the_order_asked_and_alleles_that_they_carry(genome: PersonalGenome) -> None:
    window = [Interval("chr1", 450, 650)]
    whole = single_variants(genome, window, PEOPLE, 525)
    two = single_variants(genome, window, ["three", "two"], 525)
    carried = whole.dosages[[2, 1]].any(axis=0)
    assert two.dosages.tolist() == whole.dosages[[2, 1]][:, carried].tolist()
    assert not carried.all()
    snvs = single_variants(genome, window, PEOPLE, 525, variant_filter=VariantFilter(snvs_only=True))
    assert snvs.dosages.shape == (3, 2)


def test_policies_and_bounds(
    genome: PersonalGenome, tmp_path: Path, oracles: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = [Interval("chr1", 450, 650)]
    strict = PersonalGenome(genome.source, genome.reference, missing="refuse")
    single, lenient = (single_variants(one, window, PEOPLE, 525) for one in (strict, genome))
    assert single.refused == {"two": "missing genotype at chr1:481"}
    assert single.dosages[1].sum() == 0
    others = lenient.dosages[[0, 2]].any(axis=0)
    assert single.dosages[[0, 2]].tolist() == lenient.dosages[[0, 2]][:, others].tolist()
    assert lenient.refused == {}
    with pytest.raises(GenotypeError, match=r"2 missing genotypes over chr1:450-650.*the first at chr1:481 of two"):
        single_variants(strict, window, ["two"], 525)
    with pytest.raises(SettingError, match="need the reference genome"):
        single_variants(PersonalGenome(genome.source), window, PEOPLE, 525)
    with pytest.raises(SettingError, match="lies off chr1, which has 1200 bases"):
        single_variants(genome, [Interval("chr1", 4_000, 4_200)], PEOPLE, 4_100)
    monkeypatch.setattr(room, "_MAX_BYTES", 50)
    with pytest.raises(SettingError, match=r"5 alleles .* too many .*min_maf"):
        single_variants(genome, window, PEOPLE, 525)


def test_haploid_calls(tmp_path: Path, oracles: ModuleType) -> None:
    records = [(530, BASES[530], OTHER[BASES[530]], ["1", "0/1", "0"])]
    single = single_variants(write(tmp_path, oracles, records), [Interval("chr1", 450, 650)], PEOPLE, 525)
    assert single.ploidy.tolist() == [1, 2, 1]
    assert single.dosages.tolist() == [[1], [1], [0]]


def test_ploidy_is_that_of_the_haplotypes(tmp_path: Path, oracles: ModuleType) -> None:
    """A call written `.` leaves a diploid individual diploid: else the effects of all other alleles would double."""
    calls = [["0|1", "1", "0|1"], [".", ".", "1|1"], ["0|0", "0", ".|."]]
    records = [
        (at, BASES[at], OTHER[BASES[at]], genotypes) for at, genotypes in zip((500, 530, 560), calls, strict=True)
    ]
    genome = write(tmp_path, oracles, records)
    interval = Interval("chr1", 450, 650)
    single = single_variants(genome, [interval], PEOPLE, 525)
    assert single.ploidy.tolist() == [2, 1, 2]
    copies = (genome.haplotypes(interval, PEOPLE, 525).index >= 0).sum(axis=1)
    assert single.ploidy.tolist() == copies.tolist()


def test_mixed_ploidy_is_refused_or_read_as_two_copies(tmp_path: Path, oracles: ModuleType) -> None:
    records = [
        (500, BASES[500], OTHER[BASES[500]], ["0|1", "1", "0|0"]),
        (530, BASES[530], OTHER[BASES[530]], ["1", "1", "1|1"]),
    ]
    genome = write(tmp_path, oracles, records)
    single = single_variants(genome, [Interval("chr1", 450, 650)], PEOPLE, 525)
    assert single.refused == {"one": "haploid and diploid calls over chr1:450-650"}
    assert single.dosages.tolist() == [[0, 0], [1, 1], [0, 2]]
    with pytest.raises(GenotypeError, match=r"1 individuals have haploid and diploid calls over chr1:450-650"):
        single_variants(genome, [Interval("chr1", 450, 650)], ["one"], 525)
    lenient = PersonalGenome(genome.source.path, genome.reference.path, mixed_ploidy="reference")
    assert single_variants(lenient, [Interval("chr1", 450, 650)], PEOPLE, 525).ploidy.tolist() == [2, 1, 2]
