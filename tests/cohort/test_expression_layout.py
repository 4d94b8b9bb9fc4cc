"""Which columns of an expression table hold what."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pgxeval.cohort.expression_files import read_expression
from pgxeval.errors import InputFileError, TableError


def write(folder: Path, text: str) -> Path:
    path = folder / "expression.bed"
    path.write_text(text)
    return path


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
