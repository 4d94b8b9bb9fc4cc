"""Genes at which one predictor points in the right direction and another in the wrong one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.gene_comparison import compare_genes, correlation_of_correlations, rows_of

Floats = npt.NDArray[np.float64]

COLUMNS = ("right", "genes", "both_clear", "one_clear", "neither_clear", "names", "expected_by_chance")
"""Columns of the table of `flips`."""
_SHOWN = 5


def flips(evaluation: Evaluation, a: str, b: str) -> pd.DataFrame:
    """Count genes at which one predictor points the right way and the other the wrong way, with the evidence for each.

    Parameters
    ----------
    evaluation, a, b
        As for `compare_genes`. Of several tissues, gene-tissue pairs are counted.

    Returns
    -------
    pandas.DataFrame
        Two rows, right (``"a"`` or ``"b"``): genes (right in this predictor and wrong in the other), both_clear (of
        these, both intervals exclude 0), one_clear, neither_clear, names (up to five genes of both_clear, with their
        tissue if there are several), and expected_by_chance: the expected number of such flips if the true
        correlations of both were equal at every gene.
    """
    return count_flips(evaluation, compare_genes(evaluation, a, b), a, b)


def count_flips(evaluation: Evaluation, compared: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    """Count the flips of two predictors that were compared gene by gene.

    Parameters
    ----------
    evaluation
        The evaluation, for the intervals of its `per_gene`.
    compared
        Rows of `compare_genes` for these two predictors.
    a, b
        Names of the predictors.

    Returns
    -------
    pandas.DataFrame
        As from `flips`.
    """
    keys = ["tissue", "gene_id"] if "tissue" in compared else ["gene_id"]
    places = pd.MultiIndex.from_frame(compared[keys].astype(str))
    sides = []
    for name in (a, b):
        side = rows_of(evaluation, name)
        sides.append(side.iloc[pd.MultiIndex.from_frame(side[keys].astype(str)).get_indexer(places)])
    r = [side["correlation"].to_numpy(dtype=np.float64) for side in sides]
    low, high = ([side[end].to_numpy(dtype=np.float64) for side in sides] for end in ("ci_low", "ci_high"))
    clear = [(one_low > 0) | (one_high < 0) for one_low, one_high in zip(low, high, strict=True)]
    quantile = special.ndtri((1 + evaluation.settings["confidence"]) / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        error = [(np.arctanh(top) - np.arctanh(bottom)) / (2 * quantile) for bottom, top in zip(low, high, strict=True)]
    shared = correlation_of_correlations(r[0], r[1], compared["correlation_between"])
    expected = _by_chance(r, error, shared)
    names = compared["gene_name"].astype(str)
    if "tissue" in compared and len(evaluation.per_gene["tissue"].unique()) > 1:
        names = names + " (" + compared["tissue"].astype(str) + ")"
    rows = []
    for right, own, other in (("a", 0, 1), ("b", 1, 0)):
        flipped = (r[own] > 0) & (r[other] < 0)
        both, either = flipped & clear[0] & clear[1], flipped & (clear[0] ^ clear[1])
        rows.append(
            {
                "right": right,
                "genes": int(flipped.sum()),
                "both_clear": int(both.sum()),
                "one_clear": int(either.sum()),
                "neither_clear": int((flipped & ~clear[0] & ~clear[1]).sum()),
                "names": ", ".join(names[both].tolist()[:_SHOWN]),
                "expected_by_chance": expected[own],
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _by_chance(r: list[Floats], error: list[Floats], shared: Floats) -> tuple[float, float]:
    """Return the expected numbers of flips, a right and b right, if both true correlations of a gene were equal.

    Under this hypothesis the best common estimate m of both Fisher's z and their difference d are independent, and
    z_a = m + (1 - w) d, z_b = m - w d with w the weight of a in m.
    """
    z = [np.arctanh(np.clip(one, -1 + 1e-12, 1 - 1e-12)) for one in r]
    with np.errstate(invalid="ignore", divide="ignore"):
        covariance = shared * error[0] * error[1]
        variance = error[0] ** 2 + error[1] ** 2 - 2 * covariance
        weight = np.clip((error[1] ** 2 - covariance) / variance, 1e-6, 1 - 1e-6)
        common = weight * z[0] + (1 - weight) * z[1]
        needed_a = np.maximum(-common / (1 - weight), common / weight)
        needed_b = np.maximum(common / (1 - weight), -common / weight)
        a_right, b_right = (special.ndtr(-one / np.sqrt(variance)) for one in (needed_a, needed_b))
    return float(np.nansum(a_right)), float(np.nansum(b_right))
