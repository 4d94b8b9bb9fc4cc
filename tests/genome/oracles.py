"""Outsiders that judge haplotypes: `bcftools consensus`, and a slow implementation that can be read at a glance.

Positions are 0-based. A record is (start, ref, alts); a genotype holds the number of an allele for each copy.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pysam
from hypothesis import strategies as st

from pgxeval import Interval
from pgxeval.genome import layout
from pgxeval.genome.formats import calls

Record = tuple[int, str, Sequence[str]]
Cell = tuple[str, int]  # a base of a haplotype and the reference position that it maps to, or -1


def has_bcftools() -> bool:
    return shutil.which("bcftools") is not None


# --- files


def write_fasta(path: Path, contigs: dict[str, str], width: int = 60) -> Path:
    with path.open("w") as out:
        for name, bases in contigs.items():
            out.write(f">{name}\n")
            out.writelines(bases[i : i + width] + "\n" for i in range(0, len(bases), width))
    pysam.faidx(str(path))
    return path


def vcf_text(
    contigs: dict[str, int],
    individuals: Sequence[str],
    lines: Sequence[str],
    header: Sequence[str] = (),
) -> str:
    """A VCF of lines that are given from CHROM to the last genotype, separated by tabs."""
    return "\n".join(
        [
            "##fileformat=VCFv4.2",
            *header,
            '##FILTER=<ID=LowQ,Description="low">',
            '##INFO=<ID=END,Number=1,Type=Integer,Description="end">',
            *(f"##contig=<ID={name},length={length}>" for name, length in contigs.items()),
            '##FORMAT=<ID=GT,Number=1,Type=String,Description="genotype">',
            '##FORMAT=<ID=DS,Number=A,Type=Float,Description="dosage">',
            '##FORMAT=<ID=AD,Number=R,Type=Integer,Description="depths">',
            '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="depth">',
            '##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="quality">',
            '##FORMAT=<ID=PL,Number=G,Type=Integer,Description="likelihoods">',
            "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *individuals]),
            *lines,
            "",
        ]
    )


def record_line(contig: str, record: Record, genotypes: Sequence[str], name: str = ".", passed: str = "PASS") -> str:
    start, ref, alts = record
    return "\t".join([contig, str(start + 1), name, ref, ",".join(alts) or ".", ".", passed, ".", "GT", *genotypes])


def write_vcf(path: Path, text: str, *, csi: bool = False) -> Path:
    """Compress and index a VCF (``.vcf.gz``), or write it as BCF (``.bcf``)."""
    plain = path.with_suffix(".plain.vcf")
    plain.write_text(text)
    if path.suffix == ".bcf":
        with pysam.VariantFile(str(plain)) as source, pysam.VariantFile(str(path), "wb", header=source.header) as out:
            for record in source:
                out.write(record)
        pysam.tabix_index(str(path), preset="bcf", force=True, csi=True)
    else:
        pysam.tabix_compress(str(plain), str(path), force=True)
        pysam.tabix_index(str(path), preset="vcf", force=True, csi=csi)
    plain.unlink()
    return path


# --- bcftools


def bcftools_consensus(
    vcf: Path, fasta: Path, individual: str, copy: int, folder: Path
) -> dict[str, tuple[str, list[tuple[int, int, int]]]]:
    """The whole contigs of one haplotype, and the aligned blocks (reference, haplotype, length) of its chain file."""
    chain, out = folder / "consensus.chain", folder / "consensus.fa"
    command = ["bcftools", "consensus", "-H", str(copy + 1), "-s", individual, "-c", chain, "-o", out, "-f", fasta, vcf]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    sequences = {}
    for part in out.read_text().split(">")[1:]:
        name, *lines = part.split("\n")
        sequences[name.split()[0]] = "".join(lines).upper()
    blocks: dict[str, list[tuple[int, int, int]]] = {name: [(0, 0, len(bases))] for name, bases in sequences.items()}
    contig, at, there = "", 0, 0
    for line in chain.read_text().split("\n"):
        fields = line.split()
        if not fields:
            continue
        if fields[0] == "chain":
            contig, at, there = fields[2], int(fields[5]), int(fields[10])
            blocks[contig] = []
            continue
        size, *gaps = map(int, fields)
        blocks[contig].append((at, there, size))
        at, there = at + size, there + size
        if gaps:
            at, there = at + gaps[0], there + gaps[1]
    return {name: (bases, blocks[name]) for name, bases in sequences.items()}


def lift(blocks: Sequence[tuple[int, int, int]], position: int) -> int | None:
    """Where a reference position stands on the haplotype; None where the chain has a gap."""
    for at, there, size in blocks:
        if at <= position < at + size:
            return there + position - at
    return None


def cut(bases: str, start: int, length: int) -> str:
    """A stretch of a sequence that may reach beyond it; N there."""
    end = start + length
    inside = bases[max(0, start) : max(0, end)]
    return "N" * min(length, max(0, -start)) + inside + "N" * (length - len(inside) - min(length, max(0, -start)))


# --- a slow implementation


def trim(ref: str, alt: str) -> tuple[int, str, str]:
    """Take off what REF and ALT share, first at the front and then at the back: (shift, ref, alt)."""
    shift = 0
    while ref and alt and ref[0] == alt[0]:
        ref, alt, shift = ref[1:], alt[1:], shift + 1
    while ref and alt and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    return shift, ref, alt


def slow_haplotype(reference: str, records: Sequence[Record], alleles: Sequence[int]) -> list[Cell]:
    """One haplotype of a whole contig, base by base. An allele below 1 is REF, missing or absent."""
    stands = [(base, at) for at, base in enumerate(reference)]
    cells: list[list[Cell]] = [[cell] for cell in stands]
    inserted: list[list[Cell]] = [[] for _ in range(len(reference) + 1)]  # before each base, and at the end
    taken = [False] * len(reference)
    last_lengthened = False
    for (start, ref, alts), allele in zip(records, alleles, strict=True):
        if allele < 1:
            continue
        alt = alts[allele - 1]
        if set(alt.upper()) - set("ACGTN"):
            continue
        shift, old, new = trim(ref.upper(), alt.upper())
        span = range(start, start + len(ref))
        only_indel_behind_first = shift > 0 and (not old) != (not new)
        clash = any(taken[at] for at in span)
        behind = taken[start] and not any(taken[start + 1 :])  # its first base is the last that was taken
        if clash and not (behind and only_indel_behind_first and not last_lengthened):
            continue
        for at in span:
            taken[at] = True
        last_lengthened = len(alt) > len(ref)
        begin = start + shift
        if len(old) == len(new):
            for offset, base in enumerate(new):
                cells[begin + offset] = [(base, begin + offset)]
        else:
            for at in range(begin, begin + len(old)):
                cells[at] = []
            inserted[begin].extend((base, -1) for base in new)
    whole: list[Cell] = []
    for at in range(len(reference)):
        whole += inserted[at] + cells[at]
    return whole + inserted[-1]


def slow_window(haplotype: Sequence[Cell], contig_length: int, start: int, end: int, anchor: int) -> list[Cell]:
    """The window of a haplotype in which the anchor keeps its index; N off the contig."""
    there = next((i for i, (_, at) in enumerate(haplotype) if at >= anchor), len(haplotype))
    if not any(at >= anchor for _, at in haplotype):
        there = len(haplotype)
    first = there - (anchor - start)
    return [haplotype[i] if 0 <= i < len(haplotype) else ("N", -1) for i in range(first, first + end - start)]


def bases(cells: Sequence[Cell]) -> str:
    return "".join(base for base, _ in cells)


# --- drawn cases


Case = tuple[str, list[tuple[int, str, list[str]]], list[list[int]]]

SPACER = "GATTACA" * 8  # bcftools drops records between contigs, so drawn stretches share one


@st.composite
def stretches(draw: st.DrawFn) -> Case:
    """Bases, records in file order, and the alleles of the four haplotypes of two individuals."""
    letters = draw(st.sampled_from(["ACGT", "AC", "A"]))
    reference = draw(st.text(letters, min_size=8, max_size=90))
    records = []
    for start in sorted(draw(st.lists(st.integers(0, len(reference) - 1), max_size=8))):
        length = min(draw(st.sampled_from([1, 1, 1, 2, 3, 6, 12])), len(reference) - start)
        ref = reference[start : start + length]
        alts = []
        for _ in range(draw(st.sampled_from([1, 1, 2, 3]))):
            some = draw(st.text("ACGT", min_size=1, max_size=5))
            alts.append(draw(st.sampled_from([some[0] + ref[1:], ref + some, ref[0], some, ref[1:] or some])))
        alts = [alt for alt in dict.fromkeys(alts) if alt != ref]
        if alts:
            records.append((start, ref, alts))
    haplotypes = [[draw(st.integers(0, len(alts))) for _ in range(4)] for _, _, alts in records]
    return reference, records, haplotypes


def joined(cases: Sequence[Case]) -> Case:
    """One contig of all stretches."""
    reference, records, haplotypes = "", [], []
    for bases, its_records, its_haplotypes in cases:
        records += [(start + len(reference), ref, alts) for start, ref, alts in its_records]
        haplotypes += its_haplotypes
        reference += bases + SPACER
    return reference.removesuffix(SPACER), records, haplotypes


# --- without files


class MemorySource:
    """Genotypes of one contig, held in memory: alleles int8 (n_records, n_individuals, 2), -1 missing, -2 absent."""

    path = "memory"

    def __init__(
        self,
        contig: str,
        individuals: Sequence[str],
        records: Sequence[Record],
        alleles: npt.ArrayLike,
        phased: npt.ArrayLike | None = None,
        passed: Sequence[bool] | None = None,
    ) -> None:
        self.individuals, self.contigs = tuple(individuals), (contig,)
        n = len(self.individuals)
        self.alleles = np.asarray(alleles, np.int8).reshape(len(records), n, 2)
        self.phased = np.ones((len(records), n), bool) if phased is None else np.asarray(phased, bool)
        self.records = list(records)
        self.passed = [True] * len(records) if passed is None else list(passed)

    def read(self, contig: str, start: int, end: int, field: str = "GT") -> calls.Calls:
        rows = [i for i, (at, ref, _) in enumerate(self.records) if at < end and at + len(ref) > start]
        table = np.zeros((len(rows), layout.TABLE_WIDTH), np.int64)
        text = b""
        for i, row in enumerate(rows):
            at, ref, alts = self.records[row]
            for column, part in (
                (layout.ID_BEGIN, f"r{row}"),
                (layout.REF_BEGIN, ref),
                (layout.ALT_BEGIN, ",".join(alts) or "."),
            ):
                table[i, column], table[i, column + 1] = len(text), len(text) + len(part)
                text += part.encode() + b"\t"
            table[i, layout.START], table[i, layout.N_ALLELES] = at, 1 + len(alts)
            table[i, layout.PASSED] = self.passed[row]
        return calls.Calls(
            records=calls.make_records(contig, table, text), alleles=self.alleles[rows], phased=self.phased[rows]
        )


class MemoryReference:
    """A reference genome of one contig, held in memory."""

    path = "memory.fa"

    def __init__(self, contig: str, bases: str) -> None:
        self.contigs = {contig: len(bases)}
        self.bases = bases.upper()

    def contig_name(self, name: str) -> str:
        return next(iter(self.contigs))

    def fetch(self, interval: Interval) -> npt.NDArray[np.uint8]:
        return np.frombuffer(cut(self.bases, interval.start, interval.length).encode(), np.uint8)
