"""Lines of text files: compression, truncation, encodings."""

from __future__ import annotations

import gzip
from pathlib import Path

import pysam
import pytest

from pgxeval.errors import InputFileError, InputFileNotFoundError, SettingError
from pgxeval.lines import numbered_lines

LINES = [f"line {i} with some text {i * i}" for i in range(20_000)]
TEXT = "\n".join(LINES) + "\n"


def bgzip(folder: Path) -> Path:
    plain, packed = folder / "text", folder / "text.bgz"
    plain.write_text(TEXT)
    pysam.tabix_compress(str(plain), str(packed), force=True)
    return packed


def test_plain_gzip_and_bgzip_are_told_by_content(tmp_path: Path) -> None:
    plain = tmp_path / "wrongly_named.gz"
    plain.write_text(TEXT)
    packed = tmp_path / "packed.txt"
    packed.write_bytes(gzip.compress(TEXT.encode()))
    expected = list(enumerate(LINES, start=1))
    for path in (plain, packed, bgzip(tmp_path)):
        assert list(numbered_lines(path, "file")) == expected


def test_byte_order_mark_and_dos_line_ends_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "windows.txt"
    path.write_bytes("\ufeffa\r\nb\r\n".encode())
    assert list(numbered_lines(path, "file")) == [(1, "a"), (2, "b")]


def test_every_cut_of_a_bgzip_file_is_noticed(tmp_path: Path) -> None:
    whole = bgzip(tmp_path).read_bytes()
    assert whole.count(b"BC\x02\x00") > 3
    first_block = int.from_bytes(whole[16:18], "little") + 1
    cut = tmp_path / "cut.gz"
    # Between two blocks, where a plain gzip reader sees nothing wrong; inside a block; before the end mark.
    for length in (first_block, first_block + 100, len(whole) - 28, len(whole) - 1, 30):
        cut.write_bytes(whole[:length])
        with pytest.raises(InputFileError, match=r"expression file .*cut\.gz is a truncated .*again"):
            list(numbered_lines(cut, "expression file"))


def test_a_truncated_gzip_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "cut.gz"
    packed = gzip.compress(TEXT.encode())
    for length in (len(packed) - 1, len(packed) // 2, 12):
        path.write_bytes(packed[:length])
        with pytest.raises(InputFileError, match="truncated or damaged gzip"):
            list(numbered_lines(path, "file"))


def test_damage_inside_is_noticed(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(TEXT.encode()))
    packed[len(packed) // 2] ^= 0xFF
    path = tmp_path / "damaged.gz"
    path.write_bytes(packed)
    with pytest.raises(InputFileError, match="truncated or damaged gzip"):
        list(numbered_lines(path, "file"))


def test_what_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "latin"
    path.write_bytes(b"fine\nM\xfcller\n")
    with pytest.raises(InputFileError, match="line 2: not UTF-8"):
        list(numbered_lines(path, "file"))
    with pytest.raises(InputFileError, match="cannot be read"):
        list(numbered_lines(tmp_path, "file"))
    with pytest.raises(InputFileNotFoundError, match=r"genes .*none does not exist"):
        list(numbered_lines(tmp_path / "none", "genes"))


def test_handles_are_closed_when_reading_stops_early(tmp_path: Path) -> None:
    """An unclosed file would raise a ResourceWarning, which is an error here."""
    lines = numbered_lines(bgzip(tmp_path), "file")
    assert next(lines) == (1, LINES[0])
    lines.close()  # type: ignore[attr-defined]  # a generator, typed as an iterator


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"\x28\xb5\x2f\xfd", "zstd -d"), (b"BZh9", "bunzip2"), (b"\xfd7zXZ", "unxz"), (b"PK\x03\x04", "Excel"),
        (b"\xd0\xcf\x11\xe0", "Excel"), (b"\xff\xfea\x00", "iconv"), (b"#1.2\n3\t4\n", "GCT"),
    ],
)  # fmt: skip
def test_other_kinds_of_files_are_named(tmp_path: Path, head: bytes, words: str) -> None:
    path = tmp_path / "table"
    path.write_bytes(head + b"x" * 100)
    with pytest.raises(InputFileError, match=words):
        list(numbered_lines(path, "table"))
    with pytest.raises(SettingError, match="table must be the path of a file, got a int"):
        list(numbered_lines(3, "table"))  # type: ignore[arg-type]
