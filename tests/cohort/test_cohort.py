"""Cohorts: who is in, what is excluded and why; from files and in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pysam
import pytest

from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import (
    InputFileError,
    InputFileNotFoundError,
    TableError,
)
from pgxeval.genome.dosages import Dosages
from pgxeval.genome.intervals import Gene, Interval

PEOPLE = tuple(f"P{i:02d}" for i in range(30))


def no_dosages(interval: Interval, individuals: Sequence[str]) -> Dosages:
    return Dosages(
        values=np.zeros((len(individuals), 0), dtype=np.int8),
        variants=pd.DataFrame(
            {"contig": [], "position": [], "id": [], "ref": pd.array([], dtype="str"), "alt": pd.array([], dtype="str")}
        ),
        individuals=tuple(individuals),
        counts={},
    )


def genome(individuals: Sequence[str] = PEOPLE, contigs: Sequence[str] = ("chr1", "chr2")) -> Any:
    return SimpleNamespace(
        individuals=tuple(individuals),
        contigs=tuple(contigs),
        dosages=no_dosages,
        source=None,
        reference=None,
        notes=(),
    )


def gene(name: str, contig: str = "chr1", start: int = 1000, end: int = 2000) -> Gene:
    return Gene(gene_id=name, contig=contig, start=start, end=end)


def values(genes: int, individuals: int = 30, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(genes, individuals))


def covariates(individuals: Sequence[str] = PEOPLE, **columns: Any) -> pd.DataFrame:
    random = np.random.default_rng(9)
    base = {"age": random.normal(50, 9, len(individuals)), "sex": np.arange(len(individuals)) % 2}
    return pd.DataFrame(base | columns, index=list(individuals))


def excluded(cohort: Cohort) -> list[tuple[str, str, str]]:
    return [tuple(row) for row in cohort.exclusions.itertuples(index=False)]


# In memory


# Parts of a cohort


# From files


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., dict[str, Path]]:
    """Write a small cohort's files: GTF with chr names, VCF without."""

    def write(genotyped: Sequence[str] = PEOPLE, contig: str = "1") -> dict[str, Path]:
        calls = "\t".join(f"0|{i % 2}" for i in range(len(genotyped)))
        text = (
            f"##fileformat=VCFv4.2\n##contig=<ID={contig},length=100000>\n"
            '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
            + "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *genotyped])
            + f"\n{contig}\t1501\t.\tA\tC\t.\tPASS\t.\tGT\t{calls}\n"
        )
        (tmp_path / "genotypes.vcf").write_text(text)
        vcf = Path(pysam.tabix_index(str(tmp_path / "genotypes.vcf"), preset="vcf", force=True))
        rows = ["\t".join(["#chr", "start", "end", "gene_id", *PEOPLE])]
        for i, row in enumerate(values(3)):
            rows.append("\t".join(["chr1", "1999", "2000", f"ENSG0000000000{i}.1", *map(repr, row.tolist())]))
        (tmp_path / "expression.bed").write_text("\n".join(rows) + "\n")
        (tmp_path / "genes.gtf").write_text(
            "".join(
                f'chr1\tX\t{feature}\t1001\t2000\t.\t-\t.\tgene_id "ENSG0000000000{i}.2"; gene_name "N{i}";\n'
                for i in range(2)
                for feature in ("gene", "exon")
            )
        )
        (tmp_path / "covariates.txt").write_text(
            "\t".join(["ID", *PEOPLE[1:]]) + "\n" + "\t".join(["PC1", *map(str, range(29))]) + "\n"
        )
        return {
            "expression": tmp_path / "expression.bed",
            "genotypes": vcf,
            "genes": tmp_path / "genes.gtf",
            "covariates": tmp_path / "covariates.txt",
        }

    return write


def test_files_are_brought_together(files: Callable[..., dict[str, Path]]) -> None:
    cohort = Cohort.from_files(**files(genotyped=PEOPLE[:2:-1]))
    assert cohort.individuals == PEOPLE[3:]
    assert cohort.gene_ids == ("ENSG00000000000.1", "ENSG00000000001.1")
    assert cohort.genes[0].tss == 1999
    assert cohort.genes[0].strand == "-"
    assert cohort.genes[0].exons == ((1000, 2000),)
    np.testing.assert_array_equal(cohort.expression, values(3)[:2, 3:])
    assert cohort.covariates["PC1"].tolist() == list(range(2, 29))
    assert cohort.genome.individuals == PEOPLE[:2:-1]
    assert excluded(cohort) == [
        ("individual", "P00", "not in the genotypes and the covariates"),
        ("individual", "P01", "not in the genotypes"),
        ("individual", "P02", "not in the genotypes"),
        ("gene", "ENSG00000000002.1", "not in the gene models"),
    ]
    assert cohort.notes[:2] == (
        "2 gene(s) were found in the gene models only without their Ensembl version: "
        "ENSG00000000000.1, ENSG00000000001.1",
        "contigs have other names in the genotypes: chr1 is 1",
    )
    assert "relatives were not searched for" in cohort.notes[-1]


