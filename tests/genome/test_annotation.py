"""Gene models from GTF, against a slow re-reading of the same lines and planted errors."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from pgxeval.errors import InputFileError, TableError
from pgxeval.genome.annotation import match_genes, read_gtf, union
from pgxeval.genome.gtf import without_version
from pgxeval.genome.intervals import Gene, Interval

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


def test_random_models_agree_with_base_sets(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    bases: dict[str, set[int]] = {}
    place: dict[str, tuple[str, int, int, str]] = {}
    lines = []
    for g in range(40):
        gene_id, strand, contig = f"G{g}", random.choice(["+", "-"]), random.choice(["chr1", "chr2"])
        start = int(random.integers(1, 500))
        end = start + int(random.integers(0, 300))
        place[gene_id] = (contig, start, end, strand)
        lines.append(line("gene", start, end, gene_id, contig=contig, strand=strand))
        bases[gene_id] = set()
        for _ in range(random.integers(0, 8)):
            first, last = sorted(random.integers(start, end + 1, size=2).tolist())
            bases[gene_id].update(range(first - 1, last))
            lines.append(line("exon", first, last, gene_id, contig=contig, strand=strand))
    random.shuffle(lines)
    genes = read_gtf(write(tmp_path, "".join(lines)))
    assert set(genes) == set(place)
    for gene_id, gene in genes.items():
        contig, start, end, strand = place[gene_id]
        assert (gene.contig, gene.start, gene.end, gene.strand) == (contig, start - 1, end, strand)
        assert gene.tss == (start - 1 if strand == "+" else end - 1)
        covered = [base for first, last in gene.exons for base in range(first, last)]
        assert covered == sorted(bases[gene_id])
        assert all(left[1] < right[0] for left, right in zip(gene.exons, gene.exons[1:], strict=False))


def test_a_gene_without_gene_line_spans_its_exons(tmp_path: Path) -> None:
    gene = read_gtf(write(tmp_path, line("exon", 50, 60, strand="-") + line("exon", 11, 20, strand="-")))["G1"]
    assert (gene.start, gene.end, gene.tss, gene.exons) == (10, 60, 59, ((10, 20), (49, 60)))
    assert gene.name == "G1"


def test_no_strand_gives_no_tss(tmp_path: Path) -> None:
    gene = read_gtf(write(tmp_path, line("gene", 50, 60, strand=".")))["G1"]
    assert gene.strand is None
    assert gene.tss is None


def test_touching_exons_are_one() -> None:
    assert union([]) == ()
    assert union([(5, 9), (0, 5), (10, 12)]) == ((0, 9), (10, 12))


@pytest.mark.parametrize(
    ("gene_id", "stem"),
    [
        ("ENSG00000223972", "ENSG00000223972"),
        ("ENSG00000223972.5", "ENSG00000223972"),
        ("ENSG00000223972.5_2", "ENSG00000223972"),
        ("ENSG00000182378.15_PAR_Y", "ENSG00000182378_PAR_Y"),
        ("ENSMUSG00000000001.4", "ENSMUSG00000000001"),
        ("RP11-34P13.7", "RP11-34P13.7"),
        ("AC012345.1", "AC012345.1"),
        ("ENSG00000223972.x", "ENSG00000223972.x"),
    ],
)
def test_versions_are_stripped_from_ensembl_names_only(gene_id: str, stem: str) -> None:
    assert without_version(gene_id) == stem


def models(*gene_ids: str) -> dict[str, Gene]:
    return {name: Gene(gene_id=name, contig="1", start=i, end=i + 1) for i, name in enumerate(gene_ids)}


def test_exact_names_win_over_versions() -> None:
    available = models("ENSG00000000001.2", "ENSG00000000001.3", "ENSG00000000005.1", "X")
    matches = match_genes(["ENSG00000000001.3", "ENSG00000000005.9", "X", "Y"], available)
    assert matches.genes["ENSG00000000001.3"].start == 1
    assert matches.genes["ENSG00000000005.9"].start == 2
    assert all(gene.gene_id == asked for asked, gene in matches.genes.items())
    assert matches.version_stripped == ("ENSG00000000005.9",)
    assert matches.missing == ("Y",)


def test_par_y_genes_stay_apart() -> None:
    available = models("ENSG00000182378.15", "ENSG00000182378.15_PAR_Y")
    matches = match_genes(["ENSG00000182378.9", "ENSG00000182378.9_PAR_Y"], available)
    assert [matches.genes[name].start for name in matches.version_stripped] == [0, 1]


def test_collisions_are_errors() -> None:
    with pytest.raises(TableError, match=r"ENSG00000000001\.1 is not in .* 2 of them: ENSG00000000001\.2"):
        match_genes(["ENSG00000000001.1"], models("ENSG00000000001.2", "ENSG00000000001.3"))
    for asked in (["ENSG00000000001.1", "ENSG00000000001.2"], ["ENSG00000000001.3", "ENSG00000000001.2"]):
        with pytest.raises(TableError, match=r"are both ENSG00000000001\.3"):
            match_genes(asked, models("ENSG00000000001.3"))


def test_names_in_messages_are_plain(tmp_path: Path) -> None:
    """A message names the line in the file as a text editor counts it."""
    path = write(tmp_path, "#a\n\n" + line("gene", 5, 4))
    with pytest.raises(InputFileError) as caught:
        read_gtf(path)
    number = int(re.findall(r"line (\d+)", str(caught.value))[0])
    assert path.read_text().splitlines()[number - 1] == line("gene", 5, 4).strip()


# Genes in several places


def exon(contig: str, start: int, end: int, *, gene: str = "G1", transcript: str = "T", strand: str = "+") -> str:
    return f'{contig}\tX\texon\t{start}\t{end}\t.\t{strand}\t.\tgene_id "{gene}"; transcript_id "{transcript}";\n'


FINE = line("gene", 5, 9, "FINE")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (exon("1", 100, 200) + exon("1", 5_000_100, 5_000_200), "several copies"),
        (exon("1", 100, 200) + exon("1", 700_100, 700_200, transcript="T_dup1"), "several copies"),
        (line("gene", 1, 9) + line("gene", 30, 40), "several copies"),
        (line("gene", 1, 9) + line("gene", 1, 9, contig="2"), "on several contigs in the gene models: 1, 2"),
        (line("gene", 1, 9, contig="chrX") + line("gene", 1, 9, contig="chrY"), "on several contigs .*: chrX, chrY"),
        (exon("GL000194.1", 1, 9) + exon("KI270711.1", 1, 9), "on several contigs"),
        (line("exon", 1, 9) + line("gene", 1, 9, strand="-"), "on both strands"),
    ],
)
def test_a_gene_without_one_place_is_excluded_with_its_reason(tmp_path: Path, text: str, reason: str) -> None:
    models = read_gtf(write(tmp_path, FINE + text))
    assert list(models) == ["FINE"]
    assert list(models.excluded) == ["G1"]
    assert re.match(reason, models.excluded["G1"])
    matches = match_genes(["FINE", "G1"], models)
    assert matches.missing == ()
    assert re.match(reason, matches.excluded["G1"])


@pytest.mark.parametrize("alternative", ["chr1_KI270706v1_random", "chr1_GL383518v1_alt", "HSCHR1_1_CTG3", "CHR_1"])
@pytest.mark.parametrize("contig", ["1", "chr1", "chrX", "MT", "2L", "III", "29"])
def test_the_primary_contig_is_preferred(tmp_path: Path, alternative: str, contig: str) -> None:
    text = exon(alternative, 1, 9, strand="-") + exon(contig, 100, 200) + exon(contig, 300, 400, transcript="T2")
    gene = read_gtf(write(tmp_path, text))["G1"]
    assert (gene.contig, gene.start, gene.end, gene.strand) == (contig, 99, 400, "+")
    assert gene.exons == ((99, 200), (299, 400))


def test_long_introns_and_separate_transcripts_are_one_gene(tmp_path: Path) -> None:
    text = exon("1", 100, 200) + exon("1", 1_200_000, 1_200_100) + exon("1", 1_500_000, 1_500_100, transcript="T2")
    gene = read_gtf(write(tmp_path, text))["G1"]
    assert (gene.start, gene.end) == (99, 1_500_100)


def test_symbols_are_matched_where_they_are_unique(tmp_path: Path) -> None:
    text = GENCODE + line("gene", 5, 9, "ENSG00000000007.1").replace("transcript_id", "gene_name").replace(
        '"T"', '"WASH7P"'
    )
    requested = ["DDX11L1", "WASH7P", "ENSG00000228572.7", "NONE"]
    models = read_gtf(write(tmp_path, text), requested)
    matches = match_genes(requested, models)
    assert matches.by_symbol == ("DDX11L1",)
    assert matches.genes["DDX11L1"].gene_id == "DDX11L1"
    assert matches.genes["DDX11L1"].exons == ((11868, 12300), (12612, 12721))
    assert matches.excluded == {"WASH7P": "symbol of several genes in the gene models"}
    assert matches.missing == ("NONE",)
    both = match_genes(["ENSG00000223972.5", "DDX11L1"], models)
    assert both.excluded == {"DDX11L1": "symbol of a gene that is in the expression table already"}


def test_sequences_after_the_features_of_gff3_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "genes.gff3"
    path.write_text("##gff-version 3\nchr1\tx\tgene\t11\t90\t.\t+\t.\tID=gene:G1;Name=ONE\n##FASTA\n>chr1\nACGT\n")
    assert read_gtf(path)["G1"].body == Interval("chr1", 10, 90)


def test_a_vcf_is_not_a_file_of_gene_models(tmp_path: Path) -> None:
    path = tmp_path / "v.vcf"
    path.write_text("##fileformat=VCFv4.2\n#CHROM\n")
    with pytest.raises(InputFileError, match="this is a VCF file; expected gene models"):
        read_gtf(path)
