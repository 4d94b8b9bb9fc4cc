"""Compiled decoding of VCF lines; see `pgxeval.genome.formats.vcf` for what it is made for.

The kernel never reads beyond the buffer: the buffer ends with a newline, and no field crosses one.
"""

# ruff: noqa: PLR0917 (compiled functions take no keywords)
from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pgxeval.compiled import compiled
from pgxeval.genome.layout import (
    ALT_BEGIN,
    ALT_END,
    BAD_GENOTYPE,
    BAD_NUMBER,
    DOSAGES,
    FEW_COLUMNS,
    FEW_INDIVIDUALS,
    GENOTYPES,
    ID_BEGIN,
    ID_END,
    MANY_ALLELES,
    MANY_COPIES,
    MANY_INDIVIDUALS,
    MAX_ALLELES,
    N_ALLELES,
    NO_ALLELE,
    NO_FIELD,
    NO_POSITION,
    NO_PROBABILITIES,
    NO_ROOM,
    NO_SET,
    NO_SETS,
    NOT_SORTED,
    OK,
    PASSED,
    PAST_END,
    REF_BEGIN,
    REF_END,
    START,
    TYPED_ONLY,
    UNKNOWN_ALLELE,
    WRONG_COUNT,
)

TAB, NEWLINE, RETURN, COLON, COMMA, DOT, SLASH, BAR = 9, 10, 13, 58, 44, 46, 47, 124
_LIMIT = 1 << 31

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


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

    A cell and the tab after it are one 32-bit word, and so are the numbers worked with: the compiler
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
def _parse_genotype(buffer: Bytes, at: int, n_alleles: int) -> tuple[int, int, bool, int, int]:
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
        elif not (n_copies == 0 and (_ends_cell(buffer, at) or buffer[at] == COLON)):
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
    if not (_ends_cell(buffer, at) or buffer[at] == COLON):
        return first, second, False, at, BAD_GENOTYPE
    return first, second, slashes == 0, at, OK


@compiled
def _parse_numbers(buffer: Bytes, at: int, numbers: npt.NDArray[np.float64]) -> tuple[int, int]:
    """Read numbers up to the end of a subfield: (how many, where it ends); -1 where one is not a number.

    A missing number is NaN; a subfield that is empty, ``.`` or not there has none. More than there is room for are
    counted only.
    """
    if _ends_cell(buffer, at) or buffer[at] == COLON:
        return 0, at
    if buffer[at] == DOT and (_ends_cell(buffer, at + 1) or buffer[at + 1] == COLON):
        return 0, at + 1
    n = 0
    while True:
        value = np.nan
        if buffer[at] == DOT and (buffer[at + 1] == COMMA or buffer[at + 1] == COLON or _ends_cell(buffer, at + 1)):
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
    if not (_ends_cell(buffer, at) or buffer[at] == COLON):
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
def _go_to(buffer: Bytes, at: int, place: int) -> int:
    """Return where a subfield of a cell begins, or where the cell ends before it."""
    for _ in range(place):
        while not (_ends_cell(buffer, at) or buffer[at] == COLON):
            at += 1
        if buffer[at] == COLON:
            at += 1
        else:
            break
    return at


@compiled
def _phase_set(buffer: Bytes, at: int) -> int:
    """Return a number of 31 bits that is equal for equal texts of a subfield; `NO_SET` for a missing one."""
    if _ends_cell(buffer, at) or buffer[at] == COLON:
        return NO_SET
    if buffer[at] == DOT and (_ends_cell(buffer, at + 1) or buffer[at + 1] == COLON):
        return NO_SET
    digest = np.uint32(2166136261)
    while not (_ends_cell(buffer, at) or buffer[at] == COLON):
        digest = np.uint32((digest ^ np.uint32(buffer[at])) * np.uint32(16777619))
        at += 1
    return int(digest & np.uint32(0x7FFFFFFF))


