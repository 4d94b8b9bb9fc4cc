"""Subsets and halves of a cohort, and what does not vary among their individuals."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import (
    SettingError,
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


def parts(n_genes: int = 3, **changes: Any) -> dict[str, Any]:
    return {
        "genome": genome(),
        "genes": [gene(f"G{i}") for i in range(n_genes)],
        "expression": values(n_genes),
        "individuals": PEOPLE,
    } | changes


def covariates(individuals: Sequence[str] = PEOPLE, **columns: Any) -> pd.DataFrame:
    random = np.random.default_rng(9)
    base = {"age": random.normal(50, 9, len(individuals)), "sex": np.arange(len(individuals)) % 2}
    return pd.DataFrame(base | columns, index=list(individuals))


def excluded(cohort: Cohort) -> list[tuple[str, str, str]]:
    return [tuple(row) for row in cohort.exclusions.itertuples(index=False)]


def test_subset_in_the_order_asked() -> None:
    cohort = Cohort(**parts(covariates=covariates(), exclusions=[("gene", "X", "why")]))
    people = PEOPLE[20:5:-1]
    part = cohort.subset(genes=["G2", "G0"], individuals=people)
    assert part.gene_ids == ("G2", "G0")
    assert part.individuals == people
    frame = pd.DataFrame(values(3), index=["G0", "G1", "G2"], columns=list(PEOPLE))
    np.testing.assert_array_equal(part.expression, frame.loc[["G2", "G0"], list(people)])
    assert part.covariates.index.tolist() == list(people)
    assert excluded(part) == [("gene", "X", "why")]
    assert part.notes == ("subset of a cohort of 3 genes and 30 individuals",)
    everything = cohort.subset()
    assert everything.gene_ids == cohort.gene_ids
    np.testing.assert_array_equal(everything.expression, cohort.expression)


def test_subset_leaves_out_what_says_nothing_there() -> None:
    matrix = values(3)
    matrix[0, :12] = 1.5
    matrix[1, :6] = np.nan
    cohort = Cohort(**parts(expression=matrix, covariates=covariates(late=[0] * 12 + [1] * 18)))
    part = cohort.subset(individuals=PEOPLE[:12])
    assert part.gene_ids == ("G2",)
    assert part.covariates.columns.tolist() == ["age", "sex"]
    assert excluded(part) == [
        ("gene", "G0", "constant expression"),
        ("gene", "G1", "fewer than 10 measured individuals"),
        ("covariate", "late", "constant covariate"),
    ]


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ({"genes": ["G0", "G9"]}, UnknownNameError, "gene G9 is not in the cohort; genes are named as G0"),
        (
            {"individuals": [*PEOPLE[:12], "P1"]},
            UnknownNameError,
            r"1 individual\(s\) are not in the cohort: P1; near: P",
        ),
        ({"genes": ["GG0"]}, UnknownNameError, "gene GG0 is not in the cohort; near: G0"),
        ({"individuals": [*PEOPLE, "P00"]}, SettingError, "individuals: P00 occurs more than once"),
        ({"genes": ["G0", "G0"]}, SettingError, "genes: G0 occurs more than once"),
        ({"genes": "G0"}, SettingError, "sequence of names, got the one string 'G0'"),
        ({"individuals": PEOPLE[:9]}, SettingError, "at least 10 individuals, got 9"),
        ({"genes": []}, SettingError, "at least one gene, got none"),
    ],
)
def test_subsets_that_cannot_be(asked: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        Cohort(**parts()).subset(**asked)


def test_halves_are_disjoint_and_depend_on_names_only() -> None:
    people = tuple(f"N{i}" for i in range(200))
    cohort = Cohort(**parts(genome=genome(people), individuals=people, expression=values(3, 200)))
    first, second = cohort.halves(seed=1)
    assert sorted(first.individuals + second.individuals) == sorted(people)
    assert abs(len(first.individuals) - 100) < 40
    fewer = cohort.subset(individuals=people[::-1][:120])
    again = fewer.halves(seed=1)
    assert set(again[0].individuals) == set(first.individuals) & set(fewer.individuals)
    assert set(again[1].individuals) == set(second.individuals) & set(fewer.individuals)
    assert set(cohort.halves(seed=2)[0].individuals) != set(first.individuals)


def test_halves_that_are_too_small() -> None:
    cohort = Cohort(**parts(individuals=PEOPLE[:12], expression=values(3, 12)))
    with pytest.raises(SettingError, match=r"halves of \d+ and \d+ individuals \(seed 0\)"):
        cohort.halves(seed=0)
