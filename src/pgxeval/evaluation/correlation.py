"""Rank and product-moment correlation of many genes at once, given covariates, with missing values.

One row is one gene, one column one individual. Ranks are average ranks, so ties count as they do in
`scipy.stats.spearmanr`. With covariates the ranks (for Pearson: the values) of both sides are
residualised on an intercept and the covariates, which gives the partial rank correlation on
``n - 2 - c`` degrees of freedom, c being the rank of the covariates among the individuals in use.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import attrs
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MIN_INDIVIDUALS = 10
RELATIVE_SPREAD = 1e-12
"""Predictions that differ by less than this share of their size differ by rounding alone."""

DEFINED, FEW, CONSTANT_EXPRESSION, CONSTANT_PREDICTION, EXPLAINED = range(5)
REASONS = (
    "",
    "fewer than 10 individuals",
    "constant expression",
    "constant prediction",
    "explained by the covariates",
)
_ROWS = 256
_MAX_CACHED_BYTES = 2**28


def rank_rows(values: npt.ArrayLike, tolerance: npt.ArrayLike = 0.0) -> Floats:
    """Rank each row, ties sharing the mean of their ranks.

    Parameters
    ----------
    values
        float64 (n_rows, n_columns); NaN is missing.
    tolerance
        Neighbours in sorted order that differ by no more than this are tied; one number, or one a row.

    Returns
    -------
    numpy.ndarray
        float64 (n_rows, n_columns), ranks from 1; NaN where the value is missing.

    Examples
    --------
    >>> rank_rows([[10.0, 30.0, 10.0, float("nan")]]).tolist()
    [[1.5, 3.0, 1.5, nan]]
    """
    return _rank(np.atleast_2d(np.asarray(values, dtype=np.float64)), np.asarray(tolerance, dtype=np.float64))


def _rank(values: Floats, tolerance: Floats) -> Floats:
    n_rows, n = values.shape
    order = np.argsort(values, axis=1)
    order += np.arange(n_rows)[:, None] * n
    place = order.reshape(-1)
    ordered = values.reshape(-1)[place].reshape(n_rows, n)
    # a step from a number to NaN is no number, and so no tie
    tied = (ordered[:, 1:] - ordered[:, :-1]) <= tolerance.reshape(-1, 1)
    ranks = np.empty(n_rows * n)
    if tied.any():
        first = np.ones((n_rows, n), dtype=bool)
        np.logical_not(tied, out=first[:, 1:])
        begin = np.flatnonzero(first)
        size = np.diff(begin, append=n_rows * n)
        ranks[place] = np.repeat(begin % n + (size + 1) / 2, size)
    else:
        ranks[place] = np.tile(np.arange(1.0, n + 1.0), n_rows)
    if np.isnan(ordered[:, -1:]).any():
        ranks[np.isnan(values).reshape(-1)] = np.nan
    return ranks.reshape(n_rows, n)


@attrs.define(eq=False)
class CovariateBasis:
    """Orthonormal bases of an intercept and the covariates, one for each pattern of missing individuals.

    Parameters
    ----------
    covariates
        float64 (n_individuals, n_covariates) without NaN, or None.
    """

    covariates: Floats | None
    _bases: dict[bytes, Floats] = attrs.field(factory=dict, init=False, repr=False)

    def residualise(self, values: Floats, mask: Bools) -> tuple[Floats, Ints]:
        """Residualise each row among the individuals of its mask.

        Returns
        -------
        tuple
            Residuals, float64 like `values` and 0 where the mask is False, and the covariates' rank, a row.
        """
        everyone = bool(mask.all())
        present = mask.sum(axis=1)
        residual = values.copy() if everyone else np.where(mask, values, 0.0)
        residual -= (residual.sum(axis=1) / np.maximum(present, 1))[:, None]
        if not everyone:
            residual[~mask] = 0.0
        ranks = np.zeros(len(values), dtype=np.int64)
        if self.covariates is None:
            return residual, ranks
        for rows, pattern in _patterns(mask, everyone=everyone):
            basis = self._basis(pattern)
            ranks[rows] = basis.shape[1]
            residual[rows] -= (residual[rows] @ basis) @ basis.T
        return residual, ranks

    def _basis(self, pattern: Bools) -> Floats:
        """Return float64 (n_individuals, c), 0 where `pattern` is False, orthogonal to the intercept."""
        key = np.packbits(pattern).tobytes()
        found = self._bases.get(key)
        if found is None:
            assert self.covariates is not None
            chosen = self.covariates[pattern]
            chosen = chosen - chosen.mean(axis=0, keepdims=True) if len(chosen) else chosen
            length = np.linalg.norm(chosen, axis=0)
            size = np.linalg.norm(self.covariates[pattern], axis=0)
            varying = length > RELATIVE_SPREAD * np.maximum(size, np.finfo(float).tiny)
            found = np.zeros((len(pattern), 0))
            if varying.any():
                left, singular, _ = np.linalg.svd(chosen[:, varying] / length[varying], full_matrices=False)
                kept = left[:, singular > 1e-9 * singular[0]]
                found = np.zeros((len(pattern), kept.shape[1]))
                found[pattern] = kept
            if (len(self._bases) + 1) * found.nbytes > _MAX_CACHED_BYTES:
                self._bases.clear()
            self._bases[key] = found
        return found


def _patterns(mask: Bools, *, everyone: bool) -> list[tuple[npt.NDArray[np.intp] | slice, Bools]]:
    if everyone:
        return [(slice(None), mask[0])] if len(mask) else []
    _, first, inverse = np.unique(np.packbits(mask, axis=1), axis=0, return_index=True, return_inverse=True)
    inverse = inverse.reshape(-1)
    return [(np.flatnonzero(inverse == k), mask[row]) for k, row in enumerate(first)]


@attrs.frozen(kw_only=True, eq=False)
class RowCorrelations:
    """Correlations of rows, with what is needed to judge them.

    Parameters
    ----------
    spearman, pearson
        float64 (n_rows,), NaN where undefined.
    n
        int64 (n_rows,): individuals with both values.
    df
        int64 (n_rows,): ``n - 2 - c``.
    reason
        int8 (n_rows,): index into `REASONS`, 0 where defined.
    null
        float64 (n_permutations, n_rows): Spearman correlations of permuted predictions, NaN where undefined.
    null_df
        int64, the shape of `null`.
    """

    spearman: Floats
    pearson: Floats
    n: Ints
    df: Ints
    reason: npt.NDArray[np.int8]
    null: Floats
    null_df: Ints


@attrs.frozen(eq=False)
class RankedExpression:
    """Measured expression, ranked and residualised once, against which many predictions are correlated.

    Parameters
    ----------
    values
        float64 (n_genes, n_individuals); NaN is missing.
    covariates
        float64 (n_individuals, n_covariates) without NaN, or None.
    threads
        Threads that share the rows; None takes one a core.
    """

    values: Floats
    covariates: Floats | None = None
    threads: int | None = None
    _basis: CovariateBasis = attrs.field(init=False, repr=False)
    _ranks: Floats = attrs.field(init=False, repr=False)
    _units: Floats = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_basis", CovariateBasis(self.covariates))
        object.__setattr__(self, "_ranks", np.empty_like(self.values))
        object.__setattr__(self, "_units", np.empty_like(self.values))

        def prepare(rows: slice) -> None:
            values = self.values[rows]
            mask = np.isfinite(values)
            self._ranks[rows] = self._unit(_rank(values, np.zeros(1)), mask)[0]
            self._units[rows] = self._unit(values, mask)[0]

        _over_rows(prepare, len(self.values), self.threads)

    def correlate(
        self,
        predictions: Floats,
        rows: npt.NDArray[np.integer] | None = None,
        *,
        scale: Floats | None = None,
        permutations: npt.NDArray[np.integer] | None = None,
        mask: Bools | None = None,
        min_individuals: int = MIN_INDIVIDUALS,
        tie_noise: bool = False,
    ) -> RowCorrelations:
        """Correlate each row of predictions with the expression of its gene.

        Parameters
        ----------
        predictions
            float64 (n_rows, n_individuals); NaN is missing.
        rows
            Row of `values` for each row of `predictions`; None means the same rows.
        scale
            float64 (n_rows,): the size of the numbers that the predictions were computed from; spread below
            `RELATIVE_SPREAD` of it is rounding. None takes the largest absolute value of the row.
        permutations
            int (n_permutations, n_individuals): partners, as `pgxeval.seeding.permute_individuals` gives
            them; individual i is also judged with the prediction of its partner.
        mask
            bool like `predictions`: individuals to use; None uses all.
        min_individuals
            Fewest individuals, beyond the covariates' rank, for a correlation.
        tie_noise
            Whether values of one row that differ by rounding alone are tied.
        """
        n_rows = len(predictions)
        which = np.arange(n_rows) if rows is None else np.asarray(rows)
        if scale is None:
            scale = np.fmax(
                np.fmax.reduce(predictions, axis=1, initial=0.0),
                -np.fmin.reduce(predictions, axis=1, initial=0.0),
            )
        n_null = 0 if permutations is None else len(permutations)
        result = RowCorrelations(
            spearman=np.full(n_rows, np.nan),
            pearson=np.full(n_rows, np.nan),
            n=np.zeros(n_rows, dtype=np.int64),
            df=np.zeros(n_rows, dtype=np.int64),
            reason=np.zeros(n_rows, dtype=np.int8),
            null=np.full((n_null, n_rows), np.nan),
            null_df=np.zeros((n_null, n_rows), dtype=np.int64),
        )
        noise = RELATIVE_SPREAD * scale

        def work(part: slice) -> None:
            chosen = None if mask is None else mask[part]
            chunk = predictions[part]
            found = self._chunk(chunk, which[part], chosen, noise[part], min_individuals, tie_noise=tie_noise)
            result.n[part], result.df[part], result.reason[part] = found.n, found.df, found.reason
            result.spearman[part], result.pearson[part] = found.spearman, found.pearson
            if permutations is None:
                return
            if found.complete and chosen is None:
                result.null[:, part] = self._permuted(found, which[part], permutations)
                result.null_df[:, part] = found.df
                return
            for k, partner in enumerate(permutations):
                again = self._chunk(
                    chunk[:, partner], which[part], chosen, noise[part], min_individuals, tie_noise=tie_noise
                )
                result.null[k, part], result.null_df[k, part] = again.spearman, again.df

        _over_rows(work, n_rows, self.threads)
        return result

    def _unit(self, values: Floats, mask: Bools) -> tuple[Floats, Bools, Bools, Ints]:
        """Return unit-length residual rows, whether each is constant or explained, and the rank."""
        residual, rank = self._basis.residualise(values, mask)
        size = np.sqrt(np.einsum("ij,ij->i", residual, residual))
        if self.covariates is None:
            total = np.where(mask, values, 0.0) if not mask.all() else values
            whole = np.sqrt(np.einsum("ij,ij->i", total, total))
            constant = size <= 1e-14 * whole
            explained = np.zeros_like(constant)
        else:
            centred = CovariateBasis(None).residualise(values, mask)[0]
            spread = np.sqrt(np.einsum("ij,ij->i", centred, centred))
            total = np.where(mask, values, 0.0)
            whole = np.sqrt(np.einsum("ij,ij->i", total, total))
            constant = spread <= 1e-14 * whole
            explained = ~constant & (size <= 1e-7 * spread)
        bad = constant | explained
        residual /= np.where(bad, 1.0, size)[:, None]
        residual[bad] = 0.0
        return residual, constant, explained, rank

    def _chunk(
        self,
        predictions: Floats,
        rows: npt.NDArray[np.integer],
        chosen: Bools | None,
        noise: Floats,
        min_individuals: int,
        *,
        tie_noise: bool,
    ) -> _Chunk:
        measured = np.isfinite(self.values[rows])
        mask = measured & np.isfinite(predictions)
        if chosen is not None:
            mask &= chosen
        complete = bool(mask.all())
        values = predictions if complete else np.where(mask, predictions, np.nan)
        ranks = _rank(values, noise if tie_noise else np.zeros(1))
        highest, lowest = (np.maximum, np.minimum) if complete else (np.fmax, np.fmin)
        spread = highest.reduce(values, axis=1, initial=-np.inf) - lowest.reduce(values, axis=1, initial=np.inf)
        rank_unit, constant, explained, rank = self._unit(ranks, mask)
        value_unit = self._unit(values, mask)[0]
        expression_rank, expression_unit = self._ranks[rows], self._units[rows]
        fewer = np.flatnonzero((mask != measured).any(axis=1))
        if len(fewer):
            left = np.where(mask[fewer], self.values[rows[fewer]], np.nan)
            expression_rank[fewer] = self._unit(_rank(left, np.zeros(1)), mask[fewer])[0]
            expression_unit[fewer] = self._unit(left, mask[fewer])[0]
        n = mask.sum(axis=1)
        flat = ~expression_rank.any(axis=1)
        reason = np.zeros(len(rows), dtype=np.int8)
        reason[explained] = EXPLAINED
        for row in np.flatnonzero(flat):
            left = self.values[rows[row]][mask[row]]
            varies = len(left) and np.ptp(left) > 0
            reason[row] = EXPLAINED if varies else CONSTANT_EXPRESSION
        reason[constant | (spread <= noise)] = CONSTANT_PREDICTION
        reason[n - rank < min_individuals] = FEW
        spearman = _dot(rank_unit, expression_rank)
        pearson = _dot(value_unit, expression_unit)
        spearman[reason != DEFINED] = np.nan
        pearson[reason != DEFINED] = np.nan
        return _Chunk(
            spearman=spearman,
            pearson=pearson,
            n=n,
            df=n - 2 - rank,
            reason=reason,
            ranks=ranks,
            expression=expression_rank,
            complete=complete,
        )

    def _permuted(self, chunk: _Chunk, rows: npt.NDArray[np.integer], permutations: npt.NDArray[np.integer]) -> Floats:
        """Correlate permuted ranks: with nothing missing, the ranks of the permuted are the permuted ranks."""
        ranks = np.ascontiguousarray((chunk.ranks - (chunk.ranks.shape[1] + 1) / 2).T)
        expression = np.ascontiguousarray(chunk.expression.T)
        squares = np.einsum("ij,ij->j", ranks, ranks)
        null = np.empty((len(permutations), len(rows)))
        basis = None if self.covariates is None else self._basis._basis(np.ones(len(ranks), dtype=bool))
        for k, partner in enumerate(permutations):
            permuted = ranks[partner]
            length = squares
            if basis is not None:
                projected = basis.T @ permuted
                length = squares - np.einsum("ij,ij->j", projected, projected)
            with np.errstate(invalid="ignore", divide="ignore"):
                null[k] = np.einsum("ij,ij->j", permuted, expression) / np.sqrt(length)
        null[:, chunk.reason != DEFINED] = np.nan
        null[np.abs(null) < 1e-13] = 0.0
        return np.clip(null, -1.0, 1.0)


@attrs.frozen(kw_only=True, eq=False)
class _Chunk:
    spearman: Floats
    pearson: Floats
    n: Ints
    df: Ints
    reason: npt.NDArray[np.int8]
    ranks: Floats
    expression: Floats
    complete: bool


def _dot(a: Floats, b: Floats) -> Floats:
    product = np.einsum("ij,ij->i", a, b)
    # an exact zero has no direction, and rounding must not give it one
    product[np.abs(product) < 1e-13] = 0.0
    return np.asarray(np.clip(product, -1.0, 1.0))


def _over_rows(work: Callable[[slice], None], n_rows: int, threads: int | None) -> None:
    parts = [slice(start, min(start + _ROWS, n_rows)) for start in range(0, n_rows, _ROWS)]
    threads = threads or min(os.cpu_count() or 1, 8)
    if threads == 1 or len(parts) <= 1:
        for part in parts:
            work(part)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, parts):
            pass


def correlate_rows(
    predictions: npt.ArrayLike, expression: npt.ArrayLike, covariates: npt.ArrayLike | None = None
) -> RowCorrelations:
    """Correlate rows of predictions with rows of expression.

    Parameters
    ----------
    predictions, expression
        float64 (n_genes, n_individuals); NaN is missing.
    covariates
        float64 (n_individuals, n_covariates) without NaN, or None.

    Returns
    -------
    RowCorrelations
        Spearman and Pearson correlations, partial where covariates are given.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(12.0)[None, :]
    >>> found = correlate_rows(np.exp(x), x)
    >>> float(found.spearman[0]), int(found.df[0])
    (1.0, 10)
    >>> correlate_rows(np.ones((1, 12)), x).reason.tolist() == [CONSTANT_PREDICTION]
    True
    """
    matrix = np.atleast_2d(np.asarray(expression, dtype=np.float64))
    design = None if covariates is None else np.asarray(covariates, dtype=np.float64)
    if design is not None and design.ndim == 1:
        design = design[:, None]
    return RankedExpression(matrix, design, threads=1).correlate(
        np.atleast_2d(np.asarray(predictions, dtype=np.float64))
    )
