"""Two predictors compared gene by gene: differences of correlations, and genes whose direction they see differently."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from pgxeval.errors import SettingError, UnknownNameError
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.matrices import LongTable, PredictorMatrices
from pgxeval.evaluation.measured import MeasuredExpression
from pgxeval.evaluation.ranks import rank_rows
from pgxeval.evaluation.resampling import benjamini_hochberg
from pgxeval.evaluation.settings import Measure
from pgxeval.tables.predictions import Predictions

Floats = npt.NDArray[np.float64]

UNDEFINED = "correlation undefined for at least one of the two"
NO_INTERVAL = "no interval for at least one of the two"


def correlation_of_correlations(r_a: npt.ArrayLike, r_b: npt.ArrayLike, r_ab: npt.ArrayLike) -> Floats:
    """Return the correlation of two sample correlations that share one variable.

    Parameters
    ----------
    r_a, r_b
        float64 (n_genes,): correlations of two predictions with the same expression.
    r_ab
        float64 (n_genes,): correlation of the two predictions with each other.

    Returns
    -------
    numpy.ndarray
        float64 (n_genes,), between -1 and 1. Source: Pearson and Filon 1898; Zou 2007, Psychol Methods 12:399, eq. 3.

    Examples
    --------
    >>> correlation_of_correlations([0.0, 0.0], [0.0, 0.0], [0.0, 0.5]).tolist()
    [0.0, 0.5]
    """
    a, b, ab = (np.asarray(one, dtype=np.float64) for one in (r_a, r_b, r_ab))
    with np.errstate(divide="ignore", invalid="ignore"):
        shared = (ab - a * b / 2) * (1 - a**2 - b**2 - ab**2) + ab**3
        return np.clip(shared / ((1 - a**2) * (1 - b**2)), -1.0, 1.0)


def compare_genes(evaluation: Evaluation, a: str, b: str) -> pd.DataFrame:
    """Compare two predictors gene by gene.

    The interval of a difference is made from the intervals of the two correlations and the correlation of the two
    predictions (the method of variance estimates recovery). It therefore includes what the two intervals include:
    robust standard errors, and for cross-fitted predictors the inflation seen on permuted expression. It describes
    these fitted models, not the procedures retrained on other individuals.

    Parameters
    ----------
    evaluation
        An evaluation with its predictions; one that was read from a folder has none.
    a, b
        Names of the predictors.

    Returns
    -------
    pandas.DataFrame
        One row per gene: gene_id, gene_name, correlation_a, correlation_b, correlation_between (of the two
        predictions), all of the measure of the evaluation; difference (a less b), difference_low, difference_high,
        p_value, q_value (Benjamini-Hochberg over genes), better (``"a"`` or ``"b"`` where q is below the level of the
        evaluation, else ``""``), reason (why undefined).

    Raises
    ------
    UnknownNameError
        If a predictor is not in the evaluation.
    SettingError
        If the evaluation does not hold its predictions in memory.

    Notes
    -----
    Source: Zou 2007, Psychol Methods 12:399. p is the level at which the interval just excludes 0.
    """
    if not isinstance(evaluation.predictions, Predictions) or evaluation.target is None:
        raise SettingError(
            "comparing genes needs the predictions in memory, which an evaluation read from a folder or made from a "
            "store does not have; evaluate a Predictions table of these two predictors"
        )
    sides = [_rows_of(evaluation, name) for name in (a, b)]
    gene_ids = sides[0]["gene_id"].astype(str).to_numpy()
    between = _between(evaluation.predictions, evaluation.target, (a, b), gene_ids, evaluation.measure)
    r_a, r_b = (side["correlation"].to_numpy(dtype=np.float64) for side in sides)
    (low_a, high_a), (low_b, high_b) = (
        (side["ci_low"].to_numpy(dtype=np.float64), side["ci_high"].to_numpy(dtype=np.float64)) for side in sides
    )
    shared = correlation_of_correlations(r_a, r_b, between)
    difference = r_a - r_b
    below = _combine(r_a - low_a, high_b - r_b, shared)
    above = _combine(high_a - r_a, r_b - low_b, shared)
    quantile = special.ndtri((1 + evaluation.settings["confidence"]) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.abs(difference) / (np.where(difference > 0, below, above) / quantile)
    p_value = 2 * special.ndtr(-score)
    q_value = benjamini_hochberg(p_value)
    with np.errstate(invalid="ignore"):
        significant = q_value < evaluation.settings["level"]
    reason = np.where(np.isnan(difference), UNDEFINED, np.where(np.isnan(below), NO_INTERVAL, "")).astype(object)
    return pd.DataFrame(
        {
            "gene_id": gene_ids,
            "gene_name": sides[0]["gene_name"].to_numpy(),
            "correlation_a": r_a,
            "correlation_b": r_b,
            "correlation_between": between,
            "difference": difference,
            "difference_low": difference - below,
            "difference_high": difference + above,
            "p_value": p_value,
            "q_value": q_value,
            "better": np.where(significant, np.where(difference > 0, "a", "b"), ""),
            "reason": pd.array([text or None for text in reason], dtype="string"),
        }
    )


def flips(evaluation: Evaluation, a: str, b: str) -> pd.DataFrame:
    """Count genes at which one predictor points the right way and the other the wrong way, with the evidence for each.

    Parameters
    ----------
    evaluation, a, b
        As for `compare_genes`.

    Returns
    -------
    pandas.DataFrame
        Two rows, right (``"a"`` or ``"b"``): genes (right in this predictor and wrong in the other), both_clear (of
        these, both intervals exclude 0), one_clear, neither_clear, names (up to five genes of both_clear), and
        expected_by_chance: the expected number of such flips if the true correlations of both were equal at every gene.
    """
    table = compare_genes(evaluation, a, b)
    sides = [_rows_of(evaluation, name) for name in (a, b)]
    r = [side["correlation"].to_numpy(dtype=np.float64) for side in sides]
    low, high = ([side[end].to_numpy(dtype=np.float64) for side in sides] for end in ("ci_low", "ci_high"))
    clear = [(one_low > 0) | (one_high < 0) for one_low, one_high in zip(low, high, strict=True)]
    quantile = special.ndtri((1 + evaluation.settings["confidence"]) / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        error = [(np.arctanh(top) - np.arctanh(bottom)) / (2 * quantile) for bottom, top in zip(low, high, strict=True)]
    shared = correlation_of_correlations(r[0], r[1], table["correlation_between"])
    expected = _flips_by_chance(r, error, shared)
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
                "names": ", ".join(table["gene_name"].astype(str)[both].tolist()[:5]),
                "expected_by_chance": expected[own],
            }
        )
    return pd.DataFrame(rows)


def _flips_by_chance(r: list[Floats], error: list[Floats], shared: Floats) -> tuple[float, float]:
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


def _combine(one: Floats, other: Floats, shared: Floats) -> Floats:
    return np.sqrt(np.maximum(one**2 + other**2 - 2 * shared * one * other, 0.0))


def _rows_of(evaluation: Evaluation, predictor: str) -> pd.DataFrame:
    table = evaluation.per_gene
    rows = table[table["predictor"].astype(str) == predictor]
    if rows.empty:
        known = ", ".join(table["predictor"].astype(str).drop_duplicates())
        raise UnknownNameError(f"predictor {predictor} is not in the evaluation; it has {known}")
    return rows.reset_index(drop=True)


def _between(
    predictions: Predictions,
    target: MeasuredExpression,
    pair: tuple[str, str],
    gene_ids: npt.NDArray[np.object_],
    measure: Measure,
) -> Floats:
    """Return the correlation of the predictions of two predictors, over individuals that both cover."""
    long = LongTable(predictions.table, target.gene_ids, target.individuals, 1)
    place = {target.gene_ids[row]: k for k, row in enumerate(long.present("gene_id"))}
    values = [_values(long.matrices(name), long.present("gene_id")) for name in pair]
    both = np.isfinite(values[0]) & np.isfinite(values[1])
    x, y = (_centred(one, both, measure) for one in values)
    with np.errstate(divide="ignore", invalid="ignore"):
        r = (x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    return np.asarray(np.clip(r, -1.0, 1.0)[[place[gene] for gene in gene_ids]], dtype=np.float64)


def _centred(values: Floats, both: npt.NDArray[np.bool_], measure: Measure) -> Floats:
    part = np.where(both, values, np.nan)
    if measure == "spearman":
        part = rank_rows(part)
    n = np.maximum(both.sum(axis=1, keepdims=True), 1)
    part = np.where(both, part, 0.0)
    return np.where(both, part - part.sum(axis=1, keepdims=True) / n, 0.0)


def _values(matrices: PredictorMatrices, genes: npt.NDArray[np.int64]) -> Floats:
    values = matrices.values[0]
    full = np.full((len(genes), values.shape[1]), np.nan)
    full[np.searchsorted(genes, matrices.genes)] = values
    return full
