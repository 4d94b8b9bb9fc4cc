"""How many calls do deduplication, a MAF bound and additive mode save? Plans for 953 simulated individuals.

Writes `alphagenome_plan.md` next to this file. Each gene has a separate cohort: haplotypes from a coalescent with
recombination and a European history (`pgxeval.simulation.linkage`: 1.5e-8 mutations and 1e-8 crossovers a base and
generation; one variant in ten is an insertion or deletion), over 1.1 Mb around the TSS. `AlphaGenomePredictor.plan`
counts, against the local server, which must not get a single sequence. The judge of the first gene is a slow
implementation that reads the VCF with pysam, splices every haplotype as a string and counts different strings.
Where real phased haplotypes are at hand (91 individuals of the 1000 Genomes Project, 5 Mb of chromosome 1), as many
simulated individuals are planned in addition.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pysam

import pgxeval
from pgxeval.testing import AlphaGenomeServer

REPOSITORY = Path(__file__).resolve().parents[1]
CONTEXTS_BP = (131_072, 1_048_576)
BOUNDS = (0.001, 0.01, 0.05)
WINDOW_BP = 1_100_000
REAL_BP = 5_000_000
MODES = ("haplotypes", "additive")


def simulated(folder: Path, individuals: int, seed: int) -> pgxeval.Cohort:
    files = pgxeval.simulate_cohort(
        folder, individuals=individuals, kinds={"null": 1}, window_bp=WINDOW_BP, seed=seed
    ).files
    return pgxeval.Cohort.from_files(**files)


def real(folder: Path, n_genes: int) -> pgxeval.Cohort:
    """Lay made-up genes evenly over the real haplotypes, away from the ends of the contig."""
    genome = pgxeval.PersonalGenome(folder / "variants.vcf.gz", folder / "reference.fa")
    half = max(CONTEXTS_BP) // 2
    sites = np.linspace(half + 20_000, REAL_BP - half - 20_000, n_genes).astype(int).tolist()
    genes = [
        pgxeval.Gene(gene_id=f"REAL{at}", contig="1", start=at, end=at + 1_000, strand="+", tss=at,
                     exons=[(at, at + 1_000)])
        for at in sites
    ]  # fmt: skip
    expression = np.random.default_rng(0).normal(size=(n_genes, len(genome.individuals)))  # plays no part
    return pgxeval.Cohort(genome=genome, genes=genes, expression=expression, individuals=genome.individuals)


def predictor(server: AlphaGenomeServer, context_bp: int, cache: Path, mode: str = "haplotypes") -> Any:
    return pgxeval.AlphaGenomePredictor.hosted(
        address=server.address, tissue="Whole_Blood", readout="tss", context_length=context_bp, mode=mode,
        score_cache=cache,
        allow_remote=True, progress=False,
    )  # fmt: skip


def planned(server: AlphaGenomeServer, cohort: pgxeval.Cohort, cache: Path) -> Iterator[dict[str, Any]]:
    """Plan each gene at both contexts: one row for each gene, bound and mode."""
    for context_bp in CONTEXTS_BP:
        asked = predictor(server, context_bp, cache)
        for gene in cohort.genes:
            began = time.perf_counter()
            plan = asked.plan(cohort.subset(genes=[gene.gene_id]), min_maf=BOUNDS, progress=False)
            seconds = time.perf_counter() - began
            assert plan.calls == plan.compared["sequences"].iloc[0]
            for row in plan.compared.itertuples():
                yield {
                    "context_bp": context_bp,
                    "min_maf": 0.0 if np.isnan(row.min_maf) else row.min_maf,
                    "mode": row.mode,
                    "calls": row.sequences,
                    "haplotypes": plan.haplotypes,
                    "seconds": seconds,
                }


# --- the judge


def slow_counts(cohort: pgxeval.Cohort, folder: Path) -> dict[tuple[int, float, str], int]:
    """Count different sequences by splicing strings."""
    (gene,) = cohort.genes
    with pysam.FastaFile(str(folder / "reference.fa")) as fasta:
        contig = fasta.fetch(gene.contig).upper()
    with pysam.VariantFile(str(folder / "genotypes.vcf.gz")) as vcf:
        records = [
            (one.start, one.ref, one.alts[0], [allele for call in one.samples.values() for allele in call["GT"]])
            for one in vcf
        ]
    counts = {}
    for bound in (0.0, *BOUNDS):
        frequent = [one for one in records if min(sum(one[3]), len(one[3]) - sum(one[3])) >= bound * len(one[3])]
        n_haplotypes = 2 * len(cohort.individuals)
        carried: list[list[tuple[int, str, str]]] = [[] for _ in range(n_haplotypes)]
        for start, ref, alt, alleles in frequent:
            for number in np.flatnonzero(alleles).tolist():
                carried[number].append((start, ref, alt))
        for context_bp in CONTEXTS_BP:
            first, last = gene.tss - context_bp // 2, gene.tss + context_bp // 2
            inside = [[one[:3]] for one in frequent if one[0] < last and one[0] + len(one[1]) > first]
            for mode, wanted in zip(MODES, (carried, [[], *inside]), strict=True):
                different = {slow_digest(contig, alleles, gene.tss, context_bp) for alleles in wanted}
                counts[context_bp, bound, mode] = len(different)
    return counts


def slow_digest(contig: str, alleles: list[tuple[int, str, str]], tss: int, context_bp: int) -> bytes:
    """Splice, and digest the context around the TSS (or, where it is deleted, the next base that is not)."""
    pieces, at, length, anchor = [], 0, 0, -1
    for start, ref, alt in [*alleles, (len(contig), "", "")]:
        if anchor < 0 and start > tss:
            anchor = length + max(0, tss - at)
        pieces += [contig[at:start], alt]
        length += start - at
        if anchor < 0 and ref and start == tss:
            anchor = length
        length += len(alt)
        at = start + len(ref)
    spliced = "".join(pieces)
    return hashlib.blake2b(spliced[anchor - context_bp // 2 : anchor + context_bp // 2].encode()).digest()


# --- the report


def summarised(rows: pd.DataFrame, individuals: int) -> str:
    """Return the mean over genes with the range, a row for each context and bound."""
    lines = []
    for (context_bp, bound), part in rows.groupby(["context_bp", "min_maf"]):
        line = {"context": f"{context_bp:,} bp", "min_maf": f"{bound:g}" if bound else "all"}
        for mode in MODES:
            calls = part.loc[part["mode"] == mode, "calls"]
            line[f"{mode}: calls per gene"] = f"{calls.mean():,.0f} ({calls.min():,} to {calls.max():,})"
            line[f"{mode}: of {2 * individuals:,} haplotypes"] = f"{calls.mean() / (2 * individuals):.0%}"
        lines.append(line)
    return pd.DataFrame(lines).to_markdown(index=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--individuals", type=int, default=953)
    parser.add_argument("--genes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    asked = parser.parse_args()
    # one gene is a separate block, and nothing is judged here
    warnings.simplefilter("ignore", pgxeval.PgxevalWarning)
    data = Path(os.environ.get("PGXEVAL_SHARED_DATA", REPOSITORY.parent / "shared" / "data")) / "kgp_chr1"
    rows: list[dict[str, Any]] = []
    small: list[dict[str, Any]] = []
    theirs: list[dict[str, Any]] = []
    different: dict[Any, Any] = {}
    n_real = 0
    with AlphaGenomeServer() as server, tempfile.TemporaryDirectory() as scratch:
        cache = Path(scratch) / "cache"
        for number in range(asked.genes):
            folder = Path(scratch) / f"cohort{number}"
            cohort = simulated(folder, asked.individuals, asked.seed + number)
            found = list(planned(server, cohort, cache))
            rows += found
            if number == 0:
                judged = slow_counts(cohort, folder)
                ours = {(row["context_bp"], row["min_maf"], row["mode"]): row["calls"] for row in found}
                assert ours.keys() == judged.keys()
                different = {key: (ours[key], judged[key]) for key in judged if ours[key] != judged[key]}
                began = time.perf_counter()
                whole = predictor(server, CONTEXTS_BP[-1], cache, "additive").plan(cohort, progress=False)
                additive_s = time.perf_counter() - began
                assert whole.calls == ours[CONTEXTS_BP[-1], 0.0, "additive"]
        if data.is_dir():
            cohort = real(data, asked.genes)
            n_real = len(cohort.individuals)
            theirs = list(planned(server, cohort, cache))
            for number in range(asked.genes):
                cohort = simulated(Path(scratch) / f"small{number}", n_real, asked.seed + number)
                small += planned(server, cohort, cache)
        sent = server.calls["PredictSequence"]
    table = pd.DataFrame(rows)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    seconds = table.groupby("context_bp")["seconds"].median()
    text = [
        f"# Planning\n\n{__doc__}",
        f"Seeds {asked.seed} to {asked.seed + asked.genes - 1}, one gene each. Mean over genes, and the range.\n",
        summarised(table, asked.individuals),
        f"\nSequences sent while planning: {sent}. Against the slow implementation, first gene, "
        f"{len(judged)} counts: {len(different)} different.",
        f"\nA comparison of both modes at four bounds took {seconds.iloc[0]:.1f} s per gene at {CONTEXTS_BP[0]:,} bp "
        f"and "
        f"{seconds.iloc[1]:.1f} s at {CONTEXTS_BP[1]:,} bp (medians, one thread); the plan of a run in additive mode "
        f"over all variants at {CONTEXTS_BP[1]:,} bp, which makes and digests every sequence, {additive_s:.1f} s. Peak "
        f"memory of the study, the local server included: {memory:.1f} GB.",
    ]
    if n_real:
        text += [
            f"\n## Real haplotypes\n\n{n_real} individuals of the 1000 Genomes Project, {asked.genes} places.\n",
            summarised(pd.DataFrame(theirs), n_real),
            f"\nAs many simulated individuals, {asked.genes} genes.\n",
            summarised(pd.DataFrame(small), n_real),
        ]
    asked.out.write_text("\n".join(text) + "\n")
    print(asked.out.read_text())
    if different or sent:
        raise SystemExit(f"different: {different}; sent: {sent}")


if __name__ == "__main__":
    main()
