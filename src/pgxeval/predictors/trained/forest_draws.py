"""Compiled random draws of the random forest: individuals and columns."""

# ruff: noqa: PLR0917 (compiled functions take no keywords)
from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pgxeval.compiled import compiled

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S27, _S30, _S31, _S11 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(11)

Index = npt.NDArray[np.int64]
State = npt.NDArray[np.uint64]


@compiled
def _random(state: State) -> Any:
    """Return 64 random bits (splitmix64; Steele et al., OOPSLA 2014)."""
    state[0] += _GOLDEN
    z = state[0]
    z = (z ^ (z >> _S30)) * _MIX_1
    z = (z ^ (z >> _S27)) * _MIX_2
    return z ^ (z >> _S31)


@compiled
def uniform(state: State) -> float:
    """Return a random number in [0, 1)."""
    return float(_random(state) >> _S11) * 2.0**-53


@compiled
def draw_bootstrap(weight: Index, draws: int, state: State) -> None:
    """Count how often each sample is drawn in `draws` draws with replacement."""
    weight[:] = 0
    for _ in range(draws):
        weight[int(uniform(state) * weight.size)] += 1


@compiled
def draw_columns(
    drawn: npt.NDArray[np.int32], owner: Index, bits: State, n_tickets: int, n_drawn: int, state: State
) -> None:
    """Draw `n_drawn` of `n_tickets` original columns without replacement.

    The first `drawn.size` tickets are one copy of each distinct column, ticket ``drawn.size + k`` is a further
    copy of column ``owner[k]``. `drawn` receives the number of copies drawn. Each ticket is drawn independently
    first; tickets are then added or removed at random until their number is right, which leaves every
    subset of that size equally likely.
    """
    n_words = (n_tickets + 7) // 8
    for i in range(n_words):
        bits[i] = _random(state)
    ticket = bits.view(np.uint8)[:n_tickets]
    limit = np.uint8(min(255, (256 * n_drawn + n_tickets // 2) // n_tickets))
    count = 0
    for i in range(n_tickets):
        ticket[i] = np.uint8(1) if ticket[i] < limit else np.uint8(0)
    for i in range(n_tickets):
        count += ticket[i]
    while count > n_drawn:
        i = int(uniform(state) * n_tickets)
        count -= ticket[i]
        ticket[i] = 0
    while count < n_drawn:
        i = int(uniform(state) * n_tickets)
        count += 1 - ticket[i]
        ticket[i] = 1
    n = drawn.size
    for i in range(n):
        drawn[i] = ticket[i]
    for i in range(n_tickets - n):
        drawn[owner[i]] += ticket[n + i]
