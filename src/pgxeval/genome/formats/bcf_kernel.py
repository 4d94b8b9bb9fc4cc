"""Compiled decoding of BCF records; see `pgxeval.genome.formats.bcf` for what it is made for.

The layout is that of the VCF specification, section 6 (https://samtools.github.io/hts-specs/). A record
that lies about its lengths is refused: no read leaves the record.
"""

# ruff: noqa: PLR0917 (compiled functions take no keywords)
from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pgxeval.compiled import compiled
from pgxeval.genome.formats.vcf_value_kernel import dosages_of_genotype, dosages_of_numbers
from pgxeval.genome.layout import (
    ABSENT,
    ALT_BEGIN,
    ALT_END,
    BAD_NUMBER,
    DAMAGED,
    DOSAGES,
    FEW_INDIVIDUALS,
    GENOTYPES,
    ID_BEGIN,
    ID_END,
    MANY_ALLELES,
    MANY_COPIES,
    MAX_ALLELES,
    N_ALLELES,
    NO_ALLELE,
    NO_FIELD,
    NO_POSITION,
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
)

_INT8, _INT16, _INT32, _FLOAT, _TEXT = 1, 2, 3, 5, 7
_DOT, _TAB, _COMMA = 46, 9, 44
_ENDED = -127  # int8 after the last copy of an individual with fewer copies than others

Bytes = npt.NDArray[np.uint8]


@compiled
def _byte(buffer: Bytes, at: int) -> int:
    return np.int64(buffer[at])  # type: ignore[return-value]  # an int, once compiled


@compiled
def _signed_byte(buffer: Bytes, at: int) -> int:
    return np.int64(np.int8(buffer[at]))  # type: ignore[return-value]  # an int, once compiled


@compiled
def _unsigned(buffer: Bytes, at: int, n_bytes: int) -> int:
    value = 0
    for k in range(n_bytes):
        value |= _byte(buffer, at + k) << (8 * k)
    return value


@compiled
def _signed(buffer: Bytes, at: int, n_bytes: int) -> int:
    value = _unsigned(buffer, at, n_bytes)
    return value - (1 << (8 * n_bytes)) if value >> (8 * n_bytes - 1) else value


@compiled
def _width(kind: int) -> int:
    """Bytes of one value; 0 for no values, -1 for a type that is none."""
    if kind in (_INT8, _TEXT):
        return 1
    if kind == _INT16:
        return 2
    if kind in (_INT32, _FLOAT):
        return 4
    return 0 if kind == 0 else -1


@compiled
def _describe(buffer: Bytes, at: int, end: int) -> tuple[int, int, int]:
    """Read what values follow: (type, how many, where they begin); the type is -1 if this cannot be."""
    if at >= end:
        return -1, 0, at
    kind, count = _byte(buffer, at) & 15, _byte(buffer, at) >> 4
    at += 1
    if count == 15:
        if at >= end:
            return -1, 0, at
        width = _width(_byte(buffer, at) & 15)
        if width <= 0 or _byte(buffer, at) >> 4 != 1 or at + 1 + width > end:
            return -1, 0, at
        count = _signed(buffer, at + 1, width)
        at += 1 + width
    width = _width(kind)
    if width < 0 or count < 0 or count > (end - at) // max(width, 1):
        return -1, 0, at
    return kind, count, at


@compiled
def _decode_pairs(calls: Bytes, alleles: npt.NDArray[np.int8], phased: npt.NDArray[np.bool_]) -> int:
    """Decode two bytes an individual, the second of which may be absent; return the highest allele.

    A result below -1 says that some byte is none of these, and nothing is decoded. The numbers are of 32 bits:
    the compiler turns the loop into vector instructions.
    """
    bad = np.uint32(0)
    highest = np.int32(0)
    for i in range(phased.size):
        first, second = np.int32(np.int8(calls[2 * i])), np.int32(np.int8(calls[2 * i + 1]))
        bad |= np.uint32(first < 0) | np.uint32((second < 0) & (second != _ENDED))
        highest = max(highest, first, second)
        alleles[2 * i] = (first >> np.int32(1)) - np.int32(1)
        alleles[2 * i + 1] = max((second >> np.int32(1)) - np.int32(1), np.int32(ABSENT))
        phased[i] = second & np.int32(1) != 0
    return -2 if bad else int(highest >> 1) - 1


@compiled
def _phase_set(buffer: Bytes, at: int, kind: int, count: int) -> int:
    """Return a number of 31 bits that is equal for equal phase sets of one record type; `NO_SET` for a missing one."""
    if count == 0 or kind == 0:
        return NO_SET
    width = _width(kind)
    if kind in (_INT8, _INT16, _INT32):
        value = _signed(buffer, at, width)
        return NO_SET if value <= -(1 << (8 * width - 1)) + 1 else value & 0x7FFFFFFF
    digest = np.uint32(2166136261)
    size = count * width
    while size > 0 and buffer[at + size - 1] == 0:
        size -= 1
    if size == 0 or (size == 1 and buffer[at] == _DOT):
        return NO_SET
    for k in range(size):
        digest = np.uint32((digest ^ np.uint32(buffer[at + k])) * np.uint32(16777619))
    return int(digest & np.uint32(0x7FFFFFFF))


