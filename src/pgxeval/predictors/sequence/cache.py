"""ScoreCache: scores of model passes, kept on disk as soon as they are known and found again by content.

A cache is a folder: a random secret (``key``, readable by its owner only) and part files of 32-byte records, one part
per process that wrote. Names of records are digests keyed by the secret, so they reveal nothing about genotypes to
anyone without it. Each record is written by a single call and carries a CRC-32; a part that was cut short by a kill is
read up to its last complete record. The first record of a part identifies the key. Permanent failures of a model are
kept under the same kind of name with their reason, one line of JSON each.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import uuid
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.errors import InputFileError, PgxevalWarning, SettingError
from pgxeval.forks import renew_after_fork
from pgxeval.predictors.sequence.score_records import (
    KEY_RECORD,
    NAME_BYTES,
    RECORD,
    checksums,
    former_checksums,
    key_record,
    make_records,
    open_key,
)


@attrs.frozen(kw_only=True, eq=False)
class _Part:
    """A part file that this process writes."""

    path: Path
    process: int
    handle: int
    identity: tuple[int, int]

    @classmethod
    def create(cls, path: Path) -> _Part:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        return cls(path=path, process=os.getpid(), handle=handle, identity=_identity(os.fstat(handle)))

    @property
    def in_place(self) -> bool:
        try:
            return _identity(self.path.stat()) == self.identity
        except OSError:
            return False

    def write(self, content: bytes) -> None:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(self.handle, rest) :]


def _identity(state: os.stat_result) -> tuple[int, int]:
    return state.st_dev, state.st_ino


class ScoreCache:
    """Scores by name, in a folder that several processes may share.

    Parameters
    ----------
    folder
        Created, readable by its owner only, if it does not exist.

    Raises
    ------
    SettingError
        If the folder cannot be created.
    InputFileError
        If the key is damaged, missing although there are parts, or not the key of the parts.

    Notes
    -----
    Scores are held in memory, 24 bytes each. `refresh` reads what other processes have written since. Pickled by
    folder.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder).expanduser().absolute()
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SettingError(f"score cache: the folder {self.folder} cannot be created ({error.strerror})") from error
        self.secret = open_key(self.folder)
        renew_after_fork(self)
        self._new: dict[bytes, float] = {}
        self._failures: dict[bytes, str] = {}
        self._part: _Part | None = None
        self._failures_part: _Part | None = None
        self._offsets: dict[Path, int] = {}
        records = np.concatenate([np.empty(0, RECORD), *self._read_parts()])
        records = records[np.argsort(records["high"], kind="stable")]
        self._high, self._low, self._values = (records[name].copy() for name in ("high", "low", "value"))
        self._read_failures()

    def __repr__(self) -> str:
        return f"ScoreCache({str(self.folder)!r}, {len(self)} scores)"

    def __len__(self) -> int:
        return int(self._high.size) + len(self._new)

    def renew_locks(self) -> None:
        """Make a new lock: in a forked child, a thread of the parent may hold it."""
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["folder"])  # type: ignore[misc]  # reopens the folder in the new process

    def get(self, name: bytes) -> float | None:
        """Return the score of a name of 16 bytes; None if there is none."""
        score = self._new.get(name)
        if score is not None:
            return score
        high, low = int.from_bytes(name[:8], "little"), int.from_bytes(name[8:], "little")
        row = int(np.searchsorted(self._high, np.uint64(high)))
        while row < self._high.size and int(self._high[row]) == high:
            if int(self._low[row]) == low:
                return float(self._values[row])
            row += 1
        return None

    def keep(self, names: Sequence[bytes], scores: npt.ArrayLike) -> None:
        """Keep finite scores under names of 16 bytes; on return they have been handed to the operating system.

        Raises
        ------
        SettingError
            If a score is not finite.
        InputFileError
            If they cannot be written, for instance because the disk is full, or the folder was deleted or moved.
        """
        values = np.asarray(scores, dtype=np.float64)
        if values.shape != (len(names),) or not np.isfinite(values).all():
            raise SettingError("score cache: expected one finite score per name")
        packed = np.frombuffer(b"".join(names), dtype="<u8").reshape(-1, 2)
        content = make_records(packed[:, 0], packed[:, 1], values).tobytes()
        with self._lock:
            try:
                if self._part is None or self._part.process != os.getpid():  # a forked child writes its own part
                    self._part = self._create_part(f"scores-{uuid.uuid4().hex}.part")
                    self._write(self._part, key_record(self.secret))
                self._write(self._part, content)
            except BaseException:
                self._part = None  # what follows an incomplete record would be misread
                raise
            self._new.update(zip(names, values.tolist(), strict=True))

    def fail(self, names: Sequence[bytes], reason: str) -> None:
        """Keep the reason why names of 16 bytes have no score and will have none in the next run.

        Raises
        ------
        InputFileError
            If it cannot be written.
        """
        content = "".join(json.dumps({"name": name.hex(), "reason": reason}) + "\n" for name in names).encode()
        with self._lock:
            try:
                if self._failures_part is None or self._failures_part.process != os.getpid():
                    self._failures_part = self._create_part(f"failures-{uuid.uuid4().hex}.jsonl")
                self._write(self._failures_part, content)
            except BaseException:
                self._failures_part = None  # what follows an incomplete line would be read as its end
                raise
            self._failures.update(dict.fromkeys(names, reason))

    def failure(self, name: bytes) -> str | None:
        """Return why a name of 16 bytes has no score; None if it has one, or was never tried."""
        return None if name not in self._failures or self.get(name) is not None else self._failures[name]

    def refresh(self) -> None:
        """Read what other processes have written since the cache was opened or last refreshed."""
        for records in self._read_parts():
            names = np.stack([records["high"], records["low"]], axis=1).tobytes()
            scores = records["value"].tolist()
            with self._lock:
                for row, score in enumerate(scores):
                    self._new.setdefault(names[row * NAME_BYTES : (row + 1) * NAME_BYTES], score)
        self._read_failures()

    def flush(self) -> None:
        """Ask the operating system to write to the disk, so that scores also survive a loss of power."""
        with self._lock:
            for part in (self._part, self._failures_part):
                if part is not None and part.process == os.getpid():
                    with contextlib.suppress(OSError):  # some file systems cannot; a kill is survived without it
                        os.fsync(part.handle)

    def __del__(self) -> None:
        for part in (getattr(self, "_part", None), getattr(self, "_failures_part", None)):
            if part is not None and part.process == os.getpid():
                with contextlib.suppress(OSError):
                    os.close(part.handle)

    def _create_part(self, name: str) -> _Part:
        try:
            unchanged = (self.folder / "key").read_bytes() == self.secret
            part = _Part.create(self.folder / name) if unchanged else None
        except FileNotFoundError:
            part = None
        except OSError as error:
            raise InputFileError(f"score cache {self.folder}: cannot be written ({error.strerror})") from error
        if part is None:
            raise self._gone()
        return part

    def _write(self, part: _Part, content: bytes) -> None:
        try:
            part.write(content)
        except OSError as error:
            raise InputFileError(f"score cache {self.folder}: cannot be written ({error.strerror})") from error
        if not part.in_place:
            raise self._gone()

    def _gone(self) -> InputFileError:
        return InputFileError(
            f"score cache {self.folder}: the folder, or this run's file in it, was deleted, moved or replaced during "
            "the run, so the run ends before more scores are lost. If it was moved, move it back and run again: "
            "nothing that it holds is computed or paid for twice"
        )

    def _read_parts(self) -> Iterator[npt.NDArray[np.void]]:
        """Yield the intact records that were added to each part since the last time, except those of this process."""
        damaged, foreign, parts = 0, 0, 0
        own_key = np.frombuffer(key_record(self.secret), RECORD)[0]
        for path in sorted(self.folder.glob("scores-*.part")):
            if self._part is not None and path == self._part.path:
                continue
            first = self._offsets.get(path, 0)
            content = _read(path, first)
            records = np.frombuffer(content[: len(content) // RECORD.itemsize * RECORD.itemsize], dtype=RECORD)
            self._offsets[path] = first + records.nbytes
            intact = np.isfinite(records["value"]) & (
                (records["check"] == checksums(records)) | (records["check"] == former_checksums(records))
            )
            damaged += int((~intact).sum())
            parts += first == 0 and len(records) > 0
            of_key = records["high"] == KEY_RECORD
            foreign += bool((of_key & intact & (records["low"] != own_key["low"])).any())
            yield records[intact & ~of_key]
        if foreign:
            raise InputFileError(
                f"score cache: {foreign} of {parts} files of scores in {self.folder} were written with a key other "
                "than the one in the file `key`; bring the original key file back, without "
                "which these scores cannot be found"
            )
        if damaged:
            warnings.warn(
                f"score cache {self.folder}: {damaged} damaged records are ignored and will be computed again",
                PgxevalWarning,
                stacklevel=3,
            )

    def _read_failures(self) -> None:
        for path in sorted(self.folder.glob("failures-*.jsonl")):
            first = self._offsets.get(path, 0)
            content = _read(path, first)
            self._offsets[path] = first + content.rfind(b"\n") + 1
            for line in content.split(b"\n"):
                with contextlib.suppress(ValueError, KeyError, TypeError):  # an incomplete line is tried again
                    entry = json.loads(line)
                    self._failures[bytes.fromhex(entry["name"])] = str(entry["reason"])


def default_folder() -> Path:
    """Return the default folder for scores of hosted models: ``$PGXEVAL_CACHE``, else one in the user's cache."""
    folder = os.environ.get("PGXEVAL_CACHE")
    if folder:
        return Path(folder)
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "pgxeval" / "scores"


def _read(path: Path, first: int) -> bytes:
    try:
        if first and path.stat().st_size == first:
            return b""
        with path.open("rb") as part:
            part.seek(first)
            return part.read()
    except OSError as error:
        raise InputFileError(f"score cache: {path} cannot be read ({error.strerror})") from error
