"""Compiled reading of single values of a VCF line: numbers, genotypes, phase sets, and the dosages that they state."""

# ruff: noqa: PLR0917 (compiled functions take no keywords)
from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pgxeval.compiled import compiled
from pgxeval.genome.layout import (
    BAD_GENOTYPE,
    MANY_COPIES,
    NO_PROBABILITIES,
    NO_SET,
    OK,
    UNKNOWN_ALLELE,
    WRONG_COUNT,
)

TAB, NEWLINE, RETURN, COLON, COMMA, DOT, SLASH, BAR = 9, 10, 13, 58, 44, 46, 47, 124

LIMIT = 1 << 31

Bytes = npt.NDArray[np.uint8]

Floats = npt.NDArray[np.float32]


@compiled
def ends_cell(buffer: Bytes, at: int) -> bool:
    """Whether a cell ends at this byte: a tab, or the end of the line."""
    c = int(buffer[at])
    return c == TAB or c == NEWLINE or (c == RETURN and buffer[at + 1] == NEWLINE)  # noqa: PLR1714 (a tuple is slow)


@compiled
def end_of_cell(buffer: Bytes, at: int) -> int:
    """Return where the next tab or newline is; most bytes of a file with many fields pass here."""
    here = np.uint64(at)  # without a sign no index counts from the end, and none is checked for it
    while buffer[here] > NEWLINE or buffer[here] < TAB:
        here += np.uint64(1)
    return int(here)


@compiled
def _parse_float(buffer: Bytes, at: int) -> tuple[float, int]:
    """Return a decimal number and where it ends; the end is `at` where there is none."""
    begin = at
    negative = buffer[at] == 45
    if negative or buffer[at] == 43:
        at += 1
    mantissa, exponent, digits = 0.0, 0, 0
    while 48 <= buffer[at] <= 57:
        mantissa = mantissa * 10 + (buffer[at] - 48)
        at += 1
        digits += 1
    if buffer[at] == DOT:
        at += 1
        while 48 <= buffer[at] <= 57:
            mantissa = mantissa * 10 + (buffer[at] - 48)
            at += 1
            digits += 1
            exponent -= 1
    if digits == 0:
        return 0.0, begin
    if buffer[at] == 101 or buffer[at] == 69:
        at += 1
        sign = 1
        if buffer[at] == 45:
            sign = -1
            at += 1
        elif buffer[at] == 43:
            at += 1
        power, digits = 0, 0
        while 48 <= buffer[at] <= 57:
            power = min(power * 10 + (buffer[at] - 48), 999)
            at += 1
            digits += 1
        if digits == 0:
            return 0.0, begin
        exponent += sign * power
    value = mantissa * 10.0**exponent if exponent >= 0 else mantissa / 10.0 ** min(-exponent, 308)
    return (-value if negative else value), at


@compiled
def decode_digits(
    cells: npt.NDArray[np.uint32],
    pairs: npt.NDArray[np.uint16],
    phased: npt.NDArray[np.bool_],
) -> int:
    """Decode cells of exactly ``d|d`` or ``d/d``; return the highest allele, or above 9 if a cell is not so."""
    bad = np.uint32(0)
    highest = np.uint32(0)
    for i in range(cells.size):
        digits = (cells[i] & np.uint32(0x00FF00FF)) ^ np.uint32(0x00300030)
        rest = (cells[i] & np.uint32(0xFF00FF00)) ^ np.uint32(0x09002F00)  # 0 for a slash, 0x5300 for a bar
        first, second = digits & np.uint32(0xFF), digits >> np.uint32(16)
        bad |= np.uint32((rest != 0) & (rest != 0x5300))
        highest = max(highest, first, second)
        pairs[i] = np.uint16(first | (second << np.uint32(8)))
        phased[i] = rest == 0x5300
    return 99 if bad else int(highest)


@compiled
def parse_genotype(buffer: Bytes, at: int, n_alleles: int) -> tuple[int, int, bool, int, int]:
    """Read a genotype: (first allele, second allele, phased, where it ends, how it ended)."""
    first, second, n_copies, slashes = -1, -2, 0, 0
    if buffer[at] == BAR or buffer[at] == SLASH:  # VCF 4.4 may write the phase first
        at += 1
    while True:
        allele = -1
        if buffer[at] == DOT:
            at += 1
        elif 48 <= buffer[at] <= 57:
            allele = 0
            while 48 <= buffer[at] <= 57:
                allele = min(allele * 10 + (buffer[at] - 48), 1000)
                at += 1
            if allele >= n_alleles:
                return first, second, False, at, UNKNOWN_ALLELE
        elif not (n_copies == 0 and (ends_cell(buffer, at) or buffer[at] == COLON)):
            return first, second, False, at, BAD_GENOTYPE
        if n_copies == 0:
            first = allele
        elif n_copies == 1:
            second = allele
        else:
            return first, second, False, at, MANY_COPIES
        n_copies += 1
        if buffer[at] == SLASH:
            slashes += 1
        elif buffer[at] != BAR:
            break
        at += 1
    if not (ends_cell(buffer, at) or buffer[at] == COLON):
        return first, second, False, at, BAD_GENOTYPE
    return first, second, slashes == 0, at, OK


