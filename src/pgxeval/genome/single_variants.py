"""SingleVariants: the reference and, for each allele that a cohort carries, the reference with only that allele.

It needs no phase: a single allele lies on one haplotype.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.errors import GenotypeError, SettingError
from pgxeval.genome.assembly import Flanks, Window, assemble
from pgxeval.genome.edits import describe
from pgxeval.genome.formats.calls import Calls
from pgxeval.genome.haplotypes import Haplotypes
from pgxeval.genome.intervals import Interval, as_interval
from pgxeval.genome.layout import ABSENT, MISSING, PLAIN
from pgxeval.genome.variant_filter import VariantFilter

if TYPE_CHECKING:
    from pgxeval.genome.personal import PersonalGenome

_FLANK_BP = 2_048
_MAX_BYTES = 2**30


@attrs.frozen(kw_only=True, eq=False)
class SingleVariants:
    """Sequences with one allele each, and who carries it.

    Alleles that no haplotype can carry (``*``, symbolic, breakends) are left out.

    Parameters
    ----------
    haplotypes
        For each window: "individual" 0 is the reference, each other carries one allele on copy 0.
    dosages
        int8 ``(n_individuals, n_alleles)``: copies of each allele; a missing call counts as the reference.
    ploidy
        int8 ``(n_individuals,)``: 2, or 1 on haploid contigs.
    """

    haplotypes: tuple[Haplotypes, ...] = attrs.field(repr=False)
    dosages: npt.NDArray[np.int8] = attrs.field(repr=False)
    ploidy: npt.NDArray[np.int8] = attrs.field(repr=False)


def single_variants(
    genome: PersonalGenome,
    intervals: Sequence[Interval | str],
    individuals: Sequence[str],
    anchor: int,
    *,
    variants: VariantFilter | None = None,
) -> SingleVariants:
    """Make the sequences of single variants over one window or several that overlap.

    Parameters
    ----------
    genome
        With its reference genome.
    intervals
        Windows on one contig, 0-based half-open, or regions such as ``"chr1:1,001-2,000"`` (1-based, closed).
    individuals
        Names, in the order of the result.
    anchor
        As for `PersonalGenome.haplotypes`; the same for all windows.
    variants
        Which ALT alleles may enter; None for all.

    Raises
    ------
    SettingError
        If the genome has no reference, the anchor is not on the contig, or alleles are too many for memory.
    GenotypeError
        If a policy of the genome refuses: REF that disagrees with the FASTA, missing genotypes, mixed ploidy.
    """
    windows = [as_interval(interval) for interval in intervals]
    if genome.reference is None:
        raise SettingError('sequences need the reference genome: PersonalGenome(..., reference="genome.fa")')
    contig = genome.reference.contig_name(windows[0].contig)
    if not 0 <= anchor < genome.reference.contigs[contig]:
        raise SettingError(f"anchor {anchor} lies off {contig}, which has {genome.reference.contigs[contig]} bases")
    start, end = min(window.start for window in windows), max(window.end for window in windows)
    allowed = VariantFilter() if variants is None else variants
    rows = genome.rows(individuals)
    file_contig = genome.contig_name(windows[0].contig)
    read = Flanks(low=start - _FLANK_BP, high=end + _FLANK_BP)
    while True:
        calls = genome.source.read(file_contig, max(0, read.low), max(0, read.high))
        alone, dosages, ploidy = _stand_alone(genome, calls, rows, allowed, (start, end))
        made: list[Haplotypes] = []
        for interval in windows:
            window = Window(
                interval=Interval(contig, interval.start, interval.end),
                anchor=anchor,
                individuals=("reference", *(f"allele {number}" for number in range(dosages.shape[1]))),
                rows=None,
                variant_filter=VariantFilter(),
                policies=genome.policies,
                max_bytes=_MAX_BYTES,
                path=genome.source.path,
            )
            found = assemble(window, alone, read, genome.reference)
            if isinstance(found, Flanks):
                read = Flanks(low=min(read.low, found.low), high=max(read.high, found.high))
                break
            made.append(found)
        else:
            return SingleVariants(haplotypes=tuple(made), dosages=dosages, ploidy=ploidy)


def _stand_alone(
    genome: PersonalGenome,
    calls: Calls,
    rows: npt.NDArray[np.int64],
    allowed: VariantFilter,
    span: tuple[int, int],
) -> tuple[Calls, npt.NDArray[np.int8], npt.NDArray[np.int8]]:
    """Return calls of one made-up individual an allele, the dosages of the real ones, and their ploidy."""
    records = calls.records
    alleles = np.take(calls.alleles, rows, axis=1)
    inside = (records.starts < span[1]) & (records.ends > span[0])
    n_missing = int((alleles[inside] == MISSING).sum())
    if n_missing and genome.policies.missing == "refuse":
        raise GenotypeError(
            f"{genome.source.path}: {n_missing} missing alleles at {records.contig}:{span[0]}-{span[1]} (0-based); "
            'impute them, or read them as the reference with missing="reference"'
        )
    plain = describe(records)[1] == PLAIN
    passing = allowed.passing(calls) & plain
    record_of = records.record_of
    number = np.arange(record_of.size) - records.first_allele[record_of]
    wanted = np.flatnonzero(passing & (number > 0) & inside[record_of])
    counts = [(alleles[record_of[row]] == number[row]).sum(axis=1, dtype=np.int8) for row in wanted.tolist()]
    carried = np.array([bool(count.any()) for count in counts], dtype=bool)
    dosages = np.array(counts, dtype=np.int8).reshape(len(wanted), len(rows))[carried].T
    wanted = wanted[carried]
    needed = 3 * records.n_records * (wanted.size + 1)
    if needed > _MAX_BYTES:
        raise SettingError(
            f"{wanted.size} alleles in {records.contig}:{span[0]}-{span[1]} (0-based) are too many to be tried one by "
            "one in memory; allow fewer, as with variants=VariantFilter(min_maf=0.01)"
        )
    lone = np.zeros((records.n_records, wanted.size + 1, 2), np.int8)
    lone[record_of[wanted], np.arange(1, wanted.size + 1), 0] = number[wanted]
    phased = np.ones(lone.shape[:2], np.bool_)
    ploidy = _ploidy(genome, alleles[inside], f"{records.contig}:{span[0]}-{span[1]} (0-based)")
    return Calls(records=records, alleles=lone, phased=phased), np.ascontiguousarray(dosages), ploidy


def _ploidy(genome: PersonalGenome, alleles: npt.NDArray[np.int8], where: str) -> npt.NDArray[np.int8]:
    """Return the copies of each individual, as haplotypes have them: a missing call does not tell how many."""
    first, second = alleles[..., 0], alleles[..., 1]
    missing = (first == MISSING) & (second <= MISSING)  # "." and "./."
    one = ((second == ABSENT) & ~missing).any(axis=0)
    two = ((second != ABSENT) & ~missing).any(axis=0)
    mixed = one & two
    if mixed.any() and genome.policies.mixed_ploidy == "refuse":
        raise GenotypeError(
            f"{genome.source.path}: {int(mixed.sum())} individuals have haploid and diploid calls over {where}; at the "
            "edge of a pseudo-autosomal region choose a window on one side, elsewhere the file is at fault. "
            'mixed_ploidy="reference" reads the absent copy as the reference'
        )
    lone = ((first == MISSING) & (second == ABSENT)).any(axis=0)
    unknown_two = ((first == MISSING) & (second == MISSING)).any(axis=0)
    haploid = ~two & (one | (lone & ~unknown_two))
    return np.where(haploid, 1, 2).astype(np.int8)
