"""Numbered lines of a text file, plain, gzipped or bgzipped, with errors that name file and line."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, cast

from pgxeval.errors import InputFileError, InputFileNotFoundError, SettingError

_GZIP_MAGIC = b"\x1f\x8b"
_OTHERS = {
    b"\x28\xb5\x2f\xfd": "compressed with zstd: decompress it with `zstd -d`",
    b"BZh": "compressed with bzip2: decompress it with `bunzip2`",
    b"\xfd7zXZ": "compressed with xz: decompress it with `unxz`",
    b"PK\x03\x04": "a zip archive or an Excel workbook: unpack it, or save it as tab-separated text",
    b"\xd0\xcf\x11\xe0": "an Excel workbook: save it as tab-separated text",
    b"\xff\xfe": "UTF-16 text: convert it with `iconv -f UTF-16 -t UTF-8`",
    b"\xfe\xff": "UTF-16 text: convert it with `iconv -f UTF-16 -t UTF-8`",
    b"#1.2": "a GCT file: remove its first two lines, and give the columns #chr, start, end, gene_id",
    b"\x1f\x9d": "compressed with compress: decompress it with `uncompress`",
}
_BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def numbered_lines(path: str | os.PathLike[str], what: str) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, text without its line end) for each line of a UTF-8 text file.

    Whether the file is compressed is read from its first bytes, not from its name.

    Parameters
    ----------
    path
        The file.
    what
        What it holds, for messages: "expression file", say.

    Raises
    ------
    InputFileNotFoundError
        If the file does not exist.
    InputFileError
        If it cannot be opened, is not UTF-8 text, or is a truncated or damaged gzip or bgzip file.
    """
    if not isinstance(path, str | os.PathLike):
        raise SettingError(f"{what} must be the path of a file, got a {type(path).__name__}")
    path = Path(path).expanduser()
    if not path.exists():
        raise InputFileNotFoundError.of(what, path)
    number = 0
    try:
        with closing(_open(path, what)) as handle:
            for number, line in enumerate(handle, start=1):
                text = line.decode().rstrip("\r\n")
                yield number, text if number > 1 else text.removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InputFileError(
            f"{what} {path}, line {number}: not UTF-8 text ({error.reason}); expected plain text, gzip or bgzip"
        ) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputFileError(
            f"{what} {path} is a truncated or damaged gzip file, readable up to line {number} ({error}); "
            "copy or download it again"
        ) from error
    except OSError as error:
        raise InputFileError(f"{what} {path} cannot be read: {error.strerror or error}") from error


def _open(path: Path, what: str) -> IO[bytes]:
    handle = path.open("rb")
    start = handle.peek(18)[:18]
    for magic, kind in _OTHERS.items():
        if start.startswith(magic):
            handle.close()
            raise InputFileError(f"{what} {path} is {kind}; expected plain text (UTF-8), gzip or bgzip")
    if start[:2] != _GZIP_MAGIC:
        return handle
    # A bgzip file cut between two blocks is a valid gzip file: only the missing end block shows it.
    is_bgzip = start[3:4] == b"\x04" and start[12:14] == b"BC"
    if is_bgzip and path.is_file():
        with path.open("rb") as tail:
            tail.seek(max(0, path.stat().st_size - len(_BGZF_END)))
            if tail.read() != _BGZF_END:
                handle.close()
                raise InputFileError(
                    f"{what} {path} is a truncated bgzip file: its end-of-file block is missing; "
                    "copy or download it again"
                )
    return cast(IO[bytes], _Unzipped(handle))


class _Unzipped(gzip.GzipFile):
    """A gzip reader that closes the file under it too."""

    def __init__(self, raw: IO[bytes]) -> None:
        super().__init__(fileobj=raw, mode="rb")
        self._raw_file = raw

    def close(self) -> None:
        super().close()
        self._raw_file.close()
