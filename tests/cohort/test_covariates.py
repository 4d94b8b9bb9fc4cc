"""Covariate tables, against pandas, numpy's rank and statsmodels' residuals."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from pgxeval.cohort.covariate_files import read_covariates
from pgxeval.cohort.covariates import check_covariates, constant, covariate_basis, encode_covariates
from pgxeval.errors import InputFileError, InputFileNotFoundError, TableError

PEOPLE = ["007", "NA", "GTEX-1117F"]
GTEX = "ID\t007\tNA\tGTEX-1117F\nPC1\t0.1\t-2\t3e-1\nsex\t1\t2\t1\n"
TRANSPOSED = "sample\tPC1\tsex\n007\t0.1\t1\nNA\t-2\t2\nGTEX-1117F\t3e-1\t1\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "covariates.txt"
    path.write_text(text)
    return path


@pytest.mark.parametrize("people", [PEOPLE, PEOPLE[:1], [*PEOPLE, "other"]])
@pytest.mark.parametrize("text", [GTEX, TRANSPOSED, GTEX.replace("\t", ","), GTEX.replace("\n", "\r\n")])
def test_both_layouts_give_the_same_table(tmp_path: Path, text: str, people: list[str]) -> None:
    table = read_covariates(write(tmp_path, text), people)
    assert table.index.tolist() == PEOPLE
    assert table.index.name == "individual"
    assert table.columns.tolist() == ["PC1", "sex"]
    np.testing.assert_array_equal(table.to_numpy(), [[0.1, 1], [-2, 2], [0.3, 1]])
    assert set(table.dtypes) == {np.dtype(float)}


def test_without_names_the_gtex_layout_is_assumed(tmp_path: Path) -> None:
    assert read_covariates(write(tmp_path, GTEX)).columns.tolist() == ["PC1", "sex"]
    assert read_covariates(write(tmp_path, TRANSPOSED.replace("3e-1", "3"))).index.tolist() == ["PC1", "sex"]


def test_gzip(tmp_path: Path) -> None:
    path = tmp_path / "c.gz"
    path.write_bytes(gzip.compress(GTEX.encode()))
    pd.testing.assert_frame_equal(read_covariates(path), read_covariates(write(tmp_path, GTEX)))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("ID\tA\tB\n", "has no covariate"),
        ("only\n1\n", "line 1: one column only"),
        ("ID\t007\tNA\nage\t1\n", "line 2: 2 columns where the header has 3$"),
        (GTEX.replace("sex\t1\t2", "sex\t1\tmale"), "covariate sex, individual NA: 'male' is not a number, but 2 of 3"),
        (GTEX.replace("-2", "inf"), "covariate PC1, individual NA: the value is infinite"),
        (GTEX.replace("NA", "007"), "007 occurs more than once in the header"),
        (GTEX.replace("sex", "PC1"), "PC1 occurs more than once in the first column"),
        (GTEX.replace("sex", ""), "a name in the first column is empty"),
        ("ID\ta\tb\nPC1\t1\t2\n", r"neither its first line \(a, b\) nor its first column \(PC1\)"),
        ("ID\t007\tx\nNA\t1\t2\n", r"the same number of individuals of the cohort \(1\)"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, text: str, says: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputFileError, match=says) as caught:
        read_covariates(path, PEOPLE)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputFileNotFoundError, match="does not exist"):
        read_covariates(tmp_path / "no.txt")


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

EIGENVEC = "0 007 0.1 -0.2\n0 NA -2.0 0.5\n0 GTEX-1117F 0.3 0.0\n"


@pytest.mark.parametrize(
    "text",
    [
        EIGENVEC,
        "#FID\tIID\tPC1\tPC2\n" + EIGENVEC.replace(" ", "\t"),
        "#IID\tPC1\tPC2\n" + EIGENVEC.replace("0 ", "", 1).replace("\n0 ", "\n").replace(" ", "\t"),
        "FID IID PC1 PC2\n"
        + EIGENVEC.replace("0 GTEX", "f f_GTEX").replace("0 NA", "f f_NA").replace("0 007", "f f_007"),
        "sample;PC1;PC2\n" + EIGENVEC.replace("0 ", "", 1).replace("\n0 ", "\n").replace(" ", ";"),
        '"PC1" "PC2"\n' + EIGENVEC.replace("0 ", "", 1).replace("\n0 ", "\n").replace("GTEX-1117F", '"GTEX-1117F"'),
    ],
)
def test_plink_and_r_tables(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pca.eigenvec"
    path.write_text(text)
    table = read_covariates(path, [*PEOPLE, "other"])
    assert table.columns.tolist() == ["PC1", "PC2"]
    known = table.loc[[name for name in PEOPLE if name in table.index]]
    assert len(known) >= 2
    np.testing.assert_array_equal(table.loc[["NA", "GTEX-1117F"]], [[-2, 0.5], [0.3, 0]])


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


def test_text_categories_from_a_file(tmp_path: Path) -> None:
    text = "ID\t007\tNA\tGTEX-1117F\tsomeone\nsex\tM\tF\tM\tNULL\nage\t1\t2\tNone\t\n"
    raw = read_covariates(write(tmp_path, text), PEOPLE)
    encoded = encode_covariates(raw, PEOPLE)
    assert encoded.table.index.tolist() == ["007", "NA"]
    assert encoded.table.to_numpy().tolist() == [[1, 1], [0, 2]]
    assert encoded.exclusions == (("individual", "GTEX-1117F", "a covariate is missing"),)


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
