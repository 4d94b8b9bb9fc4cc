"""How many times a run is repeated on permuted expression."""

from __future__ import annotations

import math

NULL_DRAWS = 1000
FEWEST_REPLICATES, MOST_REPLICATES = 5, 20
_QUICK_DRAWS = 100
_FEWEST_QUICK = 2


def default_replicates(n_genes: int) -> int:
    """Return the default number of permuted replicates: about 1,000 null genes, but from 5 to 20 replicates.

    Five are needed because the genes of a replicate share one permutation. With fewer, the interval of the difference
    to the permuted reference covers less than its level, however many genes there are
    (``validation/reference_noise.md``). With fewer than 50 genes, 20 replicates give fewer than 1,000 null genes, and
    p-values below about ``10 / (1 + replicates * genes)`` rest on an extrapolated tail.

    Examples
    --------
    >>> default_replicates(8), default_replicates(60), default_replicates(428), default_replicates(20_000)
    (20, 17, 5, 5)
    """
    return min(max(math.ceil(NULL_DRAWS / n_genes), FEWEST_REPLICATES), MOST_REPLICATES)


def quick_replicates(n_genes: int) -> int:
    """Return the number of permuted replicates of the preset ``"quick"``: about 100 null genes from 2 to 5 replicates.

    Examples
    --------
    >>> quick_replicates(12), quick_replicates(30), quick_replicates(428)
    (5, 4, 2)
    """
    return min(max(math.ceil(_QUICK_DRAWS / n_genes), _FEWEST_QUICK), FEWEST_REPLICATES, default_replicates(n_genes))
