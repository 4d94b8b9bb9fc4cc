"""Records of a score cache: their layout, names and checksums, and the secret that keys the names."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
import uuid
import warnings
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pgxeval.errors import InputFileError, PgxevalWarning

KEY_BYTES = 32

NAME_BYTES = 16

RECORD = np.dtype([("high", "<u8"), ("low", "<u8"), ("value", "<f8"), ("check", "<u8")])

_SPLIT = np.dtype([("body", "V24"), ("check", "<u8")])

_CHUNK = 2**16  # records whose checksums are computed at a time

KEY_RECORD = int.from_bytes(b"\0pgxkey\0", "little")  # `high` of the record that identifies the key of a part


def name_of(secret: bytes, *parts: bytes) -> bytes:
    """Return sixteen bytes that identify `parts` and reveal nothing about them to anyone without the secret."""
    digest = hashlib.blake2b(key=secret, digest_size=NAME_BYTES)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def new_secret() -> bytes:
    """Return a random secret."""
    return secrets.token_bytes(KEY_BYTES)


def open_key(folder: Path) -> bytes:
    """Return the secret of a cache; create it where the folder is new."""
    path = folder / "key"
    if not path.exists():
        if any(folder.glob("scores-*.part")) and not path.exists():  # another process may just have created both
            raise InputFileError(
                f"score cache: {path} is missing, and without it the scores in this folder cannot be found; bring it "
                "back, or delete the folder and compute again"
            )
        _create_key(path)
    try:
        secret = path.read_bytes()
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise InputFileError(f"score cache: {path} cannot be read ({error.strerror})") from error
    if len(secret) != KEY_BYTES:
        raise InputFileError(
            f"score cache: expected {KEY_BYTES} bytes in {path}, got {len(secret)}; bring the original file back, or "
            "delete the folder and compute again"
        )
    if mode & 0o077:
        warnings.warn(
            f"score cache: {path} can be read by others (mode {mode:03o}), who could use it to match the names of "
            "scores to genotypes; run chmod 600",
            PgxevalWarning,
            stacklevel=3,
        )
    return secret


def _create_key(path: Path) -> None:
    fresh = path.with_name(f".key-{uuid.uuid4().hex}")
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


def make_records(
    high: npt.NDArray[np.uint64], low: npt.NDArray[np.uint64], values: npt.NDArray[np.float64]
) -> npt.NDArray[np.void]:
    """Return records with their checksums."""
    records = np.empty(len(values), RECORD)
    records["high"], records["low"], records["value"] = high, low, values
    records["check"] = checksums(records)
    return records


def key_record(secret: bytes) -> bytes:
    """Return the first record of a part, which identifies its key."""
    low = np.frombuffer(name_of(secret, b"key of this part"), "<u8")[:1]
    return make_records(np.array([KEY_RECORD], "<u8"), low, np.zeros(1)).tobytes()


def checksums(records: npt.NDArray[np.void]) -> npt.NDArray[np.uint64]:
    """Return the CRC-32 of the first 24 bytes of each record."""
    sums = np.empty(len(records), np.uint64)
    for first in range(0, len(records), _CHUNK):
        bodies = records[first : first + _CHUNK].view(_SPLIT)["body"].tolist()
        sums[first : first + _CHUNK] = np.fromiter(map(zlib.crc32, bodies), np.uint64, len(bodies))
    return sums


def former_checksums(records: npt.NDArray[np.void]) -> npt.NDArray[np.uint64]:
    """Return the checksums of records written before CRC-32 was used."""
    salt, factor, shift = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(31)
    with np.errstate(over="ignore"):
        mixed = (records["high"] ^ salt) * factor
        for field in (records["low"], records["value"].view("<u8")):
            mixed = ((mixed ^ (mixed >> shift)) ^ field) * factor
        result: npt.NDArray[np.uint64] = mixed ^ (mixed >> shift)
        return result
