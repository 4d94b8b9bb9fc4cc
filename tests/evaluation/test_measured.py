from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pgxeval.cohort import Expression
from pgxeval.errors import InputFileError, TableError, UnknownNameError
from pgxeval.evaluation.measured import MeasuredExpression
from pgxeval.genome.intervals import Gene

PEOPLE = ["S2", "007", "NA", "S1"] + [f"T{k}" for k in range(8)]


@pytest.fixture
def table(bed) -> pd.DataFrame:
    return bed(np.random.default_rng(0).normal(size=(3, 12)), PEOPLE)


def test_a_table_a_cohort_and_a_path_are_the_same_target(table, tmp_path) -> None:
    from_table = MeasuredExpression.of(table)
    cohort = Expression(
        genes=[Gene(gene_id=f"G{k:04d}", contig="chr1", start=k * 1_000_000, end=k * 1_000_000 + 1) for k in range(3)],
        individuals=PEOPLE,
        values=table.iloc[:, 4:].to_numpy(),
    )
    table.to_csv(tmp_path / "expression.bed", sep="\t", index=False)
    for other in (MeasuredExpression.of(cohort), MeasuredExpression.of(tmp_path / "expression.bed")):
        np.testing.assert_allclose(other.expression, from_table.expression)
        assert other.individuals == from_table.individuals == tuple(sorted(PEOPLE))
        assert other.gene_ids == from_table.gene_ids
        assert other.starts.tolist() == from_table.starts.tolist()
    assert not from_table.expression.flags.writeable
    assert from_table.row("G0001") == 1
    with pytest.raises(UnknownNameError, match="G9"):
        from_table.row("G9")


def test_the_input_stays_as_it_was(table) -> None:
    before = table.copy()
    MeasuredExpression.of(table)
    pd.testing.assert_frame_equal(table, before)
    values = np.random.default_rng(1).normal(size=(1, 12))
    genes = [Gene(gene_id="G", contig="1", start=0, end=1)]
    MeasuredExpression.of(Expression(genes=genes, individuals=sorted(PEOPLE), values=values))
    assert values.flags.writeable


def test_covariates_are_matched_by_name_and_gaps_cost_individuals(table) -> None:
    covariates = pd.DataFrame({"age": np.arange(11.0), "sex": [0, 1] * 5 + [0]}, index=PEOPLE[::-1][:11])
    covariates.loc["T3", "age"] = np.nan
    target = MeasuredExpression.of(table, covariates)
    assert target.covariate_names == ("age", "sex")
    assert set(PEOPLE) - set(target.individuals) == {"S2", "T3"}
    assert list(zip(target.exclusions["name"], target.exclusions["reason"], strict=True)) == [
        ("S2", "not in the covariates"),
        ("T3", "a covariate is missing"),
    ]
    for row, name in enumerate(target.individuals):
        assert target.covariates[row].tolist() == covariates.loc[name].tolist()
        np.testing.assert_array_equal(target.expression[:, row], table[name])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t.drop(columns="start"), "no column for the start or the end"),
        (lambda t: t.assign(gene_id="G"), "row 2: gene G is already in row 1"),
        (lambda t: t.rename(columns={"S1": "S2"}), "individual S2 has more than one column"),
        (lambda t: t.assign(S1=["1", "much", "2"]), "gene G0001, individual S1: 'much' is not a number"),
        (lambda t: t.assign(S1=[1.0, np.inf, 2.0]), "gene G0001, individual S1: the value is infinite"),
        (lambda t: t.assign(start="x"), "positions 'x' to .* expected whole numbers"),
        (lambda t: t.to_numpy(), "cannot judge against a ndarray"),
    ],
)
def test_a_malformed_table_is_refused(table, spoil, message: str) -> None:
    with pytest.raises(TableError, match=message):
        MeasuredExpression.of(spoil(table))


@pytest.mark.parametrize(
    ("covariates", "message"),
    [
        (pd.DataFrame({"site": PEOPLE}, index=PEOPLE), "site has 12 categories"),
        (pd.DataFrame({"age": np.inf}, index=PEOPLE), "infinite"),
        (pd.DataFrame({"age": 1.0}, index=["X1", "X2"]), "name none of the 12 individuals"),
        (pd.DataFrame({"age": 1.0}, index=["S1", "S1"]), "more than once"),
    ],
)
def test_malformed_covariates_are_refused(table, covariates, message: str) -> None:
    with pytest.raises(TableError, match=message):
        MeasuredExpression.of(table, covariates)


def test_a_missing_file_is_reported(tmp_path) -> None:
    with pytest.raises(InputFileError, match="nowhere"):
        MeasuredExpression.of(tmp_path / "nowhere.bed")
