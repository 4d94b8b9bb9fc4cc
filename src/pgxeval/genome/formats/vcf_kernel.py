"""Compiled decoding of VCF lines; see `pgxeval.genome.formats.vcf` for what it is made for.

The kernel never reads beyond the buffer: the buffer ends with a newline, and no field crosses one.
"""

# ruff: noqa: PLR0917 (compiled functions take no keywords)
from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pgxeval.genome.compiled import compiled
from pgxeval.genome.formats.calls import (
    ALT_BEGIN,
    ALT_END,
    ID_BEGIN,
    ID_END,
    N_ALLELES,
    PASSED,
    PHASE_SETS,
    REF_BEGIN,
    REF_END,
    START,
)

# How decoding ended.
OK = 0
PAST_END = 1
FEW_COLUMNS = 2
NO_POSITION = 3
NOT_SORTED = 4
NO_FIELD = 5
MANY_ALLELES = 6
FEW_INDIVIDUALS = 7
MANY_INDIVIDUALS = 8
BAD_GENOTYPE = 9
MANY_COPIES = 10
UNKNOWN_ALLELE = 11
BAD_NUMBER = 12
WRONG_COUNT = 13
NO_ALLELE = 14
NO_ROOM = 15

TAB, NEWLINE, RETURN, COLON, COMMA, DOT, SLASH, BAR = 9, 10, 13, 58, 44, 46, 47, 124
_LIMIT = 1 << 31

Bytes = npt.NDArray[np.uint8]


@compiled
def _ends_cell(buffer: Bytes, at: int) -> bool:
    c = int(buffer[at])
    return c == TAB or c == NEWLINE or (c == RETURN and buffer[at + 1] == NEWLINE)  # noqa: PLR1714 (a tuple is slow)


