"""Checks of a cohort: each planted fault is found, and only that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pysam
import pytest

from pgxeval.cohort import Cohort, Expression
from pgxeval.errors import PgxevalWarning
from pgxeval.genome.contigs import ContigNames
from pgxeval.genome.formats.calls import Calls, Field
from pgxeval.genome.intervals import Gene, Interval
from pgxeval.genome.personal import PersonalGenome
from pgxeval.simulation.families import draw_haplotypes, genome_of, names

GRCH37, GRCH38 = 249_250_621, 248_956_422


class WithLengths:
    """Genotypes in memory whose contigs have lengths."""

    def __init__(self, source: Any, chr1: int) -> None:
        self._source = source
        self.path, self.individuals, self.contigs = "memory", source.individuals, source.contigs
        lengths = dict.fromkeys(source.contigs, 100_000_000) | {"chr1": chr1}
        self.contig_names = ContigNames(names=source.contigs, lengths=lengths)

    def read(self, contig: str, start: int, end: int, field: Field = "GT") -> Calls:
        return self._source.read(contig, start, end, field)


class OneBase:
    """A reference genome of one base."""

    path = "one base"

    def __init__(self, base: str, chr1: int) -> None:
        self.base = base
        self.contigs = {f"chr{i + 1}": 100_000_000 for i in range(20)} | {"chr1": chr1}

    def contig_name(self, name: str) -> str:
        return name

    def fetch(self, interval: Interval) -> np.ndarray:
        return np.full(interval.length, ord(self.base), dtype=np.uint8)


def make(*, base: str = "A", reference: int = GRCH38, genes_bp: int = 0, values: np.ndarray | None = None) -> Cohort:
    rng = np.random.default_rng(0)
    drawn, genes = genome_of(draw_haplotypes(30, 1_200, rng))
    genome = PersonalGenome(WithLengths(drawn.source, GRCH38), OneBase(base, reference))
    moved = [
        Gene(gene_id=g.gene_id, contig=g.contig, start=g.start + genes_bp, end=g.end + genes_bp, strand="+", tss=g.tss)
        if genes_bp == 0
        else Gene(gene_id=g.gene_id, contig=g.contig, start=g.start + genes_bp, end=g.end + genes_bp)
        for g in genes
    ]
    measured = rng.normal(size=(len(genes), 30)) if values is None else values
    expression = Expression(values=measured, genes=moved, individuals=names(30))
    return Cohort.from_parts(genome=genome, expression=expression)


def statuses(cohort: Cohort) -> dict[str, str]:
    table = cohort.check()
    assert table.columns.tolist() == ["check", "status", "finding", "advice"]
    return dict(zip(table["check"], table["status"], strict=True))


def test_a_sound_cohort_passes_every_check() -> None:
    cohort = make()
    assert set(statuses(cohort).values()) == {"ok"}
    table = cohort.check().set_index("check")["finding"]
    assert table["genome build"] == "contig lengths agree: genotypes (GRCh38), reference (GRCh38)"
    assert table["reference alleles"].endswith("sampled REF alleles are the bases of the reference")
    assert table["variants"] == "0 of 60 windows around genes have no variant"
    assert cohort.notes == ()


COUNTS = np.random.default_rng(1).negative_binomial(2, 0.01, size=(60, 30)).astype(float)


@pytest.mark.parametrize(
    ("changes", "failed", "said"),
    [
        (
            {"reference": GRCH37},
            {"genome build"},
            r"1 contigs have other lengths.*1 has 248,956,422 bp \(GRCh38\) and 249",
        ),
        ({"base": "G"}, {"reference alleles"}, "^0 of .* REF alleles.*another genome build"),
        ({"base": "C"}, {"reference alleles"}, "^0 of .* REF alleles.*plink2 --ref-from-fa"),
        ({"values": COUNTS}, {"expression"}, "looks like raw counts: whole numbers from 0 to"),
    ],
)
def test_planted_faults_are_warned_of(changes: dict[str, Any], failed: set[str], said: str) -> None:
    with pytest.warns(PgxevalWarning, match=said):
        cohort = make(**changes)
    assert {check for check, status in statuses(cohort).items() if status == "warning"} == failed
    assert len(cohort.notes) == 1


def test_genes_beyond_the_genotypes_are_named() -> None:
    with (
        pytest.warns(PgxevalWarning, match="57 genes end beyond their contig in the genotypes"),
        pytest.warns(PgxevalWarning, match="60 of 60 windows around genes have no variant"),
    ):
        cohort = make(genes_bp=120_000_000)
    found = cohort.check().set_index("check")
    assert (
        "57 genes end beyond their contig in the genotypes (GRCh38): G3, G4, G5 and 54 more"
        in found.loc["genome build", "finding"]
    )
    assert found.loc["gene models", "status"] == "note"
    assert found.loc["relatives", "status"] == "note"


def test_half_calls_are_counted(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    path = tmp_path / "half.vcf"
    people = names(12)
    fields = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *people]
    lines = ["##fileformat=VCFv4.2", "##contig=<ID=1>", '##FORMAT=<ID=GT,Number=1,Type=String,Description="G">']
    calls = [rng.choice(["0|0", "0|1", "1|.", ".|1", ".|."], 12).tolist() for _ in range(50)]
    lines.append("\t".join(fields))
    lines += ["\t".join(["1", str(100 + i), ".", "A", "C", ".", ".", ".", "GT", *row]) for i, row in enumerate(calls)]
    path.write_text("\n".join(lines) + "\n")
    packed = pysam.tabix_index(str(path), preset="vcf")
    gene = Gene(gene_id="G", contig="1", start=90, end=200, strand="+", tss=90)
    cohort = Cohort.from_parts(
        genome=PersonalGenome(packed),
        expression=Expression(values=rng.normal(size=(1, 12)), genes=[gene], individuals=people),
    )
    expected = sum(call in ("1|.", ".|1") for row in calls for call in row)
    assert any(note.startswith(f"{expected} of 600 genotypes in the sampled windows are half") for note in cohort.notes)
    assert statuses(cohort)["half-calls"] == "note"


def test_exclusions_are_counted_and_many_are_serious() -> None:
    rng = np.random.default_rng(3)
    genome, genes = genome_of(draw_haplotypes(30, 1_200, rng))
    people = [*names(30)[:12], *(f"other{i}" for i in range(20))]
    values = rng.normal(size=(60, 32))
    values[0] = 1
    expression = Expression(values=values, genes=genes, individuals=people)
    table = Cohort.from_parts(genome=genome, expression=expression).check().set_index("check")
    assert table.loc["individuals", "finding"].startswith("12 individuals; excluded: 20 not in the genotypes")
    assert table.loc["individuals", "status"] == "warning"
    assert table.loc["genes", "finding"] == "59 genes; excluded: 1 constant expression"
    assert table.loc["genes", "status"] == "note"
    assert isinstance(table, pd.DataFrame)


def test_half_calls_and_several_files_at_the_door(tmp_path: Path) -> None:
    """One file per chromosome, as a list, a pattern or a folder; half-calls by both policies."""
    people = names(12)
    rng = np.random.default_rng(4)
    folder = tmp_path / "genotypes"
    folder.mkdir()
    fields = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *people]
    paths = []
    for contig in ("1", "2"):
        lines = ["##fileformat=VCFv4.2", f"##contig=<ID={contig}>"]
        lines += ['##FORMAT=<ID=GT,Number=1,Type=String,Description="G">', "\t".join(fields)]
        lines += [
            "\t".join([contig, str(100 + i), ".", "A", "C", ".", ".", ".", "GT", *["0|1", "1|.", "0|0"] * 4])
            for i in range(9)
        ]
        (folder / f"chr{contig}.vcf").write_text("\n".join(lines) + "\n")
        paths.append(pysam.tabix_index(str(folder / f"chr{contig}.vcf"), preset="vcf"))
    rows = [
        f"{contig}\t90\t91\tG{contig}\t" + "\t".join(f"{x:.3f}" for x in rng.normal(size=12)) for contig in ("1", "2")
    ]
    expression = tmp_path / "e.bed"
    expression.write_text("\t".join(["#chr", "start", "end", "gene_id", *people]) + "\n" + "\n".join(rows) + "\n")
    for genotypes in (paths, str(folder / "chr{chrom}.vcf.gz"), folder):
        cohort = Cohort.from_files(expression=expression, genotypes=genotypes)
        assert cohort.gene_ids == ("G1", "G2")
        assert any("72 of 216 genotypes" in note and note.endswith("are missing") for note in cohort.notes)
        assert (cohort.genome.dosages(Interval("2", 0, 200)).values[1::3] == -1).all()
    filled = Cohort.from_files(expression=expression, genotypes=paths, half_missing="reference")
    assert any("72 of 216" in note and "counted with REF" in note for note in filled.notes)
    assert (filled.genome.dosages(Interval("2", 0, 200)).values[1::3] == 1).all()
