"""ScoreCache: what a model pass yielded, kept on disk at once and found again by content.

A cache is a folder: a random secret (``key``, readable by its owner alone) and part files of 32-byte records,
one part for each process that wrote. Names of records are digests keyed by that secret, so that they say nothing
about genotypes to anyone without it. A record is written with a single call when it is known; a part
that was cut short by a kill is read up to its last whole record. Where a model failed for good, the same kind of
name is kept with the reason, as a line of JSON.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import stat
import threading
import uuid
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pgxeval.errors import InputFileError, PgxevalWarning, SettingError

KEY_BYTES = 32
NAME_BYTES = 16

_RECORD = np.dtype([("high", "<u8"), ("low", "<u8"), ("value", "<f8"), ("check", "<u8")])
_SALT, _FACTOR = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
_SHIFT = np.uint64(31)


class ScoreCache:
    """Scores by name, in a folder that several processes may share.

    Parameters
    ----------
    folder
        Made, readable by its owner alone, where it is missing.

    Raises
    ------
    SettingError
        If the folder cannot be made.
    InputFileError
        If the key is damaged, or missing beside parts that were named by it.

    Notes
    -----
    Scores are held in memory, 24 bytes each. Parts that other processes write after it was opened are not seen.
    Pickles by folder.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SettingError(f"score cache: {self.folder} cannot be made a folder ({error.strerror})") from error
        self.secret = _open_key(self.folder)
        self._lock = threading.Lock()
        self._new: dict[bytes, float] = {}
        self._part: tuple[int, int] | None = None
        self._failures_part: tuple[int, int] | None = None
        self._failures = _read_failures(self.folder)
        self._high, self._low, self._values, damaged = _read_parts(self.folder)
        if damaged:
            warnings.warn(
                f"score cache {self.folder}: {damaged} damaged records are passed over and will be computed again",
                PgxevalWarning,
                stacklevel=2,
            )

    def __repr__(self) -> str:
        return f"ScoreCache({str(self.folder)!r}, {len(self)} scores)"

    def __len__(self) -> int:
        return int(self._high.size) + len(self._new)

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["folder"])  # type: ignore[misc]  # opens the folder again where it lands

    def get(self, name: bytes) -> float | None:
        """Return the score of a name of 16 bytes; None where there is none."""
        found = self._new.get(name)
        if found is not None:
            return found
        high, low = int.from_bytes(name[:8], "little"), int.from_bytes(name[8:], "little")
        at = int(np.searchsorted(self._high, np.uint64(high)))
        while at < self._high.size and int(self._high[at]) == high:
            if int(self._low[at]) == low:
                return float(self._values[at])
            at += 1
        return None

    def keep(self, names: Sequence[bytes], scores: npt.ArrayLike) -> None:
        """Keep finite scores under names of 16 bytes; they are in the hands of the system on return.

        Raises
        ------
        SettingError
            If a score is not finite.
        InputFileError
            If they cannot be written, as when the disk is full.
        """
        values = np.asarray(scores, dtype=np.float64)
        if values.shape != (len(names),) or not np.isfinite(values).all():
            raise SettingError("score cache: one finite score for each name is wanted")
        records = np.empty(len(names), _RECORD)
        packed = np.frombuffer(b"".join(names), dtype="<u8").reshape(-1, 2)
        records["high"], records["low"], records["value"] = packed[:, 0], packed[:, 1], values
        records["check"] = _checks(records)
        with self._lock:
            try:
                self._part = _own_part(self._part, self.folder / f"scores-{uuid.uuid4().hex}.part")
                rest = memoryview(records.tobytes())
                while rest:
                    rest = rest[os.write(self._part[1], rest) :]
            except OSError as error:
                self._part = None  # what follows a torn record would be read out of step
                raise InputFileError(f"score cache {self.folder}: cannot be written ({error.strerror})") from error
            self._new.update(zip(names, values.tolist(), strict=True))

    def fail(self, names: Sequence[bytes], reason: str) -> None:
        """Keep the reason why names of 16 bytes have no score, and will have none in the next run.

        Raises
        ------
        InputFileError
            If it cannot be written.
        """
        lines = "".join(json.dumps({"name": name.hex(), "reason": reason}) + "\n" for name in names).encode()
        with self._lock:
            try:
                self._failures_part = _own_part(self._failures_part, self.folder / f"failures-{uuid.uuid4().hex}.jsonl")
                while lines:
                    lines = lines[os.write(self._failures_part[1], lines) :]
            except OSError as error:
                self._failures_part = None  # what follows a torn line would be read as its end
                raise InputFileError(f"score cache {self.folder}: cannot be written ({error.strerror})") from error
            self._failures.update(dict.fromkeys(names, reason))

    def failure(self, name: bytes) -> str | None:
        """Return why a name of 16 bytes has no score; None where it has one, or nobody has tried."""
        return None if name not in self._failures or self.get(name) is not None else self._failures[name]

    def flush(self) -> None:
        """Have the system write to the disk what it holds, so that it outlives a loss of power, too."""
        with self._lock:
            for part in (self._part, self._failures_part):
                if part is not None and part[0] == os.getpid():
                    with contextlib.suppress(OSError):  # not every file system can; a kill is survived without it
                        os.fsync(part[1])

    def __del__(self) -> None:
        for part in (getattr(self, "_part", None), getattr(self, "_failures_part", None)):
            if part is not None and part[0] == os.getpid():
                with contextlib.suppress(OSError):
                    os.close(part[1])


