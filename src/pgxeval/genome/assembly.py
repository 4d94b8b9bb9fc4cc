"""Assembly: from calls and the reference genome to the haplotypes of a window."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pgxeval.genome.edits import Edits, describe
from pgxeval.genome.formats.calls import Calls, Records
from pgxeval.genome.haplotypes import ABSENT_COPY, Haplotypes
from pgxeval.genome.layout import (
    FIRST,
    HALF_MISSING,
    LACKS_LEFT,
    LACKS_RIGHT,
    LAST,
    LEFT,
    MISSING_CALLS,
    NO_SET,
    OVERLAPPING,
    PLACEMENT_WIDTH,
    PLAIN,
    RIGHT,
    SKIP,
    SKIPPED,
    SKIPPED_KINDS,
    TALLY_WIDTH,
    UNPHASED,
)
from pgxeval.genome.policies import Doubts, by_name, refuse
from pgxeval.genome.reference import ReferenceBases
from pgxeval.genome.reference_alleles import compare_with_reference
from pgxeval.genome.window_request import Flanks, WindowRequest


def assemble(window: WindowRequest, calls: Calls, read: Flanks, reference: ReferenceBases) -> Haplotypes | Flanks:
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
    from pgxeval.genome.allele_kernel import count_alternatives
    from pgxeval.genome.haplotype_kernel import apply_alleles, find_doubtful
    from pgxeval.genome.window_kernel import place_windows

    records = calls.records
    text, kinds, table = describe(records)
    passing = window.variant_filter.passing(calls)
    usable = (kinds == PLAIN) & passing
    usable[records.first_allele[:-1]] = False
    record_of = records.record_of
    touched = np.zeros(records.n_records, np.bool_)
    touched[record_of[usable]] = True

    low = _clean_cut(records, touched, read.low)
    if low > window.interval.start:
        return Flanks(low=read.low - (window.interval.start - read.low), high=read.high)
    first_record = int(np.searchsorted(records.starts, low))
    mismatch, ambiguous, bases, origin = compare_with_reference(
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
    tally = np.zeros((records.n_records, TALLY_WIDTH), np.int64)
    n_events = count_alternatives(alleles)
    offsets = np.empty(2 * n_individuals + 1, np.int64)
    applied = np.empty(n_events, np.int32)
    apply_alleles(
        alleles, phased, records.first_allele, usable, table, first_record, span, ploidy, tally,
        np.empty(n_events, np.int32), np.empty(n_events, np.int32), offsets, applied,
    )  # fmt: skip

    placements = np.empty((2 * n_individuals, PLACEMENT_WIDTH), np.int64)
    digests = np.empty(2 * n_individuals, np.uint64)
    n_left = window.anchor - window.interval.start
    place_windows(
        table, offsets, applied, window.anchor, n_left, window.interval.length - n_left, low, read.high,
        placements, digests,
    )  # fmt: skip
    lacks = placements[:, [LACKS_LEFT, LACKS_RIGHT]].max(axis=0, initial=0)
    if lacks.any():
        more = [int(n) + (window.interval.start - read.low) if n else 0 for n in lacks]
        return Flanks(low=min(low, read.low) - more[0], high=read.high + more[1])

    spans = np.stack(
        [placements[:, LEFT].reshape(-1, 2).min(axis=1), placements[:, RIGHT].reshape(-1, 2).max(axis=1)], axis=1
    )
    visible = (records.starts < spans[:, 1].max(initial=window.interval.end)) & (
        records.ends > spans[:, 0].min(initial=window.interval.start)
    )
    visible[:first_record] = False
    counts = _count(records, kinds, passing, usable, tally, visible, touched)
    counts["ref_mismatch"] = int((mismatch & visible).sum())
    counts["ref_ambiguous"] = int((ambiguous & visible).sum())
    absent, mixed = _absent_copies(ploidy, span[1] - span[0])
    several_sets = np.zeros(n_individuals, np.bool_)
    if calls.phase_sets is not None:
        sets = calls.phase_sets if rows is None else np.take(calls.phase_sets, rows, axis=1)
        several_sets = _several_sets(records, alleles, sets, usable, visible, spans)
    counts["mixed_ploidy"] = int(mixed.sum())
    counts["haploid"] = int(absent.sum())
    counts["phase_sets"] = int(several_sets.sum())
    unphased, missing = np.full((2, n_individuals), -1, np.int64)
    n_phased = 0
    if tally[visible][:, [UNPHASED, MISSING_CALLS, HALF_MISSING]].any():
        n_phased = find_doubtful(
            alleles, phased, records.first_allele, usable, table, spans, first_record, unphased, missing
        )  # fmt: skip
    doubts = Doubts(
        unphased=unphased,
        missing=missing,
        several_sets=several_sets,
        mixed_ploidy=mixed,
        n_phased=n_phased,
        n_unphased=counts["unphased"],
        n_missing=counts["missing"] + counts["half_missing"],
    )
    refused = refuse(window.policies, doubts, records, window.individuals, window.interval, window.path)
    counts["refused"] = len(refused)

    present = np.ones((n_individuals, 2), np.bool_)
    present[absent, 1] = False
    present[list(refused)] = False
    index, distinct = _distinct(applied, placements, digests, present.ravel())
    return Haplotypes(
        individuals=window.individuals,
        interval=window.interval,
        anchor=window.anchor,
        index=index,
        variant_filter=window.variant_filter,
        counts=counts,
        refused=by_name(refused, window.individuals),
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


def _count(  # noqa: PLR0917 (one step of assemble, called once)
    records: Records,
    kinds: npt.NDArray[np.int8],
    passing: npt.NDArray[np.bool_],
    usable: npt.NDArray[np.bool_],
    tally: npt.NDArray[np.int64],
    visible: npt.NDArray[np.bool_],
    touched: npt.NDArray[np.bool_],
) -> dict[str, int]:
    record_of = records.record_of
    shown = visible[record_of]
    shown[records.first_allele[:-1]] = False
    plain = kinds == PLAIN
    return {
        "records": int(visible.sum()),
        "alleles": int((usable & shown).sum()),
        "filtered": int((plain & ~passing & shown).sum()),
        **{name: int(((kinds == kind) & shown).sum()) for name, kind in SKIPPED_KINDS.items()},
        "not_applied": int(tally[visible, SKIPPED].sum()),
        "overlapping": int(tally[visible, OVERLAPPING].sum()),
        "missing": int(tally[visible, MISSING_CALLS].sum()),
        "half_missing": int(tally[visible, HALF_MISSING].sum()),
        "unphased": int(tally[visible, UNPHASED].sum()),
    }


def _absent_copies(
    ploidy: npt.NDArray[np.int64], n_records: int
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return which individuals have one copy, and which have calls of one copy and of two."""
    one, one_missing, two_missing = ploidy.T
    two = n_records - one - one_missing - two_missing
    absent: npt.NDArray[np.bool_] = (two == 0) & ((one > 0) | ((one_missing > 0) & (two_missing == 0)))
    mixed: npt.NDArray[np.bool_] = (one > 0) & (two > 0)
    return absent, mixed


