"""Compiled steps from calls to haplotypes; `pgxeval.genome.assembly` strings them together.

1. `describe_alleles`: what each ALT allele is, and which bases it changes.
2. `check_references`: whether REF is what the reference genome says.
3. `apply_alleles`: which of its alleles each haplotype takes, the first of overlapping ones winning.
4. `place_windows`: where the window of each haplotype lies once the anchor is at its index.
5. `build_sequences`: the bases.

All positions are 0-based.
"""

# ruff: noqa: PLR0917 (compiled functions take no keywords)
from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pgxeval.compiled import compiled
from pgxeval.genome.layout import (
    ABSENT,
    BREAKEND,
    EDIT_END,
    EDIT_START,
    FIRST,
    FLAGS,
    HALF_MISSING,
    LACKS_LEFT,
    LACKS_RIGHT,
    LAST,
    LEFT,
    LENGTHENS,
    MAPPED,
    MISSING,
    MISSING_CALLS,
    NEW_BEGIN,
    NEW_END,
    OTHER,
    OVERLAPPING,
    PLAIN,
    RECORD_END,
    RECORD_START,
    RIGHT,
    SHARES_FIRST,
    SKIP,
    SKIPPED,
    STAR,
    SYMBOLIC,
    UNPHASED,
)

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]


@compiled
def describe_alleles(
    text: Bytes, bounds: Ints, first_allele: Ints, starts: Ints, kinds: npt.NDArray[np.int8], edits: Ints
) -> None:
    """Fill `kinds` and `edits` for each allele; `text` is upper case."""
    for record in range(starts.size):
        ref_row = first_allele[record]
        ref_begin, ref_end = bounds[ref_row, 0], bounds[ref_row, 1]
        n_ref = ref_end - ref_begin
        for row in range(ref_row, first_allele[record + 1]):
            begin, end = bounds[row, 0], bounds[row, 1]
            kind = PLAIN if end > begin else OTHER
            for i in range(begin, end):
                c = text[i]
                if c not in (65, 67, 71, 84, 78):
                    kind = OTHER
                    break
            if kind == OTHER and end > begin:
                if text[begin] == 60:
                    kind = SYMBOLIC
                elif text[begin] == 42 and end - begin == 1:
                    kind = STAR
                elif 46 in (text[begin], text[end - 1]):
                    kind = BREAKEND
                else:
                    for i in range(begin, end):
                        if text[i] == 91 or text[i] == 93:
                            kind = BREAKEND
            kinds[row] = kind
            head, tail = 0, 0
            n_new = end - begin
            if kind == PLAIN:
                shorter = min(n_ref, n_new)
                while head < shorter and text[ref_begin + head] == text[begin + head]:
                    head += 1
                while tail < shorter - head and text[ref_end - 1 - tail] == text[end - 1 - tail]:
                    tail += 1
            edit = edits[row]
            edit[RECORD_START] = starts[record]
            edit[RECORD_END] = starts[record] + n_ref
            edit[EDIT_START] = starts[record] + head
            edit[EDIT_END] = starts[record] + n_ref - tail
            edit[NEW_BEGIN] = begin + head
            edit[NEW_END] = end - tail
            edit[FLAGS] = 0
            if head > 0 and n_ref != n_new and head + tail == min(n_ref, n_new):
                edit[FLAGS] |= SHARES_FIRST
            if n_new > n_ref:
                edit[FLAGS] |= LENGTHENS


@compiled
def check_references(
    text: Bytes,
    bounds: Ints,
    first_allele: Ints,
    starts: Ints,
    reference: Bytes,
    origin: int,
    codes: Bytes,
    outcome: npt.NDArray[np.int8],
) -> None:
    """Compare REF with the reference genome, record by record: 0 equal, 1 ambiguous but possible, 2 different.

    `codes` gives the set of bases that a letter stands for, a bit each; `reference` begins at position
    `origin` and holds every record.
    """
    for record in range(starts.size):
        begin, end = bounds[first_allele[record], 0], bounds[first_allele[record], 1]
        at = starts[record] - origin
        worst = 0
        for i in range(end - begin):
            wanted, here = text[begin + i], reference[at + i]
            if wanted != here:
                same = codes[wanted] != 0 and (codes[wanted] & codes[here]) == codes[wanted]
                worst = max(worst, 1 if same else 2)
        outcome[record] = worst


@compiled
def count_alleles(alleles: npt.NDArray[np.int8], first_allele: Ints, counts: Ints, called: Ints) -> None:
    """Count the copies of each allele, and the copies that are called at each record."""
    for record in range(alleles.shape[0]):
        row = first_allele[record]
        for copy in alleles[record].reshape(-1):
            if copy >= 0:
                counts[row + copy] += 1
                called[record] += 1


@compiled
def count_alternatives(alleles: npt.NDArray[np.int8]) -> int:
    """Count the copies of ALT alleles."""
    count = 0
    for record in range(alleles.shape[0]):
        for copy in alleles[record].reshape(-1):
            count += copy > 0
    return count


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


