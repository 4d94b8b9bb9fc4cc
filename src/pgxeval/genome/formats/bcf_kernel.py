"""Compiled decoding of BCF records; see `pgxeval.genome.formats.bcf` for what it is made for.

The layout is that of the VCF specification, section 6 (https://samtools.github.io/hts-specs/). A record
that lies about its lengths is refused: no read leaves the record.
"""

# ruff: noqa: PLR0917 (compiled functions take no keywords)
from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pgxeval.genome.compiled import compiled
from pgxeval.genome.formats.calls import (
    ABSENT,
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
from pgxeval.genome.formats.vcf_kernel import (
    BAD_NUMBER,
    FEW_INDIVIDUALS,
    MANY_ALLELES,
    MANY_COPIES,
    NO_ALLELE,
    NO_FIELD,
    NO_POSITION,
    NO_ROOM,
    NOT_SORTED,
    OK,
    PAST_END,
    UNKNOWN_ALLELE,
    WRONG_COUNT,
)

DAMAGED = 20

_INT8, _INT16, _INT32, _FLOAT, _TEXT = 1, 2, 3, 5, 7
_DOT, _TAB, _COMMA = 46, 9, 44
_ENDED = -127  # int8 behind the last copy of an individual with fewer copies than others

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
def decode_records(
    buffer: Bytes,
    at: int,
    contig: int,
    start: int,
    end: int,
    previous: int,
    genotypes: bool,
    field: int,
    phase_set_field: int,
    n_individuals: int,
    n_kept: int,
    n_kept_values: int,
    text: Bytes,
    table: npt.NDArray[np.int64],
    alleles: npt.NDArray[np.int8],
    phased: npt.NDArray[np.bool_],
    values: npt.NDArray[np.float32],
) -> tuple[int, int, int, int, int]:
    """Decode the whole records of a buffer that overlap ``[start, end)`` of a contig.

    As `pgxeval.genome.formats.vcf_kernel.decode_lines`, with contig and field by their numbers in the header;
    `text` takes the names and alleles as VCF writes them, and has room for as many bytes as `buffer`.
    """
    n_values = n_kept_values
    n_text = 0
    scratch = np.empty(4, np.uint8)
    number = scratch.view(np.float32)
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
        if n_alleles > 127:
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
        found = False
        kind, count, values_at = 0, 0, 0
        row[PHASE_SETS] = 0
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
            if key == field and not found:
                found = True
                kind, count, values_at = key_kind, key_count, cursor
            if key == phase_set_field:
                row[PHASE_SETS] = 1
            cursor += size * n_individuals
        cursor = values_at
        if not found:
            return n_kept, n_values, previous, NO_FIELD, record

        width = _width(kind)
        if genotypes:
            if count > 0 and kind not in (_INT8, _INT16, _INT32):
                return n_kept, n_values, previous, DAMAGED, record
            if count == 2 and kind == _INT8:
                highest = _decode_pairs(
                    buffer[cursor : cursor + 2 * n_individuals], alleles[n_kept].reshape(-1), phased[n_kept]
                )
                if highest >= n_alleles:
                    return n_kept, n_values, previous, UNKNOWN_ALLELE, record
                if highest >= -1:
                    n_kept += 1
                    at = record_end
                    continue
            ended = -(1 << (8 * max(width, 1) - 1)) + 1
            for i in range(n_individuals):
                first, second, is_phased = -1, -2, True
                for k in range(count):
                    call = _signed_byte(buffer, cursor) if width == 1 else _signed(buffer, cursor, width)
                    cursor += width
                    if call == ended:
                        continue
                    allele = -1 if call < 2 else (call >> 1) - 1
                    if allele >= n_alleles:
                        return n_kept, n_values, previous, UNKNOWN_ALLELE, record
                    if k == 0:
                        first = allele
                    elif k == 1:
                        second = allele
                        is_phased = call & 1 == 1
                    else:
                        return n_kept, n_values, previous, MANY_COPIES, record
                alleles[n_kept, i, 0] = first
                alleles[n_kept, i, 1] = second
                phased[n_kept, i] = is_phased
        else:
            if kind not in (0, _FLOAT):
                return n_kept, n_values, previous, BAD_NUMBER, record
            for i in range(n_individuals):
                given = 0
                for k in range(count):
                    for byte in range(4):
                        scratch[byte] = buffer[cursor + byte]
                    cursor += 4
                    if scratch[3] == 127 and scratch[2] == 128 and scratch[1] == 0 and scratch[0] == 2:
                        continue  # past the end of this individual's values
                    value = number[0]
                    if k >= n_alleles - 1:
                        if np.isnan(value):
                            continue
                        return n_kept, n_values, previous, WRONG_COUNT, record
                    values[n_values + k, i] = value
                    given += 1
                if given == 0 or (given == 1 and np.isnan(values[n_values, i])):
                    for k in range(n_alleles - 1):
                        values[n_values + k, i] = np.nan
                elif given < n_alleles - 1:
                    return n_kept, n_values, previous, WRONG_COUNT, record
            n_values += n_alleles - 1
        n_kept += 1
        at = record_end
    return n_kept, n_values, previous, OK, at