@compiled
def _genotype(buffer: Bytes, at: int, count: int, width: int, n_alleles: int) -> tuple[int, int, bool, int]:
    """Read the genotype of one individual: two alleles (-1 missing, -2 absent), phase, and the outcome."""
    first, second, is_phased = -1, -2, True
    ended = -(1 << (8 * max(width, 1) - 1)) + 1
    for k in range(count):
        call = _signed_byte(buffer, at) if width == 1 else _signed(buffer, at, width)
        at += width
        if call == ended:
            continue
        allele = -1 if call < 2 else (call >> 1) - 1
        if allele >= n_alleles:
            return first, second, is_phased, UNKNOWN_ALLELE
        if k == 0:
            first = allele
        elif k == 1:
            second = allele
            is_phased = call & 1 == 1
        else:
            return first, second, is_phased, MANY_COPIES
    return first, second, is_phased, OK


@compiled
def decode_records(
    buffer: Bytes,
    at: int,
    contig: int,
    start: int,
    end: int,
    previous: int,
    field: int,
    field_key: int,
    genotype_key: int,
    set_key: int,
    n_individuals: int,
    n_kept: int,
    n_kept_values: int,
    text: Bytes,
    table: npt.NDArray[np.int64],
    alleles: npt.NDArray[np.int8],
    phased: npt.NDArray[np.bool_],
    values: npt.NDArray[np.float32],
    sets: npt.NDArray[np.int32],
) -> tuple[int, int, int, int, int]:
    """Decode the whole records of a buffer that overlap ``[start, end)`` of a contig.

    As `pgxeval.genome.formats.vcf_kernel.decode_lines`, with contig and field by their numbers in the header;
    `text` takes the names and alleles as VCF writes them, and has room for as many bytes as `buffer`.
    """
    n_values = n_kept_values
    n_text = 0
    scratch = np.empty(4, np.uint8)
    number = scratch.view(np.float32)
    genotypes = field == GENOTYPES
    numbers = np.empty(1 if genotypes else MAX_ALLELES * (MAX_ALLELES + 1) // 2, np.float64)
    while at + 32 <= buffer.size:
        record = at
        n_shared, n_calls = _unsigned(buffer, at, 4), _unsigned(buffer, at + 4, 4)
        if n_shared < 24:
            return n_kept, n_values, previous, DAMAGED, record
        shared_end = at + 8 + n_shared
        record_end = shared_end + n_calls
        if record_end > buffer.size:
            break
        here = _signed(buffer, at + 8, 4)
        position = _signed(buffer, at + 12, 4) + 1
        n_alleles = _unsigned(buffer, at + 26, 2)
        n_fields = _byte(buffer, at + 31)
        n_samples = _unsigned(buffer, at + 28, 3)
        if here != contig:
            at = record_end
            continue
        if position < 0:
            return n_kept, n_values, previous, NO_POSITION, record
        if position < previous:
            return n_kept, n_values, previous, NOT_SORTED, record
        previous = position
        if position - 1 >= end:
            return n_kept, n_values, previous, PAST_END, record
        if n_alleles > MAX_ALLELES:
            return n_kept, n_values, previous, MANY_ALLELES, record
        if n_samples != n_individuals:
            return n_kept, n_values, previous, FEW_INDIVIDUALS, record
        if n_kept == table.shape[0] or (not genotypes and n_values + n_alleles - 1 > values.shape[0]):
            return n_kept, n_values, previous, NO_ROOM, record

        row = table[n_kept]
        before = n_text
        cursor = at + 32
        ref_length = 0
        for part in range(n_alleles + 1):  # the name, then the alleles
            kind, count, cursor = _describe(buffer, cursor, shared_end)
            if kind != _TEXT and not (part == 0 and count == 0 and kind >= 0):
                return n_kept, n_values, previous, DAMAGED, record
            while count > 0 and buffer[cursor + count - 1] == 0:
                count -= 1  # padding
            if n_text + count + 4 > text.size:
                return n_kept, n_values, previous, DAMAGED, record
            begin = n_text
            for k in range(count):
                text[n_text] = buffer[cursor + k]
                n_text += 1
            cursor += count
            if part == 0:
                if count == 0:
                    text[n_text] = _DOT
                    n_text += 1
                row[ID_BEGIN], row[ID_END] = begin, n_text
            elif part == 1:
                ref_length = count
                row[REF_BEGIN], row[REF_END] = begin, n_text
                row[ALT_BEGIN] = n_text + 1
            if part == n_alleles == 1:
                text[n_text + 1] = _DOT
                row[ALT_END] = n_text + 2
                text[n_text] = _TAB
                n_text += 2
            elif part == n_alleles:
                row[ALT_END] = n_text
            elif part > 1:
                text[n_text] = _COMMA
                n_text += 1
            else:
                text[n_text] = _TAB
                n_text += 1
        if ref_length == 0:
            return n_kept, n_values, previous, NO_ALLELE, record
        if position - 1 + ref_length <= start:
            n_text = before
            at = record_end
            continue
        kind, count, cursor = _describe(buffer, cursor, shared_end)
        if kind < 0:
            return n_kept, n_values, previous, DAMAGED, record
        row[START] = position - 1
        row[N_ALLELES] = n_alleles
        row[PASSED] = count == 0 or (count == 1 and _signed(buffer, cursor, _width(kind)) == 0)

        cursor = shared_end
        kind, count, values_at = 0, 0, -1
        gt_kind, gt_count, gt_at = 0, 0, -1
        set_kind, set_count, set_at = 0, 0, -1
        for _ in range(n_fields):
            key_kind, key_count, cursor = _describe(buffer, cursor, record_end)
            key_width = _width(key_kind)
            if key_kind not in (_INT8, _INT16, _INT32) or key_count != 1:
                return n_kept, n_values, previous, DAMAGED, record
            key = _signed(buffer, cursor, key_width)
            key_kind, key_count, cursor = _describe(buffer, cursor + key_width, record_end)
            size = key_count * max(_width(key_kind), 0)
            if key_kind < 0 or size * n_individuals > record_end - cursor:
                return n_kept, n_values, previous, DAMAGED, record
            if key == field_key and values_at < 0:
                kind, count, values_at = key_kind, key_count, cursor
            if key == genotype_key and gt_at < 0:
                gt_kind, gt_count, gt_at = key_kind, key_count, cursor
            if key == set_key:
                set_kind, set_count, set_at = key_kind, key_count, cursor
            cursor += size * n_individuals
        typed_only = values_at < 0 and gt_at >= 0
        row[TYPED_ONLY] = typed_only
        if typed_only:
            kind, count, values_at = gt_kind, gt_count, gt_at
        if values_at < 0:
            return n_kept, n_values, previous, NO_FIELD, record
        if genotypes and set_at >= 0:
            if n_kept >= sets.shape[0]:
                return n_kept, n_values, previous, NO_SETS, record
            for i in range(n_individuals):
                size = set_count * max(_width(set_kind), 0)
                sets[n_kept, i] = _phase_set(buffer, set_at + i * size, set_kind, set_count)
        cursor = values_at

        width = _width(kind)
        if genotypes or typed_only:
            if count > 0 and kind not in (_INT8, _INT16, _INT32):
                return n_kept, n_values, previous, DAMAGED, record
            if genotypes and count == 2 and kind == _INT8:
                highest = _decode_pairs(
                    buffer[cursor : cursor + 2 * n_individuals], alleles[n_kept].reshape(-1), phased[n_kept]
                )
                if highest >= n_alleles:
                    return n_kept, n_values, previous, UNKNOWN_ALLELE, record
                if highest >= -1:
                    n_kept += 1
                    at = record_end
                    continue
            for i in range(n_individuals):
                first, second, is_phased, outcome = _genotype(buffer, cursor, count, width, n_alleles)
                if outcome != OK:
                    return n_kept, n_values, previous, outcome, record
                cursor += count * max(width, 0)
                if genotypes:
                    alleles[n_kept, i, 0] = first
                    alleles[n_kept, i, 1] = second
                    phased[n_kept, i] = is_phased
                else:
                    dosages_of_genotype(first, second, n_alleles, values[n_values:], i)
        else:
            if kind not in (0, _INT8, _INT16, _INT32, _FLOAT):
                return n_kept, n_values, previous, BAD_NUMBER, record
            unknown = -(1 << (8 * max(width, 1) - 1))
            for i in range(n_individuals):
                n = 0
                for _ in range(count):
                    value = np.nan
                    if kind == _FLOAT:
                        for byte in range(4):
                            scratch[byte] = buffer[cursor + byte]
                        cursor += 4
                        if scratch[3] == 127 and scratch[2] == 128 and scratch[1] == 0 and scratch[0] == 2:
                            continue  # past the end of this individual's values
                        value = number[0]
                    else:
                        whole = _signed(buffer, cursor, width)
                        cursor += width
                        if whole == unknown + 1:
                            continue
                        if whole != unknown:
                            value = whole
                    if n < numbers.size:
                        numbers[n] = value
                    n += 1
                ended = dosages_of_numbers(numbers, n, n_alleles, field != DOSAGES, values[n_values:], i)
                if ended != OK:
                    return n_kept, n_values, previous, ended, record
                if gt_at >= 0 and n_alleles > 1 and np.isnan(values[n_values, i]):  # typed, but not imputed
                    gt_width = max(_width(gt_kind), 0)
                    first, second, _, outcome = _genotype(
                        buffer, gt_at + i * gt_count * gt_width, gt_count, gt_width, n_alleles
                    )
                    if outcome != OK:
                        return n_kept, n_values, previous, outcome, record
                    dosages_of_genotype(first, second, n_alleles, values[n_values:], i)
        if not genotypes:
            n_values += n_alleles - 1
        n_kept += 1
        at = record_end
    return n_kept, n_values, previous, OK, at
