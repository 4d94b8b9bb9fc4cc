"""Marginal effects: the mean prediction of a fitted predictor with one dosage set to 0, 1 and 2 in every individual.

This is partial dependence (Friedman, Ann Stat 29:1189, 2001) at the three dosages of a biallelic variant, the other
dosages of each individual staying as they are. For a linear model the difference of neighbouring levels is the
coefficient.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pgxeval.predictors.trained.forest import Forest

LEVELS = np.array([0.0, 1.0, 2.0])


def marginal_predictions(forest: Forest, dosages: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the mean prediction of a forest with each dosage set to 0, 1 and 2 in turn.

    Parameters
    ----------
    forest
        A fitted forest.
    dosages
        float64 (n_individuals, n_columns), without missing values: the individuals over which the mean is taken.

    Returns
    -------
    numpy.ndarray
        float64 (n_columns, 3). Rows of columns that no tree splits on hold the mean prediction three times.
    """
    from pgxeval.attribution.tree_kernel import set_each_dosage

    matrix = np.ascontiguousarray(dosages, dtype=np.float64)
    totals = np.zeros((matrix.shape[1], LEVELS.size))
    set_each_dosage(
        forest.first_node,
        forest.feature,
        forest.threshold,
        forest.left,
        forest.right,
        forest.mean,
        matrix,
        LEVELS,
        totals,
    )
    totals /= forest.n_trees * matrix.shape[0]
    return totals
