"""Files that appear whole or not at all, readable by their owner alone."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pgxeval.errors import InputFileError

FILE_MODE = 0o600
FOLDER_MODE = 0o700


@contextlib.contextmanager
def whole_file(path: Path, *, sync: bool = True) -> Iterator[BinaryIO]:
    """Open a new file of a unique name in the folder of `path`; on success it becomes `path`.

    Several processes may write the same path: one of their files remains, whole. A symbolic link at `path` is
    replaced, not followed.

    Parameters
    ----------
    path
        Where the file goes.
    sync
        Whether to wait until the content is on the disk, so that it outlives a loss of power and not only the
        death of the process.

    Yields
    ------
    BinaryIO
        Write to it; it is closed here.

    Raises
    ------
    OSError
        If the file cannot be written, as when the disk is full; `path` is then as it was.
    """
    partial = path.with_name(f".{path.name[:100]}.{uuid.uuid4().hex}.partial")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
    if sync:
        _sync_folder(path.parent)


def make_folder(folder: Path, what: str) -> None:
    """Make a folder, and those above it, for its owner alone.

    Raises
    ------
    InputFileError
        If it cannot be made; the message begins with `what`.
    """
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    except OSError as error:
        raise InputFileError(f"{what}: {folder} cannot be made a folder ({error.strerror or error})") from error


def _sync_folder(folder: Path) -> None:
    # makes the new name outlive a loss of power; not every file system offers it
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
