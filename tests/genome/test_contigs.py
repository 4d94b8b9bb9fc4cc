"""Contig names: what is matched, what is not, and what is refused."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from pgxeval import Interval, PersonalGenome, UnknownNameError
from pgxeval.genome.contigs import ContigNames, canonical_contig, match_contig
from pgxeval.names import known_names, near_names

UCSC = [f"chr{i}" for i in range(1, 23)] + ["chrX", "chrY", "chrM", "chrUn_KI270302v1"]
ENSEMBL = [str(i) for i in range(1, 23)] + ["X", "Y", "MT", "KI270302.1"]
PLINK = [str(i) for i in range(1, 25)] + ["26"]


@pytest.mark.parametrize(
    ("name", "available", "found"),
    [
        ("chr1", UCSC, "chr1"),
        ("1", UCSC, "chr1"),
        ("chr1", ENSEMBL, "1"),
        ("chr10", ENSEMBL, "10"),
        ("MT", UCSC, "chrM"),
        ("chrM", ENSEMBL, "MT"),
        ("M", ENSEMBL, "MT"),
        ("X", PLINK, "23"),
        ("chrX", PLINK, "23"),
        ("23", UCSC, "chrX"),
        ("24", ENSEMBL, "Y"),
        ("chrMT", PLINK, "26"),
        ("Chr2", UCSC, "chr2"),
        ("chrx", UCSC, "chrX"),
        ("chr1_random", UCSC, None),
        ("chr", UCSC, None),
        ("", UCSC, None),
        ("chrUn_KI270302v1", UCSC, "chrUn_KI270302v1"),
        ("KI270302.1", UCSC, None),
    ],
)
def test_match(name: str, available: list[str], found: str | None) -> None:
    assert match_contig(name, available) == found


def test_every_pair_of_spellings_matches() -> None:
    for ucsc, ensembl in zip(UCSC[:25], ENSEMBL[:25], strict=True):
        assert match_contig(ucsc, ENSEMBL) == ensembl
        assert match_contig(ensembl, UCSC) == ucsc


def test_the_same_name_wins_over_its_other_spellings() -> None:
    assert match_contig("chr1", ["1", "chr1"]) == "chr1"
    assert match_contig("1", ["1", "chr1"]) == "1"


def test_two_spellings_in_one_file_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="MT may mean any of M, chrM"):
        match_contig("MT", ["M", "chrM"])
    assert match_contig("chrX", ["X", "23"]) == "X"


def test_lower_case_scaffolds_are_left_as_they_are() -> None:
    assert canonical_contig("scaffold_1") == "scaffold_1"
    assert match_contig("SCAFFOLD_1", ["scaffold_1"]) is None


def test_messages() -> None:
    assert near_names("chr1", ["chr11", "chr2", "Q"]).startswith("; near: chr11")
    assert near_names("NA12878", ["x", "y"]) == ""
    assert known_names([]) == "none"
    assert known_names([str(i) for i in range(10)]) == "0, 1, 2, 3, 4, 5, 6, 7 and 2 more"


# --- species other than human, and files that do not show what they are

AUTOSOMES = [str(number) for number in range(1, 23)]


@pytest.mark.parametrize(
    ("species", "names"),
    [
        ("cattle", [str(number) for number in range(1, 30)]),
        ("cattle with X", [*(str(number) for number in range(1, 30)), "X", "MT"]),
        ("dog", [str(number) for number in range(1, 39)]),
        ("sheep", [str(number) for number in range(1, 27)]),
        ("zebrafish", [str(number) for number in range(1, 26)]),
        ("cattle, one chromosome", ["23"]),
        ("chicken", [f"chr{number}" for number in range(1, 34)]),
    ],
)
def test_numbers_are_not_sex_chromosomes_of_animals(species: str, names: list[str]) -> None:
    for letters, number in (("X", "23"), ("chrY", "24"), ("MT", "26")):
        found = match_contig(letters, names)
        assert found is None or canonical_contig(found) == canonical_contig(letters), species
        assert match_contig(number, names) in (number, f"chr{number}", None), species


def test_numbers_of_a_species_that_lacks_them_are_not_letters() -> None:
    """A gene on cattle's 23 is not on X, whichever contigs the file happens to have."""
    assert match_contig("23", [*AUTOSOMES, "27", "28", "29", "X"]) is None
    assert match_contig("23", ["1", "2", "X"]) is None


def test_human_files_are_shown_by_names_lengths_or_plink() -> None:
    assert match_contig("X", [*AUTOSOMES, "23"]) == "23"
    assert match_contig("23", [*AUTOSOMES, "X"]) == "X"
    grch38 = ContigNames(names=("1", "23"), lengths={"1": 248_956_422, "23": 156_040_895})
    assert grch38.match("chrX") == "23"
    buffalo = ContigNames(names=tuple(map(str, range(1, 25))), lengths={"1": 202_000_000, "22": 62_000_000})
    assert buffalo.match("X") is None
    assert ContigNames(names=("1", "23"), plink=True).match("X") == "23"
    assert ContigNames(names=("1", "23", "29"), plink=True).match("X") is None
    message = str(ContigNames(names=("1", "23")).unknown("chrX", "f.vcf.gz"))
    assert "contig chrX is not in f.vcf.gz (it has 1, 23); 23 would be the same in a human file" in message
    assert "--rename-chrs" in message


def test_letters_win_over_numbers() -> None:
    """A file with X and 23 has both, whatever it is."""
    assert match_contig("chrX", [*AUTOSOMES, "23", "X"]) == "X"
    assert match_contig("23", [*AUTOSOMES, "23", "X"]) == "23"


def test_cattle_gene_on_x(tmp_path: Path, oracles: ModuleType) -> None:
    contigs = {str(number): 99 for number in range(1, 30)}
    lines = [oracles.record_line(name, (5, "A", ["C"]), ["0|1"]) for name in contigs]
    genome = PersonalGenome(oracles.write_vcf(tmp_path / "v.vcf.gz", oracles.vcf_text(contigs, ["p"], lines)))
    with pytest.raises(UnknownNameError, match="contig X is not in"):
        genome.dosages(Interval("X", 0, 99))
    assert genome.dosages(Interval("chr23", 0, 99)).values.tolist() == [[1]]


def test_names_are_looked_up_once(tmp_path: Path, oracles: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [oracles.record_line("1", (5, "A", ["C"]), ["0|1"])]
    vcf = oracles.write_vcf(tmp_path / "v.vcf.gz", oracles.vcf_text({"1": 99}, ["p"], lines))
    genome = PersonalGenome(vcf, oracles.write_fasta(tmp_path / "r.fa", {"chr1": "ACGTAAAA" * 12}))
    seen: list[str] = []
    match = ContigNames.match
    monkeypatch.setattr(ContigNames, "match", lambda self, name: seen.append(name) or match(self, name))
    for start in range(0, 20, 2):
        genome.haplotypes(Interval("chr1", 20 + start, 23 + start))
    assert seen == ["chr1", "chr1"]  # once in the FASTA, once in the VCF
