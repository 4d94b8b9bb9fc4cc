"""Compiled steps over windows: where the window of each haplotype lies, which windows are equal, and their bases."""

# ruff: noqa: PLR0917 (compiled functions take no keywords)
from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pgxeval.compiled import compiled
from pgxeval.genome.allele_kernel import Bytes, Ints
from pgxeval.genome.layout import (
    EDIT_END,
    EDIT_START,
    FIRST,
    LACKS_LEFT,
    LACKS_RIGHT,
    LAST,
    LEFT,
    MAPPED,
    NEW_BEGIN,
    NEW_END,
    RIGHT,
    SKIP,
)


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
