"""Covariates in files: every layout gives the same table."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pgxeval.cohort.covariate_files import read_covariates
from pgxeval.cohort.covariates import encode_covariates
from pgxeval.errors import InputFileError, InputFileNotFoundError, SettingError

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


def test_text_categories_from_a_file(tmp_path: Path) -> None:
    text = "ID\t007\tNA\tGTEX-1117F\tsomeone\nsex\tM\tF\tM\tNULL\nage\t1\t2\tNone\t\n"
    raw = read_covariates(write(tmp_path, text), PEOPLE)
    encoded = encode_covariates(raw, PEOPLE)
    assert encoded.table.index.tolist() == ["007", "NA"]
    assert encoded.table.to_numpy().tolist() == [[1, 1], [0, 2]]
    assert encoded.exclusions == (("individual", "GTEX-1117F", "a covariate is missing"),)


def test_tables_of_other_libraries_and_other_objects() -> None:
    polars = pytest.importorskip("polars")
    people = [f"P{k}" for k in range(12)]
    table = pd.DataFrame({"age": np.arange(12.0)}, index=pd.Index(people, name="id"))
    for other in (polars.from_pandas(table.reset_index()), table.reset_index()):
        read = read_covariates(other, people)
        assert read.index.tolist() == people
        assert read["age"].tolist() == list(range(12))
    with pytest.raises(SettingError, match=r"covariates must be the path of a file or a table .*, got a dict"):
        read_covariates({"age": 1})  # type: ignore[arg-type]


def test_names_that_r_changed_are_named(tmp_path: Path) -> None:
    people = [f"{k}A" for k in range(12)]
    path = tmp_path / "c.txt"
    path.write_text("id\tage\n" + "".join(f"X{name}\t1\n" for name in people))
    with pytest.raises(InputFileError, match=r"R writes X before .*check\.names=FALSE"):
        read_covariates(path, people)
