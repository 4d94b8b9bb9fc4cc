"""Compiled steps from alleles to haplotypes: which alleles each copy takes, and which calls are doubtful.

`pgxeval.genome.assembly` runs the steps in this order:

1. `allele_kernel.describe_alleles`: what each ALT allele is, and which bases it changes.
2. `allele_kernel.check_references`: whether REF is what the reference genome has.
3. `apply_alleles`: which of its alleles each haplotype takes, the first of overlapping ones winning.
4. `window_kernel.place_windows`: where the window of each haplotype lies once the anchor is at its index.
5. `window_kernel.build_sequences`: the bases.

All positions are 0-based.
"""

# ruff: noqa: PLR0917 (compiled functions take no keywords)
from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pgxeval.compiled import compiled
from pgxeval.genome.allele_kernel import Ints
from pgxeval.genome.layout import (
    ABSENT,
    EDIT_END,
    EDIT_START,
    FLAGS,
    HALF_MISSING,
    LENGTHENS,
    MISSING,
    MISSING_CALLS,
    NEW_BEGIN,
    NEW_END,
    OVERLAPPING,
    RECORD_END,
    RECORD_START,
    SHARES_FIRST,
    SKIPPED,
    UNPHASED,
)


@compiled
def _tally_copy(
    allele: int,
    partner: int,
    first_copy: bool,
    individual: int,
    counted: bool,
    ploidy: Ints,
    tally: Ints,
) -> None:
    """Count a missing or absent copy."""
    if allele == -2:
        if counted:
            ploidy[individual, 0 if partner >= 0 else 1] += 1
        return
    if partner >= 0:
        tally[HALF_MISSING] += 1
    elif first_copy:
        tally[MISSING_CALLS] += 1
        if counted and partner == -1:
            ploidy[individual, 2] += 1


@compiled
def apply_alleles(
    alleles: npt.NDArray[np.int8],
    phased: npt.NDArray[np.bool_],
    first_allele: Ints,
    usable: npt.NDArray[np.bool_],
    edits: Ints,
    first_record: int,
    ploidy_range: tuple[int, int],
    ploidy: Ints,
    tally: Ints,
    event_copies: npt.NDArray[np.int32],
    event_rows: npt.NDArray[np.int32],
    offsets: Ints,
    applied: npt.NDArray[np.int32],
) -> None:
    """Find the alleles that each haplotype takes.

    A record is taken as ``bcftools consensus`` takes it: if it begins after the last base of the last
    record taken; or at this base, if it only inserts or deletes after a first base that it shares with
    REF, and the last record taken did not lengthen the haplotype.

    Parameters
    ----------
    alleles, phased, first_allele, usable, edits
        Calls of the individuals wanted, and what each allele is.
    first_record
        Record at which to begin.
    ploidy_range
        Records at which ploidy is counted.
    ploidy
        Output, ``(n_individuals, 3)``: calls of one copy, of one missing copy, of two missing copies.
    tally
        Output, ``(n_records, TALLY_WIDTH)``.
    event_copies, event_rows
        Room for as many numbers as there are alleles above 0.
    offsets, applied
        Output: haplotype ``h`` takes the rows ``applied[offsets[h]:offsets[h + 1]]`` of `edits`.
    """
    n_records, n_individuals = alleles.shape[0], alleles.shape[1]
    n_copies = 2 * n_individuals
    frozen = np.full(n_copies, -1, np.int64)
    ends_longer = np.zeros(n_copies, np.bool_)
    hits = np.empty(n_copies, np.int32)
    n_events = 0
    for record in range(first_record, n_records):
        calls = alleles[record].reshape(-1)
        n_hits = 0
        for copy in range(n_copies):  # without a branch, that would be guessed wrong too often
            hits[n_hits] = copy
            n_hits += calls[copy] != 0
        ref_row = first_allele[record]
        counted = ploidy_range[0] <= record < ploidy_range[1]
        row = -1  # what is known of this row of `edits` is kept: most records have one ALT allele
        start, last_base, behind_first, lengthens, changes, is_usable = 0, 0, False, False, False, False
        for hit in range(n_hits):
            copy = hits[hit]
            individual = copy >> 1
            allele, partner = calls[copy], calls[copy ^ 1]
            if allele < 0:
                _tally_copy(allele, partner, copy & 1 == 0, individual, counted, ploidy, tally[record])
                continue
            if row != ref_row + allele:
                row = ref_row + allele
                start, last_base = edits[row, RECORD_START], edits[row, RECORD_END] - 1
                behind_first, lengthens = edits[row, FLAGS] & SHARES_FIRST != 0, edits[row, FLAGS] & LENGTHENS != 0
                changes = edits[row, EDIT_START] < edits[row, EDIT_END] or edits[row, NEW_BEGIN] < edits[row, NEW_END]
                is_usable = usable[row]
            if partner != -2 and not phased[record, individual]:
                mine, theirs = is_usable, partner > 0 and usable[ref_row + partner]
                differ = (mine or theirs) and not (mine and theirs and allele == partner)
                # The pair is seen twice where both copies are not REF; it counts at the first.
                if differ and (copy & 1 == 0 or partner <= 0):
                    tally[record, UNPHASED] += 1
            if not is_usable:
                tally[record, SKIPPED] += 1
                continue
            if start <= frozen[copy] and (start < frozen[copy] or not behind_first or ends_longer[copy]):
                tally[record, OVERLAPPING] += 1
                continue
            frozen[copy] = last_base
            ends_longer[copy] = lengthens
            if changes:  # else ALT spells REF
                event_copies[n_events] = copy
                event_rows[n_events] = row
                n_events += 1
    offsets[:] = 0
    for i in range(n_events):
        offsets[event_copies[i] + 1] += 1
    for h in range(n_copies):
        offsets[h + 1] += offsets[h]
    fill = offsets[:-1].copy()
    for i in range(n_events):
        h = event_copies[i]
        applied[fill[h]] = event_rows[i]
        fill[h] += 1


@compiled
def find_doubtful(
    alleles: npt.NDArray[np.int8],
    phased: npt.NDArray[np.bool_],
    first_allele: Ints,
    usable: npt.NDArray[np.bool_],
    edits: Ints,
    spans: Ints,
    first_record: int,
    unphased: Ints,
    missing: Ints,
) -> int:
    """Find, for each individual, the first record in its windows that a policy may refuse.

    Parameters
    ----------
    alleles, phased, first_allele, usable, edits, first_record
        As for `apply_alleles`.
    spans
        ``(n_individuals, 2)``: positions between which both windows of an individual lie.
    unphased, missing
        Output, ``(n_individuals,)``: the first record with an unphased heterozygote, and with a missing copy; -1
        where there is none.

    Returns
    -------
    int
        Number of phased heterozygotes.
    """
    n_phased = 0
    unphased[:] = -1
    missing[:] = -1
    for record in range(first_record, alleles.shape[0]):
        row = first_allele[record]
        start, end = edits[row, RECORD_START], edits[row, RECORD_END]
        for i in range(alleles.shape[1]):
            first, second = alleles[record, i, 0], alleles[record, i, 1]
            if (first == 0 and second == 0) or start >= spans[i, 1] or end <= spans[i, 0]:
                continue
            if missing[i] < 0 and MISSING in (first, second):
                missing[i] = record
            if second != ABSENT:
                mine = first > 0 and usable[row + first]
                theirs = second > 0 and usable[row + second]
                if (mine or theirs) and not (mine and theirs and first == second):
                    if phased[record, i]:
                        n_phased += 1
                    elif unphased[i] < 0:
                        unphased[i] = record
    return n_phased
