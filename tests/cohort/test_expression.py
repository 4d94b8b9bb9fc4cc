"""Expression BED files, against pandas' reader and planted errors."""

from __future__ import annotations

import numpy as np
import pytest

from pgxeval.cohort.expression import Expression, read_only_matrix
from pgxeval.errors import TableError
from pgxeval.genome.intervals import Gene

GENES = tuple(Gene(gene_id=f"G{i}", contig="1", start=i, end=i + 1) for i in range(2))


def test_values_are_read_only_and_apart_from_the_input() -> None:
    values = np.zeros((2, 3))
    expression = Expression(values=values, genes=GENES, individuals=["a", "b", "c"])
    values[0, 0] = 9
    assert expression.values[0, 0] == 0
    with pytest.raises(ValueError, match="read-only"):
        expression.values[0, 0] = 1
    table = expression.table
    table.loc["G0", "a"] = 5
    assert expression.values[0, 0] == 0
    assert table.index.tolist() == ["G0", "G1"]


def test_read_only_matrix_copies_views_of_writable_arrays() -> None:
    whole = np.arange(6.0).reshape(2, 3)
    part = read_only_matrix(whole[:, :2])
    whole[:] = -1
    np.testing.assert_array_equal(part, [[0, 1], [3, 4]])
    assert read_only_matrix(part) is part


@pytest.mark.parametrize(
    ("values", "genes", "individuals", "says"),
    [
        (np.zeros((2, 2)), GENES, ["a", "b", "c"], r"shape \(2, 2\).* 2 genes and 3 individuals"),
        (np.zeros((2, 2)), GENES, ["a", "a"], "individual a occurs more than once"),
        (np.zeros((2, 2)), (GENES[0], GENES[0]), ["a", "b"], "gene G0 occurs more than once"),
        ([[0, 1], [np.nan, -np.inf]], GENES, ["a", "b"], "1 value.*infinite.* gene G1, individual b"),
        (np.zeros((2, 2)), GENES, ["a", 7], "identifier 7 is of type int"),
    ],
)
def test_matrices_are_checked(values: object, genes: object, individuals: object, says: str) -> None:
    with pytest.raises(TableError, match=says):
        Expression(values=values, genes=genes, individuals=individuals)


def test_repr_holds_no_value() -> None:
    text = repr(Expression(values=[[1.2345, np.nan], [6.789, 0]], genes=GENES, individuals=["ann", "bob"]))
    assert text == "Expression(2 genes, 2 individuals, 1 values missing)"


# The layouts that public files have
