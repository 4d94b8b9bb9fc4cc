"""Blocked gzip files: decompressed bytes from a virtual offset on.

A virtual offset is what a tabix or CSI index holds: 48 bits of file offset of a compressed block, 16 bits
of position inside the decompressed block.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, cast

from pgxeval.errors import InputFileError

try:
    from isal import isal_zlib as inflate
except ImportError:  # no build for this machine: the same, at 40 % of the speed
    import zlib as inflate  # type: ignore[no-redef]  # the same interface

END_OF_FILE = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_DAMAGE: tuple[type[Exception], ...] = (inflate.error, struct.error)  # type: ignore[assignment]  # stubs are wrong
_MIN_HEADER = 18
_READ_BYTES = 1 << 18


def is_remote(path: str) -> bool:
    """Whether htslib, and not this machine's file system, must open the path."""
    return "://" in path and not path.startswith("file://")


def check_complete(path: Path) -> None:
    """Refuse a local file that is no BGZF or lacks the block that ends every whole BGZF file.

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
        Decompressed bytes, a block at a time.

    Raises
    ------
    InputFileError
        If a block is damaged or cut off; the message names its offset. Or if the address cannot be read.
    """
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
                raise InputFileError(
                    f"{path}: its index points beyond its end at byte {offset}: the file is truncated, or the index "
                    "belongs to another version of it; index it again"
                )
            if len(buffer) - position < _MIN_HEADER or not _is_block(buffer[position : position + 18]):
                raise InputFileError(
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
                skip = 0
            if data:
                yield data
            position += size
            offset += size


def _block_size(buffer: bytes, position: int) -> int:
    return int(struct.unpack_from("<H", buffer, position + 16)[0]) + 1


def _inflate(path: str, offset: int, block: bytes) -> bytes:
    try:
        data = inflate.decompress(block[_MIN_HEADER:-8], wbits=-15, bufsize=1 << 16)
        crc, size = struct.unpack_from("<II", block, len(block) - 8)
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

    def seek(self, offset: int) -> Any: ...

    def close(self) -> None: ...


def _open_bytes(path: str) -> _Bytes:
    if not is_remote(path):
        return Path(path).open("rb", buffering=0)
    from pysam.libchtslib import HFile  # pysam.BGZFile crashes where an address cannot be opened

    try:
        return cast("_Bytes", HFile(path, "rb"))
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read: {error}") from error
