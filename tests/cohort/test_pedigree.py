"""Pedigrees: families, generations and relationships by hand and by gene dropping."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pgxeval.cohort.pedigree import Pedigree, read_pedigree, read_relationship
from pgxeval.errors import InputFileError, InputFileNotFoundError, TableError

PED = "F1 dad 0 0 1 0\nF1 mum 0 0 2 0\nF1 kid dad mum 1 0\nF1 sis dad mum 2 0\nF2 alone 0 0 1 0\n0 nofam 0 0 1 0\n"
KGP = (
    "Family ID\tIndividual ID\tPaternal ID\tMaternal ID\tGender\tPopulation\n"
    "F1\tdad\t0\t0\t1\tCEU\nF1\tmum\t0\t0\t2\tCEU\nF1\tkid\tdad\tmum\t1\tCEU\nF1\tsis\tdad\tmum\t2\tCEU\n"
    "F2\talone\t0\t0\t1\tYRI\n0\tnofam\t0\t0\t1\tYRI\n"
)
PSAM = (
    "##plink2\n#FID\tIID\tPAT\tMAT\tSEX\n" + "\n".join("\t".join(line.split()[:5]) for line in PED.splitlines()) + "\n"
)
EVERYONE = ["dad", "mum", "kid", "sis", "alone", "nofam", "elsewhere"]


@pytest.mark.parametrize("text", [PED, PED.replace(" ", "\t"), KGP, PSAM, PED.replace("\n", " \n")])
def test_every_layout_gives_the_same_families(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.ped"
    path.write_text(text)
    pedigree = read_pedigree(path)
    assert pedigree.groups(EVERYONE) == {
        **dict.fromkeys(["dad", "mum", "kid", "sis"], "F1"),
        **{name: name for name in ("alone", "nofam", "elsewhere")},
    }
    expected = np.eye(7)
    for i, j in ((0, 2), (0, 3), (1, 2), (1, 3), (2, 3)):
        expected[i, j] = expected[j, i] = 0.5
    np.testing.assert_array_equal(pedigree.relationship(EVERYONE), expected)
    roles = pedigree.roles(EVERYONE)
    assert {name for name, role in roles.items() if role == "generation 1"} == {"kid", "sis"}
    assert set(pedigree.roles(["kid", "sis"]).values()) == {"generation 0"}  # no parent is in the cohort


def test_parents_that_are_not_in_the_cohort_still_connect_siblings() -> None:
    pedigree = Pedigree(individuals=["a", "b"], fathers={"a": "f", "b": "f"}, mothers={"a": "m", "b": "m2"})
    assert pedigree.groups(["a", "b"]) == {"a": "a", "b": "a"}
    assert pedigree.relationship(["a", "b"]).loc["a", "b"] == 0.25


def test_a_family_named_as_an_individual_of_another_family_stays_apart() -> None:
    pedigree = Pedigree(individuals=["1", "2", "3"], families={"1": "9", "2": "1", "3": "1"})
    assert pedigree.groups(["1", "2", "3"]) == {"1": "1", "2": "family 1", "3": "family 1"}


def test_relationships_equal_gene_dropping() -> None:
    """Three generations with a marriage of cousins; 60,000 dropped loci estimate kinship to 0.004."""
    fathers = {"c": "a", "d": "a", "e": "c", "f": "x", "g": "e"}
    mothers = {"c": "b", "d": "b", "e": "y", "f": "d", "g": "f"}
    order = ["a", "b", "x", "y", "c", "d", "e", "f", "g"]
    pedigree = Pedigree(individuals=order, fathers=fathers, mothers=mothers)
    rng = np.random.default_rng(0)
    n = 60_000
    allele = {name: np.tile([2 * i, 2 * i + 1], (n, 1)) for i, name in enumerate(order[:4])}
    for name in order[4:]:
        sides = [allele[parent][np.arange(n), rng.integers(2, size=n)] for parent in (fathers[name], mothers[name])]
        allele[name] = np.stack(sides, axis=1)
    expected = np.array(
        [
            [np.mean([(allele[a][:, i] == allele[b][:, j]).mean() for i in (0, 1) for j in (0, 1)]) * 2 for b in order]
            for a in order
        ]
    )
    np.testing.assert_allclose(pedigree.relationship(order), expected, atol=0.012)
    assert pedigree.relationship(["g"]).iloc[0, 0] == 1 + 1 / 16


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "lists no individual"),
        ("F a 0\n", "line 1: 3 column"),
        ("F a 0 0\nF b 0\n", "line 2: 3 column"),
        ("F a 0 0\nG a 0 0\n", "line 2: individual a is already on line 1"),
        ("F a b 0\nF b a 0\n", "a is its own ancestor"),
    ],
)
def test_bad_pedigrees_are_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bad.ped"
    path.write_text(text)
    with pytest.raises(InputFileError, match=said):
        read_pedigree(path)
    with pytest.raises(InputFileNotFoundError, match="does not exist"):
        read_pedigree(tmp_path / "no.ped")


def test_relationships_from_a_table_or_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.ped"
    path.write_text(PED)
    assert read_relationship(path, ["kid", "dad"]).loc["kid", "dad"] == 0.5
    table = pd.DataFrame(np.eye(3), index=list("abc"), columns=list("abc"))
    assert list(read_relationship(table, ["c", "a"]).index) == ["c", "a"]
    with pytest.raises(TableError, match=r"relationship lacks 1 individuals of the cohort: z"):
        read_relationship(table, ["a", "z"])
    path.write_text("F1 a 0 0\nF1 b 0 0\n")
    with pytest.raises(InputFileError, match="names no parents"):
        read_relationship(path, ["a", "b"])
