"""A small world for AlphaGenome: one contig with ten people, a server that fails on demand, and a slow outsider.

The outsider shares no code with the library: it reads the VCF as text, splices strings, lifts exons base by base and
takes the values from the plain formula of the server.
"""

from __future__ import annotations

import gzip
import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pgxeval.cohort.cohort import Cohort
from pgxeval.genome.intervals import Gene
from pgxeval.predictors.alphagenome.predictor import AlphaGenomePredictor

LENGTH = 16_384
TSS = 12_000
PEOPLE = ("ann", "bob", "cid", "dot", "eve", "fay", "gil", "hal", "ida", "jan")
EXONS = ((11_900, 12_060), (12_400, 12_520), (13_000, 13_033))
COMPLEMENT = str.maketrans("ACGTN", "TGCAN")


def gene(gene_id: str = "plus", strand: str = "+", tss: int = TSS, exons: Sequence[tuple[int, int]] = EXONS) -> Gene:
    return Gene(
        gene_id=gene_id, contig="chr1", start=exons[0][0], end=exons[-1][1], strand=strand, tss=tss, exons=exons
    )


def make_world(toys: Any, folder: Path, *, phased: bool = True) -> Any:
    """Variants upstream of the exons, in them, across their edges, between them and behind."""
    rng = np.random.default_rng(7)
    bases = "".join(rng.choice(list("ACGT"), 24_000))

    def snv(at: int) -> tuple[int, str, str]:
        return at, bases[at], "ACGT"["ACGT".index(bases[at]) - 1]

    def gain(at: int, letters: str) -> tuple[int, str, str]:
        return at, bases[at], bases[at] + letters

    def loss(at: int, n: int) -> tuple[int, str, str]:
        return at, bases[at : at + n + 1], bases[at]

    changes = [
        (snv(4_500), "0|0 0|1 1|0 0|0 1|1"),
        (gain(9_000, "ACGTTGCA"), "0|1 0|0 0|0 1|1 0|0"),
        (loss(11_000, 37), "0|0 1|0 0|0 0|1 0|0"),
        (snv(11_950), "1|0 0|0 0|0 0|0 0|1"),
        (gain(12_010, "GGATC"), "0|0 0|1 1|1 0|0 0|0"),
        (loss(12_055, 9), "0|0 1|0 0|0 0|0 0|1"),  # across the end of the first exon
        (snv(12_200), "0|0 0|0 0|1 0|0 0|0"),
        (gain(12_399, "TTTAA"), "0|0 0|0 0|1 0|1 0|0"),  # just before the second exon, outside of it
        (loss(12_450, 12), "1|0 0|0 0|0 0|0 0|1"),
        (snv(13_010), "0|0 0|0 0|0 1|0 0|0"),
        (gain(13_500, "C"), "0|0 0|0 0|0 0|0 0|1"),
    ]
    records = []
    for change, genotypes in changes:
        first = [one.split("|") for one in genotypes.split()]
        # the others have the same haplotypes in other pairs
        pairs = first + [[first[at][0], first[(at + 1) % 5][1]] for at in range(5)]
        records.append(("chr1", *change, [("|" if phased else "/").join(pair) for pair in pairs]))
    return toys.write_genome(folder, {"chr1": bases}, PEOPLE, records)


def make_cohort(small: Any, genes: Sequence[Gene], people: Sequence[str] | None = None) -> Cohort:
    people = tuple(people or small.individuals)
    expression = np.random.default_rng(1).normal(size=(len(genes), len(people)))
    return Cohort(genome=small.genome, genes=tuple(genes), expression=expression, individuals=people)


# --- predictors


def hasten(predictor: Any) -> Any:
    """Let waits between attempts be short."""
    calls = getattr(predictor, "model", predictor)._calls
    calls._wait_scale = 0.002
    calls.pacer._period_s = 0.1
    return predictor


def hosted(server: Any, **settings: Any) -> AlphaGenomePredictor:
    settings = {"tissue": "Whole_Blood", "context_length": LENGTH, "progress": False, **settings}
    return hasten(AlphaGenomePredictor.hosted(address=server.address, allow_remote=True, **settings))


def local(server: Any, **settings: Any) -> AlphaGenomePredictor:
    return AlphaGenomePredictor.local(server.local(), **{"tissue": "Whole_Blood", "context_length": LENGTH, **settings})


class Faults(dict[str, tuple[str, int]]):
    """Digest of a sequence -> what goes wrong with it, at how many attempts; `every` -> with all of them."""

    def __call__(self, digest: str, attempt: int) -> str | None:
        fault, times = self.get(digest, self.get("every", ("", 0)))
        return fault if attempt < times else None


