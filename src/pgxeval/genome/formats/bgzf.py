"""Blocked gzip files: decompressed bytes from a virtual offset on.

A virtual offset is what a tabix or CSI index holds: 48 bits of file offset of a compressed block, 16 bits
of position inside the decompressed block.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, cast

import attrs

from pgxeval.errors import InputFileError
from pgxeval.genome.identity import FileStamp, Identity

try:
    from isal import isal_zlib as inflate
except ImportError:  # no build for this machine: the same, at 40 % of the speed
    import zlib as inflate  # type: ignore[no-redef]  # the same interface

END_OF_FILE = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_DAMAGE: tuple[type[Exception], ...] = (inflate.error, struct.error)  # type: ignore[assignment]  # stubs are wrong
_MIN_HEADER = 18
_MAX_BLOCK_BYTES = 1 << 16
_READ_BYTES = 1 << 18


class MisplacedBlockError(InputFileError):
    """No block begins at a place that an index gives."""


def is_remote(path: str) -> bool:
    """Whether htslib, and not this machine's file system, must open the path."""
    return "://" in path and not path.startswith("file://")


@attrs.frozen(kw_only=True)
class BgzfFile:
    """A BGZF file that was complete when it was opened, and must not change afterwards.

    Parameters
    ----------
    path
        Absolute path, or an address that htslib opens.
    stamp
        Size and time when it was opened; None for an address.
    """

    path: str
    stamp: FileStamp | None

    @classmethod
    def open(cls, path: str) -> BgzfFile:
        """Note a file's size and time, and refuse one that is not complete.

        Raises
        ------
        InputFileError
            If a local file is missing, not blocked gzip, or cut off.
        """
        if is_remote(path):
            return cls(path=path, stamp=None)
        stamp = FileStamp.of(path)
        check_complete(Path(stamp.path))
        return cls(path=stamp.path, stamp=stamp)

    @property
    def is_local(self) -> bool:
        """Whether the file lies in this machine's file system."""
        return self.stamp is not None

    def check(self) -> None:
        """Refuse a local file that has changed since it was opened; see `FileStamp.check`."""
        if self.stamp is not None:
            self.stamp.check()

    def blocks(self, begin: int, end: int, where: str) -> Iterator[bytes]:
        """Decompress as `read_blocks` does; `where` names the interval in errors.

        Raises
        ------
        InputFileError
            Also if the file has changed since it was opened.
        """
        self.check()
        try:
            yield from read_blocks(self.path, begin, end)
        except InputFileError as error:
            raise InputFileError(f"{error} (while {where} was read)") from error

    def identity(self) -> Identity:
        """Return size, time and a digest of the content; of an address, the address."""
        return {"address": self.path} if self.stamp is None else self.stamp.identity()


def check_complete(path: Path) -> None:
    """Refuse a local file that is not BGZF or lacks the block that ends every complete BGZF file.

    Raises
    ------
    InputFileError
        If the file is not blocked gzip, or was cut off.
    """
    size = path.stat().st_size
    with path.open("rb") as handle:
        head = handle.read(_MIN_HEADER)
        if not _is_block(head):
            what = "is plain gzip" if head[:2] == b"\x1f\x8b" else "is not compressed by bgzip"
            raise InputFileError(f"{path}: {what}; compress it with `bgzip` and index it with `tabix -p vcf`")
        handle.seek(max(0, size - len(END_OF_FILE)))
        if handle.read() != END_OF_FILE:
            raise InputFileError(
                f"{path}: truncated: the block that ends every BGZF file is missing at byte {size}; "
                "copy or make the file again"
            )


def _is_block(head: bytes) -> bool:
    return len(head) >= _MIN_HEADER and head[:4] == b"\x1f\x8b\x08\x04" and head[12:14] == b"BC"


