"""The inputs of a cohort, restricted to what they share."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pgxeval.cohort.cohort import Cohort
from pgxeval.cohort.expression import Expression
from pgxeval.errors import (
    PgxevalWarning,
    TableError,
    UnknownNameError,
)
from pgxeval.genome.dosages import Dosages
from pgxeval.genome.intervals import Gene, Interval

PEOPLE = tuple(f"P{i:02d}" for i in range(30))


def no_dosages(interval: Interval, individuals: Sequence[str]) -> Dosages:
    return Dosages(
        values=np.zeros((len(individuals), 0), dtype=np.int8),
        variants=pd.DataFrame(
            {"contig": [], "position": [], "id": [], "ref": pd.array([], dtype="str"), "alt": pd.array([], dtype="str")}
        ),
        individuals=tuple(individuals),
        counts={},
    )


def genome(individuals: Sequence[str] = PEOPLE, contigs: Sequence[str] = ("chr1", "chr2")) -> Any:
    return SimpleNamespace(
        individuals=tuple(individuals),
        contigs=tuple(contigs),
        dosages=no_dosages,
        source=None,
        reference=None,
        notes=(),
    )


def gene(name: str, contig: str = "chr1", start: int = 1000, end: int = 2000) -> Gene:
    return Gene(gene_id=name, contig=contig, start=start, end=end)


def values(genes: int, individuals: int = 30, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(genes, individuals))


def covariates(individuals: Sequence[str] = PEOPLE, **columns: Any) -> pd.DataFrame:
    random = np.random.default_rng(9)
    base = {"age": random.normal(50, 9, len(individuals)), "sex": np.arange(len(individuals)) % 2}
    return pd.DataFrame(base | columns, index=list(individuals))


def excluded(cohort: Cohort) -> list[tuple[str, str, str]]:
    return [tuple(row) for row in cohort.exclusions.itertuples(index=False)]


def test_parts_are_shared_and_everything_else_is_counted() -> None:
    n = 26
    people = [*PEOPLE[25:3:-1], "only_measured", *PEOPLE[:3]]
    matrix = values(6, n)
    matrix[3] = 5 * (1 + 1e-14 * np.arange(n))
    # Measured in ten, but only nine of them have genotypes and covariates.
    matrix[4] = np.nan
    matrix[4, 14:23] = np.arange(9)
    matrix[4, people.index("only_measured")] = 100
    genes = [gene("A"), gene("B", "1"), gene("NOWHERE", "scaffold_1"), gene("FLAT"), gene("FEW"), gene("C", "2")]
    table = covariates([*PEOPLE[::-1], "only_covariates"][1:], same=3.0)
    cohort = Cohort.from_parts(
        genome=genome(),
        expression=Expression(values=matrix, genes=genes, individuals=people),
        covariates=table,
    )
    assert cohort.individuals == tuple(name for name in people if name in PEOPLE and name in table.index)
    assert cohort.gene_ids == ("A", "B", "C")
    frame = pd.DataFrame(matrix, index=[g.gene_id for g in genes], columns=people)
    np.testing.assert_array_equal(cohort.expression, frame.loc[["A", "B", "C"], list(cohort.individuals)])
    pd.testing.assert_frame_equal(
        cohort.covariates, table.loc[list(cohort.individuals), ["age", "sex"]].astype(float), check_names=False
    )
    rows = excluded(cohort)
    lacking = [name for name in PEOPLE if name not in people]
    assert ("individual", "only_measured", "not in the genotypes and the covariates") in rows
    assert ("individual", "only_covariates", "not in the expression table and the genotypes") in rows
    for name in lacking:
        assert ("individual", name, "not in the expression table" + " and the covariates" * (name == "P29")) in rows
    assert rows[len(lacking) + 2 :] == [
        ("gene", "NOWHERE", "contig unknown to the genotypes"),
        ("gene", "FLAT", "constant expression"),
        ("gene", "FEW", "fewer than 10 measured individuals"),
        ("covariate", "same", "constant covariate"),
    ]
    assert len(rows) == len(lacking) + 2 + 4
    assert cohort.notes[0] == "contigs have other names in the genotypes: 1 is chr1, 2 is chr2"


def test_if_all_covariates_are_constant_none_is_left() -> None:
    cohort = Cohort.from_parts(
        genome=genome(),
        expression=Expression(values=values(1), genes=[gene("G")], individuals=PEOPLE),
        covariates=pd.DataFrame({"same": 1}, index=list(PEOPLE)),
    )
    assert cohort.covariates is None
    assert excluded(cohort) == [("covariate", "same", "constant covariate")]


def test_gene_models_replace_the_positions() -> None:
    genes = [gene("ENSG00000000001.1"), gene("ENSG00000000002.1"), gene("ABSENT")]
    models = {
        name: Gene(gene_id=name, contig="1", start=900, end=2100, strand="-", tss=2099, exons=[(900, 950)], name="ONE")
        for name in ("ENSG00000000001.1", "ENSG00000000002.7", "ENSG00000000009.1")
    }
    cohort = Cohort.from_parts(
        genome=genome(),
        expression=Expression(values=values(3), genes=genes, individuals=PEOPLE),
        models=models,
    )
    assert cohort.gene_ids == ("ENSG00000000001.1", "ENSG00000000002.1")
    assert cohort.gene("ENSG00000000002.1").tss == 2099
    assert cohort.gene("ENSG00000000001.1") == models["ENSG00000000001.1"]
    assert excluded(cohort) == [("gene", "ABSENT", "not in the gene models")]
    assert any("1 gene(s) were found" in note and "ENSG00000000002.1" in note for note in cohort.notes)
    with pytest.raises(UnknownNameError, match="ABSENT is not in the cohort; it was excluded: not in the gene models"):
        cohort.gene("ABSENT")
    with pytest.raises(TableError, match=r"none of the 3 genes .* is in the gene models: ENSG.*; give the GTF"):
        Cohort.from_parts(
            genome=genome(),
            expression=Expression(values=values(3), genes=genes, individuals=PEOPLE),
            models={"OTHER": gene("OTHER")},
        )


@pytest.mark.parametrize(
    ("model", "apart"),
    [
        (gene("G", "1", 1500, 1600), False),
        (gene("G", "chr1", 11_999, 12_100), False),
        (gene("G", "chr1", 12_000, 12_100), True),
        (gene("G", "chr2", 1000, 2000), True),
    ],
)
def test_another_genome_build_is_noticed(model: Gene, apart: bool) -> None:
    def build() -> Cohort:
        return Cohort.from_parts(
            genome=genome(),
            expression=Expression(values=values(1), genes=[gene("G")], individuals=PEOPLE),
            models={"G": model},
        )

    if not apart:
        assert not any("lie more than" in note for note in build().notes)
        return
    with pytest.warns(PgxevalWarning, match=r"1 of 1 genes lie more than 10,000 bp .*genome build"):
        cohort = build()
    assert any("lie more than" in note for note in cohort.notes)
    assert cohort.genes == (model,)
