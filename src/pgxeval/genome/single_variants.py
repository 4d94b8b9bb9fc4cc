"""SingleVariants: the reference and, for each allele that a cohort carries, the reference with only that allele.

It needs no phase: a single allele lies on one haplotype.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.errors import SettingError
from pgxeval.genome.assembly import assemble
from pgxeval.genome.edits import describe
from pgxeval.genome.formats.calls import Calls
from pgxeval.genome.haplotypes import Haplotypes
from pgxeval.genome.intervals import Interval, as_interval
from pgxeval.genome.layout import ABSENT, MISSING, PLAIN
from pgxeval.genome.policies import Doubts, by_name, refuse
from pgxeval.genome.variant_filter import VariantFilter
from pgxeval.genome.window_request import Flanks, WindowRequest, read_enough
from pgxeval.signatures import show_defaults

if TYPE_CHECKING:
    from pgxeval.genome.personal import PersonalGenome

_MAX_BYTES = 2**30


@show_defaults
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
    refused
        Individual -> reason, for those whose genotypes a policy of the genome refuses; their dosages are 0.
    """

    haplotypes: tuple[Haplotypes, ...] = attrs.field(repr=False)
    dosages: npt.NDArray[np.int8] = attrs.field(repr=False)
    ploidy: npt.NDArray[np.int8] = attrs.field(repr=False)
    refused: Mapping[str, str] = attrs.field(factory=dict)


def single_variants(
    genome: PersonalGenome,
    intervals: Sequence[Interval | str],
    individuals: Sequence[str],
    anchor: int,
    *,
    variant_filter: VariantFilter | None = None,
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
    variant_filter
        Which ALT alleles may enter; None for all.

    Raises
    ------
    SettingError
        If the genome has no reference, the anchor is not on the contig, or alleles are too many for memory.
    GenotypeError
        If REF disagrees with the FASTA, or a policy of the genome refuses all individuals: for missing genotypes or
        mixed ploidy. If it refuses some, only these have no dosages: `SingleVariants.refused`.
    """
    windows = [as_interval(interval) for interval in intervals]
    if genome.reference is None:
        raise SettingError('sequences need the reference genome: PersonalGenome(..., reference="genome.fa")')
    reference = genome.reference
    contig = reference.contig_name(windows[0].contig)
    if not 0 <= anchor < reference.contigs[contig]:
        raise SettingError(f"anchor {anchor} lies off {contig}, which has {reference.contigs[contig]} bases")
    start, end = min(window.start for window in windows), max(window.end for window in windows)
    allowed = VariantFilter() if variant_filter is None else variant_filter
    rows = genome.rows(individuals)
    file_contig = genome.contig_name(windows[0].contig)
    span = Interval(contig, start, end)

    def make(read: Flanks) -> SingleVariants | Flanks:
        calls = genome.source.read(file_contig, max(0, read.low), max(0, read.high))
        alone, dosages, ploidy, refused = _stand_alone(genome, calls, tuple(individuals), rows, allowed, span)
        parts: list[Haplotypes] = []
        for interval in windows:
            window = WindowRequest(
                interval=Interval(contig, interval.start, interval.end),
                anchor=anchor,
                individuals=("reference", *(f"allele {number}" for number in range(dosages.shape[1]))),
                rows=None,
                variant_filter=VariantFilter(),
                policies=genome.policies,
                max_bytes=_MAX_BYTES,
                path=genome.source.path,
            )
            assembled = assemble(window, alone, read, reference)
            if isinstance(assembled, Flanks):
                return assembled
            parts.append(assembled)
        return SingleVariants(haplotypes=tuple(parts), dosages=dosages, ploidy=ploidy, refused=refused)

    return read_enough(span, make)


def _stand_alone(  # noqa: PLR0917 (one step of single_variants, called once)
    genome: PersonalGenome,
    calls: Calls,
    individuals: tuple[str, ...],
    rows: npt.NDArray[np.int64],
    allowed: VariantFilter,
    span: Interval,
) -> tuple[Calls, npt.NDArray[np.int8], npt.NDArray[np.int8], dict[str, str]]:
    """Return calls of one made-up individual an allele; dosages and ploidy of the real ones, and who is refused."""
    records = calls.records
    alleles = np.take(calls.alleles, rows, axis=1)
    inside = (records.starts < span.end) & (records.ends > span.start)
    usable = allowed.passing(calls) & (describe(records)[1] == PLAIN)
    record_of = records.record_of
    number = np.arange(record_of.size) - records.first_allele[record_of]
    selection = np.flatnonzero(usable & (number > 0) & inside[record_of])
    touched = np.zeros(records.n_records, dtype=bool)
    touched[record_of[selection]] = True
    ploidy, mixed = _ploidy(alleles[inside])
    doubts = _doubts(alleles, touched, mixed)
    refused = refuse(genome.policies, doubts, records, individuals, span, genome.source.path)
    alleles[:, list(refused)] = 0
    counts = [(alleles[record_of[row]] == number[row]).sum(axis=1, dtype=np.int8) for row in selection.tolist()]
    carried = np.array([bool(count.any()) for count in counts], dtype=bool)
    dosages = np.array(counts, dtype=np.int8).reshape(len(selection), len(rows))[carried].T
    selection = selection[carried]
    needed = 3 * records.n_records * (selection.size + 1)
    if needed > _MAX_BYTES:
        raise SettingError(
            f"{selection.size} alleles in {span} (0-based half-open) are too many to be tried one by one in memory; "
            "allow fewer, as with variant_filter=VariantFilter(min_maf=0.01)"
        )
    lone = np.zeros((records.n_records, selection.size + 1, 2), np.int8)
    lone[record_of[selection], np.arange(1, selection.size + 1), 0] = number[selection]
    phased = np.ones(lone.shape[:2], np.bool_)
    alone = Calls(records=records, alleles=lone, phased=phased)
    return alone, np.ascontiguousarray(dosages), ploidy, by_name(refused, individuals)


def _doubts(alleles: npt.NDArray[np.int8], touched: npt.NDArray[np.bool_], mixed: npt.NDArray[np.bool_]) -> Doubts:
    """Return what the policies may refuse; phase does not matter here."""
    missing = (alleles == MISSING).any(axis=2) & touched[:, None]
    none = np.zeros(alleles.shape[1], dtype=bool)
    return Doubts(
        unphased=np.full(none.size, -1),
        missing=np.where(missing.any(axis=0), missing.argmax(axis=0) if len(missing) else 0, -1),
        several_sets=none,
        mixed_ploidy=mixed,
        n_phased=0,
        n_unphased=0,
        n_missing=int((alleles[touched] == MISSING).sum()),
    )


def _ploidy(alleles: npt.NDArray[np.int8]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.bool_]]:
    """Return the copies of each individual, as haplotypes have them, and who has calls of one copy and of two.

    A missing call does not tell how many copies there are.
    """
    first, second = alleles[..., 0], alleles[..., 1]
    missing = (first == MISSING) & (second <= MISSING)  # "." and "./."
    one = ((second == ABSENT) & ~missing).any(axis=0)
    two = ((second != ABSENT) & ~missing).any(axis=0)
    lone = ((first == MISSING) & (second == ABSENT)).any(axis=0)
    unknown_two = ((first == MISSING) & (second == MISSING)).any(axis=0)
    haploid = ~two & (one | (lone & ~unknown_two))
    return np.where(haploid, 1, 2).astype(np.int8), one & two
