"""Two predictors compared gene by gene: differences of correlations, and genes whose direction they see differently."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import attrs
import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from pgxeval.errors import SettingError, UnknownNameError
from pgxeval.evaluation.bootstrap import (
    bootstrap_correlations,
    bootstrap_weights,
    percentile_limits,
    weighted_sums,
)
from pgxeval.evaluation.correlation import RankedExpression
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.gene_batches import GeneBatch, first_folds, gene_batches
from pgxeval.evaluation.matrices import PredictorMatrices, fold_patterns
from pgxeval.evaluation.ranks import rank_rows
from pgxeval.evaluation.resampling import benjamini_hochberg
from pgxeval.evaluation.settings import Measure

Floats = npt.NDArray[np.float64]
Method = Literal["intervals", "bootstrap"]

_ROWS = 128

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
        An evaluation with its predictions, in memory or in a store; one that was read from a folder, or of several
        tissues, has none.
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
        One row per gene: gene_id, gene_name, correlation_a, correlation_b, correlation_between (of the two
        predictions), all of the measure of the evaluation; difference (a less b), difference_low, difference_high,
        p_value, q_value (Benjamini-Hochberg over genes), better (``"a"`` or ``"b"``, else ``""``: where q is below
        the level of the evaluation; with the bootstrap where the interval excludes 0, as Shen counted, without
        correction for the number of genes), reason (why undefined).

    Raises
    ------
    UnknownNameError
        If a predictor is not in the evaluation.
    SettingError
        If the evaluation has no predictions, or a setting is out of range.

    Notes ----- Source: Zou 2007, Psychol Methods 12:399. p is the level at which the interval just excludes 0; with
    the bootstrap, twice the share of samples, plus one, on the other side of 0.
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
        As from `compare_genes`, one row per pair and gene, with the columns predictor_a and predictor_b; q-values are
        over the genes of a pair.
    """
    if evaluation.predictions is None or evaluation.target is None:
        raise SettingError(
            "comparing genes needs the predictions, which an evaluation read from a folder or of several tissues does "
            "not have; evaluate the predictions of one tissue"
        )
    if method not in ("intervals", "bootstrap"):
        raise SettingError(f'method must be "intervals" or "bootstrap", got {method!r}')
    if samples < 100:
        raise SettingError(f"samples must be at least 100, got {samples}")
    known = list(dict.fromkeys(evaluation.per_gene["predictor"].astype(str)))
    chosen = list(itertools.combinations(known, 2)) if pairs is None else [(str(a), str(b)) for a, b in pairs]
    sides = {name: _rows_of(evaluation, name) for name in dict.fromkeys(itertools.chain(*chosen))}
    found = _PairPass.of(evaluation, chosen, list(sides), samples=samples if method == "bootstrap" else 0, seed=seed)
    found.run(threads or min(joblib.cpu_count(), 8))
    tables = [
        _table_of(evaluation, pair, (sides[pair[0]], sides[pair[1]]), found.results[k], method)
        for k, pair in enumerate(chosen)
    ]
    return pd.concat(tables, ignore_index=True)


@attrs.frozen(kw_only=True, eq=False)
class _PairResult:
    """What one pass over the predictions finds for a pair, float64 (n_genes of the target,) each."""

    between: Floats
    low: Floats
    high: Floats
    p_value: Floats

    @classmethod
    def empty(cls, genes: int) -> _PairResult:
        return cls(**{field.name: np.full(genes, np.nan) for field in attrs.fields(cls)})


