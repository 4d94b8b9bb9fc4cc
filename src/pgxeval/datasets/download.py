"""Downloads that resume, verify their checksum and appear whole or not at all, also of members of a remote zip."""

from __future__ import annotations

import io
import os
import shutil
import time
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import attrs

from pgxeval.bars import tqdm
from pgxeval.errors import InputFileError, SettingError

if TYPE_CHECKING:
    import requests

_CHUNK_BYTES = 1 << 16
_BUFFER_BYTES = 1 << 16
_TIMEOUT_S = 60
_ATTEMPTS = 5
_LONGEST_WAIT_S = 60.0
_TOO_MANY, _PARTIAL, _BEYOND = 429, 206, 416


@attrs.frozen(kw_only=True)
class RemoteFile:
    """A file at a public address.

    Parameters
    ----------
    url
        Address, ``http://`` or ``https://``.
    checksum
        ``"md5:..."`` or ``"sha256:..."``; None where the source publishes none. The file is then checked by its size
        only.
    size
        Approximate size in words, such as ``"426 MB"``, which is shown before anything is downloaded.
    licence
        Licence and source, which are shown as well.
    """

    url: str
    checksum: str | None = None
    size: str = "unknown size"
    licence: str = ""

    @property
    def name(self) -> str:
        """Name of the file in the cache folder."""
        return self.url.partition("?")[0].rstrip("/").rsplit("/", 1)[-1]


def default_cache() -> Path:
    """Return the cache folder: ``$PGXEVAL_DATA``, or ``~/.cache/pgxeval/data``."""
    return Path(os.environ.get("PGXEVAL_DATA", Path.home() / ".cache" / "pgxeval" / "data")).expanduser()


def fetch(file: RemoteFile, folder: str | os.PathLike[str] | None = None, *, progress: bool = True) -> Path:
    """Download a file unless the cache folder has it.

    An interrupted download continues where it stopped, if the server supports byte ranges. The file appears under its
    name only after its checksum has been verified.

    Parameters
    ----------
    file
        What to download.
    folder
        Cache folder; default: `default_cache`.
    progress
        Whether to show size, licence and a progress bar.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    InputFileError
        If the server cannot be reached, refuses, sends something else than expected, or the disk is full.
    SettingError
        If the folder cannot be used.
    """
    target = _cache(folder) / file.name
    if target.is_file():
        return target
    if progress:
        tqdm.write(f"Downloading {file.name} ({file.size}) to {target.parent}. {file.licence}".rstrip())
    partial = target.with_name(f"{target.name}.part")
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _continue_download(file, partial, progress=progress)
            break
        except _RetryError as error:
            if attempt == _ATTEMPTS:
                raise InputFileError(
                    f"download of {file.url} failed {attempt} times, last with: {error}. What was received is kept in "
                    f"{partial}; the same call continues it"
                ) from error
            time.sleep(min(error.wait_s, _LONGEST_WAIT_S))
    _verify(file, partial)
    partial.replace(target)
    return target


def fetch_member(
    archive: RemoteFile, member: str, folder: str | os.PathLike[str] | None = None, *, progress: bool = True
) -> Path:
    """Download one member of a remote zip archive by byte ranges, without the rest of the archive.

    Parameters
    ----------
    archive
        The archive.
    member
        Path of the member in the archive, or the end of it if that is unique.
    folder, progress
        As in `fetch`.

    Returns
    -------
    pathlib.Path
        The member, under its file name. Its CRC has been verified.

    Raises
    ------
    InputFileError
        If the server does not support byte ranges, the archive has no such member, or the download fails.
    """
    target = _cache(folder) / member.rsplit("/", 1)[-1]
    if target.is_file():
        return target
    partial = target.with_name(f"{target.name}.part")
    try:
        with zipfile.ZipFile(cast("IO[bytes]", io.BufferedReader(_RangeFile(archive.url), _BUFFER_BYTES))) as zip_file:
            names = [name for name in zip_file.namelist() if name == member or name.endswith(f"/{member}")]
            if len(names) != 1:
                raise InputFileError(
                    f"archive {archive.name} has {len(names)} members that end in {member!r}, expected 1; "
                    "the archive may have been reorganised"
                )
            info = zip_file.getinfo(names[0])
            if progress:
                tqdm.write(f"Downloading {names[0]} ({info.compress_size / 1e6:.1f} MB). {archive.licence}".rstrip())
            with (
                zip_file.open(info) as source,
                partial.open("wb") as out,
                tqdm(total=info.file_size, unit="B", unit_scale=True, disable=not progress, leave=False) as bar,
            ):
                while chunk := source.read(_CHUNK_BYTES):
                    out.write(chunk)
                    bar.update(len(chunk))
    except zipfile.BadZipFile as error:
        raise InputFileError(f"archive {archive.url} is damaged or not a zip archive: {error}; try again") from error
    except OSError as error:
        raise InputFileError(f"member {member} of {archive.url} could not be downloaded: {_reason(error)}") from error
    partial.replace(target)
    return target