def _several_sets(  # noqa: PLR0917 (one step of assemble, called once)
    records: Records,
    alleles: npt.NDArray[np.int8],
    sets: npt.NDArray[np.int32],
    usable: npt.NDArray[np.bool_],
    visible: npt.NDArray[np.bool_],
    spans: npt.NDArray[np.int64],
) -> npt.NDArray[np.bool_]:
    """Return which individuals are heterozygous in several phase sets within their own windows."""
    shown = np.flatnonzero(visible)
    pairs = alleles[shown]
    rows = records.first_allele[shown][:, None, None] + np.maximum(pairs, 0)
    used = np.where(usable[rows], pairs, 0)
    heterozygous = (used[:, :, 0] != used[:, :, 1]) & (pairs.min(axis=2) >= 0)
    heterozygous &= records.starts[shown][:, None] < spans[:, 1]
    heterozygous &= records.ends[shown][:, None] > spans[:, 0]
    highest = np.where(heterozygous, sets[shown], NO_SET - 1).max(axis=0, initial=NO_SET - 1)
    lowest = np.where(heterozygous, sets[shown], np.iinfo(np.int32).max).min(axis=0, initial=np.iinfo(np.int32).max)
    several: npt.NDArray[np.bool_] = heterozygous.any(axis=0) & (lowest < highest)
    return several


def _distinct(
    applied: npt.NDArray[np.int32],
    placements: npt.NDArray[np.int64],
    digests: npt.NDArray[np.uint64],
    present: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return the row of each kept copy, and the haplotype that represents each row, in order of appearance."""
    from pgxeval.genome.window_kernel import same_windows

    _, first, inverse = np.unique(digests, return_index=True, return_inverse=True)
    if not same_windows(applied, placements, first[inverse]):  # two windows share a digest
        keys = [
            (int(place[SKIP]), int(place[LEFT]), *applied[place[FIRST] : place[LAST]].tolist()) for place in placements
        ]
        number_of: dict[tuple[int, ...], int] = {}
        inverse = np.array([number_of.setdefault(key, len(number_of)) for key in keys])
        first = np.array([keys.index(key) for key in number_of])
    used, appearance = np.unique(inverse[present], return_index=True)
    used = used[np.argsort(appearance, kind="stable")]
    rank = np.full(first.size, ABSENT_COPY, np.int32)
    rank[used] = np.arange(used.size, dtype=np.int32)
    index = np.where(present, rank[inverse], ABSENT_COPY).astype(np.int32).reshape(-1, 2)
    index.flags.writeable = False
    return index, first[used]
