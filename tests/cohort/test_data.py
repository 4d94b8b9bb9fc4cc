"""The data of a cohort: what must hold of it, what it shows, and how it travels."""

from __future__ import annotations

import html
import pickle
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import (
    SettingError,
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


def test_a_cohort_built_directly() -> None:
    matrix = values(3)
    cohort = Cohort(**parts(expression=matrix, covariates=covariates()))
    matrix[0, 0] = 99
    assert cohort.gene_ids == ("G0", "G1", "G2")
    assert cohort.expression[0, 0] == values(3)[0, 0]
    with pytest.raises(ValueError, match="read-only"):
        cohort.expression[0, 0] = 1
    series = cohort.expression_of("G1")
    assert series.name == "G1"
    assert series.index.tolist() == list(PEOPLE)
    np.testing.assert_array_equal(series, values(3)[1])
    series.iloc[0] = 7
    assert cohort.expression[1, 0] != 7
    assert cohort.gene("G2").gene_id == "G2"
    assert cohort.expression_table.loc["G2", "P05"] == values(3)[2, 5]
    assert cohort.covariates is not None
    assert cohort.covariates.columns.tolist() == ["age", "sex"]
    assert excluded(cohort) == []
    assert list(cohort.exclusions.columns) == ["kind", "name", "reason"]
    with pytest.raises(AttributeError):
        cohort.individuals = ()  # type: ignore[misc]  # frozen: that is the point


def with_values(row: int, columns: slice, value: float) -> np.ndarray:
    matrix = values(3)
    matrix[row, columns] = value
    return matrix


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"expression": values(2)}, TableError, r"shape \(2, 30\), but there are 3 genes and 30 individuals"),
        ({"individuals": [*PEOPLE[:29], "P00"]}, TableError, "individual P00 occurs more than once"),
        ({"genes": [gene("G0"), gene("G1"), gene("G0")]}, TableError, "gene G0 occurs more than once"),
        (
            {"expression": with_values(1, slice(3, 4), np.inf)},
            TableError,
            "infinite, the first for gene G1, indiv.* P03",
        ),
        ({"expression": with_values(2, slice(None), 4.0)}, TableError, "gene G2 cannot be judged: constant expression"),
        ({"expression": with_values(2, slice(0, 21), np.nan)}, TableError, "G2 .* fewer than 10 measured individuals"),
        ({"genome": genome(PEOPLE[1:])}, UnknownNameError, r"1 individual\(s\) are not in the genotypes: P00; near"),
        (
            {"genome": genome(contigs=["chr7"])},
            UnknownNameError,
            "G0 cannot be judged: contig unknown to the genotypes",
        ),
        ({"genes": [], "expression": values(0)}, SettingError, "at least one gene"),
        ({"individuals": PEOPLE[:9], "expression": values(3, 9)}, SettingError, "at least 10 individuals, got 9"),
        ({"individuals": [0, *PEOPLE[1:]]}, TableError, "identifier 0 is of type int"),
        ({"covariates": covariates(PEOPLE[::-1])}, TableError, "in their order"),
        ({"covariates": covariates(PEOPLE[:-1])}, TableError, r"\(29 individuals\) is not the cohort's"),
        ({"covariates": covariates(flat=1)}, TableError, "covariate flat is the same for all individuals"),
        ({"covariates": covariates(bad=[np.nan] + [0.0] * 29)}, TableError, "bad is missing for 1 individual.* P00"),
        ({"exclusions": pd.DataFrame({"kind": []})}, TableError, "exclusions lacks"),
    ],
)
def test_what_cannot_be_judged_is_refused(changes: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        Cohort(**parts(**changes))


def test_covariates_must_leave_a_degree_of_freedom() -> None:
    random = np.random.default_rng(1)
    many = pd.DataFrame(random.normal(size=(30, 27)), index=list(PEOPLE)).rename(columns=str)
    assert Cohort(**parts(covariates=many)).covariates is not None
    with pytest.raises(SettingError, match="28 independent covariates leave no degree of freedom with 30"):
        Cohort(**parts(covariates=many.assign(one_more=random.normal(size=30))))
    # Collinear covariates cost nothing.
    repeated = pd.concat([many, many.add_prefix("again")], axis=1)
    assert Cohort(**parts(covariates=repeated)).covariates.shape == (30, 54)


def test_what_is_shown_holds_no_individual() -> None:
    matrix = values(3)
    matrix[0, 0] = 123.456
    rows = [("individual", "SECRET", "not in the genotypes"), ("gene", "X", "a < b"), ("gene", "Y", "a < b")]
    cohort = Cohort(**parts(expression=matrix, exclusions=rows, covariates=covariates(), notes=["1 & 2"]))
    assert repr(cohort) == (
        "Cohort(3 genes, 30 individuals, 2 covariates; excluded: 1 individual(s) not in the genotypes; 2 gene(s) a < b)"
    )
    shown = cohort._repr_html_()
    assert html.escape("a < b") in shown
    assert "<td>2</td>" in shown
    assert "<li>1 &amp; 2</li>" in shown
    for text in (shown, repr(cohort), str(cohort)):
        assert "SECRET" not in text
        assert "P00" not in text
        assert "123" not in text
    assert "Nothing was excluded" in Cohort(**parts())._repr_html_()


def test_a_cohort_travels_to_other_processes() -> None:
    cohort = Cohort(**parts(covariates=covariates(), exclusions=[("gene", "X", "why")]))
    again = pickle.loads(pickle.dumps(cohort))
    assert again.individuals == cohort.individuals
    assert again.genes == cohort.genes
    np.testing.assert_array_equal(again.expression, cohort.expression)
    pd.testing.assert_frame_equal(again.covariates, cohort.covariates)
    pd.testing.assert_frame_equal(again.exclusions, cohort.exclusions)
    assert again.gene("G1") == cohort.gene("G1")
