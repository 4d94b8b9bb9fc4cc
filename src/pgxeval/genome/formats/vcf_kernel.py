"""Compiled decoding of VCF lines; see `pgxeval.genome.formats.vcf` for what it is made for.

The kernel never reads beyond the buffer: the buffer ends with a newline, and no field crosses one.
"""

# ruff: noqa: PLR0917 (compiled functions take no keywords)
from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pgxeval.compiled import compiled
from pgxeval.genome.formats.vcf_value_kernel import (
    COLON,
    COMMA,
    DOT,
    LIMIT,
    NEWLINE,
    RETURN,
    TAB,
    Bytes,
    Floats,
    decode_digits,
    dosages_of_genotype,
    dosages_of_numbers,
    end_of_cell,
    ends_cell,
    parse_genotype,
    parse_numbers,
    phase_set,
)
from pgxeval.genome.layout import (
    ALT_BEGIN,
    ALT_END,
    BAD_NUMBER,
    DOSAGES,
    FEW_COLUMNS,
    FEW_INDIVIDUALS,
    GENOTYPES,
    ID_BEGIN,
    ID_END,
    MANY_ALLELES,
    MANY_INDIVIDUALS,
    MAX_ALLELES,
    N_ALLELES,
    NO_ALLELE,
    NO_FIELD,
    NO_POSITION,
    NO_ROOM,
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
)


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
def _go_to(buffer: Bytes, at: int, place: int) -> int:
    """Return where a subfield of a cell begins, or where the cell ends before it."""
    for _ in range(place):
        while not (ends_cell(buffer, at) or buffer[at] == COLON):
            at += 1
        if buffer[at] == COLON:
            at += 1
        else:
            break
    return at


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
            if buffer[k] < 48 or buffer[k] > 57 or position > LIMIT:
                return n_kept, n_values, previous, NO_POSITION, line
            position = position * 10 + (buffer[k] - 48)
        if columns[2] - 1 == columns[1] or position > LIMIT:
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
                highest = decode_digits(words, pairs, phased[n_kept])
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
                first, second, is_phased, at, ended = parse_genotype(buffer, at, n_alleles)
                if ended != OK:
                    return n_kept, n_values, previous, ended, line
                if genotypes:
                    alleles[n_kept, i, 0] = first
                    alleles[n_kept, i, 1] = second
                    phased[n_kept, i] = is_phased
                    if set_place >= 0:
                        sets[n_kept, i] = phase_set(buffer, _go_to(buffer, cell, set_place))
                else:
                    dosages_of_genotype(first, second, n_alleles, values[n_values:], i)
            else:
                n, at = parse_numbers(buffer, at, numbers)
                if n < 0:
                    return n_kept, n_values, previous, BAD_NUMBER, line
                ended = dosages_of_numbers(numbers, n, n_alleles, field != DOSAGES, values[n_values:], i)
                if ended != OK:
                    return n_kept, n_values, previous, ended, line
                if gt_place >= 0 and n_alleles > 1 and np.isnan(values[n_values, i]):  # typed, but not imputed
                    first, second, _, _, ended = parse_genotype(buffer, _go_to(buffer, cell, gt_place), n_alleles)
                    if ended != OK:
                        return n_kept, n_values, previous, ended, line
                    dosages_of_genotype(first, second, n_alleles, values[n_values:], i)
            at = end_of_cell(buffer, at)
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
