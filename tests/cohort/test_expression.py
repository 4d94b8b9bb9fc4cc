"""Expression BED files, against pandas' reader and planted errors."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest

from pgxeval.cohort.expression import Expression, read_expression_bed, read_only_matrix
from pgxeval.errors import InputFileError, InputFileNotFoundError, TableError
from pgxeval.genome.intervals import Gene
from pgxeval.names import first_duplicate

HEADER = "#chr\tstart\tend\tgene_id\t007\tNA\t1e5"
BODY = "chr1\t99\t100\tG1\t0.5\t-1\t2e-3\nchr2\t0\t50\tG2\tNA\t\tnan\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "expression.bed"
    path.write_text(text)
    return path


def test_identifiers_are_texts_and_missing_is_nan(tmp_path: Path) -> None:
    expression = read_expression_bed(write(tmp_path, f"{HEADER}\n{BODY}"))
    assert expression.individuals == ("007", "NA", "1e5")
    assert expression.gene_ids == ("G1", "G2")
    np.testing.assert_array_equal(expression.values, [[0.5, -1, 2e-3], [np.nan] * 3])
    one_base, span = expression.genes
    assert (one_base.contig, one_base.start, one_base.end, one_base.tss) == ("chr1", 99, 100, 99)
    assert (span.start, span.end, span.tss) == (0, 50, None)
    assert one_base.strand is None
    assert span.exons == ()


@pytest.mark.parametrize("missing", ["", "NA", "N/A", "na", ".", "nan", "NaN", "NAN", " NA "])
def test_every_accepted_missing_value(tmp_path: Path, missing: str) -> None:
    values = read_expression_bed(write(tmp_path, f"{HEADER}\n1\t0\t9\tG\t1\t{missing}\t2\n")).values
    np.testing.assert_array_equal(values, [[1, np.nan, 2]])


@pytest.mark.parametrize(
    "header",
    [
        "#Chr\tstart\tend\tphenotype_id",
        "#chrom\tStart\tEnd\tTargetID",
        "chr\tstart\tend\tgene_id",
        "## made by someone\n\n#CHROM\tSTART\tEND\tID",
        "\ufeff#chr\tstart\tend\tgene_id",
    ],
)
def test_header_variants(tmp_path: Path, header: str) -> None:
    expression = read_expression_bed(write(tmp_path, f"{header}\tA\tB\r\nchr1\t4\t5\tG\t1\t2\r\n"))
    assert expression.individuals == ("A", "B")
    assert expression.gene_ids == ("G",)


def test_plain_gzip_and_bgzip_agree(tmp_path: Path) -> None:
    path = write(tmp_path, f"{HEADER}\n{BODY}")
    packed, blocks = tmp_path / "e.gz", tmp_path / "e.bed.bgz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    pysam.tabix_compress(str(path), str(blocks), force=True)
    plain = read_expression_bed(path)
    for other in map(read_expression_bed, (packed, blocks)):
        np.testing.assert_array_equal(other.values, plain.values)
        assert other.genes == plain.genes
        assert other.individuals == plain.individuals


def test_numbers_are_read_exactly(tmp_path: Path) -> None:
    values = np.random.default_rng(2).normal(size=(20, 30)) * 10.0 ** np.arange(-15, 15)
    header = "\t".join(["#chr", "start", "end", "gene_id", *[f"I{i}" for i in range(30)]])
    rows = ["\t".join(["1", str(i), str(i + 1), f"G{i}", *map(repr, row.tolist())]) for i, row in enumerate(values)]
    read = read_expression_bed(write(tmp_path, "\n".join([header, *rows]) + "\n"))
    np.testing.assert_array_equal(read.values, values)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        (BODY, r"line 1: no header found \(7 tab-separated"),
        (f"{HEADER}\n".replace("\t", " "), r"line 1: no header found \(1 tab-separated"),
        (f"{HEADER}\n", "a header but no gene"),
        ("#chr\tend\tstart\tgene_id\tA\n", "line 1: columns 2 and 3 are 'end' and 'start'"),
        ("#chr\tstart\tend\tgene_id\n", "names no individual"),
        ("#chr\tstart\tend\tpid\tgid\tstrand\tA\n", r"'gid' is no individual.*QTLtools.*cut"),
        ("#chr\tstart\tend\tgene_id\tA\t\tB\n", "column 6 of the header has no name"),
        ("#chr\tstart\tend\tgene_id\tA\tB\tA\n", "individual A has more than one column"),
        (f"{HEADER}\n1\t0\t9\tG\t1\t2\n", "line 2: 6 columns where the header has 7"),
        (f"{HEADER}\n1\t0\t9\tG\t1\t2\t3\t4\n", "line 2: 8 columns where the header has 7"),
        (f"{HEADER}\n1\t0\t9\tG\t1\thigh\t3\n", "line 2, gene G, individual NA: 'high' is not a number"),
        (f"{HEADER}\n1\t0\t9\tG\t1\t2\t1_000\n", "line 2, gene G, individual 1e5: '1_000' is not a number"),
        (f"{HEADER}\n1\t0\t9\tG\t1,5\t2\t3\n", "line 2, gene G, individual 007: '1,5' is not a number"),
        (f"{HEADER}\n1\t0\t9\tG\t1\t-inf\t3\n", "line 2, gene G, individual NA: the value is infinite"),
        (f"{HEADER}\n1\t0\t9\tG\t1\t2\t1e999\n", "line 2, gene G, individual 1e5: the value is infinite"),
        (f"{HEADER}\n{BODY}1\t5\t6\tG1\t1\t2\t3\n", "line 4: gene G1 stands on line 2 already"),
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
        read_expression_bed(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputFileNotFoundError, match="does not exist"):
        read_expression_bed(tmp_path / "no.bed")


def test_a_truncated_file(tmp_path: Path) -> None:
    path = tmp_path / "cut.bed.gz"
    path.write_bytes(gzip.compress(f"{HEADER}\n{BODY}".encode())[:-3])
    with pytest.raises(InputFileError, match="truncated"):
        read_expression_bed(path)


def test_real_file_agrees_with_pandas(shared_data: Path) -> None:
    path = shared_data / "geuvadis" / "expression.bed.gz"
    expected = pd.read_csv(path, sep="\t", dtype=str)
    expression = read_expression_bed(path)
    assert expression.values.shape == (428, 90)
    np.testing.assert_array_equal(expression.values, expected.iloc[:, 4:].to_numpy(dtype=float))
    assert list(expression.gene_ids) == expected["gene_id"].tolist()
    assert list(expression.individuals) == expected.columns[4:].tolist()
    assert [gene.start for gene in expression.genes] == expected["start"].astype(int).tolist()
    assert [gene.contig for gene in expression.genes] == expected["#chr"].tolist()


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


def test_first_duplicate() -> None:
    assert first_duplicate(["a", "b", "c", "b", "a"]) == "b"
    assert first_duplicate([]) is None
