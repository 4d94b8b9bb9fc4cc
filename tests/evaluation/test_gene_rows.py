"""Rows of genes: size and spread against plain loops; blocks and threads change nothing."""

from __future__ import annotations

import numpy as np
import pytest

from pgxeval.evaluation.correlation import RankedExpression, correlate_rows
from pgxeval.evaluation.gene_rows import largest, over_rows, spread


def test_threads_and_neighbours_change_nothing() -> None:
    random = np.random.default_rng(9)
    x, y = random.normal(size=(900, 30)), random.normal(size=(900, 30))
    x[::7, 3] = np.nan
    one = RankedExpression(y, threads=1).correlate(x)
    two = RankedExpression(y, threads=2).correlate(x)
    np.testing.assert_array_equal(one.spearman, two.spearman)
    rows = np.arange(899, -1, -5)
    some = RankedExpression(y, threads=1).correlate(x[rows], rows)
    np.testing.assert_array_equal(some.spearman, one.spearman[rows])


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e154, 1e300])
def test_pearson_of_huge_and_tiny_values_is_that_of_ordinary_ones(size: float) -> None:
    random = np.random.default_rng(15)
    x, y = random.normal(size=(2, 5, 30))
    ordinary, extreme = correlate_rows(x, y), correlate_rows(x * size, y * size)
    np.testing.assert_allclose(extreme.pearson, ordinary.pearson, atol=1e-10)
    np.testing.assert_allclose(extreme.pearson_errors.se, ordinary.pearson_errors.se, rtol=1e-8)


def test_size_and_spread_are_those_of_the_values_there() -> None:
    values = np.random.default_rng(17).normal(size=(6, 9)) - 4
    values[2:, ::2] = np.nan
    values[5] = np.nan
    mask = np.isfinite(values)
    there = [row[row == row].tolist() for row in values]
    assert largest(values).tolist() == [max(map(abs, row), default=0.0) for row in there]
    assert spread(values, mask).tolist() == [max(row) - min(row) if row else -np.inf for row in there]
    assert spread(values[:2], mask[:2]).tolist() == [max(row) - min(row) for row in there[:2]]


@pytest.mark.parametrize("threads", [None, 1, 3])
def test_each_row_is_worked_on_once(threads: int | None) -> None:
    seen = np.zeros(1000, dtype=np.int64)

    def work(part: slice) -> None:
        seen[part] += 1

    over_rows(work, len(seen), threads)
    assert (seen == 1).all()
