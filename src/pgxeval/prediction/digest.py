"""Digests of descriptions and arrays, and how two descriptions differ."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import numpy.typing as npt

from pgxeval.genome.identity import Json

DIGEST_BYTES = 16


def digest(description: Json) -> str:
    """Return the digest of a description: 32 hexadecimal digits that are the same in every process.

    Examples
    --------
    >>> digest({"a": 1, "b": [2.5, None]}) == digest({"b": [2.5, None], "a": 1})
    True
    """
    return hashlib.blake2b(canonical(description).encode(), digest_size=DIGEST_BYTES).hexdigest()


def bytes_digest(*parts: bytes | memoryview) -> str:
    """Return the digest of bytes, 32 hexadecimal digits."""
    hashed = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        hashed.update(part)
    return hashed.hexdigest()


def array_digest(values: npt.NDArray[np.generic]) -> str:
    """Return the digest of an array's content, whatever its memory layout."""
    return bytes_digest(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)


def differences(ours: Json, theirs: Json, where: str = "") -> list[str]:
    """Spell out how two descriptions differ.

    Parameters
    ----------
    ours, theirs
        Descriptions.
    where
        Path of both in a larger description, for the messages.

    Returns
    -------
    list of str
        One text per differing leaf: ``"folds: 3 instead of 5"`` (ours instead of theirs).

    Examples
    --------
    >>> differences({"folds": 3, "seed": 0}, {"folds": 5, "seed": 0})
    ['folds: 3 instead of 5']
    """
    if canonical(ours) == canonical(theirs):
        return []
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return [
            text
            for key in dict.fromkeys([*ours, *theirs])
            for text in differences(ours.get(key), theirs.get(key), f"{where}.{key}".lstrip("."))
        ]
    return [f"{where or 'value'}: {_short(ours)} instead of {_short(theirs)}"]


def _short(value: Json) -> str:
    text = "nothing" if value is None else canonical(value)
    return text if len(text) <= 80 else f"{text[:60]}... ({len(text)} characters)"


def canonical(value: Json) -> str:
    """Return the JSON text of a description, the same for equal ones."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
