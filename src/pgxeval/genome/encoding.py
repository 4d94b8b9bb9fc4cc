"""Encodings of sequences: one-hot arrays, and the other strand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BASES = "ACGT"

_ONE_HOT = np.zeros((256, 4), np.float32)
for _column, _base in enumerate(BASES):
    _ONE_HOT[[ord(_base), ord(_base.lower())], _column] = 1
_COMPLEMENT = np.arange(256, dtype=np.uint8)
for _base, _partner in zip("ACGTRYSWKMBDHVN", "TGCAYRSWMKVHDBN", strict=True):
    _COMPLEMENT[ord(_base)] = ord(_partner)
    _COMPLEMENT[ord(_base.lower())] = ord(_partner.lower())


def one_hot(sequences: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Encode bases as rows of four.

    Parameters
    ----------
    sequences
        uint8 ASCII, of any shape ``(..., length)``.

    Returns
    -------
    numpy.ndarray
        float32 ``(..., length, 4)`` in the order A, C, G, T; all four 0 for N and every other letter.

    Examples
    --------
    >>> one_hot(np.frombuffer(b"AN", np.uint8)).tolist()
    [[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    """
    return _ONE_HOT[sequences]


def reverse_complement(sequences: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the other strand, read in its own direction.

    Parameters
    ----------
    sequences
        uint8 ASCII, of any shape ``(..., length)``; IUPAC codes are complemented too.

    Returns
    -------
    numpy.ndarray
        uint8 ASCII of the same shape; base ``i`` stands where base ``length - 1 - i`` stood.

    Examples
    --------
    >>> reverse_complement(np.frombuffer(b"AACGN", np.uint8)).tobytes()
    b'NCGTT'
    """
    return _COMPLEMENT[sequences[..., ::-1]]
