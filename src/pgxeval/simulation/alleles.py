"""Random reference sequence, and the REF and ALT alleles of variants on it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

GC_CONTENT = 0.41
INDEL_SHARE = 0.10
LONGEST_INDEL_BP = 30

_BASES = np.frombuffer(b"ACGT", dtype=np.uint8)
_TRANSITION_SHARE = 2 / 3
_DELETION_SHARE = 0.6


def draw_sequence(length: int, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Draw independent bases, 41 % of them G or C; uint8 ASCII (length,), upper case."""
    at, gc = (1 - GC_CONTENT) / 2, GC_CONTENT / 2
    thresholds = np.cumsum(np.round(np.array([at, gc, gc, at])[:3] * 65536)).astype(np.uint16)
    return _BASES[np.searchsorted(thresholds, rng.integers(0, 65536, length, dtype=np.uint16), side="right")]


def draw_alleles(
    sequence: npt.NDArray[np.uint8],
    positions: npt.NDArray[np.int64],
    rng: np.random.Generator,
    indel_share: float = INDEL_SHARE,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give each position a REF allele taken from the sequence and an ALT allele.

    Two thirds of the substitutions are transitions. Insertions and deletions have lengths from a power
    law (length to the power -2, at most 30 bp: 62 % are 1 bp), are anchored at the base before them as VCF
    wants it, cannot be shifted to the left, and end before the next variant.

    Parameters
    ----------
    sequence
        uint8 ASCII of the window, upper case.
    positions
        int64 (n_variants,), strictly increasing, 0-based in `sequence`: the substituted base, or the base
        before the inserted or deleted ones.
    rng
        Source of randomness.
    indel_share
        Share of the variants drawn as insertions and deletions; a deletion that does not fit
        becomes a substitution.

    Returns
    -------
    ref, alt
        Alleles as text, one each a position.
    """
    n = len(positions)
    reference = sequence[positions]
    substitutes = _substitute(reference, rng)
    ref = [chr(base) for base in reference]
    alt = [chr(base) for base in substitutes]
    indel = np.flatnonzero(rng.random(n) < indel_share)
    lengths = np.arange(1, LONGEST_INDEL_BP + 1)
    indel_lengths = rng.choice(lengths, size=len(indel), p=lengths**-2.0 / (lengths**-2.0).sum())
    deletes = rng.random(len(indel)) < _DELETION_SHARE
    room = np.diff(positions, append=len(sequence)) - 1
    for i, length, deletion in zip(indel.tolist(), indel_lengths.tolist(), deletes.tolist(), strict=True):
        start = int(positions[i])
        if deletion:
            longest = min(length, int(room[i]))
            # The last deleted base must differ from the anchor, or the deletion could be shifted left.
            fitting = [size for size in range(longest, 0, -1) if sequence[start + size] != sequence[start]]
            if fitting:
                ref[i] = sequence[start : start + fitting[0] + 1].tobytes().decode()
                alt[i] = ref[i][0]
        else:
            insertion = draw_sequence(length, rng)
            insertion[-1] = substitutes[i]
            alt[i] = ref[i] + insertion.tobytes().decode()
    return tuple(ref), tuple(alt)


def _substitute(reference: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    code = np.searchsorted(_BASES, reference)
    # In the order A, C, G, T the transition partner lies two places on, the transversions one and three.
    draw = rng.random(len(reference))
    step = np.where(draw < _TRANSITION_SHARE, 2, np.where(draw < (1 + _TRANSITION_SHARE) / 2, 1, 3))
    return _BASES[(code + step) % 4]