# --- the outsider


def digest(sequence: str) -> str:
    return hashlib.sha256(sequence.encode()).hexdigest()


def copies(small: Any, individual: str) -> list[list[tuple[int, str, str]]]:
    """The records (0-based start, ref, alt) on each copy of an individual, from the text of the VCF."""
    lines = gzip.decompress(small.vcf.read_bytes()).decode().splitlines()
    column = next(line for line in lines if line.startswith("#CHROM")).split("\t").index(individual)
    found: list[list[tuple[int, str, str]]] = [[], []]
    for line in lines:
        if not line.startswith("#"):
            fields = line.split("\t")
            for copy, allele in enumerate(fields[column].replace("/", "|").split("|")):
                if allele == "1":
                    found[copy].append((int(fields[1]) - 1, fields[3], fields[4]))
    return found


def haplotype(
    bases: str, records: Sequence[tuple[int, str, str]], tss: int = TSS, length: int = LENGTH
) -> tuple[str, list[int | None]]:
    """The window's bases and where each lies on the reference, None where it was inserted."""
    text, marks = bases, list(range(len(bases)))
    for start, ref, alt in sorted(records, reverse=True):  # from the right, so that what is on the left stays
        assert bases[start : start + len(ref)] == ref
        text = text[:start] + alt + text[start + len(ref) :]
        marks[start : start + len(ref)] = [start] + [None] * (len(alt) - 1)
    anchor = next(at for at, mark in enumerate(marks) if mark is not None and mark >= tss)
    first = anchor - length // 2
    inside = range(first, first + length)
    return (
        "".join(text[at] if 0 <= at < len(text) else "N" for at in inside),
        [marks[at] if 0 <= at < len(text) else -1 for at in inside],
    )


def places(marks: Sequence[int | None], stretches: Sequence[tuple[int, int]]) -> list[int]:
    """Indices of the bases of stretches; an inserted base belongs to one that holds both its neighbours."""
    found = []
    for start, end in stretches:
        inside = [at for at, mark in enumerate(marks) if mark is not None and start <= mark < end]
        members = set(inside)
        found += [at for at in range(inside[0], inside[-1] + 1) if at in members or marks[at] is None]
    return found


def slow_prediction(
    server: Any,
    small: Any,
    stretches: Sequence[tuple[int, int]] | None,
    column: int,
    *,
    output: str = "RNA_SEQ",
    width: int = 1,
    around_tss: int = 0,
    shift: int = 0,
    aggregate: str = "mean",
    pseudocount: float | None = 0.001,
    other_strand: int | None = None,
    people: Sequence[str] | None = None,
) -> list[float]:
    """Haplotype by haplotype: values of one track over some bases, a number of them, the mean of the two."""
    answers = []
    known: dict[str, float] = {}
    for individual in people or small.individuals:
        scores = []
        for records in copies(small, individual):
            text, marks = haplotype(small.reference["chr1"], records)
            if stretches is None:
                middle = LENGTH // 2 + shift
                indices = list(range(middle - around_tss // 2, middle + around_tss // 2))
            else:
                indices = places(marks, stretches)
            key = text + repr(indices)
            if key not in known:
                values = server.values(text, output)[:, column].astype(float)
                read = [_reduced([values[at // width] for at in indices], width, aggregate)]
                if other_strand is not None:
                    turned = server.values(text.translate(COMPLEMENT)[::-1], output)[:, other_strand].astype(float)
                    here = [turned[(LENGTH - 1 - at) // width] for at in indices]
                    read.append(_reduced(here, width, aggregate))
                value = sum(read) / len(read)
                known[key] = value if pseudocount is None else math.log(value + pseudocount)
            scores.append(known[key])
        answers.append(sum(scores) / 2)
    return answers


def _reduced(values: Sequence[float], width: int, aggregate: str) -> float:
    return sum(values) / (len(values) if aggregate == "mean" else width)


def column_of(server: Any, output: str = "RNA_SEQ", **wanted: str) -> int:
    """The one track whose metadata are as wanted."""
    table = server.tracks(output)
    keep = np.ones(len(table), dtype=bool)
    for name, value in wanted.items():
        keep &= (table[name.replace("assay_title", "Assay title")] == value).to_numpy()
    (found,) = np.flatnonzero(keep)
    return int(found)


def all_sequences(small: Any, people: Sequence[str] | None = None) -> dict[str, list[str]]:
    """Digest of each distinct haplotype -> who carries it."""
    found: dict[str, list[str]] = {}
    for individual in people or small.individuals:
        for records in copies(small, individual):
            found.setdefault(digest(haplotype(small.reference["chr1"], records)[0]), []).append(individual)
    return found