def test_without_gene_models_the_bed_positions_stay(files: Callable[..., dict[str, Path]]) -> None:
    paths = files()
    cohort = Cohort.from_files(expression=paths["expression"], genotypes=str(paths["genotypes"]))
    assert len(cohort.genes) == 3
    assert cohort.genes[0].tss == 1999
    assert cohort.genes[0].strand is None
    assert cohort.covariates is None
    assert excluded(cohort) == []


def test_genes_on_unknown_contigs(files: Callable[..., dict[str, Path]]) -> None:
    with pytest.raises(TableError, match=r"none of the 2 genes.* 2 contig unknown.* lie on chr1; .* have 17"):
        Cohort.from_files(**files(contig="17"))


@pytest.mark.parametrize("kind", ["expression", "genotypes", "genes", "covariates"])
def test_missing_and_empty_files_are_named(files: Callable[..., dict[str, Path]], tmp_path: Path, kind: str) -> None:
    paths = files()
    with pytest.raises(InputFileNotFoundError, match=r"absent\.gz"):
        Cohort.from_files(**paths | {kind: tmp_path / "absent.gz"})
    empty = tmp_path / "empty.gz"
    empty.write_bytes(b"")
    with pytest.raises(InputFileError, match=r"empty\.gz"):
        Cohort.from_files(**paths | {kind: empty})


def test_real_cohort(shared_data: Path) -> None:
    folder = shared_data / "geuvadis"
    cohort = Cohort.from_files(expression=folder / "expression.bed.gz", genotypes=folder / "genotypes.vcf.gz")
    assert len(cohort.genes) == 428
    assert len(cohort.individuals) == 90
    assert excluded(cohort) == []
    assert len(cohort.notes) == 1
    assert "population structure was not tested" in cohort.notes[0]
    assert cohort.relatives().empty  # unrelated parents of the CEU trios
    with pysam.VariantFile(str(folder / "genotypes.vcf.gz")) as vcf:
        assert set(cohort.individuals) == set(vcf.header.samples)
    assert pd.Series([gene.contig for gene in cohort.genes]).value_counts().to_dict() == {"1": 294, "2": 134}
    halves = cohort.halves(seed=0)
    assert sum(len(half.individuals) for half in halves) == 90


def test_dosages_are_read_from_the_field_that_there_is_and_half_calls_by_policy(
    files: Callable[..., dict[str, Path]], tmp_path: Path
) -> None:
    paths = files()
    plain = tmp_path / "imputed.vcf"
    text = (tmp_path / "genotypes.vcf").read_text() if (tmp_path / "genotypes.vcf").exists() else ""
    if not text:
        with pysam.BGZFile(str(paths["genotypes"])) as handle:
            text = handle.read().decode()
    head, record = text.rstrip("\n").rsplit("\n", 1)
    columns = record.split("\t")[:8]
    plain.write_text(head + "\n" + "\t".join([*columns, "DS", *(f"{i / 20:.2f}" for i in range(30))]) + "\n")
    imputed = Path(pysam.tabix_index(str(plain), preset="vcf", force=True))
    cohort = Cohort.from_files(**paths | {"genotypes": [imputed]})
    assert any("dosages are read from DS of" in note for note in cohort.notes)
    assert cohort.genome.dosages("1:1-2,000").values.max() == pytest.approx(1.45)
    half = tmp_path / "half.vcf"
    half.write_text(head + "\n" + "\t".join([*columns, "GT", *["1|.", "0|1"] * 15]) + "\n")
    half = Path(pysam.tabix_index(str(half), preset="vcf", force=True))
    for policy, dosage in (("missing", -1), ("reference", 1)):
        genome = Cohort.from_files(**paths | {"genotypes": half}, field="GT", half_missing=policy).genome  # type: ignore[arg-type]
        assert genome.dosages("1:1-2,000").values[:2, 0].tolist() == [dosage, 1]
