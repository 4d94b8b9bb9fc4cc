"""Tabix and CSI indexes: which stretches of a BGZF file hold the records of an interval.

Both are described in the SAM/VCF specifications (https://samtools.github.io/hts-specs/): records are
put into bins of a tree of intervals, and a bin lists the chunks of the file that hold its records.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from functools import cached_property

import attrs

from pgxeval.errors import InputFileError
from pgxeval.genome.formats.bgzf import read_blocks

Chunk = tuple[int, int]
Bins = dict[int, tuple[int, tuple[int, ...]]]
_JOIN_GAP = 1 << 16 << 16  # chunks less than one block apart are read in one go
_MAX_BYTES = 1 << 28  # of a decompressed index; that of a whole human genome has 3 MB, that of wheat 30 MB


@attrs.frozen(kw_only=True, eq=False)
class VariantIndex:
    """The index of one file.

    Parameters
    ----------
    path
        Where it was read.
    contigs
        Contig names; empty where the index does not hold them (BCF: the header does).
    min_shift, depth
        Geometry of the tree of bins: smallest bin ``2**min_shift`` bp, `depth` levels above it.
    bins
        One dictionary per contig: bin -> (lowest offset of records that overlap it, begins and ends of its chunks
        in turn).
    linear
        Tabix only, per contig: lowest offset of the records that overlap each 16 kb.
    digest
        Digest of the decompressed index.
    """

    path: str
    contigs: tuple[str, ...]
    min_shift: int
    depth: int
    bins: Sequence[Bins] = attrs.field(repr=False)
    linear: Sequence[tuple[int, ...]] = attrs.field(repr=False)
    digest: str = ""

    def has_records(self, row: int) -> bool:
        """Whether the file has records of a contig, given by its number in the index."""
        return row < len(self.bins) and any(offsets for _, offsets in self.bins[row].values())

    @cached_property
    def extent(self) -> Chunk | None:
        """Virtual offsets of the first record and of the end of the last one; None for a file without records."""
        begins = [min(offsets[::2]) for bins in self.bins for _, offsets in bins.values() if offsets]
        ends = [max(offsets[1::2]) for bins in self.bins for _, offsets in bins.values() if offsets]
        return (min(begins), max(ends)) if begins else None

    def chunks(self, row: int, start: int, end: int) -> list[Chunk]:
        """Return the chunks that hold every record of a contig that overlaps ``[start, end)``, 0-based.

        Parameters
        ----------
        row
            Number of the contig in the index.
        start, end
            0-based half-open.

        Returns
        -------
        list of tuple of int
            Virtual offsets (begin, end), sorted and disjoint.
        """
        if row >= len(self.bins) or end <= start:
            return []
        limit = 1 << (self.min_shift + 3 * self.depth)
        start, end = max(0, start), min(end, limit)
        if end <= start:
            return []
        bins = self.bins[row]
        lowest = self._lowest_offset(row, start)
        chunks: list[Chunk] = []
        for number in self._overlapping_bins(start, end, bins):
            offsets = bins[number][1]
            chunks.extend(
                (max(begin, lowest), stop)
                for begin, stop in zip(offsets[::2], offsets[1::2], strict=True)
                if stop > lowest
            )
        return _join(chunks)

    def _overlapping_bins(self, start: int, end: int, present: Bins) -> list[int]:
        numbers: list[int] = []
        first = 0
        for level in range(self.depth + 1):
            shift = self.min_shift + 3 * (self.depth - level)
            overlapping = range(first + (start >> shift), first + ((end - 1) >> shift) + 1)
            if len(overlapping) > len(present):
                numbers.extend(number for number in present if number in overlapping)
            else:
                numbers.extend(number for number in overlapping if number in present)
            first += 1 << 3 * level
        return numbers

    def _lowest_offset(self, row: int, start: int) -> int:
        if self.linear:
            offsets = self.linear[row]
            if not offsets:
                return 0
            return offsets[min(start >> self.min_shift, len(offsets) - 1)]
        number = (((1 << 3 * self.depth) - 1) // 7) + (start >> self.min_shift)
        bins = self.bins[row]
        while True:  # the nearest bin that is present at or above the smallest bin of `start`
            if number in bins:
                return bins[number][0]
            if number == 0:
                return 0
            number = (number - 1) >> 3


def _join(chunks: list[Chunk]) -> list[Chunk]:
    joined: list[Chunk] = []
    for begin, stop in sorted(chunks):
        if joined and begin <= joined[-1][1] + _JOIN_GAP:
            joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
        else:
            joined.append((begin, stop))
    return joined


def read_index(path: str) -> VariantIndex:
    """Read a ``.tbi`` or ``.csi`` file.

    Raises
    ------
    InputFileError
        If the file is not such an index, or is damaged.
    """
    try:
        data = _read_all(path)
    except InputFileError as error:
        raise InputFileError(
            f"{error}; it should be the index of {path.rpartition('.')[0]}: make it again with "
            f"`bcftools index -f {path.rpartition('.')[0]}`"
        ) from error
    try:
        if data[:4] == b"TBI\x01":
            return attrs.evolve(_read_tabix(path, data), digest=_digest(data))
        if data[:4] == b"CSI\x01":
            return attrs.evolve(_read_csi(path, data), digest=_digest(data))
    except (struct.error, UnicodeDecodeError, MemoryError, OverflowError) as error:
        raise InputFileError(f"{path}: damaged index ({error}); make it again with `tabix -f`") from error
    if data[:3] in (b"TBI", b"CSI"):
        raise InputFileError(
            f"{path}: an index of format {data[:3].decode()} version {data[3:4].hex() or 'none'}; version 1 is read: "
            "make it again with `bcftools index -f`"
        )
    raise InputFileError(f"{path}: neither a tabix nor a CSI index; make it with `tabix -p vcf`")


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _read_all(path: str) -> bytes:
    data = bytearray()
    for block in read_blocks(path, 0):
        data += block
        if len(data) > _MAX_BYTES:
            raise InputFileError(f"{path}: more than {_MAX_BYTES:,} bytes, which no index of variants has")
    return bytes(data)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.position = data, 0

    def take(self, layout: str) -> tuple[int, ...]:
        values = struct.unpack_from("<" + layout, self.data, self.position)
        self.position += struct.calcsize("<" + layout)
        return values

    def bytes(self, count: int) -> bytes:
        if count < 0 or self.position + count > len(self.data):
            raise struct.error("it ends too early")
        self.position += count
        return self.data[self.position - count : self.position]

    def bins(self, count: int, layout: str) -> Bins:
        """Read bins that begin with a number and end with how many chunks follow; a genome has 100,000s."""
        data, position, head = self.data, self.position, struct.Struct("<" + layout)
        bins: Bins = {}
        if count < 0:
            raise struct.error("a negative number of bins")
        for _ in range(count):
            number, *lowest, n_chunks = head.unpack_from(data, position)
            position += head.size
            if n_chunks < 0 or position + 16 * n_chunks > len(data):
                raise struct.error("it ends too early")
            if number in bins:
                raise struct.error("a bin occurs twice")
            bins[number] = (lowest[0] if lowest else 0, struct.unpack_from(f"<{2 * n_chunks}Q", data, position))
            position += 16 * n_chunks
        self.position = position
        return bins


def _names(raw: bytes) -> tuple[str, ...]:
    return tuple(name.decode() for name in raw.split(b"\0")[:-1])


def _read_tabix(path: str, data: bytes) -> VariantIndex:
    reader = _Reader(data)
    _, n_contigs, _, _, _, _, _, _, name_bytes = reader.take("4s8i")
    contigs = _names(reader.bytes(name_bytes))
    if n_contigs != len(contigs):
        raise struct.error("as many contigs as names expected")
    bins, linear = [], []
    for _ in range(n_contigs):
        (n_bins,) = reader.take("i")
        contig_bins = reader.bins(n_bins, "Ii")
        contig_bins.pop(37450, None)  # statistics of the contig, not a bin
        bins.append(contig_bins)
        (n_windows,) = reader.take("i")
        if n_windows < 0 or 8 * n_windows > len(data):
            raise struct.error("it ends too early")
        linear.append(reader.take(f"{n_windows}Q"))
    return VariantIndex(path=path, contigs=contigs, min_shift=14, depth=5, bins=bins, linear=linear)


def _read_csi(path: str, data: bytes) -> VariantIndex:
    reader = _Reader(data)
    _, min_shift, depth, aux_bytes = reader.take("4s3i")
    if not (0 < min_shift < 32 and 0 <= depth <= 10):
        raise struct.error("impossible depth")
    aux = reader.bytes(aux_bytes)
    contigs = _names(aux[28:]) if len(aux) > 28 else ()
    (n_contigs,) = reader.take("i")
    if n_contigs < 0:
        raise struct.error("a negative number of contigs")
    bins = []
    pseudo = ((1 << 3 * (depth + 1)) - 1) // 7 + 1
    for _ in range(n_contigs):
        (n_bins,) = reader.take("i")
        contig_bins = reader.bins(n_bins, "IQi")
        contig_bins.pop(pseudo, None)
        bins.append(contig_bins)
    return VariantIndex(path=path, contigs=contigs, min_shift=min_shift, depth=depth, bins=bins, linear=())
