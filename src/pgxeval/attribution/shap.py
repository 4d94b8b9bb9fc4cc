"""SHAP values of a forest by the package `shap`, summarised as one slope per variant."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pgxeval.errors import SettingError
from pgxeval.predictors.trained.forest import Forest


def shap_slopes(forest: Forest, dosages: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the least-squares slope of each column's SHAP values on its dosage.

    SHAP values are path-dependent TreeSHAP (Lundberg et al., Nat Mach Intell 2:56, 2020).

    Parameters
    ----------
    forest
        A fitted forest.
    dosages
        float64 (n_individuals, n_columns), without missing values.

    Returns
    -------
    numpy.ndarray
        float64 (n_columns,); 0 where a dosage does not vary or no tree splits on it.

    Raises
    ------
    SettingError
        If the package `shap` is not installed.
    """
    values = shap_values(forest, dosages)
    deviations = dosages - dosages.mean(axis=0)
    squares = (deviations**2).sum(axis=0)
    slopes = np.zeros(squares.size)
    np.divide((deviations * values).sum(axis=0), squares, out=slopes, where=squares > 0)
    return slopes


def shap_values(forest: Forest, dosages: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the SHAP values of a forest, float64 (n_individuals, n_columns)."""
    try:
        import shap
    except ImportError:
        raise SettingError('method "shap" needs the package shap: pip install "pgxeval[shap]"') from None
    trees = []
    for number in range(forest.n_trees):
        tree = forest.tree(number)
        trees.append(
            {
                "children_left": tree["left"],
                "children_right": tree["right"],
                "children_default": tree["right"],
                "features": np.where(tree["feature"] < 0, 0, tree["feature"]),
                "thresholds": np.where(tree["feature"] < 0, 0.0, tree["threshold"]),
                "values": (tree["mean"] / forest.n_trees)[:, None],
                "node_sample_weight": tree["weight"].astype(np.float64),
            }
        )
    explainer = shap.TreeExplainer({"trees": trees}, feature_perturbation="tree_path_dependent")
    return np.asarray(explainer.shap_values(dosages, check_additivity=False), dtype=np.float64)
