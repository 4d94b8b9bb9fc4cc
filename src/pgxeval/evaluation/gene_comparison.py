"""Two predictors compared gene by gene: the difference of their correlations."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from pgxeval.errors import SettingError, UnknownNameError
from pgxeval.evaluation.each_tissue import each_tissue
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.pair_pass import PairPass, PairResult
from pgxeval.evaluation.resampling import benjamini_hochberg

Floats = npt.NDArray[np.float64]
Method = Literal["intervals", "bootstrap"]

_KEYS = ("predictor_a", "predictor_b")
COLUMNS = (
    "gene_id",
    "gene_name",
    "correlation_a",
    "correlation_b",
    "correlation_between",
    "difference",
    "difference_low",
    "difference_high",
    "p_value",
    "q_value",
    "better",
    "reason",
)
"""Columns of the table of `compare_genes`, after the tissue if there are several."""
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


def compare_genes(
    evaluation: Evaluation,
    a: str,
    b: str,
    *,
    method: Method = "intervals",
    samples: int = 1000,
    seed: int = 0,
    threads: int | None = None,
) -> pd.DataFrame:
    """Compare two predictors gene by gene.

    ``method="intervals"`` makes the interval of a difference from the intervals of the two correlations and the
    correlation of the two predictions (the method of variance estimates recovery). It therefore includes what the two
    intervals include: robust standard errors, and for cross-fitted predictors the inflation seen on permuted
    expression. It describes these fitted models, not the procedures retrained on other individuals.

    ``method="bootstrap"`` is the percentile bootstrap of individuals that Shen used, for comparison with that study.
    It takes predictions as fixed, so it rejects too often where a predictor is cross-fitted (10 to 13 % instead of 5
    % without signal), and slightly too often with few individuals (``validation/gene_comparison.md``).

    Parameters
    ----------
    evaluation
        An evaluation with its predictions, in memory or in a store; one that was read from a folder has none. Of
        several tissues, every gene-tissue pair at which both predictors were run is compared.
    a, b
        Names of the predictors.
    method
        ``"intervals"`` or ``"bootstrap"``.
    samples
        Bootstrap samples, at least 100. Families are drawn as a whole.
    seed
        Seed of the bootstrap.
    threads
        Threads that share the genes; None uses one per core, at most 8.

    Returns
    -------
    pandas.DataFrame
        One row per gene: tissue (if there are several), gene_id, gene_name, correlation_a, correlation_b,
        correlation_between (of the two predictions), all of the measure of the evaluation; difference (a less b),
        difference_low, difference_high, p_value, q_value (Benjamini-Hochberg over genes and tissues), better (``"a"``
        or ``"b"``, else ``""``: where q is below the level of the evaluation; with the bootstrap where the interval
        excludes 0, as Shen counted, without correction for the number of genes), reason (why undefined).

    Raises
    ------
    UnknownNameError
        If a predictor is not in the evaluation.
    SettingError
        If the evaluation has no predictions, or a setting is out of range.

    Notes
    -----
    Source: Zou 2007, Psychol Methods 12:399. p is the level at which the interval just excludes 0; with the bootstrap,
    twice the share of samples, plus one, on the other side of 0.
    """
    table = compare_pairs(evaluation, [(a, b)], method=method, samples=samples, seed=seed, threads=threads)
    return table.drop(columns=["predictor_a", "predictor_b"])


def compare_pairs(
    evaluation: Evaluation,
    pairs: Sequence[tuple[str, str]] | None = None,
    *,
    method: Method = "intervals",
    samples: int = 1000,
    seed: int = 0,
    threads: int | None = None,
) -> pd.DataFrame:
    """Compare several pairs of predictors gene by gene, with one pass over the predictions.

    Parameters
    ----------
    evaluation, method, samples, seed, threads
        As for `compare_genes`. All pairs have the same bootstrap samples.
    pairs
        Pairs of names; None compares all pairs of the evaluation.

    Returns
    -------
    pandas.DataFrame
        As from `compare_genes`, one row per pair of predictors and gene (in each tissue in which both were run), with
        the columns predictor_a and predictor_b; q-values are over the genes (and tissues) of a pair of predictors.
    """
    if method not in ("intervals", "bootstrap"):
        raise SettingError(f'method must be "intervals" or "bootstrap", got {method!r}')
    if samples < 100:
        raise SettingError(f"samples must be at least 100, got {samples}")
    predictor_names = list(dict.fromkeys(evaluation.per_gene["predictor"].astype(str)))
    name_pairs = (
        list(itertools.combinations(predictor_names, 2)) if pairs is None else [(str(a), str(b)) for a, b in pairs]
    )
    for name in itertools.chain(*name_pairs):
        rows_of(evaluation, name)
    tables: dict[tuple[str, str], list[pd.DataFrame]] = {pair: [] for pair in name_pairs}
    for tissue, part in each_tissue(evaluation, "comparing genes"):
        assert part.predictions is not None
        # a predictor that was not run in a tissue has no pair there
        run = set(part.predictions.predictors)
        here = [pair for pair in name_pairs if run.issuperset(pair)]
        sides = {name: rows_of(part, name) for name in dict.fromkeys(itertools.chain(*here))}
        one_pass = PairPass.of(part, here, list(sides), samples=samples if method == "bootstrap" else 0, seed=seed)
        one_pass.run(threads or min(joblib.cpu_count(), 8))
        for pair, result in zip(here, one_pass.results, strict=True):
            table = _table_of(part, pair, (sides[pair[0]], sides[pair[1]]), result, method)
            if tissue is not None:
                table.insert(2, "tissue", tissue)
            tables[pair].append(table)
    joined = [_adjusted(evaluation, parts, method) for parts in tables.values() if parts]
    if not joined:
        names = [*_KEYS, *(["tissue"] if "tissue" in evaluation.per_gene else []), *COLUMNS]
        return pd.DataFrame(columns=names)
    return pd.concat(joined, ignore_index=True)


def _adjusted(evaluation: Evaluation, parts: Sequence[pd.DataFrame], method: Method) -> pd.DataFrame:
    """Join the tissues of a pair of predictors, with q-values over all gene-tissue pairs."""
    table = pd.concat(parts, ignore_index=True)
    q_value = benjamini_hochberg(table["p_value"].to_numpy(dtype=np.float64))
    with np.errstate(invalid="ignore"):
        excludes_0 = (table["difference_low"] > 0) | (table["difference_high"] < 0)
        clear = excludes_0 if method == "bootstrap" else q_value < evaluation.settings["level"]
    better = np.where(clear, np.where(table["difference"] > 0, "a", "b"), "")
    table = table.assign(q_value=q_value, better=better)
    return table[[name for name in table.columns if name not in COLUMNS] + list(COLUMNS)]


def _table_of(
    evaluation: Evaluation,
    pair: tuple[str, str],
    sides: tuple[pd.DataFrame, pd.DataFrame],
    found: PairResult,
    method: Method,
) -> pd.DataFrame:
    """Return the rows of one pair."""
    assert evaluation.target is not None
    gene_ids = sides[0]["gene_id"].astype(str).to_numpy()
    place = pd.Index(evaluation.target.gene_ids).get_indexer(pd.Index(gene_ids))
    between = found.between[place]
    r_a, r_b = (side["correlation"].to_numpy(dtype=np.float64) for side in sides)
    difference = r_a - r_b
    if method == "bootstrap":
        undefined = np.isnan(difference)
        low, high, p_value = (np.where(undefined, np.nan, one[place]) for one in (found.low, found.high, found.p_value))
    else:
        low, high, p_value = _from_intervals(sides, between, float(evaluation.settings["confidence"]))
    reason = np.where(np.isnan(difference), UNDEFINED, np.where(np.isnan(low), NO_INTERVAL, "")).astype(object)
    return pd.DataFrame(
        {
            "predictor_a": pair[0],
            "predictor_b": pair[1],
            "gene_id": gene_ids,
            "gene_name": sides[0]["gene_name"].to_numpy(),
            "correlation_a": r_a,
            "correlation_b": r_b,
            "correlation_between": between,
            "difference": difference,
            "difference_low": low,
            "difference_high": high,
            "p_value": p_value,
            "reason": pd.array([text or None for text in reason], dtype="string"),
        }
    )


def _from_intervals(
    sides: tuple[pd.DataFrame, pd.DataFrame], between: Floats, confidence: float
) -> tuple[Floats, Floats, Floats]:
    """Return limits and p-values of the differences, from the limits of both correlations."""
    r_a, r_b = (side["correlation"].to_numpy(dtype=np.float64) for side in sides)
    (low_a, high_a), (low_b, high_b) = (
        (side["ci_low"].to_numpy(dtype=np.float64), side["ci_high"].to_numpy(dtype=np.float64)) for side in sides
    )
    shared = correlation_of_correlations(r_a, r_b, between)
    difference = r_a - r_b
    below = _combine(r_a - low_a, high_b - r_b, shared)
    above = _combine(high_a - r_a, r_b - low_b, shared)
    quantile = special.ndtri((1 + confidence) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.abs(difference) / (np.where(difference > 0, below, above) / quantile)
    return difference - below, difference + above, 2 * special.ndtr(-score)


def _combine(one: Floats, other: Floats, shared: Floats) -> Floats:
    return np.sqrt(np.maximum(one**2 + other**2 - 2 * shared * one * other, 0.0))


def rows_of(evaluation: Evaluation, predictor: str) -> pd.DataFrame:
    """Return the rows of a predictor in per_gene.

    Raises
    ------
    UnknownNameError
        If it has none.
    """
    table = evaluation.per_gene
    rows = table[table["predictor"].astype(str) == predictor]
    if rows.empty:
        names = ", ".join(table["predictor"].astype(str).drop_duplicates())
        raise UnknownNameError(f"predictor {predictor} is not in the evaluation; it has {names}")
    return rows.reset_index(drop=True)
