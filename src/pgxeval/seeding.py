"""Seeded choices that hang on names alone, so that order, workers and neighbours change nothing.

A fold is a hash of (seed, individual), a model seed a hash of (seed, gene, fold, replicate). Adding a
person or a gene, or shuffling either, leaves every other choice as it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pgxeval.errors import SettingError


def hash64(*parts: object) -> int:
    """Hash the text of `parts` to an unsigned 64-bit integer that is the same on every machine.

    The number 1 and the text "1" differ; a NumPy integer or string equals the plain one.

    Examples
    --------
    >>> hash64("fold", 0) == hash64("fold", np.int64(0)) != hash64("fold", "0")
    True
    """
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in map(_plain, parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _plain(part: object) -> object:
    if isinstance(part, np.integer):
        return int(part)
    return str(part) if isinstance(part, np.str_) else part


def model_seed(seed: int, *names: object) -> int:
    """Return a seed in [0, 2**32) for one model fit, from the run's seed and the names of the fit."""
    return hash64("model", seed, *names) % 2**32


def assign_folds(individuals: Sequence[str], folds: int, seed: int, purpose: str = "outer") -> npt.NDArray[np.int16]:
    """Assign each individual to a fold by hashing (seed, individual).

    Parameters
    ----------
    individuals
        Identifiers, in any order.
    folds
        Number of folds, at least 2.
    seed
        Seed of the run.
    purpose
        Separates independent assignments, such as the inner folds of the penalty search.

    Returns
    -------
    numpy.ndarray
        int16 (n_individuals,), fold numbers from 1 to `folds`. Fold sizes vary as counts of a fair die
        do: the price of an assignment that no other individual can change.

    Raises
    ------
    SettingError
        If `folds` is not from 2 to 32767.
    """
    if not 2 <= folds <= np.iinfo(np.int16).max:
        raise SettingError(f"folds must be from 2 to {np.iinfo(np.int16).max}, got {folds}")
    return np.array([hash64("fold", purpose, seed, name) % folds + 1 for name in individuals], dtype=np.int16)


def permute_individuals(individuals: Sequence[str], replicate: int, seed: int) -> npt.NDArray[np.int64]:
    """Return the joint permutation of one replicate, independent of the order of `individuals`.

    Parameters
    ----------
    individuals
        Identifiers of all individuals of the cohort, each once.
    replicate
        0 gives the identity, 1 and up independent permutations.
    seed
        Seed of the run.

    Returns
    -------
    numpy.ndarray
        int64 (n_individuals,): individual ``i`` is paired with the genotypes of individual ``result[i]``.
    """
    n = len(individuals)
    if replicate == 0:
        return np.arange(n)
    by_name = np.array(sorted(range(n), key=lambda i: individuals[i]), dtype=np.int64)
    by_hash = np.array(
        sorted(range(n), key=lambda i: (hash64("permutation", seed, replicate, individuals[i]), individuals[i])),
        dtype=np.int64,
    )
    partner = np.empty(n, dtype=np.int64)
    partner[by_name] = by_hash
    return partner
