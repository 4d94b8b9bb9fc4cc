"""GTF and GFF3: positions, attributes and bad lines."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from pgxeval.errors import InputFileError, InputFileNotFoundError
from pgxeval.genome.annotation import read_gtf
from pgxeval.genome.intervals import Gene

GENCODE = """\
##description: evidence-based annotation
##provider: GENCODE
chr1\tHAVANA\tgene\t11869\t14409\t.\t+\t.\tgene_id "ENSG00000223972.5"; gene_type "x"; gene_name "DDX11L1"; level 2;
chr1\tHAVANA\ttranscript\t11869\t14409\t.\t+\t.\tgene_id "ENSG00000223972.5"; transcript_id "T1"; gene_name "DDX11L1";
chr1\tHAVANA\texon\t11869\t12227\t.\t+\t.\tgene_id "ENSG00000223972.5"; transcript_id "T1"; gene_name "DDX11L1";
chr1\tHAVANA\texon\t12613\t12721\t.\t+\t.\tgene_id "ENSG00000223972.5"; transcript_id "T1"; gene_name "DDX11L1";
chr1\tHAVANA\texon\t12010\t12300\t.\t+\t.\tgene_id "ENSG00000223972.5"; transcript_id "T2"; gene_name "DDX11L1";
chr1\tHAVANA\tCDS\t12010\t12057\t.\t+\t0\tgene_id "ENSG00000223972.5"; transcript_id "T2"; gene_name "DDX11L1";
chr1\tHAVANA\tgene\t14404\t29570\t.\t-\t.\tgene_id "ENSG00000227232.5"; gene_name "WASH7P";
chr1\tHAVANA\texon\t29534\t29570\t.\t-\t.\tgene_id "ENSG00000227232.5"; transcript_id "T3"; gene_name "WASH7P";
chr1\tHAVANA\texon\t14404\t14501\t.\t-\t.\tgene_id "ENSG00000227232.5"; transcript_id "T3"; gene_name "WASH7P";
chrX\tHAVANA\tgene\t253743\t255091\t.\t+\t.\tgene_id "ENSG00000228572.7"; gene_name "LL0YNC03-29C1.1";
chrY\tHAVANA\tgene\t253743\t255091\t.\t+\t.\tgene_id "ENSG00000228572.7_PAR_Y"; gene_name "LL0YNC03-29C1.1";
"""


def write(folder: Path, text: str, name: str = "genes.gtf") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def line(feature: str, start: object, end: object, gene_id: str = "G1", *, contig: str = "1", strand: str = "+") -> str:
    return f'{contig}\tX\t{feature}\t{start}\t{end}\t.\t{strand}\t.\tgene_id "{gene_id}"; transcript_id "T";\n'


def test_positions_tss_and_exons_are_0_based(tmp_path: Path) -> None:
    genes = read_gtf(write(tmp_path, GENCODE))
    assert list(genes) == [
        "ENSG00000223972.5",
        "ENSG00000227232.5",
        "ENSG00000228572.7",
        "ENSG00000228572.7_PAR_Y",
    ]
    plus, minus = genes["ENSG00000223972.5"], genes["ENSG00000227232.5"]
    assert (plus.contig, plus.start, plus.end, plus.strand, plus.tss) == ("chr1", 11868, 14409, "+", 11868)
    assert plus.exons == ((11868, 12300), (12612, 12721))
    assert plus.name == "DDX11L1"
    assert (minus.start, minus.end, minus.strand, minus.tss) == (14403, 29570, "-", 29569)
    assert minus.exons == ((14403, 14501), (29533, 29570))
    assert genes["ENSG00000228572.7_PAR_Y"].contig == "chrY"
    assert genes["ENSG00000228572.7_PAR_Y"].exons == ()


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_gzip_and_line_ends_change_nothing(tmp_path: Path, newline: str) -> None:
    plain = read_gtf(write(tmp_path, GENCODE))
    packed = tmp_path / "genes.gtf.gz"
    packed.write_bytes(gzip.compress(GENCODE.replace("\n", newline).encode()))
    assert read_gtf(packed) == plain


def test_only_requested_genes_are_read_in_any_version(tmp_path: Path) -> None:
    path = write(tmp_path, GENCODE)
    everything = read_gtf(path)
    some = read_gtf(path, ["ENSG00000223972.9", "ENSG00000228572"])
    assert some == {name: everything[name] for name in ("ENSG00000223972.5", "ENSG00000228572.7")}
    assert read_gtf(path, ["nothing"]) == {}


def test_unwanted_genes_may_be_malformed_in_value_but_lines_must_be_lines(tmp_path: Path) -> None:
    text = line("gene", 10, 5, "BAD") + line("gene", 1, 5, "GOOD")
    assert list(read_gtf(write(tmp_path, text), ["GOOD"])) == ["GOOD"]


def test_other_attributes_that_end_in_gene_id_are_not_taken(tmp_path: Path) -> None:
    text = '1\tX\tgene\t1\t9\t.\t+\t.\tref_gene_id "WRONG"; gene_id "RIGHT"; havana_gene_name "no";\n'
    genes = read_gtf(write(tmp_path, text))
    assert list(genes) == ["RIGHT"]
    assert genes["RIGHT"].name == "RIGHT"


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("1\tX\tgene\t1\t9\n", r"line 2: 5 tab-separated column"),
        ("1 X gene 1 9 . + . gene_id\n", r"line 2: 1 tab-separated column"),
        (line("gene", "x", 9), r"line 2: positions 'x' to '9'"),
        (line("exon", 10, 9), r"line 2: positions '10' to '9'"),
        (line("gene", 0, 9), r"line 2: positions '0' to '9'.*1-based"),
        (line("gene", "1e6", 2000000), r"line 2: positions '1e6'"),
        (line("gene", 1, 9, strand="*"), r"line 2: strand '\*'"),
        ('1\tX\tgene\t1\t9\t.\t+\t.\ttranscript_id "T";\n', r"line 2: a gene line without a gene_id"),
        (line("gene", 1, "9" * 5_000), r"line 2: positions '1' to '9{40}'; expected"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, bad: str, says: str) -> None:
    path = write(tmp_path, "#!genome-build GRCh38\n" + bad)
    with pytest.raises(InputFileError, match=says) as caught:
        read_gtf(path)
    assert str(path) in str(caught.value)


def test_files_that_hold_no_gene(tmp_path: Path) -> None:
    with pytest.raises(InputFileNotFoundError, match=r"no\.gtf does not exist"):
        read_gtf(tmp_path / "no.gtf")
    with pytest.raises(InputFileError, match="no gene and no exon line"):
        read_gtf(write(tmp_path, "# nothing\n"))
    with pytest.raises(InputFileError, match="no gene and no exon line"):
        read_gtf(write(tmp_path, line("transcript", 1, 9)))


def models(*gene_ids: str) -> dict[str, Gene]:
    return {name: Gene(gene_id=name, contig="1", start=i, end=i + 1) for i, name in enumerate(gene_ids)}


def exon(contig: str, start: int, end: int, *, gene: str = "G1", transcript: str = "T", strand: str = "+") -> str:
    return f'{contig}\tX\texon\t{start}\t{end}\t.\t{strand}\t.\tgene_id "{gene}"; transcript_id "{transcript}";\n'


ENSEMBL_GFF3 = """\
##gff-version 3
1\tensembl_havana\tgene\t11869\t14409\t.\t-\t.\tID=gene:ENSG00000223972;Name=DDX11L1;biotype=x;gene_id=ENSG00000223972;version=5
1\thavana\tlnc_RNA\t11869\t14409\t.\t-\t.\tID=transcript:ENST1;Parent=gene:ENSG00000223972;transcript_id=ENST1
1\thavana\texon\t11869\t12227\t.\t-\t.\tParent=transcript:ENST1;Name=E1;exon_id=E1
1\thavana\texon\t12613\t12721\t.\t-\t.\tParent=transcript:ENST1;Name=E2;exon_id=E2
1\thavana\tncRNA_gene\t20000\t20100\t.\t+\t.\tID=gene:ENSG00000000002;gene_id=ENSG00000000002;version=1
1\tx\tbiological_region\t1\t9\t.\t+\t.\texternal_name=oriented
"""

NCBI_GFF3 = (
    ENSEMBL_GFF3.replace("gene:ENSG00000223972;", "gene-DDX11L1;Dbxref=GeneID:100287102;")
    .replace(";gene_id=ENSG00000223972;version=5", ";gene=DDX11L1")
    .replace("transcript:ENST1", "rna-NR_1")
)

GENCODE_GFF3 = ENSEMBL_GFF3.replace("gene:ENSG00000223972", "ENSG00000223972.5").replace(
    "gene_id=ENSG00000223972;version=5", "gene_id=ENSG00000223972.5;gene_name=DDX11L1"
)


@pytest.mark.parametrize(
    ("text", "gene_id"),
    [
        (ENSEMBL_GFF3, "ENSG00000223972.5"),
        (ENSEMBL_GFF3.split("\n", 1)[1], "ENSG00000223972.5"),
        (GENCODE_GFF3, "ENSG00000223972.5"),
        (NCBI_GFF3, "DDX11L1"),
    ],
)
def test_gff3_is_read_as_gtf_is(tmp_path: Path, text: str, gene_id: str) -> None:
    models = read_gtf(write(tmp_path, text, "genes.gff3"), [gene_id, "ENSG00000000002"])
    gene = models[gene_id]
    assert (gene.name, gene.contig, gene.start, gene.end, gene.tss) == ("DDX11L1", "1", 11868, 14409, 14408)
    assert gene.exons == ((11868, 12227), (12612, 12721))
    assert len(models) == 2
