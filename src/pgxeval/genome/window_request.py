"""A window of haplotypes as requested, and how far around it the genotypes must be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.genome.intervals import Interval
from pgxeval.genome.policies import Policies
from pgxeval.genome.variant_filter import VariantFilter

_FLANK_BP = 2_048  # net deletions of most windows are shorter; more is read where they are not

Made = TypeVar("Made")


@attrs.frozen(kw_only=True)
class Flanks:
    """How far beyond the window calls must be read: positions, 0-based half-open."""

    low: int
    high: int


@attrs.frozen(kw_only=True, eq=False)
class WindowRequest:
    """What is asked for.

    Parameters
    ----------
    interval
        By the contig's name in the reference.
    anchor
        0-based reference position.
    individuals
        Names, for messages and for the result.
    rows
        Their rows in the calls; None for all in order.
    variant_filter, policies
        Which alleles are used, and what is done with doubtful genotypes.
    max_bytes
        Handed on to `Haplotypes`.
    path
        The file of genotypes, for messages.
    """

    interval: Interval
    anchor: int
    individuals: tuple[str, ...]
    rows: npt.NDArray[np.int64] | None
    variant_filter: VariantFilter
    policies: Policies
    max_bytes: int
    path: str


def read_enough(interval: Interval, make: Callable[[Flanks], Made | Flanks]) -> Made:
    """Make something of the calls in a window and its flanks; read more until the flanks suffice.

    Parameters
    ----------
    interval
        The window, 0-based half-open.
    make
        Takes how far to read, and returns what it made, or how far it must be read instead.
    """
    read = Flanks(low=interval.start - _FLANK_BP, high=interval.end + _FLANK_BP)
    while isinstance(result := make(read), Flanks):
        read = Flanks(low=min(read.low, result.low), high=max(read.high, result.high))
    return result