@compiled
def decode_lines(
    buffer: Bytes,
    at: int,
    contig: Bytes,
    start: int,
    end: int,
    previous: int,
    field: int,
    n_individuals: int,
    n_kept: int,
    n_kept_values: int,
    table: npt.NDArray[np.int64],
    alleles: npt.NDArray[np.int8],
    phased: npt.NDArray[np.bool_],
    values: Floats,
    sets: npt.NDArray[np.int32],
) -> tuple[int, int, int, int, int]:
    """Decode the lines of a buffer that overlap ``[start, end)`` of a contig.

    Parameters
    ----------
    buffer
        Whole lines, each ended by a newline.
    at
        Byte at which a line begins and decoding starts.
    contig
        ASCII of the contig.
    start, end
        0-based half-open.
    previous
        1-based position of the line before the buffer, to check the order.
    field
        Code of the FORMAT field. A record without DS or GP gives the counts of its GT.
    n_individuals
        Number of individuals in the header.
    n_kept, n_kept_values
        Rows of `table` and of `values` that hold something already.
    table, alleles, phased, values, sets
        Outputs; `values` is used for DS and GP, `sets` for genotypes of records with PS. Where their rows do
        not suffice, decoding stops.

    Returns
    -------
    tuple of int
        Rows of `table` and of `values` filled, position of the last line, how it ended, and the byte at
        which it ended.
    """
    n_values = n_kept_values
    size = buffer.size
    genotypes = field == GENOTYPES
    letters = (71, 84) if genotypes else ((68, 83) if field == DOSAGES else (71, 80))
    columns = np.empty(11, np.int64)
    cells = np.empty(4 * n_individuals, np.uint8)
    numbers = np.empty(1 if genotypes else MAX_ALLELES * (MAX_ALLELES + 1) // 2, np.float64)
    while at < size:
        if buffer[at] == NEWLINE or buffer[at] == 35 or (buffer[at] == RETURN and buffer[at + 1] == NEWLINE):
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
        if n_alleles > MAX_ALLELES:
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

        # numbers of the subfields that are needed; each name has two letters
        place, gt_place, set_place, n_keys = -1, -1, -1, 0
        key_begin = columns[8]
        for k in range(columns[8], columns[9]):
            if buffer[k] == COLON or k == columns[9] - 1:
                if k - key_begin == 2:
                    first_letter, second_letter = buffer[key_begin], buffer[key_begin + 1]
                    if place < 0 and first_letter == letters[0] and second_letter == letters[1]:
                        place = n_keys
                    if gt_place < 0 and first_letter == 71 and second_letter == 84:
                        gt_place = n_keys
                    if first_letter == 80 and second_letter == 83:
                        set_place = n_keys
                key_begin = k + 1
                n_keys += 1
        typed_only = place < 0 and gt_place >= 0
        row[TYPED_ONLY] = typed_only
        if typed_only:
            place = gt_place
        if place < 0:
            return n_kept, n_values, previous, NO_FIELD, line
        if genotypes and set_place >= 0 and n_kept >= sets.shape[0]:
            return n_kept, n_values, previous, NO_SETS, line

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
            cell = at
            at = _go_to(buffer, at, place)
            if genotypes or typed_only:
                first, second, is_phased, at, ended = _parse_genotype(buffer, at, n_alleles)
                if ended != OK:
                    return n_kept, n_values, previous, ended, line
                if genotypes:
                    alleles[n_kept, i, 0] = first
                    alleles[n_kept, i, 1] = second
                    phased[n_kept, i] = is_phased
                    if set_place >= 0:
                        sets[n_kept, i] = _phase_set(buffer, _go_to(buffer, cell, set_place))
                else:
                    dosages_of_genotype(first, second, n_alleles, values[n_values:], i)
            else:
                n, at = _parse_numbers(buffer, at, numbers)
                if n < 0:
                    return n_kept, n_values, previous, BAD_NUMBER, line
                ended = dosages_of_numbers(numbers, n, n_alleles, field != DOSAGES, values[n_values:], i)
                if ended != OK:
                    return n_kept, n_values, previous, ended, line
                if gt_place >= 0 and n_alleles > 1 and np.isnan(values[n_values, i]):  # typed, but not imputed
                    first, second, _, _, ended = _parse_genotype(buffer, _go_to(buffer, cell, gt_place), n_alleles)
                    if ended != OK:
                        return n_kept, n_values, previous, ended, line
                    dosages_of_genotype(first, second, n_alleles, values[n_values:], i)
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
