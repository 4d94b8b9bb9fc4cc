"""Writes a simulated cohort in the formats that real cohorts come in; the same input gives the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pysam

from pgxeval.simulation.genes import SimulatedGene

_LINE_BP = 60
_GENOTYPES = np.array([[b"0|0", b"0|1"], [b"1|0", b"1|1"]])
_HEADER = (
    "##fileformat=VCFv4.2",
    '##FILTER=<ID=PASS,Description="All filters passed">',
    "##source=pgxeval.simulation.simulate",
)
_FIELDS = (
    '##INFO=<ID=AC,Number=A,Type=Integer,Description="ALT alleles in the genotypes">',
    '##INFO=<ID=AN,Number=1,Type=Integer,Description="Alleles in the genotypes">',
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
)


def write_reference(path: Path, contigs: Mapping[str, npt.NDArray[np.uint8]]) -> None:
    """Write an indexed FASTA (with its .fai) of uint8 ASCII sequences, 60 bases per line."""
    with path.open("wb") as file:
        for name, sequence in contigs.items():
            file.write(f">{name}\n".encode())
            full = len(sequence) // _LINE_BP * _LINE_BP
            lines = np.full((full // _LINE_BP, _LINE_BP + 1), ord("\n"), dtype=np.uint8)
            lines[:, :-1] = sequence[:full].reshape(-1, _LINE_BP)
            file.write(lines.tobytes())
            if full < len(sequence):
                file.write(sequence[full:].tobytes() + b"\n")
    pysam.faidx(str(path))


def write_genotypes(
    path: Path, genes: Sequence[SimulatedGene], individuals: Sequence[str], lengths: Mapping[str, int]
) -> None:
    """Write phased genotypes as bgzipped VCF with a tabix index; positions become 1-based."""
    with pysam.BGZFile(str(path), "w") as file:
        contigs = [f"##contig=<ID={name},length={length}>" for name, length in lengths.items()]
        columns = "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"])
        file.write(("\n".join([*_HEADER, *contigs, *_FIELDS, columns]) + "\t").encode())
        file.write(("\t".join(individuals) + "\n").encode())
        for gene in genes:
            haplotypes = gene.window.haplotypes
            alleles = 2 * len(individuals)
            counts = haplotypes.sum(axis=(0, 1), dtype=np.int64)
            calls = _GENOTYPES[haplotypes[:, 0], haplotypes[:, 1]]
            for i, offset in enumerate(gene.window.positions.tolist()):
                start = (
                    f"{gene.interval.contig}\t{gene.interval.start + offset + 1}\t.\t{gene.ref[i]}\t"
                    f"{gene.alt[i]}\t.\tPASS\tAC={counts[i]};AN={alleles}\tGT\t"
                )
                file.write(start.encode() + b"\t".join(calls[:, i].tolist()) + b"\n")
    pysam.tabix_index(str(path), preset="vcf", force=True)


def write_gene_models(path: Path, genes: Sequence[SimulatedGene]) -> None:
    """Write gene, transcript and exon rows as bgzipped GTF with a tabix index; 1-based and closed."""
    rows = []
    for simulated_gene in genes:
        gene = simulated_gene.gene
        about = f'gene_id "{gene.gene_id}"; gene_type "protein_coding"; gene_name "{gene.name}";'
        transcript = f'{about} transcript_id "{gene.gene_id}.t1";'
        exons = gene.exons if gene.strand == "+" else gene.exons[::-1]
        features = [("gene", gene.start, gene.end, about), ("transcript", gene.start, gene.end, transcript)]
        features += [
            ("exon", start, end, f"{transcript} exon_number {number};")
            for number, (start, end) in enumerate(exons, start=1)
        ]
        rows += [
            f"{gene.contig}\tpgxeval\t{feature}\t{start + 1}\t{end}\t.\t{gene.strand}\t.\t{attributes}\n"
            for feature, start, end, attributes in sorted(features, key=lambda row: row[1])
        ]
    with pysam.BGZFile(str(path), "w") as file:
        file.write(b"##description: simulated gene models\n")
        file.write("".join(rows).encode())
    pysam.tabix_index(str(path), preset="gff", force=True)


def write_expression(
    path: Path,
    genes: Sequence[SimulatedGene],
    individuals: Sequence[str],
    expression: npt.NDArray[np.float64],
) -> None:
    """Write a bgzipped GTEx-like BED with a tabix index: a gene's row spans its TSS, one base."""
    with pysam.BGZFile(str(path), "w") as file:
        file.write(("\t".join(["#chr", "start", "end", "gene_id", *individuals]) + "\n").encode())
        for simulated_gene, values in zip(genes, expression, strict=True):
            gene = simulated_gene.gene
            row = [gene.contig, gene.tss, gene.tss + 1 if gene.tss is not None else None, gene.gene_id]
            file.write(("\t".join([*map(str, row), *map(repr, values.tolist())]) + "\n").encode())
    pysam.tabix_index(str(path), preset="bed", force=True)


def write_covariates(path: Path, covariates: pd.DataFrame) -> None:
    """Write covariates (individuals in rows) in the GTEx layout: one covariate a row."""
    covariates.T.rename_axis("ID").to_csv(path, sep="\t", lineterminator="\n")