@compiled
def parse_numbers(buffer: Bytes, at: int, numbers: npt.NDArray[np.float64]) -> tuple[int, int]:
    """Read numbers up to the end of a subfield: (how many, where it ends); -1 where one is not a number.

    A missing number is NaN; a subfield that is empty, ``.`` or not there has none. More than there is room for are
    counted only.
    """
    if ends_cell(buffer, at) or buffer[at] == COLON:
        return 0, at
    if buffer[at] == DOT and (ends_cell(buffer, at + 1) or buffer[at + 1] == COLON):
        return 0, at + 1
    n = 0
    while True:
        value = np.nan
        if buffer[at] == DOT and (buffer[at + 1] == COMMA or buffer[at + 1] == COLON or ends_cell(buffer, at + 1)):
            at += 1
        else:
            value, after = _parse_float(buffer, at)
            if after == at:
                return -1, at
            at = after
        if n < numbers.size:
            numbers[n] = value
        n += 1
        if buffer[at] != COMMA:
            break
        at += 1
    if not (ends_cell(buffer, at) or buffer[at] == COLON):
        return -1, at
    return n, at


@compiled
def dosages_of_numbers(
    numbers: npt.NDArray[np.float64], n: int, n_alleles: int, probabilities: bool, values: Floats, individual: int
) -> int:
    """Put what `n` numbers of one individual mean into a column of `values`, one row per ALT allele.

    Genotype probabilities come in the order of the VCF specification, ``(0,0), (0,1), (1,1), (0,2), ...``, one for
    each allele where the call is haploid; the expected number of copies is divided by their sum, which must be
    near 1.
    """
    n_alternatives = n_alleles - 1
    if n == 0 or (n == 1 and np.isnan(numbers[0])):
        for k in range(n_alternatives):
            values[k, individual] = np.nan
        return OK
    if not probabilities:
        if n != n_alternatives:
            return WRONG_COUNT
        for k in range(n_alternatives):
            values[k, individual] = np.float32(numbers[k])
        return OK
    diploid = n == n_alleles * (n_alleles + 1) // 2
    if not diploid and n != n_alleles:
        return WRONG_COUNT
    total = 0.0
    for k in range(n):
        if numbers[k] < 0:
            return NO_PROBABILITIES
        total += numbers[k]
    if total != 0 and not np.isnan(total) and abs(total - 1) > 0.1:
        return NO_PROBABILITIES
    for k in range(n_alternatives):
        values[k, individual] = 0 if total > 0 else np.nan
    if not total > 0:
        return OK
    if not diploid:
        for k in range(n_alternatives):
            values[k, individual] = np.float32(numbers[k + 1] / total)
        return OK
    for allele in range(1, n_alleles):
        copies = 0.0
        for other in range(n_alleles):
            low, high = min(allele, other), max(allele, other)
            copies += numbers[high * (high + 1) // 2 + low] * (2 if other == allele else 1)
        values[allele - 1, individual] = np.float32(copies / total)
    return OK


@compiled
def dosages_of_genotype(first: int, second: int, n_alleles: int, values: Floats, individual: int) -> None:
    """Count the copies of each ALT allele in a genotype into a column of `values`.

    NaN where no copy is known; -1 less the copies where one of two is not known.
    """
    for allele in range(1, n_alleles):
        copies = (first == allele) + (second == allele)
        if first < 0 and second < 0:
            values[allele - 1, individual] = np.nan
        elif first == -1 or second == -1:
            values[allele - 1, individual] = -1 - copies
        else:
            values[allele - 1, individual] = copies


@compiled
def phase_set(buffer: Bytes, at: int) -> int:
    """Return a number of 31 bits that is equal for equal texts of a subfield; `NO_SET` for a missing one."""
    if ends_cell(buffer, at) or buffer[at] == COLON:
        return NO_SET
    if buffer[at] == DOT and (ends_cell(buffer, at + 1) or buffer[at + 1] == COLON):
        return NO_SET
    digest = np.uint32(2166136261)
    while not (ends_cell(buffer, at) or buffer[at] == COLON):
        digest = np.uint32((digest ^ np.uint32(buffer[at])) * np.uint32(16777619))
        at += 1
    return int(digest & np.uint32(0x7FFFFFFF))