@compiled
def place_windows(
    edits: Ints,
    offsets: Ints,
    applied: npt.NDArray[np.int32],
    anchor: int,
    n_left: int,
    n_right: int,
    low: int,
    high: int,
    placements: Ints,
    digests: npt.NDArray[np.uint64],
) -> None:
    """Lay the window of each haplotype so that the anchor has index `n_left` of ``n_left + n_right``.

    Parameters
    ----------
    edits, offsets, applied
        As `apply_alleles` made them.
    anchor
        Reference position. Where it is deleted, the next base that is not takes its place.
    n_left, n_right
        Bases before the anchor, and from the anchor on.
    low, high
        Positions within which `applied` is whole.
    placements
        Output, ``(n_haplotypes, PLACEMENT_WIDTH)``: the edits in the window, how many new bases of the
        first are cut off, the positions between which the window lies, how many bases lie beyond `low` and
        `high`, and the position of the base at the anchor's index.
    digests
        Output: equal for equal windows.
    """
    for h in range(offsets.size - 1):
        begin, end = offsets[h], offsets[h + 1]
        below, above = begin, end  # first edit that ends after the anchor
        while below < above:
            middle = (below + above) // 2
            if edits[applied[middle], EDIT_END] > anchor:
                above = middle
            else:
                below = middle + 1
        cut = below
        mapped = anchor
        while cut < end:
            edit = edits[applied[cut]]
            if edit[EDIT_START] > mapped:
                break
            if edit[EDIT_END] - edit[EDIT_START] == edit[NEW_END] - edit[NEW_BEGIN]:
                break
            mapped = edit[EDIT_END]
            cut += 1

        position, need, skip = mapped, n_left, 0
        first = cut
        while first > begin:
            edit = edits[applied[first - 1]]
            gap = position - edit[EDIT_END]
            if need <= gap:
                break
            first -= 1
            n_new = edit[NEW_END] - edit[NEW_BEGIN]
            if edit[EDIT_END] - edit[EDIT_START] == n_new:
                continue
            need -= gap
            position = edit[EDIT_START]
            if need <= n_new:
                skip = n_new - need
                need = 0
                break
            need -= n_new
        left = position - need

        position, need = mapped, n_right
        last = cut
        while last < end:
            edit = edits[applied[last]]
            gap = edit[EDIT_START] - position
            if need <= gap:
                break
            last += 1
            n_new = edit[NEW_END] - edit[NEW_BEGIN]
            if edit[EDIT_END] - edit[EDIT_START] == n_new:
                continue
            need -= gap
            position = edit[EDIT_END]
            if need <= n_new:
                need = 0
                break
            need -= n_new
        right = position + need

        place = placements[h]
        place[FIRST], place[LAST], place[SKIP], place[LEFT], place[RIGHT] = first, last, skip, left, right
        place[LACKS_LEFT] = max(0, low - left)
        place[LACKS_RIGHT] = max(0, right - high)
        place[MAPPED] = mapped
        digest = np.uint64(0x9E3779B97F4A7C15)
        for k in range(first - 2, last):
            part = left if k == first - 2 else (skip if k == first - 1 else applied[k])
            digest = (digest ^ np.uint64(part)) * np.uint64(0xBF58476D1CE4E5B9)
            digest ^= digest >> np.uint64(29)
        digests[h] = digest


@compiled
def same_windows(applied: npt.NDArray[np.int32], placements: Ints, representative: Ints) -> bool:
    """Whether each haplotype has the window of its representative."""
    for h in range(representative.size):
        mine, theirs = placements[h], placements[representative[h]]
        n = mine[LAST] - mine[FIRST]
        if n != theirs[LAST] - theirs[FIRST] or mine[LEFT] != theirs[LEFT] or mine[SKIP] != theirs[SKIP]:
            return False
        for k in range(n):
            if applied[mine[FIRST] + k] != applied[theirs[FIRST] + k]:
                return False
    return True


@compiled
def _copy(source: Bytes, begin: int, target: Bytes, at: int, count: int) -> None:
    into, out_of = target[at : at + count], source[begin : begin + count]
    for i in range(count):
        into[i] = out_of[i]


@compiled
def build_sequences(
    reference: Bytes,
    origin: int,
    text: Bytes,
    edits: Ints,
    applied: npt.NDArray[np.int32],
    placements: Ints,
    sequences: Bytes,
) -> None:
    """Write the bases of each placed window into a row of `sequences`; `reference` begins at `origin`."""
    length = sequences.shape[1]
    for row in range(placements.shape[0]):
        target = sequences[row]
        place = placements[row]
        position, at = place[LEFT], 0
        waiting = place[FIRST]  # first substitution that still has to be written over copied bases
        for k in range(place[FIRST], place[LAST] + 1):
            if k < place[LAST]:
                edit = edits[applied[k]]
                n_new = edit[NEW_END] - edit[NEW_BEGIN]
                if edit[EDIT_END] - edit[EDIT_START] == n_new:
                    continue
                count = min(edit[EDIT_START] - position, length - at)
            else:
                count = length - at
            _copy(reference, position - origin, target, at, count)
            for j in range(waiting, k):
                swap = edits[applied[j]]
                for i in range(max(swap[EDIT_START], position), min(swap[EDIT_END], position + count)):
                    target[at + i - position] = text[swap[NEW_BEGIN] + i - swap[EDIT_START]]
            waiting = k + 1
            at += count
            if k < place[LAST]:
                skip = place[SKIP] if k == place[FIRST] else 0
                count = min(n_new - skip, length - at)
                _copy(text, edit[NEW_BEGIN] + skip, target, at, count)
                at += count
                position = edit[EDIT_END]