@compiled
def _end_of_cell(buffer: Bytes, at: int) -> int:
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
def _decode_digits(
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
def _decode_regular(
    cells: npt.NDArray[np.uint32],
    pairs: npt.NDArray[np.uint16],
    phased: npt.NDArray[np.bool_],
) -> int:
    """Do so where digits may be dots; return the highest allele, or -1 if a cell is not so.

    A cell and the tab behind it are one 32-bit word, and so are the numbers worked with: the compiler
    turns the loop into vector instructions.
    """
    bad = np.uint32(0)
    highest = np.int32(0)
    for i in range(cells.size):
        cell = cells[i]
        first = np.int32(cell & np.uint32(0xFF)) - np.int32(48)
        second = np.int32((cell >> np.uint32(16)) & np.uint32(0xFF)) - np.int32(48)
        rest = (cell & np.uint32(0xFF00FF00)) ^ np.uint32(0x09002F00)  # 0 for a slash, 0x5300 for a bar
        bad |= np.uint32((rest != 0) & (rest != 0x5300))
        bad |= np.uint32((first > 9) | (first < -2) | (first == -1))
        bad |= np.uint32((second > 9) | (second < -2) | (second == -1))
        highest = max(highest, first, second)
        first |= first >> np.int32(31)  # a dot is -2, a missing allele -1
        second |= second >> np.int32(31)
        pairs[i] = np.uint16((first & np.int32(0xFF)) | ((second & np.int32(0xFF)) << np.int32(8)))
        phased[i] = rest == 0x5300
    return -1 if bad else int(highest)


@compiled
def decode_lines(
    buffer: Bytes,
    at: int,
    contig: Bytes,
    start: int,
    end: int,
    previous: int,
    field: Bytes,
    n_individuals: int,
    n_kept: int,
    n_kept_values: int,
    table: npt.NDArray[np.int64],
    alleles: npt.NDArray[np.int8],
    phased: npt.NDArray[np.bool_],
    values: npt.NDArray[np.float32],
) -> tuple[int, int, int, int, int]:
    """Decode the lines of a buffer that overlap ``[start, end)`` of a contig.

    Parameters
    ----------
    buffer
        Whole lines, each ended by a newline.
    at
        Byte at which a line begins and decoding starts.
    contig, field
        ASCII of the contig and of the FORMAT field (``GT`` or one of numbers).
    start, end
        0-based half-open.
    previous
        1-based position of the line before the buffer, to check the order.
    n_individuals
        Number of individuals in the header.
    n_kept, n_kept_values
        Rows of `table` and of `values` that hold something already.
    table, alleles, phased, values
        Outputs; `values` is used for a field of numbers. Where their rows do not suffice, decoding stops.

    Returns
    -------
    tuple of int
        Rows of `table` and of `values` filled, position of the last line, how it ended, and the byte at
        which it ended.
    """
    n_values = n_kept_values
    size = buffer.size
    genotypes = field.size == 2 and field[0] == 71 and field[1] == 84
    columns = np.empty(11, np.int64)
    cells = np.empty(4 * n_individuals, np.uint8)
    while at < size:
        if buffer[at] == NEWLINE or buffer[at] == 35:
            while buffer[at] != NEWLINE:
                at += 1
            at += 1
            continue
        line = at
        columns[0] = at
        n_columns = 1
        while n_columns < 10 and buffer[at] != NEWLINE:
            if buffer[at] == TAB:
                columns[n_columns] = at + 1
                n_columns += 1
            at += 1
        if n_columns < 10:
            return n_kept, n_values, previous, FEW_COLUMNS, line
        same = columns[1] - 1 - columns[0] == contig.size
        if same:
            for k in range(contig.size):
                if buffer[line + k] != contig[k]:
                    same = False
                    break
        position = 0
        for k in range(columns[1], columns[2] - 1):
            if buffer[k] < 48 or buffer[k] > 57 or position > _LIMIT:
                return n_kept, n_values, previous, NO_POSITION, line
            position = position * 10 + (buffer[k] - 48)
        if columns[2] - 1 == columns[1] or position > _LIMIT:
            return n_kept, n_values, previous, NO_POSITION, line
        ref_length = columns[4] - 1 - columns[3]
        if same:
            if position < previous:
                return n_kept, n_values, previous, NOT_SORTED, line
            previous = position
            if position - 1 >= end:
                return n_kept, n_values, previous, PAST_END, line
        if not same or position - 1 + ref_length <= start:
            while buffer[at] != NEWLINE:
                at += 1
            at += 1
            continue

        n_alleles = 1
        if not (columns[5] - 1 - columns[4] == 1 and buffer[columns[4]] == DOT):
            n_alleles = 2
            for k in range(columns[4], columns[5] - 1):
                if buffer[k] == COMMA:
                    n_alleles += 1
        if ref_length == 0 or columns[5] - 1 == columns[4]:
            return n_kept, n_values, previous, NO_ALLELE, line
        if n_alleles > 127:
            return n_kept, n_values, previous, MANY_ALLELES, line
        if n_kept == table.shape[0] or (not genotypes and n_values + n_alleles - 1 > values.shape[0]):
            return n_kept, n_values, previous, NO_ROOM, line
        filter_begin, filter_end = columns[6], columns[7] - 1
        row = table[n_kept]
        row[START] = position - 1
        row[ID_BEGIN], row[ID_END] = columns[2], columns[3] - 1
        row[REF_BEGIN], row[REF_END] = columns[3], columns[4] - 1
        row[ALT_BEGIN], row[ALT_END] = columns[4], columns[5] - 1
        row[N_ALLELES] = n_alleles
        row[PASSED] = (filter_end - filter_begin == 1 and buffer[filter_begin] == DOT) or (
            filter_end - filter_begin == 4
            and buffer[filter_begin] == 80
            and buffer[filter_begin + 1] == 65
            and buffer[filter_begin + 2] == 83
            and buffer[filter_begin + 3] == 83
        )

        place, key_begin, found = 0, columns[8], False  # number of the field among the subfields
        n_keys = 1
        row[PHASE_SETS] = 0
        for k in range(columns[8], columns[9]):
            if buffer[k] == COLON or k == columns[9] - 1:
                if not found:
                    if k - key_begin == field.size:
                        found = True
                        for j in range(field.size):
                            if buffer[key_begin + j] != field[j]:
                                found = False
                                break
                    if not found:
                        place += 1
                if buffer[key_begin] == 80 and buffer[key_begin + 1] == 83 and key_begin + 2 == k:
                    row[PHASE_SETS] = 1
                key_begin = k + 1
                n_keys += buffer[k] == COLON
        if not found:
            return n_kept, n_values, previous, NO_FIELD, line

        at = columns[9]
        if genotypes and n_keys == 1 and at + 4 * n_individuals <= size:
            stop = at + 4 * n_individuals - 1
            if buffer[stop] == NEWLINE:
                line_cells = buffer[at : stop + 1]
                for k in range(cells.size):  # to where 32-bit words may begin; an assignment is slower
                    cells[k] = line_cells[k]
                cells[-1] = TAB
                words = cells.view(np.uint32)
                pairs = alleles[n_kept].reshape(-1).view(np.uint16)
                highest = _decode_digits(words, pairs, phased[n_kept])
                if highest > 9:
                    highest = _decode_regular(words, pairs, phased[n_kept])
                if highest >= n_alleles:
                    return n_kept, n_values, previous, UNKNOWN_ALLELE, line
                if highest >= 0:
                    at = stop + 1
                    n_kept += 1
                    continue

        for i in range(n_individuals):
            for _ in range(place):  # go to the field; a cell may stop before it
                while not (_ends_cell(buffer, at) or buffer[at] == COLON):
                    at += 1
                if buffer[at] == COLON:
                    at += 1
                else:
                    break
            if genotypes:
                n_copies, bars, slashes = 0, 0, 0
                alleles[n_kept, i, 1] = -2
                if buffer[at] == BAR or buffer[at] == SLASH:  # VCF 4.4 may say the phase first
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
                            return n_kept, n_values, previous, UNKNOWN_ALLELE, line
                    elif not (n_copies == 0 and (_ends_cell(buffer, at) or buffer[at] == COLON)):
                        return n_kept, n_values, previous, BAD_GENOTYPE, line
                    if n_copies == 2:
                        return n_kept, n_values, previous, MANY_COPIES, line
                    alleles[n_kept, i, n_copies] = allele
                    n_copies += 1
                    if buffer[at] == BAR:
                        bars += 1
                    elif buffer[at] == SLASH:
                        slashes += 1
                    else:
                        break
                    at += 1
                if not (_ends_cell(buffer, at) or buffer[at] == COLON):
                    return n_kept, n_values, previous, BAD_GENOTYPE, line
                phased[n_kept, i] = slashes == 0
            else:
                whole = _ends_cell(buffer, at) or buffer[at] == COLON
                if buffer[at] == DOT and (_ends_cell(buffer, at + 1) or buffer[at + 1] == COLON):
                    whole = True
                    at += 1
                for k in range(n_alleles - 1):
                    value = np.float32(np.nan)
                    if not whole:
                        if buffer[at] == DOT and (
                            buffer[at + 1] == COMMA or buffer[at + 1] == COLON or _ends_cell(buffer, at + 1)
                        ):
                            at += 1
                        else:
                            number, after = _parse_float(buffer, at)
                            if after == at:
                                return n_kept, n_values, previous, BAD_NUMBER, line
                            value = np.float32(number)
                            at = after
                        if k < n_alleles - 2:
                            if buffer[at] != COMMA:
                                return n_kept, n_values, previous, WRONG_COUNT, line
                            at += 1
                    values[n_values + k, i] = value
                if buffer[at] == COMMA:
                    return n_kept, n_values, previous, WRONG_COUNT, line
                if not (_ends_cell(buffer, at) or buffer[at] == COLON):
                    return n_kept, n_values, previous, BAD_NUMBER, line
            at = _end_of_cell(buffer, at)
            if buffer[at] == NEWLINE:
                if i < n_individuals - 1:
                    return n_kept, n_values, previous, FEW_INDIVIDUALS, line
            elif i == n_individuals - 1:
                return n_kept, n_values, previous, MANY_INDIVIDUALS, line
            at += 1
        if not genotypes:
            n_values += n_alleles - 1
        n_kept += 1
    return n_kept, n_values, previous, OK, at
