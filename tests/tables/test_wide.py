"""Matrices and tables of other libraries become predictions."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pgxeval.errors import InputFileError, InputFileNotFoundError, TableError
from pgxeval.tables import Predictions

GENES, INDIVIDUALS = ["ENSG1.2", "ENSG2"], ["007", "NA", "P3"]
VALUES = np.array([[0.25, np.nan, 1.5], [-1.0, 0.0, 3.0]])
MATRIX = pd.DataFrame(VALUES, index=GENES, columns=INDIVIDUALS)
PREDIXCAN = pd.DataFrame(VALUES.T, columns=GENES).assign(FID="0", IID=INDIVIDUALS)[["FID", "IID", *GENES]]
NAMED = MATRIX.rename_axis("gene").reset_index()


def _check(predictions: Predictions) -> None:
    table = predictions.table.astype({"gene_id": str, "individual": str})
    values = {(row.gene_id, row.individual): row.prediction for row in table.itertuples()}
    np.testing.assert_array_equal([[values[gene, name] for name in INDIVIDUALS] for gene in GENES], VALUES)
    assert len(table) == VALUES.size
    assert predictions.predictors == ("mine",)
    assert table["fold"].isna().all()


@pytest.mark.parametrize("matrix", [MATRIX, PREDIXCAN, NAMED, PREDIXCAN.drop(columns="FID")])
def test_matrices_of_either_layout(matrix: pd.DataFrame) -> None:
    _check(Predictions.from_matrix(matrix, predictor="mine"))


@pytest.mark.parametrize("matrix", [PREDIXCAN, NAMED])
def test_tables_of_other_libraries(matrix: pd.DataFrame) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    _check(Predictions.from_matrix(pyarrow.Table.from_pandas(matrix), predictor="mine"))
    polars = pytest.importorskip("polars")
    _check(Predictions.from_matrix(polars.from_pandas(matrix), predictor="mine"))
    long = Predictions.from_matrix(matrix, predictor="mine").table
    plain = long.astype({"predictor": str, "gene_id": str, "individual": str}).drop(columns="reason")
    _check(Predictions.from_table(polars.from_pandas(plain)))


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".txt", ".parquet"])
@pytest.mark.parametrize("matrix", [PREDIXCAN, NAMED])
def test_files(tmp_path: Path, matrix: pd.DataFrame, ending: str) -> None:
    path = tmp_path / f"matrix{ending}"
    if ending == ".parquet":
        matrix.to_parquet(path)
    else:
        matrix.to_csv(path, sep={".csv": ",", ".tsv": "\t", ".txt": " "}[ending], index=False, na_rep="NA")
    _check(Predictions.from_matrix(path, predictor="mine"))
    _check(Predictions.read(path.rename(tmp_path / f"mine.of.today{ending}")))


def test_a_table_that_lacks_a_column_is_not_a_matrix(tmp_path: Path) -> None:
    many = pd.DataFrame({"gene_id": ["ENSG1"], "individual": ["007"], **{f"extra{k}": [1.0] for k in range(60)}})
    many.to_csv(tmp_path / "many.csv", index=False)
    with pytest.raises(
        TableError, match=r"missing column\(s\) predictor, prediction; it has gene_id, .* and 5\d more\."
    ):
        Predictions.read(tmp_path / "many.csv")


def test_what_is_not_a_matrix_is_named(tmp_path: Path) -> None:
    for matrix, message in (
        (MATRIX.reset_index(drop=True), "the rows have no names"),
        (NAMED.assign(P3="high"), "column P3, row 0 .*'high' is not a number"),
        (pd.concat([NAMED, NAMED]), "gene ENSG1.2 occurs more than once"),
        (NAMED.set_axis(["gene", "a", "a", "b"], axis=1), "individual a occurs more than once"),
        (NAMED[["gene"]], "it has no individual"),
        (NAMED.assign(gene=[1.5, 2.5]), "identifiers are decimal numbers"),
        (NAMED.assign(gene=["a", None]), "an identifier is empty"),
        ({"a": 1}, "expected a table .* got dict"),
    ):
        with pytest.raises(TableError, match=message):
            Predictions.from_matrix(matrix, predictor="mine")  # type: ignore[arg-type]
    with pytest.raises(InputFileNotFoundError):
        Predictions.from_matrix(tmp_path / "no.csv", predictor="mine")
    (tmp_path / "bad.parquet").write_bytes(b"no")
    with pytest.raises(InputFileError, match="cannot be read"):
        Predictions.from_matrix(tmp_path / "bad.parquet", predictor="mine")


def _expected() -> tuple[pd.DataFrame, pd.DataFrame]:
    matrix = pd.DataFrame([[1.5, 2.5], [3.5, 4.5]], index=["G1", "G2"], columns=["a", "b"])
    return matrix, Predictions.from_matrix(matrix, predictor="m").table


@pytest.mark.parametrize("separator", [",", ";", "\t", " "])
@pytest.mark.parametrize("packed", [False, True])
def test_texts_are_read_by_what_they_hold_and_not_by_their_name(
    tmp_path: Path, separator: str, *, packed: bool
) -> None:
    matrix, expected = _expected()
    long = expected[["predictor", "gene_id", "individual", "prediction"]].rename(columns={"gene_id": "Gene_ID"})
    for table, index in ((matrix.rename_axis("gene"), True), (long, False)):
        text = table.to_csv(sep=separator, index=index).encode()
        path = tmp_path / "m.csv"
        path.write_bytes(gzip.compress(text) if packed else text)
        pd.testing.assert_frame_equal(Predictions.read(path).table, expected)


def test_a_matrix_in_parquet_keeps_its_index(tmp_path: Path) -> None:
    matrix, expected = _expected()
    matrix.to_parquet(tmp_path / "m.parquet")
    pd.testing.assert_frame_equal(Predictions.read(tmp_path / "m.parquet").table, expected)


def test_texts_and_numbers_that_are_not_read(tmp_path: Path) -> None:
    matrix, expected = _expected()
    (tmp_path / "u.csv").write_bytes(expected.to_csv(index=False).encode("utf-16"))
    with pytest.raises(InputFileError, match="UTF-16 text; convert it"):
        Predictions.read(tmp_path / "u.csv")
    with pytest.raises(TableError, match="column a holds complex numbers"):
        Predictions.from_matrix(matrix + 1j, predictor="m")
