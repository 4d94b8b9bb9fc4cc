"""Seeded choices that depend only on names, so that order and number of workers change nothing.

A fold is a hash of (seed, individual or family), a model seed a hash of (seed, gene, fold, replicate).
Adding or reordering individuals and genes leaves every other choice as it was.
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
    return int.from_bytes(hashlib.blake2b(_text(*parts), digest_size=8).digest(), "little")


def _text(*parts: object) -> bytes:
    return "\x1f".join([f"{type(part).__name__}:{part}" for part in map(_plain, parts)]).encode()


def _plain(part: object) -> object:
    if isinstance(part, np.integer):
        return int(part)
    return str(part) if isinstance(part, np.str_) else part


def model_seed(seed: int, *names: object) -> int:
    """Return a seed in [0, 2**32) for one model fit, from the run's seed and the names of the fit."""
    return hash64("model", seed, *names) % 2**32


def assign_folds(
    individuals: Sequence[str],
    folds: int,
    seed: int,
    purpose: str = "outer",
    groups: Sequence[str] | None = None,
) -> npt.NDArray[np.int16]:
    """Assign each individual, or each group of individuals, to a fold by hashing (seed, name).

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
    groups
        Label of the group (family, donor) of each individual, in the order of `individuals`. All members of
        a group are in one fold. An individual that is alone in its group, labelled by its own name, is in
        the same fold as without groups. None places individuals independently.

    Returns
    -------
    numpy.ndarray
        int16 (n_individuals,), fold numbers from 1 to `folds`. Fold sizes are only approximately equal,
        because no individual may change the fold of another.

    Raises
    ------
    SettingError
        If `folds` is not from 2 to 32767, or `groups` does not have one label per individual.
    """
    if not 2 <= folds <= np.iinfo(np.int16).max:
        raise SettingError(f"folds must be from 2 to {np.iinfo(np.int16).max}, got {folds}")
    labels = individuals if groups is None else _one_per_individual(groups, individuals, "groups")
    return np.array([hash64("fold", purpose, seed, label) % folds + 1 for label in labels], dtype=np.int16)


def leave_one_out_folds(labels: Sequence[str]) -> npt.NDArray[np.int16]:
    """Assign each individual to the fold of its label: each fold is one group, such as a population.

    Parameters
    ----------
    labels
        Label of each individual, at least two different ones.

    Returns
    -------
    numpy.ndarray
        int16 (n_individuals,), fold numbers from 1 in the order of the labels.

    Raises
    ------
    SettingError
        If there are fewer than two labels.

    Examples
    --------
    >>> leave_one_out_folds(["YRI", "CEU", "YRI"]).tolist()
    [2, 1, 2]
    """
    names = sorted(set(labels))
    if not 2 <= len(names) <= np.iinfo(np.int16).max:
        raise SettingError(f"leave-one-group-out folds need at least two groups, got {len(names)}")
    number = {name: k + 1 for k, name in enumerate(names)}
    return np.array([number[label] for label in labels], dtype=np.int16)


def permute_individuals(
    individuals: Sequence[str],
    replicate: int,
    seed: int,
    groups: Sequence[str] | None = None,
    strata: Sequence[str] | None = None,
) -> npt.NDArray[np.int64]:
    """Return the joint permutation of one replicate, independent of the order of `individuals`.

    Parameters
    ----------
    individuals
        Identifiers of all individuals of the cohort, each once.
    replicate
        0 gives the identity, 1 and up independent permutations.
    seed
        Seed of the run.
    groups
        Label of the group (family, donor) of each individual, in the order of `individuals`. Groups of equal
        size are exchanged as wholes: the members of one group are paired with the members of one other
        group, both in the order of their names. The members of a group whose size no other group has are
        exchanged among themselves. None makes each individual a group.
    strata
        Label of the stratum of each individual: a population, or a role in a family such as parent and
        child. Individuals are exchanged only within their stratum, and groups only with groups that have as
        many members in each stratum. None puts all individuals into one stratum.

    Returns
    -------
    numpy.ndarray
        int64 (n_individuals,): individual ``i`` is paired with the genotypes of individual ``result[i]``.

    Raises
    ------
    SettingError
        If `groups` or `strata` does not have one label per individual.

    Notes
    -----
    Exchangeability blocks as in Winkler et al. 2015, NeuroImage 123:253.

    Examples
    --------
    Two families of two and one individual without relatives:

    >>> permute_individuals(["a1", "a2", "b1", "b2", "c"], 1, 0, groups=["a", "a", "b", "b", "c"]).tolist()
    [2, 3, 0, 1, 4]
    """
    (partner,) = permute_replicates(individuals, [replicate], seed, groups, strata)
    return np.asarray(partner)


def permute_replicates(
    individuals: Sequence[str],
    replicates: Sequence[int],
    seed: int,
    groups: Sequence[str] | None = None,
    strata: Sequence[str] | None = None,
) -> npt.NDArray[np.int64]:
    """Return the joint permutations of several replicates, each as `permute_individuals` returns it.

    Parameters
    ----------
    individuals, seed, groups, strata
        As for `permute_individuals`.
    replicates
        Numbers of the replicates.

    Returns
    -------
    numpy.ndarray
        int64 (n_replicates, n_individuals).

    Examples
    --------
    >>> both = permute_replicates(["ann", "bob", "cat"], [0, 4], 0)
    >>> both[0].tolist(), bool((both[1] == permute_individuals(["ann", "bob", "cat"], 4, 0)).all())
    ([0, 1, 2], True)
    """
    n = len(individuals)
    labels = list(individuals) if groups is None else _one_per_individual(groups, individuals, "groups")
    layers = [""] * n if strata is None else _one_per_individual(strata, individuals, "strata")
    members: dict[str, list[int]] = {}
    for i in sorted(range(n), key=lambda i: (layers[i], individuals[i])):
        members.setdefault(labels[i], []).append(i)
    exchangeable_groups: dict[tuple[str, ...], list[str]] = {}
    for label in sorted(members):
        exchangeable_groups.setdefault(tuple(layers[i] for i in members[label]), []).append(label)
    # what is exchanged, one row each and sorted by name, and the texts of the names
    exchanges: list[tuple[npt.NDArray[np.int64], list[bytes]]] = []
    for composition, exchangeable in exchangeable_groups.items():
        places = np.array([members[label] for label in exchangeable])
        if len(exchangeable) > 1:
            exchanges.append((places, [_text(label) for label in exchangeable]))
            continue
        for layer in dict.fromkeys(composition):
            within = [i for i in members[exchangeable[0]] if layers[i] == layer]
            exchanges.append((np.array(within)[:, None], [_text(individuals[i]) for i in within]))
    permutations = np.tile(np.arange(n), (len(replicates), 1))
    for partner, replicate in zip(permutations, replicates, strict=True):
        if replicate == 0:
            continue
        # what hash64("permutation", seed, replicate, name) hashes
        start = _text("permutation", seed, replicate) + b"\x1f"
        for places, names in exchanges:
            digests = b"".join([hashlib.blake2b(start + name, digest_size=8).digest() for name in names])
            order = np.argsort(np.frombuffer(digests, dtype="<u8"), kind="stable")
            partner[places] = places[order]
    return permutations


def _one_per_individual(labels: Sequence[str], individuals: Sequence[str], what: str) -> list[str]:
    if isinstance(labels, str) or len(labels) != len(individuals):
        size = "one string" if isinstance(labels, str) else f"{len(labels)} labels"
        raise SettingError(f"{what} must have one label per individual ({len(individuals)}), got {size}")
    return [str(label) for label in labels]
