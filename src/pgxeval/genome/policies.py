"""Policies: what is done with genotypes that do not state which haplotype they mean, and whom they exclude."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.checks import one_of
from pgxeval.errors import GenotypeError
from pgxeval.genome.formats.calls import Records
from pgxeval.genome.intervals import Interval


@attrs.frozen(kw_only=True)
class Policies:
    """What is done with genotypes that do not state which haplotype they mean.

    Where a policy refuses genotypes of an individual, this individual has no haplotypes over the window, and the reason
    is in `Haplotypes.refused`; all others keep theirs. The whole window is an error where all individuals are refused,
    where a cohort has no phase at all (no heterozygous genotype of the window is phased, and most individuals have
    one), and where REF disagrees with the reference genome.

    Parameters
    ----------
    unphased
        An unphased heterozygote (``0/1``; also ``1/.``): ``"refuse"``, or ``"as_written"``: the first
        allele is copy 0, which is right only where the file is phased and merely writes ``/``.
    phase_sets
        An individual with heterozygous calls in several phase sets (``PS``, as read-based phasing writes them); calls
        without PS are one set. Phase holds within a set only: ``"refuse"``, or ``"as_written"``, which is right where
        the file was phased statistically afterwards (counted).
    missing
        A missing copy: ``"reference"`` (counted), or ``"refuse"``.
    half_missing
        A genotype with one known copy of two (``1|.``, ``.|1``), as a dosage: ``"missing"``, or ``"reference"``: the
        missing copy counts as the reference. Programs that split multi-allelic records (vt decompose, vcfbreakmulti)
        and GLnexus write such genotypes for carriers of another allele. Both are counted. On a haplotype, a missing
        copy follows `missing`.
    ref_mismatch
        A record whose REF is not what the reference genome has: ``"refuse"``, or ``"skip"`` (counted).
    mixed_ploidy
        An individual with haploid and diploid calls in one window, as at the ends of the pseudo-autosomal
        regions: ``"refuse"``, or ``"reference"``: two copies, the second of which reads as the reference
        where a call is haploid (counted).
    """

    unphased: Literal["refuse", "as_written"] = attrs.field(default="refuse", validator=one_of("refuse", "as_written"))
    phase_sets: Literal["refuse", "as_written"] = attrs.field(
        default="refuse", validator=one_of("refuse", "as_written")
    )
    missing: Literal["reference", "refuse"] = attrs.field(default="reference", validator=one_of("reference", "refuse"))
    half_missing: Literal["missing", "reference"] = attrs.field(
        default="missing", validator=one_of("missing", "reference")
    )
    ref_mismatch: Literal["refuse", "skip"] = attrs.field(default="refuse", validator=one_of("refuse", "skip"))
    mixed_ploidy: Literal["refuse", "reference"] = attrs.field(
        default="refuse", validator=one_of("refuse", "reference")
    )


@attrs.frozen(kw_only=True, eq=False)
class Doubts:
    """What the policies may refuse in a window, for each individual.

    Parameters
    ----------
    unphased, missing
        int64 ``(n_individuals,)``: the first record with an unphased heterozygote, and with a missing copy; -1 where
        there is none.
    several_sets
        bool ``(n_individuals,)``: heterozygous in several phase sets.
    mixed_ploidy
        bool ``(n_individuals,)``: haploid and diploid calls.
    n_phased
        Number of phased heterozygous genotypes.
    n_unphased, n_missing
        Number of such genotypes, for messages.
    """

    unphased: npt.NDArray[np.int64]
    missing: npt.NDArray[np.int64]
    several_sets: npt.NDArray[np.bool_]
    mixed_ploidy: npt.NDArray[np.bool_]
    n_phased: int
    n_unphased: int
    n_missing: int


def refuse(  # noqa: PLR0917 (one step of assembly, called once)
    policies: Policies, doubts: Doubts, records: Records, individuals: tuple[str, ...], interval: Interval, path: str
) -> dict[int, str]:
    """Return which individuals have no haplotypes over a window, by row, and why.

    Raises
    ------
    GenotypeError
        If that is every individual; or more than half for want of phase, where no heterozygous genotype of the window
        is phased: the others would be a selection of homozygous individuals of a cohort without phase.
    """

    def place(record: int) -> str:
        return f"{records.contig}:{int(records.starts[record]) + 1}"

    reasons: dict[int, str] = {}
    causes: list[str] = []
    if policies.mixed_ploidy == "refuse" and doubts.mixed_ploidy.any():
        for row in np.flatnonzero(doubts.mixed_ploidy).tolist():
            reasons.setdefault(row, f"haploid and diploid calls over {interval}")
        causes.append(
            f"{int(doubts.mixed_ploidy.sum())} individuals have haploid and diploid calls over {interval}, the first: "
            f"{individuals[int(np.flatnonzero(doubts.mixed_ploidy)[0])]}; at the edge of a pseudo-autosomal region "
            "choose a window on one side, elsewhere the file is at fault. "
            'mixed_ploidy="reference" reads the absent copy as the reference'
        )
    unphased = np.flatnonzero(doubts.unphased >= 0)
    if policies.unphased == "refuse" and unphased.size:
        for row in unphased.tolist():
            reasons.setdefault(row, f"unphased heterozygous genotype at {place(int(doubts.unphased[row]))}")
        first = int(unphased[np.argmin(doubts.unphased[unphased])])
        causes.append(
            f"{doubts.n_unphased} unphased heterozygous genotypes over {interval}, the first at "
            f"{place(int(doubts.unphased[first]))} of {individuals[first]}: which haplotype carries the allele is not "
            "known. Phase the file (SHAPEIT, Beagle, Eagle), use dosages, or, if it is phased and merely writes "
            '"/", unphased="as_written"'
        )
    if policies.phase_sets == "refuse" and doubts.several_sets.any():
        for row in np.flatnonzero(doubts.several_sets).tolist():
            reasons.setdefault(row, f"heterozygous genotypes in several phase sets (PS) over {interval}")
        causes.append(
            f"{int(doubts.several_sets.sum())} individuals have heterozygous genotypes over {interval} in "
            "several phase sets (PS): phase holds only within a set. Phase the file statistically (SHAPEIT, Beagle, "
            'Eagle), use dosages, or, where it has been phased statistically already, phase_sets="as_written"'
        )
    missing = np.flatnonzero(doubts.missing >= 0)
    if policies.missing == "refuse" and missing.size:
        for row in missing.tolist():
            reasons.setdefault(row, f"missing genotype at {place(int(doubts.missing[row]))}")
        first = int(missing[np.argmin(doubts.missing[missing])])
        causes.append(
            f"{doubts.n_missing} missing genotypes over {interval}, the first at "
            f"{place(int(doubts.missing[first]))} of {individuals[first]}; impute them, or read them as the reference "
            'with missing="reference"'
        )
    without_phase = policies.unphased == "refuse" and doubts.n_phased == 0 and 2 * unphased.size > len(individuals)
    if reasons and (without_phase or len(reasons) == len(individuals)):
        raise GenotypeError(f"{path}: {'; '.join(causes)}")
    return reasons


def by_name(reasons: Mapping[int, str], individuals: tuple[str, ...]) -> dict[str, str]:
    """Return reasons by the individuals' names."""
    return {individuals[row]: reason for row, reason in reasons.items()}