def read_blocks(path: str, begin: int, end: int | None = None) -> Iterator[bytes]:
    """Decompress from one virtual offset to another.

    Parameters
    ----------
    path
        Local path, or an address that htslib opens (``https://``, ``s3://``).
    begin, end
        Virtual offsets; None reads to the end of the file.

    Yields
    ------
    bytes
        Decompressed bytes, one block at a time.

    Raises
    ------
    InputFileError
        If a block is damaged, cut off or larger than 64 kB; the message names its offset. Or if the address cannot
        be read.
    """
    for _, data in read_placed_blocks(path, begin, end):
        yield data


def read_placed_blocks(path: str, begin: int, end: int | None = None) -> Iterator[tuple[int, bytes]]:
    """Decompress as `read_blocks` does, and yield each block's virtual offset with its bytes."""
    offset, skip = begin >> 16, begin & 0xFFFF
    last, stop = (None, 0) if end is None else (end >> 16, end & 0xFFFF)
    with contextlib.closing(_open_bytes(path)) as handle:
        handle.seek(offset)
        buffer, position = b"", 0
        while last is None or offset < last or (offset == last and stop > 0):
            while len(buffer) - position < _MIN_HEADER or len(buffer) - position < _block_size(buffer, position):
                more = _read(path, handle)
                buffer, position = buffer[position:] + more, 0
                if not more:
                    break
            if not buffer:
                if end is None:
                    return
                raise MisplacedBlockError(
                    f"{path}: its index points beyond its end at byte {offset}: the file is truncated, or the index "
                    "belongs to another version of it; index it again"
                )
            if len(buffer) - position < _MIN_HEADER or not _is_block(buffer[position : position + 18]):
                raise MisplacedBlockError(
                    f"{path}: no BGZF block at byte {offset}: the file is truncated or damaged, "
                    "or its index belongs to another version of it"
                )
            size = _block_size(buffer, position)
            if len(buffer) - position < size:
                raise InputFileError(f"{path}: truncated: the block at byte {offset} is cut off")
            data = _inflate(path, offset, buffer[position : position + size])
            if offset == last:
                data = data[:stop]
            if skip:
                data = data[skip:]
            if data:
                yield offset << 16 | skip, data
            skip = 0
            position += size
            offset += size


def _block_size(buffer: bytes, position: int) -> int:
    return int(struct.unpack_from("<H", buffer, position + 16)[0]) + 1


def _inflate(path: str, offset: int, block: bytes) -> bytes:
    try:
        crc, size = struct.unpack_from("<II", block, len(block) - 8)
        if size > _MAX_BLOCK_BYTES:
            raise InputFileError(
                f"{path}: damaged BGZF block at byte {offset}: it claims {size:,} bytes, and a block holds at most "
                f"{_MAX_BLOCK_BYTES:,}"
            )
        # what a block of 64 kB can expand to is at most 66 MB; a decompressor with a limit takes 25 % longer
        data = inflate.decompress(block[_MIN_HEADER:-8], wbits=-15, bufsize=_MAX_BLOCK_BYTES)
    except _DAMAGE as error:
        raise InputFileError(f"{path}: damaged BGZF block at byte {offset}: {error}") from error
    if len(data) != size or inflate.crc32(data) != crc:
        raise InputFileError(f"{path}: damaged BGZF block at byte {offset}: its checksum does not agree")
    return data


def _read(path: str, handle: _Bytes) -> bytes:
    try:
        return handle.read(_READ_BYTES)
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read: {error}") from error


class _Bytes(Protocol):
    def read(self, size: int) -> bytes: ...

    def seek(self, offset: int) -> int: ...

    def close(self) -> None: ...


def _open_bytes(path: str) -> _Bytes:
    if not is_remote(path):
        return Path(path).open("rb", buffering=0)
    from pysam.libchtslib import HFile  # pysam.BGZFile crashes where an address cannot be opened

    try:
        return cast("_Bytes", HFile(path, "rb"))
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read: {error}") from error
