"""Multiple testing and joint label permutations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy

from pgxeval.seeding import permute_replicates


def benjamini_hochberg(p_values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return Benjamini-Hochberg q-values; NaN stays NaN and does not count as a test.

    Source: Benjamini and Hochberg 1995, J R Stat Soc B 57:289, as in `scipy.stats.false_discovery_control`.

    Examples
    --------
    >>> benjamini_hochberg([0.01, float("nan"), 0.04, 0.03]).round(3).tolist()
    [0.03, nan, 0.04, 0.04]
    """
    p = np.asarray(p_values, dtype=np.float64)
    q = np.full(p.shape, np.nan)
    defined = ~np.isnan(p)
    if defined.any():
        q[defined] = scipy.stats.false_discovery_control(p[defined])
    return q


def label_permutations(
    individuals: Sequence[str],
    permutations: int,
    seed: int,
    groups: Sequence[str] | None = None,
    strata: Sequence[str] | None = None,
) -> npt.NDArray[np.int64]:
    """Return the joint permutations 1 to `permutations` of the cohort, one per row.

    They are those of `pgxeval.seeding.permute_individuals`, and therefore the ones that cross-fitted predictors with
    this seed went through: what two predictors reach in the same replicate belongs together.
    """
    return permute_replicates(individuals, range(1, permutations + 1), seed, groups, strata)
