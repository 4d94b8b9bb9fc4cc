"""Contig names: what is matched, what is not, and what is refused."""

from __future__ import annotations

import pytest

from pgxeval import UnknownNameError
from pgxeval.genome.contigs import canonical_contig, match_contig
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
    with pytest.raises(UnknownNameError, match="chrX may mean any of 23, X"):
        match_contig("chrX", ["X", "23"])


def test_lower_case_scaffolds_are_left_as_they_are() -> None:
    assert canonical_contig("scaffold_1") == "scaffold_1"
    assert match_contig("SCAFFOLD_1", ["scaffold_1"]) is None


def test_messages() -> None:
    assert near_names("chr1", ["chr11", "chr2", "Q"]).startswith("; near: chr11")
    assert near_names("NA12878", ["x", "y"]) == ""
    assert known_names([]) == "none"
    assert known_names([str(i) for i in range(10)]) == "0, 1, 2, 3, 4, 5, 6, 7 and 2 more"
