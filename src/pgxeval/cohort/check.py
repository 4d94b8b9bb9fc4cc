"""Checks a cohort before anything is computed: genome builds, names, relatives, structure, units of expression."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import attrs
import numpy as np
import pandas as pd

from pgxeval.cohort.covariates import covariate_basis
from pgxeval.cohort.data import CohortData
from pgxeval.cohort.exclusions import count_exclusions
from pgxeval.cohort.relatedness import can_estimate, describe_relatives
from pgxeval.cohort.screening import MIN_STRUCTURE_BLOCKS, Screening
from pgxeval.errors import UnknownNameError
from pgxeval.genome.contigs import canonical_contig
from pgxeval.genome.formats.source import contig_names_of
from pgxeval.genome.intervals import Interval
from pgxeval.names import known_names

Status = Literal["ok", "note", "warning"]

# Lengths of chromosome 1 [bp] in the human builds.
_BUILDS = {249_250_621: "GRCh37", 248_956_422: "GRCh38", 248_387_328: "T2T-CHM13"}
_LARGEST_COUNT = 50
_FEWEST_AGREEING = 0.98
_MOST_EMPTY = 0.2
_FEWEST_WINDOWS = 10
_MOST_EXCLUDED = 0.5
_REF_SAMPLE = 500
_COUNTS = ("individuals", "genes")
_HALF_CALLS = {"missing": "missing", "reference": "counted with REF for the missing allele"}


@attrs.frozen(kw_only=True)
class Finding:
    """One row of the table of checks.

    Parameters
    ----------
    check
        What was checked.
    status
        ``"ok"``, ``"note"`` or ``"warning"``: results would be wrong or empty.
    finding
        What was found.
    advice
        What to do; empty where nothing needs to be done.
    noted
        Whether a note belongs into `Cohort.notes`.
    """

    check: str
    status: Status
    finding: str
    advice: str = ""
    noted: bool = True


def check_cohort(cohort: CohortData, screening: Screening) -> list[Finding]:
    """Return the findings about a cohort, in the order of the table of `pgxeval.Cohort.check`."""
    return [
        *_exclusions(cohort),
        *_builds(cohort),
        *_reference_alleles(cohort, screening),
        *_genotypes(cohort, screening),
        *_relatives(cohort, screening),
        *_structure(cohort, screening),
        *_expression(cohort),
        *_gene_models(cohort),
    ]


def findings_table(findings: list[Finding]) -> pd.DataFrame:
    """Return findings as a table with the columns check, status, finding and advice."""
    return pd.DataFrame(
        [attrs.asdict(finding) for finding in findings], columns=["check", "status", "finding", "advice"]
    )


def notes_of(findings: list[Finding]) -> list[str]:
    """Return the findings that a reader of results should know, as sentences."""
    return [
        finding.finding
        for finding in findings
        if finding.check not in _COUNTS
        and (finding.status == "warning" or (finding.status == "note" and finding.noted))
    ]


def warnings_of(findings: list[Finding]) -> list[str]:
    """Return the serious findings with what to do."""
    return [
        f"{finding.finding}. {finding.advice}" if finding.advice else finding.finding
        for finding in findings
        if finding.status == "warning" and finding.check not in _COUNTS
    ]


def _exclusions(cohort: CohortData) -> Iterator[Finding]:
    for kind, remaining in (("individual", len(cohort.individuals)), ("gene", len(cohort.genes))):
        counts = [(reason, count) for of, reason, count in count_exclusions(cohort.exclusions) if of == kind]
        excluded = sum(count for _, count in counts)
        listed = ", ".join(f"{count} {reason}" for reason, count in counts)
        serious = excluded > _MOST_EXCLUDED * (remaining + excluded)
        yield Finding(
            check=f"{kind}s",
            status="ok" if not excluded else "warning" if serious else "note",
            finding=f"{remaining} {kind}s" + (f"; excluded: {listed}" if counts else ""),
            advice="see Cohort.exclusions; individuals and genes must have the same names in all files"
            if serious
            else "",
        )


def _builds(cohort: CohortData) -> Iterator[Finding]:
    """Compare the contig lengths of genotypes and reference, and the gene models with both."""
    lengths: dict[str, Mapping[str, int]] = {}
    reference = cohort.genome.reference
    if declared := contig_names_of(cohort.genome).lengths:
        lengths["genotypes"] = declared
    if reference is not None:
        lengths["reference"] = reference.contigs
    plain = {name: {canonical_contig(contig): n for contig, n in of.items()} for name, of in lengths.items()}
    problems = []
    if len(plain) == 2:
        ours, theirs = plain["genotypes"], plain["reference"]
        different = [contig for contig in ours if contig in theirs and ours[contig] != theirs[contig]]
        if different:
            shown = different[0]
            problems.append(
                f"{len(different)} contigs have other lengths in the genotypes than in the reference: {shown} has "
                f"{ours[shown]:,} bp{_build(ours)} and {theirs[shown]:,} bp{_build(theirs)}"
            )
    for name, of in plain.items():
        beyond = [gene.gene_id for gene in cohort.genes if gene.end > of.get(canonical_contig(gene.contig), gene.end)]
        if beyond:
            problems.append(
                f"{len(beyond)} genes end beyond their contig in the {name}{_build(of)}: {known_names(beyond, 3)}"
            )
    if problems:
        advice = "use genotypes, reference and gene models of one genome build; CrossMap or bcftools +liftover convert"
        yield Finding(check="genome build", status="warning", finding="; ".join(problems), advice=advice)
    elif plain:
        named = ", ".join(f"{name}{_build(of) or ' of a build that is not known'}" for name, of in plain.items())
        yield Finding(check="genome build", status="ok", finding=f"contig lengths agree: {named}")
    else:
        yield Finding(
            check="genome build",
            status="note",
            finding="the genotypes declare no contig lengths to compare",
            noted=False,
        )


def _build(lengths: Mapping[str, int]) -> str:
    build = _BUILDS.get(lengths.get("1", 0))
    return f" ({build})" if build else ""


def _reference_alleles(cohort: CohortData, screening: Screening) -> Iterator[Finding]:
    """Compare REF alleles with the FASTA."""
    reference = cohort.genome.reference
    variants = screening.variants
    if reference is None or not variants.ref:
        return
    chosen = np.unique(np.linspace(0, len(variants.ref) - 1, _REF_SAMPLE).astype(int))
    ref = alt = compared = 0
    for i in chosen.tolist():
        position = int(variants.positions[i])
        try:
            base = reference.fetch(Interval(variants.contigs[i], position - 1, position)).tobytes().decode()
        except UnknownNameError:
            continue
        compared += 1
        ref += base == variants.ref[i].upper()
        alt += base == variants.alt[i].upper()
    if not compared:
        return
    finding = f"{ref} of {compared} sampled REF alleles are the bases of the reference"
    if ref >= _FEWEST_AGREEING * compared:
        yield Finding(check="reference alleles", status="ok", finding=finding)
        return
    if ref + alt >= _FEWEST_AGREEING * compared:
        advice = "REF and ALT are swapped, as in files made from PLINK 1: run plink2 --ref-from-fa force"
    else:
        advice = "the genotypes seem to be of another genome build than the reference"
    yield Finding(check="reference alleles", status="warning", finding=finding, advice=advice)


def _genotypes(cohort: CohortData, screening: Screening) -> Iterator[Finding]:
    variants = screening.variants
    if variants.unreadable:
        yield Finding(
            check="genotypes",
            status="note",
            finding=f"{len(variants.unreadable)} of {variants.windows} windows sampled for relatives and structure "
            f"could not be read: {variants.unreadable[0]}",
        )
    if variants.windows:
        share = variants.empty_windows / variants.windows
        serious = share > _MOST_EMPTY and variants.windows >= _FEWEST_WINDOWS
        yield Finding(
            check="variants",
            status="warning" if serious else "note" if variants.empty_windows else "ok",
            finding=f"{variants.empty_windows} of {variants.windows} windows around genes have no variant",
            advice="are the genotypes complete, and of the same genome build as the gene positions?" if serious else "",
            noted=False,
        )
    for note in cohort.genome.notes:
        yield Finding(check="genotypes", status="note", finding=note, noted=False)
    counts = variants.genotype_counts
    if half := counts.get("half_missing", 0):
        yield Finding(
            check="half-calls",
            status="note",
            finding=f"{half:,} of {counts['genotypes']:,} genotypes in the sampled windows are half-calls such as "
            f"1|. ; their dosages are {_HALF_CALLS[cohort.genome.policies.half_missing]}",
            advice='half_missing="reference" reads the missing allele as REF: vt decompose, vcfbreakmulti and GLnexus '
            "write multi-allelic records so",
        )


def _relatives(cohort: CohortData, screening: Screening) -> Iterator[Finding]:
    if not can_estimate(screening.variants):
        yield Finding(
            check="relatives",
            status="note",
            finding=f"relatives were not searched for: there are only {screening.extent()}",
        )
        return
    groups = None if cohort.groups is None else dict(zip(cohort.individuals, cohort.groups, strict=True))
    relatives = screening.relatives
    close = relatives[relatives["relationship"].isin(["same genome", "first degree"])]
    if text := describe_relatives(close, groups):
        yield Finding(
            check="relatives",
            status="warning",
            finding=text,
            advice="They leak between folds, and genes without any effect look predictable. Keep one sample per donor, "
            'or pass groups= (a PED file, a mapping, or "estimate") so that a family stays in one fold and is '
            "permuted as a whole",
        )
    else:
        within = f"; {len(close)} close pairs are within groups" if len(close) else ""
        yield Finding(check="relatives", status="ok", finding=f"no close relatives between groups{within}")


def _structure(cohort: CohortData, screening: Screening) -> Iterator[Finding]:
    structure = screening.structure(cohort.expression, covariate_basis(cohort.covariates, len(cohort.individuals)))
    if structure is None:
        if can_estimate(screening.variants) and screening.variants.n_blocks < MIN_STRUCTURE_BLOCKS:
            yield Finding(
                check="population structure",
                status="note",
                finding=f"population structure was not tested: there are only {screening.extent()}",
            )
    elif len(structure.unadjusted):
        yield Finding(
            check="population structure", status="warning", finding=structure.describe(), advice=structure.advice()
        )
    else:
        count = len(structure.significant)
        text = f"{count} component(s) of structure, which covariates account for" if count else "none found"
        yield Finding(check="population structure", status="ok", finding=text)


def _expression(cohort: CohortData) -> Iterator[Finding]:
    values = cohort.expression[~np.isnan(cohort.expression)]
    if values.size and values.min() >= 0 and values.max() > _LARGEST_COUNT and bool(np.all(values == np.round(values))):
        yield Finding(
            check="expression",
            status="warning",
            finding=f"expression looks like raw counts: whole numbers from 0 to {values.max():,.0f}",
            advice="normalise for sequencing depth and transform (TMM and inverse normal, or log TPM) before using it",
        )
        return
    missing = float(np.isnan(cohort.expression).mean())
    yield Finding(
        check="expression",
        status="ok",
        finding=f"values from {values.min():.3g} to {values.max():.3g}, {missing:.1%} missing",
    )


def _gene_models(cohort: CohortData) -> Iterator[Finding]:
    without = [gene.gene_id for gene in cohort.genes if gene.strand is None or gene.tss is None]
    yield Finding(
        check="gene models",
        status="note" if without else "ok",
        finding=f"{len(without)} of {len(cohort.genes)} genes have no strand or TSS"
        if without
        else "all genes have a strand and a TSS",
        advice="sequence predictors need them: pass genes= (a GTF)" if without else "",
        noted=False,
    )
