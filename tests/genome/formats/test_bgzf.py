"""Blocked gzip against htslib's own reader, from any virtual offset; damage is always seen."""

from __future__ import annotations

import random
import struct
import tracemalloc
import zlib
from pathlib import Path

import pysam
import pytest

from pgxeval import InputFileError
from pgxeval.genome.formats.bgzf import END_OF_FILE, check_complete, is_remote, read_blocks


@pytest.fixture(scope="module")
def text() -> bytes:
    choose = random.Random(1)
    return b"".join(str(choose.random()).encode() + b"\n" for _ in range(30_000))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> Path:
    file = tmp_path_factory.mktemp("bgzf") / "t.gz"
    with pysam.BGZFile(str(file), "wb") as out:
        out.write(text)
    return file


def test_whole_file(path: Path, text: bytes) -> None:
    blocks = list(read_blocks(str(path), 0))
    assert len(blocks) > 5
    assert b"".join(blocks) == text
    check_complete(path)


def test_any_offset(path: Path, text: bytes) -> None:
    """htslib's tell and seek define what a virtual offset is."""
    choose = random.Random(2)
    with pysam.BGZFile(str(path), "rb") as judge:
        marks = [(0, 0)]
        while True:
            piece = judge.read(choose.randrange(1, 20_000))
            if not piece:
                break
            marks.append((judge.tell(), marks[-1][1] + len(piece)))
    for _ in range(60):
        (begin, first), (end, last) = sorted(choose.sample(marks, 2))
        assert b"".join(read_blocks(str(path), begin, end)) == text[first:last]
        assert b"".join(read_blocks(str(path), begin)) == text[first:]


def test_addresses() -> None:
    """`test_remote.py` reads from one."""
    assert is_remote("https://x.org/a.vcf.gz")
    assert is_remote("s3://x/a.vcf.gz")
    assert not is_remote("/data/a.vcf.gz")
    assert not is_remote("file:///data/a.vcf.gz")


def test_every_flipped_byte_is_seen_or_harmless(tmp_path: Path, path: Path, text: bytes) -> None:
    raw = path.read_bytes()
    choose = random.Random(4)
    refused = 0
    for _ in range(300):
        damaged = bytearray(raw)
        damaged[choose.randrange(len(raw))] ^= 1 << choose.randrange(8)
        file = tmp_path / "d.gz"
        file.write_bytes(damaged)
        try:
            assert b"".join(read_blocks(str(file), 0)) == text
        except InputFileError as error:
            assert "d.gz" in str(error)  # noqa: PT017 (either outcome is right)
            refused += 1
    assert refused > 280


def test_every_cut_is_seen(tmp_path: Path, path: Path) -> None:
    raw = path.read_bytes()
    choose = random.Random(5)
    for cut in [0, 1, 17, 18, 27, 28, len(raw) - 1, len(raw) - 28, *(choose.randrange(len(raw)) for _ in range(40))]:
        file = tmp_path / "cut.gz"
        file.write_bytes(raw[:cut])
        with pytest.raises(InputFileError, match=r"cut\.gz"):
            check_complete(file)


def test_empty_file_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "e.gz"
    file.write_bytes(END_OF_FILE)
    check_complete(file)
    assert list(read_blocks(str(file), 0)) == []


def test_plain_gzip(tmp_path: Path) -> None:
    import gzip

    file = tmp_path / "g.gz"
    file.write_bytes(gzip.compress(b"x" * 100))
    with pytest.raises(InputFileError, match="is plain gzip; compress it with `bgzip`"):
        check_complete(file)


# --- absurd numbers, in bounded memory


def block(data: bytes, *, size: int | None = None, block_size: int | None = None) -> bytes:
    """One block whose sizes may lie."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = deflate.compress(data) + deflate.flush()
    extra = struct.pack("<H", (len(body) + 25 if block_size is None else block_size) & 0xFFFF)
    tail = struct.pack("<II", zlib.crc32(data), len(data) if size is None else size)
    return b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x06\0BC\x02\0" + extra + body + tail


@pytest.mark.parametrize(
    "raw",
    [
        block(b"x" * 65_537),
        block(b"x" * 1_000_000),
        block(b"x" * 20_000_000),
        block(b"x" * 100, size=2**32 - 1),
        block(b"x" * 100, size=65_537),
        block(b"x" * 60_000_000, size=100),
        block(b"x" * 100, block_size=0),
        block(b"x" * 100, block_size=20),
        block(b"x" * 100, block_size=0xFFFF),
    ],
    ids=range(9),
)
def test_blocks_that_lie_about_their_size(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "l.gz"
    file.write_bytes(raw + END_OF_FILE)
    tracemalloc.start()
    with pytest.raises(InputFileError, match=r"l\.gz: (damaged|no|truncated)"):
        list(read_blocks(str(file), 0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 80_000_000


def test_largest_block(tmp_path: Path) -> None:
    file = tmp_path / "l.gz"
    file.write_bytes(block(b"x" * 65_536) + END_OF_FILE)
    assert b"".join(read_blocks(str(file), 0)) == b"x" * 65_536
