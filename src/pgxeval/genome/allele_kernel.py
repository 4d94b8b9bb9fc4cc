"""Compiled steps over alleles: what each one is, whether REF agrees with the reference, and who carries it."""

# ruff: noqa: PLR0917 (compiled functions take no keywords)
from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pgxeval.compiled import compiled
from pgxeval.genome.layout import (
    BREAKEND,
    EDIT_END,
    EDIT_START,
    FLAGS,
    LENGTHENS,
    NEW_BEGIN,
    NEW_END,
    OTHER,
    PLAIN,
    RECORD_END,
    RECORD_START,
    SHARES_FIRST,
    STAR,
    SYMBOLIC,
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
            stated_base, here = text[begin + i], reference[at + i]
            if stated_base != here:
                same = codes[stated_base] != 0 and (codes[stated_base] & codes[here]) == codes[stated_base]
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