def _own_part(part: tuple[int, int] | None, path: Path) -> tuple[int, int]:
    if part is None or part[0] != os.getpid():  # a forked child writes a part of its own
        return os.getpid(), os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
    return part


def default_folder() -> Path:
    """Return the folder where scores of hosted models are kept: ``$PGXEVAL_CACHE``, else in the user's cache."""
    given = os.environ.get("PGXEVAL_CACHE")
    if given:
        return Path(given)
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "pgxeval" / "scores"


def name_of(secret: bytes, *parts: bytes) -> bytes:
    """Return sixteen bytes that stand for `parts`, and say nothing about them to anyone without the secret."""
    digest = hashlib.blake2b(key=secret, digest_size=NAME_BYTES)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def new_secret() -> bytes:
    """Return a random secret."""
    return secrets.token_bytes(KEY_BYTES)


def _open_key(folder: Path) -> bytes:
    path = folder / "key"
    if not path.exists():
        if any(folder.glob("scores-*.part")) and not path.exists():  # another process may just have begun
            raise InputFileError(
                f"score cache: {path} is missing, without which the parts beside it cannot be read; bring it back, or "
                "delete the folder and compute again"
            )
        fresh = folder / f".key-{uuid.uuid4().hex}"
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(handle, new_secret())
            os.fsync(handle)
        finally:
            os.close(handle)
        try:
            os.link(fresh, path)
        except FileExistsError:  # another process was first: its key counts
            pass
        except OSError:  # a file system without hard links
            if not path.exists():
                fresh.rename(path)
        fresh.unlink(missing_ok=True)
    try:
        secret = path.read_bytes()
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise InputFileError(f"score cache: {path} cannot be read ({error.strerror})") from error
    if len(secret) != KEY_BYTES:
        raise InputFileError(
            f"score cache: {path} has {len(secret)} bytes, {KEY_BYTES} are wanted; bring the right file back, or "
            "delete the folder and compute again"
        )
    if mode & 0o077:
        warnings.warn(
            f"score cache: {path} can be read by others (mode {mode:03o}); with it the names of scores could be "
            "matched to genotypes: chmod 600",
            PgxevalWarning,
            stacklevel=3,
        )
    return secret


def _checks(records: npt.NDArray[np.void]) -> npt.NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        mixed = (records["high"] ^ _SALT) * _FACTOR
        mixed = ((mixed ^ (mixed >> _SHIFT)) ^ records["low"]) * _FACTOR
        mixed = ((mixed ^ (mixed >> _SHIFT)) ^ records["value"].view("<u8")) * _FACTOR
        result: npt.NDArray[np.uint64] = mixed ^ (mixed >> _SHIFT)
        return result


def _read_parts(
    folder: Path,
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], npt.NDArray[np.float64], int]:
    kept, damaged = [np.empty(0, _RECORD)], 0
    for path in sorted(folder.glob("scores-*.part")):
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InputFileError(f"score cache: {path} cannot be read ({error.strerror})") from error
        records = np.frombuffer(content[: len(content) // _RECORD.itemsize * _RECORD.itemsize], dtype=_RECORD)
        sound = (records["check"] == _checks(records)) & np.isfinite(records["value"])
        damaged += int((~sound).sum())
        kept.append(records[sound])
    records = np.concatenate(kept)
    records = records[np.argsort(records["high"], kind="stable")]
    return records["high"].copy(), records["low"].copy(), records["value"].copy(), damaged


def _read_failures(folder: Path) -> dict[bytes, str]:
    failures: dict[bytes, str] = {}
    for path in sorted(folder.glob("failures-*.jsonl")):
        try:
            lines = path.read_bytes().split(b"\n")
        except OSError as error:
            raise InputFileError(f"score cache: {path} cannot be read ({error.strerror})") from error
        for line in lines:
            with contextlib.suppress(ValueError, KeyError, TypeError):  # a line that a kill cut short is tried again
                entry = json.loads(line)
                failures[bytes.fromhex(entry["name"])] = str(entry["reason"])
    return failures
