"""FileStamp and digests: what tells one version of a file from another."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import attrs

from pgxeval.errors import InputFileError, InputFileNotFoundError

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"
Identity: TypeAlias = dict[str, Json]
"""What a result depends on in a file, as plain values: equal for equal versions of it."""

_WHOLE_BYTES = 1 << 24
_END_BYTES = 1 << 18
_SAMPLE_BYTES = 1 << 12
_N_SAMPLES = 256


@attrs.frozen(kw_only=True)
class FileStamp:
    """Size and time of a file when it was opened.

    Parameters
    ----------
    path
        Absolute path.
    size
        Number of bytes.
    modified_ns
        Time of the last change [ns since 1970].
    """

    path: str
    size: int
    modified_ns: int

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> FileStamp:
        """Read the stamp of a file.

        Raises
        ------
        InputFileNotFoundError
            If the file does not exist.
        InputFileError
            If its size and time cannot be read.
        """
        full = Path(path).absolute()
        text = str(full)
        try:
            status = full.stat()
        except FileNotFoundError as error:
            raise InputFileNotFoundError.of("file", text) from error
        except OSError as error:
            raise InputFileError(f"{text} cannot be read: {error.strerror or error}") from error
        return cls(path=text, size=status.st_size, modified_ns=status.st_mtime_ns)

    def check(self) -> None:
        """Refuse the file if it has changed since the stamp was made.

        Raises
        ------
        InputFileError
            If size or time differ, or the file is gone.
        """
        now = FileStamp.of(self.path)
        if now != self:
            size = "the same size" if now.size == self.size else f"{self.size:,} bytes then and {now.size:,} now"
            raise InputFileError(
                f"{self.path} has changed since it was opened ({size}, modified "
                f"{_seconds(now.modified_ns - self.modified_ns)}): results would mix two versions of it; "
                "open it again with a new PersonalGenome, ReferenceGenome or Cohort"
            )

    def identity(self) -> Identity:
        """Return size and a digest of the content, without the path; of files above 16 MiB, also the time.

        Up to 16 MiB all of the content is digested, so that a copy is the same file; above, samples of it.

        Raises
        ------
        InputFileError
            If the file has changed since the stamp was made.
        """
        self.check()
        identity: Identity = {"size": self.size, "content": sampled_digest(self.path)}
        return identity if self.size <= _WHOLE_BYTES else {**identity, "modified_ns": self.modified_ns}


def sampled_digest(path: str | os.PathLike[str]) -> str:
    """Return a digest of a file's content: of all of it up to 16 MiB, else of both ends and of 256 samples between.

    Raises
    ------
    InputFileError
        If the file cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    try:
        with Path(path).open("rb", buffering=0) as handle:
            size = os.fstat(handle.fileno()).st_size
            digest.update(size.to_bytes(8, "little"))
            if size <= _WHOLE_BYTES:
                digest.update(handle.readall() or b"")
            else:
                step = (size - 2 * _END_BYTES - _SAMPLE_BYTES) // (_N_SAMPLES - 1)
                begins = [(0, _END_BYTES), (size - _END_BYTES, _END_BYTES)]
                begins += [(_END_BYTES + k * step, _SAMPLE_BYTES) for k in range(_N_SAMPLES)]
                for begin, length in begins:
                    handle.seek(begin)
                    digest.update(handle.read(length) or b"")
    except OSError as error:
        raise InputFileError(f"{path} cannot be read: {error.strerror or error}") from error
    return digest.hexdigest()


def text_digest(parts: Iterable[str]) -> str:
    """Return a digest of texts in their order."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogateescape")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def _seconds(nanoseconds: int) -> str:
    return f"{abs(nanoseconds) / 1e9:.3f} s {'later' if nanoseconds >= 0 else 'earlier'}"
