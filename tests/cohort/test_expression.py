"""Expression BED files, against pandas' reader and planted errors."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest

from pgxeval.cohort.expression import Expression, read_only_matrix
from pgxeval.cohort.expression_files import read_expression
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
    expression = read_expression(write(tmp_path, f"{header}\tA\tB\r\nchr1\t4\t5\tG\t1\t2\r\n"))
    assert expression.individuals == ("A", "B")
    assert expression.gene_ids == ("G",)


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


# The layouts that public files have

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


SAME = [
    "#chr\tstart\tend\tgene_id\tgene_name\tA\t0B\nchr1\t99\t100\tG1\tONE\t1\t2\nchr1\t199\t200\tG2\tTWO\t3\tNA\n",
    "seqnames\tstart\tstop\tGene_ID\tsymbol\tA\t0B\nchr1\t99\t100\tG1\tONE\t1\t2\nchr1\t199\t200\tG2\tTWO\t3\tnull\n",
    '"chr"\t"start"\t"end"\t"gene_id"\t"gene_name"\t"A"\t"0B"\n"chr1"\t99\t100\t"G1"\t"ONE"\t1\t2\n'
    '"chr1"\t199\t200\t"G2"\t"TWO"\t3\tNA\n',
    "chr;start;end;gene_id;gene_name;A;0B\nchr1;99;100;G1;ONE;1;2\nchr1;199;200;G2;TWO;3;\n",
    "chr,start,end,gene_id,gene_name,A,0B\nchr1,99,100,G1,ONE,1,2\nchr1,199,200,G2,TWO,3,None\n",
    "chr start end gene_id gene_name A 0B\nchr1 99 100 G1 ONE 1 2\nchr1 199 200 G2 TWO 3 NA\n",
    "#chr\tstart\tend\tgene_id\tgene_name\tA\t0B\t\nchr1\t99\t100\tG1\tONE\t1\t2\t\nchr1\t199\t200\tG2\tTWO\t3\t\t\n",
    "#chr\tstart\tend \tgene_id\tgene_name\t A\t0B \nchr1\t99\t100\tG1\tONE \t1\t2 \nchr1\t199\t200\tG2\tTWO\t3\t . \n",
    "Gene_ID\tgene_name\tchromosome\tstart\tend\tA\t0B\nG1\tONE\tchr1\t99\t100\t1\t2\nG2\tTWO\tchr1\t199\t200\t3\tnan\n",
    "#chr\tstart\tend\tgene_id\tgene_name\tbiotype\tA\t0B\nchr1\t99\t100\tG1\tONE\tlinc\t1\t2\n"
    "chr1\t199\t200\tG2\tTWO\tlinc\t3\tNA\n",
    "#chr\tstart\tend\tstrand\tgene_id\tgene_name\tA\t0B\nchr1\t99\t100\t+\tG1\tONE\t1\t2\n"
    "chr1\t199\t200\t+\tG2\tTWO\t3\tNA\n",
    "#chr\tstart\tend\tgene_name\tgene_id\tA\t0B\nchr1\t99\t100\tONE\tG1\t1\t2\nchr1\t199\t200\tTWO\tG2\t3\tNA\n",
    "# made by hand\n#chr\tstart\tend\tgene_id\tgene_name\tA\t0B\nchr1\t99\t100\tG1\tONE\t1\t2\n"
    "chr1\t199\t200\tG2\tTWO\t3\tNA\n",
    "#chr\tstart\tend\tgene_id\tgene_name\tcytoband\tA\t0B\nchr1\t99\t100\tG1\tONE\tp36\t1\t2\n"
    "chr1\t199\t200\tG2\tTWO\tq21\t3\tNA\n",
]


@pytest.mark.parametrize("text", SAME)
def test_common_variations_give_the_same_table(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    packed = tmp_path / "plain_name.bed"
    packed.write_bytes(gzip.compress(text.encode()))
    for expression in (read_expression(path), read_expression(packed)):
        assert expression.individuals == ("A", "0B")
        assert [(g.gene_id, g.name, g.contig, g.tss) for g in expression.genes] == [
            ("G1", "ONE", "chr1", 99),
            ("G2", "TWO", "chr1", 199),
        ]
        np.testing.assert_array_equal(expression.values, [[1, 2], [3, np.nan]])
    assert bool(expression.notes) == ("p36" in text or "linc" in text)


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


def test_an_individual_with_one_bad_value_is_not_annotation(tmp_path: Path) -> None:
    lines = "#chr\tstart\tend\tgene_id\tA\tB\n1\t0\t1\tG\tlow\t2\n1\t5\t6\tH\t3\t4\n"
    with pytest.raises(InputFileError, match="line 2, gene G, individual A: 'low' is not a number"):
        read_expression(write(tmp_path, lines))
    later = "#chr\tstart\tend\tgene_id\tA\tB\n1\t0\t1\tG\t1\t2\n1\t5\t6\tH\tlow\t4\n"
    with pytest.raises(InputFileError, match="line 3, gene H, individual A: 'low' is not a number"):
        read_expression(write(tmp_path, later))
    commas = "chr;start;end;gene_id;A;B\n1;0;1;G;0,5;2\n"
    with pytest.raises(InputFileError, match="write decimal points, not commas"):
        read_expression(write(tmp_path, commas))


def test_a_table_without_gene_identifiers_is_refused(tmp_path: Path) -> None:
    """Otherwise the values of the first individual would become the identifiers."""
    path = tmp_path / "no_ids.bed"
    path.write_text("#chr\tstart\tend\tA\tB\nchr1\t99\t100\t1.5\t2\nchr1\t199\t200\t-0.5\t3\n")
    with pytest.raises(InputFileError, match="the fourth column, 'A', holds measured values"):
        read_expression(path)
    with pytest.raises(TableError, match="the fourth column, 'A', holds measured values"):
        read_expression(pd.read_csv(path, sep="\t"))
    path.write_text("#chr\tstart\tend\tmine\tA\tB\nchr1\t99\t100\tg1\t1.5\t2\nchr1\t199\t200\tg2\t-0.5\t3\n")
    assert read_expression(path).notes == ("column 'mine' was taken for the gene identifiers",)


def test_a_matrix_without_positions_has_its_own_message(tmp_path: Path) -> None:
    path = tmp_path / "matrix.tsv"
    path.write_text("gene_id\tA\tB\tC\tD\nG1\t1\t2\t3\t4\n")
    with pytest.raises(InputFileError, match=r"no column with the chromosome .* give the transpose; if positions"):
        read_expression(path)