class _RetryError(Exception):
    def __init__(self, reason: str, wait_s: float) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


def _cache(folder: str | os.PathLike[str] | None) -> Path:
    path = default_cache() if folder is None else Path(folder).expanduser()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(f"cache folder {path} cannot be made ({error.strerror}); choose another one") from error
    return path


def _continue_download(file: RemoteFile, partial: Path, *, progress: bool) -> None:
    import requests

    have = partial.stat().st_size if partial.is_file() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    try:
        with requests.get(file.url, headers=headers, stream=True, timeout=_TIMEOUT_S) as answer:
            if answer.status_code == _BEYOND:  # the partial file is complete, or longer than the file
                return
            _check_status(file, answer)
            if answer.status_code != _PARTIAL:
                have = 0
            expected = int(answer.headers.get("Content-Length", -1))
            with (
                partial.open("ab" if have else "wb") as out,
                tqdm(
                    total=have + expected if expected >= 0 else None,
                    initial=have,
                    unit="B",
                    unit_scale=True,
                    desc=file.name,
                    disable=not progress,
                    leave=False,
                ) as bar,
            ):
                n_bytes = 0
                for chunk in answer.iter_content(_CHUNK_BYTES):
                    _write(out, chunk, partial)
                    n_bytes += len(chunk)
                    bar.update(len(chunk))
            if 0 <= n_bytes < expected:
                raise _RetryError(f"the connection closed after {n_bytes:,} of {expected:,} bytes", 1.0)
    except requests.RequestException as error:
        raise _RetryError(type(error).__name__, 1.0) from error


def _write(out: IO[bytes], chunk: bytes, partial: Path) -> None:
    try:
        out.write(chunk)
        out.flush()
    except OSError as error:
        free = shutil.disk_usage(partial.parent).free
        raise InputFileError(
            f"{partial} could not be written ({error.strerror}); {free / 1e9:.2f} GB are free there. Free "
            "some space or choose another folder; the same call continues the download"
        ) from error


def _check_status(file: RemoteFile, answer: requests.Response) -> None:
    if answer.ok:
        return
    if answer.status_code == _TOO_MANY or answer.status_code >= 500:
        wait = answer.headers.get("Retry-After", "")
        raise _RetryError(f"HTTP status {answer.status_code}", float(wait) if wait.isdigit() else 2.0)
    raise InputFileError(
        f"{file.url} answered with HTTP status {answer.status_code}; the file may have moved. Download it by hand into "
        f"the cache folder as {file.name}"
    )


def _verify(file: RemoteFile, partial: Path) -> None:
    if file.checksum is None:
        return
    import pooch

    algorithm, _, expected = file.checksum.partition(":")
    checksum = pooch.file_hash(str(partial), alg=algorithm)
    if checksum != expected:
        partial.unlink()
        raise InputFileError(
            f"{file.url}: {algorithm} checksum is {checksum}, expected {expected}. The download was damaged or the "
            "file has changed at its source; the partial file was deleted, so try again"
        )


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


class _RangeFile(io.RawIOBase):
    """A remote file that is read by byte ranges."""

    def __init__(self, url: str) -> None:
        import requests

        self._url, self._session, self._position = url, requests.Session(), 0
        try:
            answer = self._session.get(url, headers={"Range": "bytes=0-0"}, timeout=_TIMEOUT_S)
        except requests.RequestException as error:
            raise InputFileError(f"{url} cannot be reached ({type(error).__name__}); check the network") from error
        if answer.status_code != _PARTIAL:
            raise InputFileError(
                f"{url} does not support byte ranges (HTTP status {answer.status_code}), so a single member cannot be "
                "downloaded; download the archive by hand and unpack the member into the cache folder"
            )
        self._size = int(answer.headers["Content-Range"].rpartition("/")[2])

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = start + offset
        return self._position

    def readinto(self, buffer: object) -> int:
        import requests

        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]  # any writable buffer
        last = min(self._position + len(view), self._size) - 1
        if last < self._position:
            return 0
        headers = {"Range": f"bytes={self._position}-{last}"}
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                answer = self._session.get(self._url, headers=headers, timeout=_TIMEOUT_S)
                content = answer.content
                if answer.status_code == _PARTIAL and content:
                    break
                reason = f"HTTP status {answer.status_code}"
            except requests.RequestException as error:
                reason = type(error).__name__
            if attempt == _ATTEMPTS:
                raise InputFileError(f"{self._url} failed {attempt} times, last with: {reason}; try again")
            time.sleep(min(2.0 ** (attempt - 1), _LONGEST_WAIT_S))
        view[: len(content)] = content
        self._position += len(content)
        return len(content)