@attrs.frozen(kw_only=True, eq=False)
class _PairPass:
    """One pass over the observed predictions of several predictors, gene batch by gene batch."""

    evaluation: Evaluation
    pairs: Sequence[tuple[str, str]]
    names: Sequence[str]
    expression: RankedExpression
    folds: npt.NDArray[np.int16] | None
    weights: npt.NDArray[np.float32] | None
    results: Sequence[_PairResult]

    @classmethod
    def of(
        cls, evaluation: Evaluation, pairs: Sequence[tuple[str, str]], names: Sequence[str], *, samples: int, seed: int
    ) -> _PairPass:
        target, predictions = evaluation.target, evaluation.predictions
        assert target is not None and predictions is not None  # noqa: PT018
        kinds = {name: str(one["kind"]) for name, one in evaluation.settings["predictors"].items()}
        n, codes = len(target.individuals), target.family_codes
        return cls(
            evaluation=evaluation,
            pairs=pairs,
            names=names,
            expression=RankedExpression(target.expression, target.covariates, None, codes),
            folds=first_folds(predictions, target, kinds) if samples else None,
            weights=bootstrap_weights(n, samples, seed, codes) if samples else None,
            results=[_PairResult.empty(len(target.gene_ids)) for _ in pairs],
        )

    def run(self, threads: int) -> None:
        target, predictions = self.evaluation.target, self.evaluation.predictions
        assert target is not None and predictions is not None  # noqa: PT018
        with ThreadPoolExecutor(threads) as pool:
            for batch in gene_batches(predictions, target, self.names):
                parts = [batch.genes[start : start + _ROWS] for start in range(0, len(batch.genes), _ROWS)]
                for _ in pool.map(lambda genes, batch=batch: self._work(batch, genes), parts):
                    pass

    def _work(self, batch: GeneBatch, genes: npt.NDArray[np.int64]) -> None:
        measure = self.evaluation.measure
        values = {name: _values(one, genes) for name, one in batch.matrices.items()}
        complete = {name: _centred(one, np.isfinite(one), measure) for name, one in values.items()}
        drawn = {} if self.weights is None else self._draw(batch, genes)
        for (a, b), result in zip(self.pairs, self.results, strict=True):
            if a not in values or b not in values:
                continue
            both = np.isfinite(values[a]) & np.isfinite(values[b])
            x, y = (complete[name] if both.all() else _centred(values[name], both, measure) for name in (a, b))
            with np.errstate(divide="ignore", invalid="ignore"):
                r = np.einsum("ij,ij->i", x, y)
                r /= np.sqrt(np.einsum("ij,ij->i", x, x) * np.einsum("ij,ij->i", y, y))
            result.between[genes] = np.clip(r, -1.0, 1.0)
            if not drawn:
                continue
            difference = drawn[a] - drawn[b]
            defined = np.isfinite(difference).all(axis=0)
            result.low[genes], result.high[genes] = percentile_limits(
                difference, float(self.evaluation.settings["confidence"])
            )
            sides = np.minimum((difference <= 0).sum(axis=0), (difference >= 0).sum(axis=0))
            p_value = np.minimum(2 * (1 + sides) / (1 + len(difference)), 1.0)
            result.p_value[genes] = np.where(defined, p_value, np.nan)

    def _draw(self, batch: GeneBatch, genes: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.float32]]:
        """Return bootstrap correlations of each predictor, float32 (samples, n_genes)."""
        assert self.weights is not None
        drawn = {}
        sums: dict[bytes, tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]] = {}
        for name, matrices in batch.matrices.items():
            values = _values(matrices, genes)
            whole = np.full((len(self.weights), len(genes)), np.nan, dtype=np.float32)
            rows_of = np.searchsorted(matrices.genes, genes).clip(max=len(matrices.genes) - 1)
            groups: list[tuple[npt.NDArray[np.intp] | slice, npt.NDArray[np.int16] | None]] = [
                (slice(None), self.folds)
            ]
            if matrices.folds is not None:
                groups = list(fold_patterns(matrices.folds[0][rows_of]))
            for rows, folds in groups:
                aligned = self.expression.align(
                    values[rows],
                    genes[rows],
                    folds=folds,
                    scale=matrices.scale[0][rows_of][rows],
                    tie_noise=matrices.folds is not None,
                    measure=self.evaluation.measure,
                )
                x = aligned.basis.units(aligned.scores, aligned.mask).units
                whole_rows = isinstance(rows, slice) and bool(aligned.mask.all())
                key = b"" if folds is None else folds.tobytes()
                if whole_rows and key not in sums:
                    sums[key] = weighted_sums(aligned.expression, self.weights)
                whole[:, rows] = bootstrap_correlations(
                    x,
                    aligned.expression,
                    aligned.mask,
                    factor=aligned.factor,
                    weights=self.weights,
                    sums_y=sums[key] if whole_rows else None,
                )
            drawn[name] = whole
        return drawn


def _table_of(
    evaluation: Evaluation,
    pair: tuple[str, str],
    sides: tuple[pd.DataFrame, pd.DataFrame],
    found: _PairResult,
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
    q_value = benjamini_hochberg(p_value)
    with np.errstate(invalid="ignore"):
        clear = (low > 0) | (high < 0) if method == "bootstrap" else q_value < evaluation.settings["level"]
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
            "q_value": q_value,
            "better": np.where(clear, np.where(difference > 0, "a", "b"), ""),
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
        expected_by_chance: the expected number of such flips if the true correlations of both were equal at every
        gene.
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


def _centred(values: Floats, both: npt.NDArray[np.bool_], measure: Measure) -> Floats:
    part = np.where(both, values, np.nan)
    if measure == "spearman":
        part = rank_rows(part)
    n = np.maximum(both.sum(axis=1, keepdims=True), 1)
    part = np.where(both, part, 0.0)
    return np.where(both, part - part.sum(axis=1, keepdims=True) / n, 0.0)


def _values(matrices: PredictorMatrices, genes: npt.NDArray[np.int64]) -> Floats:
    """Return the observed predictions of these genes, NaN where the predictor has none."""
    row = np.searchsorted(matrices.genes, genes).clip(max=len(matrices.genes) - 1)
    values: Floats = matrices.values[0][row]
    values[matrices.genes[row] != genes] = np.nan
    return values
