"""Covariate tables, against pandas, numpy's rank and statsmodels' residuals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from pgxeval.cohort.covariate_files import read_covariates
from pgxeval.cohort.covariates import check_covariates, constant, covariate_basis, encode_covariates
from pgxeval.errors import TableError

PEOPLE = ["007", "NA", "GTEX-1117F"]
GTEX = "ID\t007\tNA\tGTEX-1117F\nPC1\t0.1\t-2\t3e-1\nsex\t1\t2\t1\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "covariates.txt"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (pd.DataFrame({"a": [1.0, 2]}, index=["p", "p"]), "individual p occurs more than once"),
        (pd.DataFrame([[1.0, 2]], index=["p"], columns=["a", "a"]), "covariate a occurs more than once"),
        (pd.DataFrame({"a": ["x", "y"]}, index=["p", "q"]), "a has values that are not numbers"),
        (pd.DataFrame({"a": [1, np.nan]}, index=["p", "q"]), r"missing for 1 individual\(s\), first q"),
        (pd.DataFrame({"a": [np.inf, 0]}, index=["p", "q"]), "first p"),
        (pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}, index=["p", "q"]), "first q"),
    ],
)
def test_tables_in_memory_are_checked(frame: pd.DataFrame, says: str) -> None:
    with pytest.raises(TableError, match=says):
        check_covariates(frame)


def test_a_checked_table_is_a_float_copy() -> None:
    frame = pd.DataFrame({"sex": [0, 1], "smokes": [True, False]}, index=["p", "q"])
    checked = check_covariates(frame)
    frame.loc["p", "sex"] = 5
    assert checked.to_numpy().tolist() == [[0, 1], [1, 0]]
    assert set(checked.dtypes) == {np.dtype(float)}


def random_covariates(n: int, kind: str, random: np.random.Generator) -> np.ndarray:
    free = random.normal(size=(n, 3))
    if kind == "free":
        return free
    if kind == "collinear":
        return np.column_stack([free, free @ [1, -2, 0.5], 3 * free[:, 0] + 7])
    if kind == "batches":
        batch = random.integers(0, 4, size=n)
        return np.column_stack([batch[:, None] == np.arange(4), free]).astype(float)
    if kind == "scales":
        return free * [1e-9, 1, 1e12] + [0, 50, 3e13]
    assert kind == "constant"
    return np.column_stack([free, np.full(n, 0.1), np.full(n, 0.1) * (1 + 1e-15 * random.normal(size=n))])


@pytest.mark.parametrize("kind", ["free", "collinear", "batches", "scales", "constant"])
def test_basis_spans_intercept_and_covariates(kind: str) -> None:
    random = np.random.default_rng(3)
    n = 60
    values = random_covariates(n, kind, random)
    table = pd.DataFrame(values, columns=[f"c{i}" for i in range(values.shape[1])])
    basis = covariate_basis(table, n)
    assert basis.shape == (n, {"free": 4, "collinear": 4, "batches": 7, "scales": 4, "constant": 4}[kind])
    np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-12)
    assert np.ptp(basis[:, 0]) == 0
    y = random.normal(size=n)
    independent = np.delete(values, 0, axis=1) if kind == "batches" else values[:, :3]
    standard = (independent - independent.mean(axis=0)) / independent.std(axis=0)
    oracle = sm.OLS(y, sm.add_constant(standard)).fit().resid
    np.testing.assert_allclose(y - basis @ (basis.T @ y), oracle, atol=1e-9)


def test_basis_without_covariates_is_the_intercept() -> None:
    for table in (None, pd.DataFrame(index=range(4)), pd.DataFrame({"flat": [2.0] * 4})):
        np.testing.assert_allclose(covariate_basis(table, 4), np.full((4, 1), 0.5))


def test_constant_leaves_missing_values_out() -> None:
    nan = np.nan
    rows = np.array(
        [[1, 1, nan], [1, 2, nan], [nan, nan, nan], [nan, 3, nan], [0, 0, 0], [-5, 5, 0], [1, 1 + 1e-15, 1]]
    )
    assert constant(rows, axis=1).tolist() == [True, False, True, True, True, False, True]
    assert constant(rows.T, axis=0).tolist() == constant(rows, axis=1).tolist()
    # Small values vary as well as large ones do.
    assert not constant(np.array([[1e-300, 2e-300]]), axis=1).any()


# Files that researchers have


def test_categories_become_indicators_and_are_noted() -> None:
    table = pd.DataFrame(
        {
            "sex": list("MFMFMF"),
            "batch": pd.Categorical(["b", "a", "c", "a", "b", "c"]),
            "smokes": [True, False] * 3,
            "age": [1, 2, 3, 4, 5, None],
        },
        index=list("uvwxyz"),
    )
    encoded = encode_covariates(read_covariates(table), list("zyxwvu"))
    assert encoded.table.index.tolist() == list("yxwvu")
    oracle = pd.get_dummies(table.loc[list("yxwvu"), ["sex", "batch"]], drop_first=True, prefix_sep="=", dtype=float)
    assert encoded.table.columns.tolist() == ["sex=M", "batch=b", "batch=c", "smokes", "age"]
    np.testing.assert_array_equal(encoded.table[oracle.columns], oracle)
    assert encoded.exclusions == (("individual", "z", "a covariate is missing"),)
    assert encoded.notes[0] == (
        "covariate sex has the categories F, M: encoded as 1 indicator column(s) with F as the reference"
    )


def test_missing_values_of_outsiders_do_not_matter(tmp_path: Path) -> None:
    raw = read_covariates(write(tmp_path, GTEX.replace("-2", "NA")), PEOPLE)
    encoded = encode_covariates(raw, ["007", "GTEX-1117F"])
    assert encoded.exclusions == ()
    assert encoded.table.shape == (2, 2)


def test_covariates_without_any_value_are_excluded_and_identifiers_refused() -> None:
    table = pd.DataFrame({"none": [np.nan] * 4, "age": [1.0, 2, 3, 4], "id": list("abcd")}, index=list("wxyz"))
    with pytest.raises(TableError, match=r"covariate id has 4 categories \(a, b, c and 1 more\) for 4 individuals"):
        encode_covariates(read_covariates(table), list("wxyz"))
    encoded = encode_covariates(read_covariates(table.drop(columns="id")), list("wxyz"))
    assert encoded.exclusions == (("covariate", "none", "covariate missing for all individuals"),)
    with pytest.raises(TableError, match="complete for none of 4 individuals; p is missing for most"):
        encode_covariates(
            pd.DataFrame({"p": [None, 1, None, None], "q": [1, None, 2, 3]}, index=list("wxyz")), list("wxyz")
        )


@pytest.mark.parametrize("factor", [1e-305, 1e-200, 1e200, 1e307])
def test_a_basis_does_not_depend_on_units(factor: float) -> None:
    values = np.random.default_rng(1).normal(size=(30, 3))
    values /= np.abs(values).max()
    basis, scaled = (covariate_basis(table, 30) for table in (values, values * factor))
    assert scaled.shape == (30, 4)
    np.testing.assert_allclose(scaled @ scaled.T, basis @ basis.T, atol=1e-12)
    design = np.column_stack([np.ones(30), values])
    np.testing.assert_allclose(basis @ basis.T, design @ np.linalg.pinv(design), atol=1e-12)


def test_numbers_that_may_be_codes_are_noted() -> None:
    people = [f"P{k}" for k in range(12)]
    table = pd.DataFrame(
        {"sex": [1.0, 2, -9] * 4, "batch": [1.0, 2, 3] * 4, "PC1": np.linspace(-9, 9, 12), "age": np.arange(12.0)},
        index=people,
    )
    notes = encode_covariates(table, people).notes
    assert len(notes) == 2
    assert "covariate sex is -9 in 4 individual(s), as PLINK writes missing values" in notes[0]
    assert "covariate batch has 3 whole numbers and is used as a number" in notes[1]


def test_decimal_commas_are_named() -> None:
    people = [f"P{k}" for k in range(12)]
    table = pd.DataFrame({"PC1": [f"0,{k}" for k in range(12)]}, index=people)
    with pytest.raises(TableError, match="write decimal points, not commas"):
        encode_covariates(read_covariates(table), people)
