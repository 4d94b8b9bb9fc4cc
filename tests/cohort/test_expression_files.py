"""Expression in files: text, gzip, Parquet and tables in memory, against pandas."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest

from pgxeval.cohort.expression_files import read_expression
from pgxeval.errors import InputFileError, InputFileNotFoundError, SettingError

HEADER = "#chr\tstart\tend\tgene_id\t007\tNA\t1e5"

BODY = "chr1\t99\t100\tG1\t0.5\t-1\t2e-3\nchr2\t0\t50\tG2\tNA\t\tnan\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "expression.bed"
    path.write_text(text)
    return path


def test_identifiers_are_texts_and_missing_is_nan(tmp_path: Path) -> None:
    expression = read_expression(write(tmp_path, f"{HEADER}\n{BODY}"))
    assert expression.individuals == ("007", "NA", "1e5")
    assert expression.gene_ids == ("G1", "G2")
    np.testing.assert_array_equal(expression.values, [[0.5, -1, 2e-3], [np.nan] * 3])
    one_base, span = expression.genes
    assert (one_base.contig, one_base.start, one_base.end, one_base.tss) == ("chr1", 99, 100, 99)
    assert (span.start, span.end, span.tss) == (0, 50, None)
    assert one_base.strand is None
    assert span.exons == ()


@pytest.mark.parametrize("missing", ["", "NA", "N/A", "na", ".", "nan", "NaN", "NAN", " NA ", "NULL", "None", "#N/A"])
def test_every_accepted_missing_value(tmp_path: Path, missing: str) -> None:
    values = read_expression(write(tmp_path, f"{HEADER}\n1\t0\t9\tG\t1\t{missing}\t2\n")).values
    np.testing.assert_array_equal(values, [[1, np.nan, 2]])


def test_plain_gzip_and_bgzip_agree(tmp_path: Path) -> None:
    path = write(tmp_path, f"{HEADER}\n{BODY}")
    packed, blocks = tmp_path / "e.gz", tmp_path / "e.bed.bgz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    pysam.tabix_compress(str(path), str(blocks), force=True)
    plain = read_expression(path)
    for other in map(read_expression, (packed, blocks)):
        np.testing.assert_array_equal(other.values, plain.values)
        assert other.genes == plain.genes
        assert other.individuals == plain.individuals


def test_numbers_are_read_exactly(tmp_path: Path) -> None:
    values = np.random.default_rng(2).normal(size=(20, 30)) * 10.0 ** np.arange(-15, 15)
    header = "\t".join(["#chr", "start", "end", "gene_id", *[f"I{i}" for i in range(30)]])
    rows = ["\t".join(["1", str(i), str(i + 1), f"G{i}", *map(repr, row.tolist())]) for i, row in enumerate(values)]
    read = read_expression(write(tmp_path, "\n".join([header, *rows]) + "\n"))
    np.testing.assert_array_equal(read.values, values)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        (BODY, r"line 1: no header found \(7 column"),
        ("just a sentence of words\n", r"line 1: no header found \(5 column"),
        (f"{HEADER}\n", "a header but no gene"),
        ("#chr\tend\tstart\tgene_id\tA\n", "line 1: column 'end' comes before 'start'"),
        ("#chr\tpos\tgene_id\tA\n", "line 1: no column for the start or the end"),
        ("#chr\tstart\tend\tgene_id\n", "names no individual"),
        ("#chr\tstart\tend\tgene_id\tA\t\tB\n", "column 6 of the header has no name"),
        ("#chr\tstart\tend\tgene_id\tA\tB\tA\n", "individual A has more than one column"),
        (f"{HEADER}\n1\t0\t9\tG\t1\t2\n", "line 2: 6 columns where the header has 7"),
        (f"{HEADER}\n1\t0\t9\tG\t1\t2\t3\t4\n", "line 2: 8 columns where the header has 7"),
        (f"{HEADER}\n1\t0\t9\tG\t1\thigh\t3\n", "line 2, gene G, individual NA: 'high' is not a number"),
        (f"{HEADER}\n1\t0\t9\tG\t1\t2\t1_000\n", "line 2, gene G, individual 1e5: '1_000' is not a number"),
        (f"{HEADER}\n1\t0\t9\tG\t1,5\t2\t3\n", "line 2, gene G, individual 007: '1,5' is not a number"),
        (f"{HEADER}\n1\t0\t9\tG\t1\t-inf\t3\n", "line 2, gene G, individual NA: the value is infinite"),
        (f"{HEADER}\n1\t0\t9\tG\t1\t2\t1e999\n", "line 2, gene G, individual 1e5: the value is infinite"),
        (f"{HEADER}\n{BODY}1\t5\t6\tG1\t1\t2\t3\n", "line 4: gene G1 is already on line 2"),
        (f"{HEADER}\n1\t9\t9\tG\t1\t2\t3\n", "line 2: gene G: span 1:9-9 is empty"),
        (f"{HEADER}\n1\t9\t8\tG\t1\t2\t3\n", "line 2: gene G: span 1:9-8 is empty"),
        (f"{HEADER}\n1\t-1\t8\tG\t1\t2\t3\n", "line 2, gene G: positions '-1' to '8'"),
        (f"{HEADER}\n1\t1e+06\t2000000\tG\t1\t2\t3\n", r"line 2, gene G: positions '1e\+06'"),
        (f"{HEADER}\n1\t1\t2\t\t1\t2\t3\n", "line 2: the gene has no identifier"),
        (f"{HEADER}\n\t1\t2\tG\t1\t2\t3\n", "line 2: the gene has no contig"),
    ],
)
def test_bad_files_are_named_to_the_line(tmp_path: Path, text: str, says: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputFileError, match=says) as caught:
        read_expression(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputFileNotFoundError, match="does not exist"):
        read_expression(tmp_path / "no.bed")


def test_a_truncated_file(tmp_path: Path) -> None:
    path = tmp_path / "cut.bed.gz"
    path.write_bytes(gzip.compress(f"{HEADER}\n{BODY}".encode())[:-3])
    with pytest.raises(InputFileError, match="truncated"):
        read_expression(path)


def test_real_file_agrees_with_pandas(shared_data: Path) -> None:
    path = shared_data / "geuvadis" / "expression.bed.gz"
    expected = pd.read_csv(path, sep="\t", dtype=str)
    expression = read_expression(path)
    assert expression.values.shape == (428, 90)
    np.testing.assert_array_equal(expression.values, expected.iloc[:, 4:].to_numpy(dtype=float))
    assert list(expression.gene_ids) == expected["gene_id"].tolist()
    assert list(expression.individuals) == expected.columns[4:].tolist()
    assert [gene.start for gene in expression.genes] == expected["start"].astype(int).tolist()
    assert [gene.contig for gene in expression.genes] == expected["#chr"].tolist()


QTLTOOLS = (
    "#Chr\tstart\tend\tpid\tgid\tstrand\tA\tB\nchr1\t100\t900\tG1\tgrp\t-\t1\t2\nchr1\t5\t9\tG2\tgrp\t+\t3\tNULL\n"
)


def test_qtltools_gives_the_strand_and_the_tss(tmp_path: Path) -> None:
    expression = read_expression(write(tmp_path, QTLTOOLS))
    assert expression.individuals == ("A", "B")
    assert expression.gene_ids == ("G1", "G2")
    assert [(gene.strand, gene.tss) for gene in expression.genes] == [("-", 899), ("+", 5)]
    np.testing.assert_array_equal(expression.values, [[1, 2], [3, np.nan]])
    assert expression.notes == ("columns of the expression table that were not used: gid",)


@pytest.mark.parametrize("index", [False, True])
def test_parquet_of_tensorqtl_and_tables_in_memory(tmp_path: Path, index: bool) -> None:
    table = pd.DataFrame(
        {
            "#chr": ["chr1", "chr2"],
            "start": [99, 4],
            "end": [100, 9],
            "phenotype_id": ["G1", "G2"],
            "A": [0.5, np.nan],
            "B": np.array([1.5, 2], dtype=np.float32),
        }
    )
    if index:
        table = table.set_index("phenotype_id")
    path = tmp_path / "e.bed.parquet"
    table.to_parquet(path)
    text = tmp_path / "e.bed"
    table.reset_index(drop=not index).to_csv(text, sep="\t", index=False, na_rep="NA")
    for source in (path, table, text):
        expression = read_expression(source)
        assert expression.gene_ids == ("G1", "G2")
        assert [(gene.contig, gene.start, gene.tss) for gene in expression.genes] == [
            ("chr1", 99, 99),
            ("chr2", 4, None),
        ]
        np.testing.assert_array_equal(expression.values, [[0.5, 1.5], [np.nan, 2]])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputFileError, match="not a complete Parquet file"):
        read_expression(path)


def test_tables_of_polars_and_arrow_are_read() -> None:
    polars = pytest.importorskip("polars")
    pyarrow = pytest.importorskip("pyarrow")
    table = pd.DataFrame({"#chr": ["1"], "start": [9], "end": [10], "gene_id": ["G"], "a": [1.5], "b": [2.5]})
    for other in (table, polars.from_pandas(table), pyarrow.Table.from_pandas(table, preserve_index=False)):
        assert read_expression(other).values.tolist() == [[1.5, 2.5]]
    with pytest.raises(SettingError, match=r"expression must be the path of a file or a table .*, got a int"):
        read_expression(3)  # type: ignore[arg-type]


def test_row_names_of_r_are_named(tmp_path: Path) -> None:
    path = tmp_path / "e.bed"
    path.write_text("#chr\tstart\tend\tgene_id\ta\n1\t1\t9\t10\tG\t1.5\n")
    with pytest.raises(InputFileError, match=r"6 columns where the header has 5; R writes row names"):
        read_expression(path)
