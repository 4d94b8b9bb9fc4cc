"""Assembly: from calls and the reference genome to the haplotypes of a window."""

from __future__ import annotations

from typing import Literal

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.checks import one_of
from pgxeval.errors import GenotypeError
from pgxeval.genome.edits import Edits, describe
from pgxeval.genome.formats.calls import Calls, Records
from pgxeval.genome.haplotypes import ABSENT_COPY, Haplotypes
from pgxeval.genome.intervals import Interval
from pgxeval.genome.reference import ReferenceGenome
from pgxeval.genome.variant_filter import VariantFilter

_IUPAC = {
    "A": "A", "C": "C", "G": "G", "T": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC",
    "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip


def _base_codes() -> npt.NDArray[np.uint8]:
    codes = np.zeros(256, np.uint8)
    for letter, bases in _IUPAC.items():
        codes[ord(letter)] = sum(1 << "ACGT".index(base) for base in bases)
    return codes


_CODES = _base_codes()


@attrs.frozen(kw_only=True)
class Policies:
    """What is done with genotypes that do not say which haplotype they mean.

    Parameters
    ----------
    unphased
        An unphased heterozygote (``0/1``; also ``1/.``): ``"refuse"``, or ``"as_written"``: the first
        allele is copy 0, which is right only where the file is phased and merely writes ``/``.
    phase_sets
        An individual with several heterozygous calls of which one lies in a record with phase sets (``PS``, as
        read-based phasing writes them), which are phased within their set only: ``"refuse"``, or ``"as_written"``,
        which is right where one set spans each contig (counted).
    missing
        A missing copy: ``"reference"`` (counted), or ``"refuse"``.
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
    ref_mismatch: Literal["refuse", "skip"] = attrs.field(default="refuse", validator=one_of("refuse", "skip"))
    mixed_ploidy: Literal["refuse", "reference"] = attrs.field(
        default="refuse", validator=one_of("refuse", "reference")
    )


@attrs.frozen(kw_only=True)
class Flanks:
    """How far beyond the window calls must be read: positions, 0-based half-open."""

    low: int
    high: int


@attrs.frozen(kw_only=True, eq=False)
class Window:
    """What is asked for.

    Parameters
    ----------
    interval
        By the contig's name in the reference.
    anchor
        0-based reference position.
    individuals
        Names, for messages and for the result.
    rows
        Their rows in the calls; None for all in order.
    variant_filter, policies
        Which alleles are used, and what is done with doubtful genotypes.
    max_bytes
        Handed on to `Haplotypes`.
    path
        The file of genotypes, for messages.
    """

    interval: Interval
    anchor: int
    individuals: tuple[str, ...]
    rows: npt.NDArray[np.int64] | None
    variant_filter: VariantFilter
    policies: Policies
    max_bytes: int
    path: str


def assemble(window: Window, calls: Calls, read: Flanks, reference: ReferenceGenome) -> Haplotypes | Flanks:
    """Make the haplotypes of a window.

    Parameters
    ----------
    window
        What is asked for.
    calls
        All records that overlap `read`.
    read
        The window and its flanks.
    reference
        The reference genome.

    Returns
    -------
    Haplotypes or Flanks
        Where a haplotype needs more flanking sequence than was read, what must be read instead.

    Raises
    ------
    GenotypeError
        If a policy refuses.
    """
    from pgxeval.genome import haplotype_kernel as kernel

    records = calls.records
    text, kinds, table = describe(records)
    passing = window.variant_filter.passing(calls)
    usable = (kinds == kernel.PLAIN) & passing
    usable[records.first_allele[:-1]] = False
    record_of = records.record_of
    touched = np.zeros(records.n_records, np.bool_)
    touched[record_of[usable]] = True

    low = _clean_cut(records, touched, read.low)
    if low > window.interval.start:
        return Flanks(low=read.low - (window.interval.start - read.low), high=read.high)
    first_record = int(np.searchsorted(records.starts, low))
    mismatch, ambiguous, bases, origin = _check_references(
        window, records, text, touched, first_record, read, reference
    )
    usable &= ~mismatch[record_of]

    rows = window.rows
    alleles = calls.alleles if rows is None else np.take(calls.alleles, rows, axis=1)
    phased = calls.phased if rows is None else np.take(calls.phased, rows, axis=1)
    n_individuals = alleles.shape[1]
    inside = np.flatnonzero((records.starts < window.interval.end) & (records.ends > window.interval.start))
    span = (int(inside[0]), int(inside[-1]) + 1) if inside.size else (first_record, records.n_records)
    ploidy = np.zeros((n_individuals, 3), np.int64)
    tally = np.zeros((records.n_records, kernel.TALLY_WIDTH), np.int64)
    tally[:, [kernel.FIRST_UNPHASED, kernel.FIRST_MISSING]] = -1
    n_events = kernel.count_alternatives(alleles)
    offsets = np.empty(2 * n_individuals + 1, np.int64)
    applied = np.empty(n_events, np.int32)
    kernel.apply_alleles(
        alleles, phased, records.first_allele, usable, table, first_record, span, ploidy, tally,
        np.empty(n_events, np.int32), np.empty(n_events, np.int32), offsets, applied,
    )  # fmt: skip

    placements = np.empty((2 * n_individuals, kernel.PLACEMENT_WIDTH), np.int64)
    digests = np.empty(2 * n_individuals, np.uint64)
    n_left = window.anchor - window.interval.start
    kernel.place_windows(
        table, offsets, applied, window.anchor, n_left, window.interval.length - n_left, low, read.high,
        placements, digests,
    )  # fmt: skip
    lacks = placements[:, [kernel.LACKS_LEFT, kernel.LACKS_RIGHT]].max(axis=0, initial=0)
    if lacks.any():
        more = [int(n) + (window.interval.start - read.low) if n else 0 for n in lacks]
        return Flanks(low=min(low, read.low) - more[0], high=read.high + more[1])

    visible = (records.starts < placements[:, kernel.RIGHT].max(initial=window.interval.end)) & (
        records.ends > placements[:, kernel.LEFT].min(initial=window.interval.start)
    )
    visible[:first_record] = False
    counts = _count(records, kinds, passing, usable, tally, visible, touched)
    counts["ref_mismatch"] = int((mismatch & visible).sum())
    counts["ref_ambiguous"] = int((ambiguous & visible).sum())
    absent = _absent_copies(window, ploidy, span[1] - span[0], counts)
    counts["phase_sets"] = _count_phase_sets(records, alleles, usable, visible)
    _refuse(window, records, tally, visible, counts)

    index, distinct = _distinct(applied, placements, digests, absent)
    return Haplotypes(
        individuals=window.individuals,
        interval=window.interval,
        anchor=window.anchor,
        index=index,
        variant_filter=window.variant_filter,
        counts=counts,
        max_bytes=window.max_bytes,
        edits=Edits(
            reference=bases,
            origin=origin,
            contig_length=reference.contigs[window.interval.contig],
            text=text,
            table=table,
            applied=applied,
            placements=placements[distinct],
        ),
        records=records,
    )


def _clean_cut(records: Records, touched: npt.NDArray[np.bool_], low: int) -> int:
    """Return the first position from `low` on that no usable record spans: what lies before changes nothing."""
    for start, end in zip(records.starts[touched].tolist(), records.ends[touched].tolist(), strict=True):
        if start >= low:
            break
        low = max(low, end)
    return low


def _check_references(  # noqa: PLR0917 (one step of assemble, called once)
    window: Window,
    records: Records,
    text: npt.NDArray[np.uint8],
    touched: npt.NDArray[np.bool_],
    first_record: int,
    read: Flanks,
    reference: ReferenceGenome,
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], npt.NDArray[np.uint8], int]:
    """Return which records disagree with the reference, which may agree, and the bases from an origin on."""
    from pgxeval.genome.haplotype_kernel import check_references

    contig = window.interval.contig
    ends = records.ends
    origin = min(read.low, int(records.starts.min(initial=read.low)))
    high = max(read.high, int(ends.max(initial=read.high)))
    bases = reference.fetch(Interval(contig, origin, high))
    outcome = np.empty(records.n_records, np.int8)
    check_references(text, records.allele_bounds, records.first_allele, records.starts, bases, origin, _CODES, outcome)
    outcome[(records.starts < 0) | (ends > reference.contigs[contig])] = 2
    outcome[~touched] = 0
    outcome[:first_record] = 0
    mismatch = outcome == 2
    if mismatch.any() and window.policies.ref_mismatch == "refuse":
        wrong = np.flatnonzero(mismatch)
        n_checked = int(touched[first_record:].sum())
        share = wrong.size / n_checked
        cause = (
            "the VCF and the FASTA are of different genome builds"
            if share > 0.2
            else "these records were called or lifted against another FASTA; `bcftools norm --check-ref` lists them"
        )
        raise GenotypeError(
            f"{window.path}: REF is not what {reference.path} has at {wrong.size} of {n_checked} records around "
            f"{window.interval}; the first at (1-based) "
            f"{', '.join(f'{records.contig}:{position + 1}' for position in records.starts[wrong[:3]].tolist())}. "
            f'Likely cause: {cause}. To leave them out, use ref_mismatch="skip"'
        )
    return mismatch, outcome == 1, bases, origin


def _count(  # noqa: PLR0917 (one step of assemble, called once)
    records: Records,
    kinds: npt.NDArray[np.int8],
    passing: npt.NDArray[np.bool_],
    usable: npt.NDArray[np.bool_],
    tally: npt.NDArray[np.int64],
    visible: npt.NDArray[np.bool_],
    touched: npt.NDArray[np.bool_],
) -> dict[str, int]:
    from pgxeval.genome import haplotype_kernel as kernel

    record_of = records.record_of
    shown = visible[record_of]
    shown[records.first_allele[:-1]] = False
    plain = kinds == kernel.PLAIN
    return {
        "records": int(visible.sum()),
        "alleles": int((usable & shown).sum()),
        "filtered": int((plain & ~passing & shown).sum()),
        **{name: int(((kinds == kind) & shown).sum()) for name, kind in kernel.SKIPPED_KINDS.items()},
        "not_applied": int(tally[visible, kernel.SKIPPED].sum()),
        "overlapping": int(tally[visible, kernel.OVERLAPPING].sum()),
        "missing": int(tally[visible, kernel.MISSING_CALLS].sum()),
        "half_missing": int(tally[visible, kernel.HALF_MISSING].sum()),
        "unphased": int(tally[visible, kernel.UNPHASED].sum()),
    }


def _absent_copies(
    window: Window, ploidy: npt.NDArray[np.int64], n_records: int, counts: dict[str, int]
) -> npt.NDArray[np.bool_]:
    """Return which individuals have one copy."""
    one, one_missing, two_missing = ploidy.T
    two = n_records - one - one_missing - two_missing
    mixed = (one > 0) & (two > 0)
    counts["mixed_ploidy"] = int(mixed.sum())
    if mixed.any() and window.policies.mixed_ploidy == "refuse":
        who = window.individuals[int(np.flatnonzero(mixed)[0])]
        raise GenotypeError(
            f"{window.path}: {int(mixed.sum())} individuals have haploid and diploid calls over {window.interval}, "
            f"the first: {who}; at the edge of a pseudo-autosomal region choose a window on one side, elsewhere "
            'the file is at fault. mixed_ploidy="reference" reads the absent copy as the reference'
        )
    absent: npt.NDArray[np.bool_] = (two == 0) & ((one > 0) | ((one_missing > 0) & (two_missing == 0)))
    counts["haploid"] = int(absent.sum())
    return absent


def _count_phase_sets(
    records: Records,
    alleles: npt.NDArray[np.int8],
    usable: npt.NDArray[np.bool_],
    visible: npt.NDArray[np.bool_],
) -> int:
    """Count individuals of several heterozygous calls of which one is phased within a set only."""
    shown = np.flatnonzero(visible)
    if not records.phase_sets[shown].any():
        return 0
    rows = records.first_allele[shown][:, None, None] + np.maximum(alleles[shown], 0)
    used = np.where(usable[rows], alleles[shown], 0)
    heterozygous = (used[:, :, 0] != used[:, :, 1]) & (alleles[shown].min(axis=2) >= 0)
    in_set = heterozygous & records.phase_sets[shown][:, None]
    return int(((heterozygous.sum(axis=0) > 1) & in_set.any(axis=0)).sum())


def _refuse(
    window: Window,
    records: Records,
    tally: npt.NDArray[np.int64],
    visible: npt.NDArray[np.bool_],
    counts: dict[str, int],
) -> None:
    from pgxeval.genome import haplotype_kernel as kernel

    def first(column: int) -> tuple[str, str]:
        record = int(np.flatnonzero((tally[:, column] >= 0) & visible)[0])
        return f"{records.contig}:{int(records.starts[record]) + 1}", window.individuals[int(tally[record, column])]

    n_unphased = int(tally[visible, kernel.UNPHASED].sum())
    if n_unphased and window.policies.unphased == "refuse":
        where, who = first(kernel.FIRST_UNPHASED)
        raise GenotypeError(
            f"{window.path}: {n_unphased} unphased heterozygous genotypes over {window.interval}, the first at "
            f"{where} of {who}: which haplotype carries the allele is not known. Phase the file (SHAPEIT, Beagle, "
            'Eagle), use dosages, or, if it is phased and merely writes "/", unphased="as_written"'
        )
    if counts["phase_sets"] and window.policies.phase_sets == "refuse":
        raise GenotypeError(
            f"{window.path}: {counts['phase_sets']} individuals have several heterozygous genotypes over "
            f"{window.interval} in phase sets (PS): phase holds only within a set. Phase the file statistically "
            '(SHAPEIT, Beagle, Eagle), use dosages, or, where one set spans the contig, phase_sets="as_written"'
        )
    n_missing = int(tally[visible][:, [kernel.MISSING_CALLS, kernel.HALF_MISSING]].sum())
    if n_missing and window.policies.missing == "refuse":
        where, who = first(kernel.FIRST_MISSING)
        raise GenotypeError(
            f"{window.path}: {n_missing} missing genotypes over {window.interval}, the first at {where} of {who}; "
            'impute them, or read them as the reference with missing="reference"'
        )


def _distinct(
    applied: npt.NDArray[np.int32],
    placements: npt.NDArray[np.int64],
    digests: npt.NDArray[np.uint64],
    absent: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return the row of each copy, and the haplotype that stands for each row, in order of appearance."""
    from pgxeval.genome.haplotype_kernel import FIRST, LAST, LEFT, SKIP, same_windows

    _, first, inverse = np.unique(digests, return_index=True, return_inverse=True)
    if not same_windows(applied, placements, first[inverse]):  # two windows share a digest
        keys = [
            (int(place[SKIP]), int(place[LEFT]), *applied[place[FIRST] : place[LAST]].tolist()) for place in placements
        ]
        seen: dict[tuple[int, ...], int] = {}
        inverse = np.array([seen.setdefault(key, len(seen)) for key in keys])
        first = np.array([keys.index(key) for key in seen])
    kept = np.ones(digests.size, np.bool_)
    kept[1::2] = ~absent
    used, appearance = np.unique(inverse[kept], return_index=True)
    used = used[np.argsort(appearance, kind="stable")]
    rank = np.full(first.size, ABSENT_COPY, np.int32)
    rank[used] = np.arange(used.size, dtype=np.int32)
    index = np.where(kept, rank[inverse], ABSENT_COPY).astype(np.int32).reshape(-1, 2)
    index.flags.writeable = False
    return index, first[used]
