"""Rank and product-moment correlation of many genes at once, given covariates and folds, with missing values.

One row is one gene, one column one individual. Ranks are average ranks, so ties count as they do in
`scipy.stats.spearmanr`. With covariates the ranks (for Pearson: the values) of both sides are
residualised on an intercept and the covariates, which gives the partial correlation on ``n - 2 - c`` degrees of
freedom, c being the rank of the covariates among the individuals in use.

With folds, predictions are first brought to one scale within each fold (`score_within_folds`), expression is ranked
over all individuals, and the folds count as further covariates: the correlation is a weighted mean of what the
model of each fold reaches among the individuals of that fold.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import attrs
import joblib
import numpy as np
import numpy.typing as npt

from pgxeval.cohort.covariates import CONSTANT_SPREAD, constant
from pgxeval.evaluation.ranks import fold_columns, rank_with_ties, score_within_folds
from pgxeval.evaluation.residuals import CovariateBasis
from pgxeval.evaluation.settings import Measure
from pgxeval.evaluation.standard_errors import StandardErrors, influence_standard_errors

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.integer]

MIN_INDIVIDUALS = 10
RELATIVE_SPREAD = CONSTANT_SPREAD
"""Predictions that differ by less than this share of their size differ by rounding alone."""

DEFINED, FEW, CONSTANT_EXPRESSION, CONSTANT_PREDICTION, EXPLAINED, SMALL_FOLDS = range(6)
REASONS = (
    "",
    "fewer than 10 individuals",
    "constant expression",
    "constant prediction",
    "explained by the covariates",
    "every fold has fewer than 3 individuals",
)
_ROWS = 256


@attrs.frozen(kw_only=True, eq=False)
class RowCorrelations:
    """Correlations of rows, with what is needed to infer from them.

    Parameters
    ----------
    spearman, pearson
        float64 (n_rows,), NaN where undefined.
    spearman_errors, pearson_errors
        Their standard errors on the scale of Fisher's z.
    n
        int64 (n_rows,): individuals with both values.
    df
        int64 (n_rows,): ``n - 2 - c``, less the number of folds minus 1 where folds are given.
    support
        float64 (n_rows,): n times the share of individuals whose prediction is not the commonest one (of their
        fold) times the share whose expression is not the commonest one.
    differing
        float64 (n_rows,): individuals whose prediction is not the commonest one (of their fold), or individuals whose
        expression is not the commonest one, whichever are fewer.
    informative
        float64 (n_rows,): share of individuals (less one per fold) in folds with varying predictions; 1 without folds.
    skewness
        float64 (n_rows,): of residual expression, 0 for a symmetric distribution.
    reason
        int8 (n_rows,): index into `REASONS`, 0 where defined.
    null
        float64 (n_permutations, n_rows): correlations of permuted predictions, NaN where undefined.
    null_df
        int64, the shape of `null`.
    """

    spearman: Floats
    pearson: Floats
    spearman_errors: StandardErrors
    pearson_errors: StandardErrors
    n: Ints
    df: Ints
    support: Floats
    differing: Floats
    informative: Floats
    skewness: Floats
    reason: npt.NDArray[np.int8]
    null: Floats
    null_df: Ints

    def correlation(self, measure: Measure) -> Floats:
        """Return the correlations of a measure."""
        return self.spearman if measure == "spearman" else self.pearson

    def errors(self, measure: Measure) -> StandardErrors:
        """Return the standard errors of a measure."""
        return self.spearman_errors if measure == "spearman" else self.pearson_errors

    @classmethod
    def undefined(cls, n_rows: int, n_null: int = 0) -> RowCorrelations:
        """Return rows of which nothing is known yet."""

        def nan() -> Floats:
            return np.full(n_rows, np.nan)

        return cls(
            spearman=nan(),
            pearson=nan(),
            spearman_errors=StandardErrors(se=nan(), df=nan()),
            pearson_errors=StandardErrors(se=nan(), df=nan()),
            n=np.zeros(n_rows, dtype=np.int64),
            df=np.zeros(n_rows, dtype=np.int64),
            support=nan(),
            differing=nan(),
            informative=nan(),
            skewness=nan(),
            reason=np.zeros(n_rows, dtype=np.int8),
            null=np.full((n_null, n_rows), np.nan),
            null_df=np.zeros((n_null, n_rows), dtype=np.int64),
        )

    def put(self, part: slice | Indices, other: RowCorrelations) -> None:
        """Copy the rows of `other` to the places `part`; a null of another length is not copied."""
        for name in ("spearman", "pearson", "n", "df", "support", "differing", "informative", "skewness", "reason"):
            getattr(self, name)[part] = getattr(other, name)
        for name in ("spearman_errors", "pearson_errors"):
            mine, theirs = getattr(self, name), getattr(other, name)
            mine.se[part], mine.df[part] = theirs.se, theirs.df
        if len(self.null) == len(other.null):
            self.null[:, part], self.null_df[:, part] = other.null, other.null_df

    def undefine(self, rows: Bools, reason: int) -> None:
        """Set the correlations of the rows to NaN, for the reason."""
        for values in (
            self.spearman,
            self.pearson,
            self.spearman_errors.se,
            self.spearman_errors.df,
            self.pearson_errors.se,
            self.pearson_errors.df,
        ):
            values[rows] = np.nan
        self.null[:, rows] = np.nan
        self.reason[rows] = reason


@attrs.frozen(kw_only=True, eq=False)
class Aligned:
    """Predictions and expression of some rows, ready to be multiplied.

    Parameters
    ----------
    scores
        float64 (n_rows, n_individuals): centred ranks (for Pearson: values) of predictions, or their scores within
        folds, before the covariates are taken out; 0 where missing.
    expression
        float64 (n_rows, n_individuals): residual ranks (for Pearson: values) of expression, of unit length.
    mask
        bool (n_rows, n_individuals): individuals in use.
    factor
        float64 (n_rows,): the correlation is ``factor`` times the cosine of residual scores and expression.
    basis
        Basis of the covariates and folds.
    """

    scores: Floats
    expression: Floats
    mask: Bools
    factor: Floats
    basis: CovariateBasis


@attrs.frozen(eq=False)
class RankedExpression:
    """Measured expression, ranked and residualised once, with which many predictions are correlated.

    Parameters
    ----------
    values
        float64 (n_genes, n_individuals); NaN is missing.
    covariates
        float64 (n_individuals, n_covariates) without NaN, or None.
    threads
        Threads that share the rows; None takes one per core.
    groups
        int (n_individuals,): codes of families from 0, for standard errors; None for unrelated individuals.
    """

    values: Floats
    covariates: Floats | None = None
    threads: int | None = None
    groups: Indices | None = None
    _bases: dict[bytes, CovariateBasis] = attrs.field(factory=dict, alias="bases", repr=False)
    _ranks: Floats = attrs.field(init=False, repr=False)
    _units: Floats = attrs.field(init=False, repr=False)
    _mode: Ints = attrs.field(init=False, repr=False)
    _within_folds: dict[bytes, tuple[Floats, Floats]] = attrs.field(factory=dict, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_ranks", np.empty_like(self.values))
        object.__setattr__(self, "_units", np.empty_like(self.values))
        object.__setattr__(self, "_mode", np.empty(len(self.values), dtype=np.int64))
        basis = self.basis(None)

        def prepare(rows: slice) -> None:
            self._ranks[rows], self._units[rows], self._mode[rows] = _expression_units(self.values[rows], basis)

        _over_rows(prepare, len(self.values), self.threads)

    def basis(self, folds: Indices | None) -> CovariateBasis:
        """Return the basis of the covariates and, where given, the folds."""
        key = b"" if folds is None else np.asarray(folds, dtype=np.int64).tobytes()
        if key not in self._bases:
            design = self.covariates
            if folds is not None:
                indicators = (folds[:, None] == np.unique(folds[folds >= 0])).astype(np.float64)
                design = indicators if design is None else np.hstack([design, indicators])
            self._bases[key] = CovariateBasis(design, folds if self.covariates is None else None)
        return self._bases[key]

    def correlate(
        self,
        predictions: Floats,
        rows: Indices | None = None,
        *,
        folds: Indices | None = None,
        scale: Floats | None = None,
        permutations: Indices | None = None,
        min_individuals: int = MIN_INDIVIDUALS,
        tie_noise: bool = False,
        measure: Measure = "spearman",
    ) -> RowCorrelations:
        """Correlate each row of predictions with the expression of its gene.

        Parameters
        ----------
        predictions
            float64 (n_rows, n_individuals); NaN is missing.
        rows
            Row of `values` for each row of `predictions`; None means the same rows.
        folds
            int (n_individuals,): fold of each individual, negative for individuals to exclude. None correlates over
            all individuals together.
        scale
            float64 (n_rows,): the size of the numbers that the predictions were computed from; spread below
            `RELATIVE_SPREAD` of it is rounding. None takes the largest absolute value of the row.
        permutations
            int (n_permutations, n_individuals): partners, as `pgxeval.seeding.permute_individuals` returns
            them; each individual is also compared with the prediction of its partner. With folds, the scores
            within folds are permuted, not the predictions.
        min_individuals
            Fewest individuals, in addition to the rank of the covariates, for a correlation.
        tie_noise
            Whether values of one row that differ by rounding alone are tied.
        measure
            The correlation that must be defined, and whose null distribution the permutations give.
        """
        n_rows = len(predictions)
        which = np.arange(n_rows) if rows is None else np.asarray(rows)
        noise = RELATIVE_SPREAD * (_largest(predictions) if scale is None else scale)
        result = RowCorrelations.undefined(n_rows, 0 if permutations is None else len(permutations))

        def correlate(part: slice, predicted: Floats) -> tuple[Aligned, RowCorrelations]:
            return self._correlate(
                _neighbours(which[part]),
                predicted,
                noise[part],
                folds=folds,
                min_individuals=min_individuals,
                tie_noise=tie_noise,
                measure=measure,
            )

        def work(part: slice) -> None:
            aligned, correlations = correlate(part, predictions[part])
            result.put(part, correlations)
            if permutations is None:
                return
            if aligned.mask.all():
                permuted = _permuted if self.covariates is not None else _permuted_in_folds
                result.null[:, part] = permuted(aligned, correlations.reason, permutations)
                result.null_df[:, part] = correlations.df
                return
            for k, partner in enumerate(permutations):
                _, again = correlate(part, predictions[part][:, partner])
                result.null[k, part], result.null_df[k, part] = again.correlation(measure), again.df

        _over_rows(work, n_rows, self.threads)
        return result

    def align(
        self,
        predictions: Floats,
        rows: Indices,
        *,
        folds: Indices | None = None,
        scale: Floats | None = None,
        tie_noise: bool = False,
        measure: Measure = "spearman",
    ) -> Aligned:
        """Return predictions and expression of a few rows, for gene-wise permutations."""
        noise = RELATIVE_SPREAD * (_largest(predictions) if scale is None else scale)
        return self._correlate(
            np.asarray(rows),
            predictions,
            noise,
            folds=folds,
            min_individuals=MIN_INDIVIDUALS,
            tie_noise=tie_noise,
            measure=measure,
        )[0]

    def _correlate(
        self,
        rows: Indices | slice,
        predictions: Floats,
        noise: Floats,
        *,
        folds: Indices | None,
        min_individuals: int,
        tie_noise: bool,
        measure: Measure,
    ) -> tuple[Aligned, RowCorrelations]:
        own_values = self.values[rows]
        measured = np.isfinite(own_values)
        mask = measured & np.isfinite(predictions)
        if folds is not None:
            mask &= folds >= 0
        n = mask.sum(axis=1)
        basis = self.basis(folds)
        values = predictions if mask.all() else np.where(mask, predictions, np.nan)
        y_rank, y_value, others = self._expression(rows, mask, measured, basis, folds)
        tolerance = noise if tie_noise else np.zeros(1)
        if folds is None:
            ties = rank_with_ties(values, tolerance)
            scores = ties.ranks - (n[:, None] + 1) / 2
            np.copyto(scores, 0.0, where=~mask)
            x_value, varying = values, n - ties.mode
            informative = rank_factor = value_factor = np.ones(len(n))
        else:
            tolerance = np.broadcast_to(tolerance, n.shape)
            within = score_within_folds(values, folds, tolerance)
            scores, x_value, varying = within.grades, within.values, within.others
            informative = within.informative
            rank_factor = np.sqrt(informative) / within.grade_shrinkage
            value_factor = np.sqrt(informative) / within.value_shrinkage
        units = basis.units if folds is None else basis.units_of_scores
        x_rank, x_unit = units(scores, mask), units(x_value, mask)
        parameters = x_rank.rank + 1
        spearman, spearman_errors = influence_standard_errors(
            x_rank.units, y_rank, n, parameters, factor=rank_factor, groups=self.groups
        )
        pearson, pearson_errors = influence_standard_errors(
            x_unit.units, y_value, n, parameters, factor=value_factor, groups=self.groups
        )
        third = np.einsum("ij,ij,ij->i", y_value, y_value, y_value)
        result = RowCorrelations(
            spearman=spearman,
            pearson=pearson,
            spearman_errors=spearman_errors,
            pearson_errors=pearson_errors,
            n=n,
            df=n - 1 - parameters,
            support=varying * others,
            differing=np.minimum(varying, n * others),
            informative=informative,
            skewness=np.sqrt(n) * third,
            reason=np.zeros(len(n), dtype=np.int8),
            null=np.empty((0, len(n))),
            null_df=np.empty((0, len(n)), dtype=np.int64),
        )
        spread = _spread(values, mask)
        own, other = (x_rank, x_unit) if measure == "spearman" else (x_unit, x_rank)
        secondary = result.pearson if measure == "spearman" else result.spearman
        secondary[other.explained] = np.nan
        result.undefine(own.explained, EXPLAINED)
        expression = y_rank if measure == "spearman" else y_value
        for row in np.flatnonzero(~expression.any(axis=1)):
            chosen = own_values[row][None, mask[row]]
            same = chosen.size == 0 or bool(constant(chosen, axis=1)[0])
            result.undefine(np.arange(len(n)) == row, CONSTANT_EXPRESSION if same else EXPLAINED)
        flat = ~(spread > noise)
        if folds is not None:
            without = rank_factor == 0
            if without.any():
                largest = np.max([((folds == fold) & mask).sum(axis=1) for fold in np.unique(folds)], axis=0)
                result.undefine(without & (largest < 3), SMALL_FOLDS)
                flat |= without & (largest >= 3)
            flat |= within.flat & tie_noise
        result.undefine(flat, CONSTANT_PREDICTION)
        result.undefine(n - x_rank.rank < min_individuals, FEW)
        if measure == "pearson":
            scores, rank_factor = _centred(x_value, mask), value_factor
        aligned = Aligned(scores=scores, expression=expression, mask=mask, factor=rank_factor, basis=basis)
        return aligned, result

    def _expression(
        self, rows: Indices | slice, mask: Bools, measured: Bools, basis: CovariateBasis, folds: Indices | None
    ) -> tuple[Floats, Floats, Floats]:
        """Return ranks and values of expression, residualised and of unit length, and the share not of the mode."""
        ranks, units, mode = self._ranks[rows], self._units[rows], self._mode[rows]
        n = mask.sum(axis=1)
        used = measured if folds is None else measured & (folds >= 0)
        fewer = np.flatnonzero((mask != measured).any(axis=1))
        if len(fewer):
            chosen = np.where(mask[fewer], self.values[rows][fewer], np.nan)
            ranks, units, mode = ranks.copy(), units.copy(), mode.copy()
            ranks[fewer], units[fewer], mode[fewer] = _expression_units(chosen, self.basis(None))
        if folds is not None:
            ranks, units = self._project(
                ranks, units, mask, basis, folds, shared=isinstance(rows, slice) and bool((mask == used).all())
            )
        return ranks, units, 1 - mode / np.maximum(n, 1)

    def _project(
        self, ranks: Floats, units: Floats, mask: Bools, basis: CovariateBasis, folds: Indices, *, shared: bool
    ) -> tuple[Floats, Floats]:
        """Take the folds out of expression; once for all predictors that have every measured individual in a fold."""
        if not shared or len(ranks) < len(self.values):
            return basis.project(ranks, mask), basis.project(units, mask)
        key = np.asarray(folds, dtype=np.int64).tobytes()
        if key not in self._within_folds:
            self._within_folds[key] = basis.project(ranks, mask), basis.project(units, mask)
        return self._within_folds[key]


def _expression_units(values: Floats, basis: CovariateBasis) -> tuple[Floats, Floats, Ints]:
    mask = np.isfinite(values)
    ties = rank_with_ties(values, np.zeros(1))
    ranks, units = basis.units(ties.ranks, mask).units, basis.units(values, mask).units
    same = constant(values, axis=1)
    ranks[same] = units[same] = 0.0
    return ranks, units, ties.mode


def _neighbours(rows: Indices) -> Indices | slice:
    """Return a slice where each row follows the one before it, so that nothing is copied."""
    return slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) and (np.diff(rows) == 1).all() else rows


def _centred(values: Floats, mask: Bools) -> Floats:
    """Return rows less their mean, of largest magnitude 1; 0 where missing."""
    centred = np.where(mask, values, 0.0)
    centred /= np.maximum(_largest(centred), np.finfo(np.float64).tiny)[:, None]
    centred -= (centred.sum(axis=1) / np.maximum(mask.sum(axis=1), 1))[:, None]
    centred[~mask] = 0.0
    return centred


def _largest(values: Floats) -> Floats:
    return np.asarray(np.max(np.abs(values), axis=1, initial=0.0, where=~np.isnan(values)))


def _permuted(aligned: Aligned, reason: npt.NDArray[np.int8], permutations: Indices) -> Floats:
    """Correlate permuted scores: with nothing missing, the ranks of the permuted are the permuted ranks."""
    scores = np.ascontiguousarray(aligned.scores.T)
    expression = np.ascontiguousarray(aligned.expression.T)
    squares = np.einsum("ij,ij->j", scores, scores)
    null = np.empty((len(permutations), scores.shape[1]))
    basis = aligned.basis.of_pattern(np.ones(len(scores), dtype=bool))
    for k, partner in enumerate(permutations):
        permuted = scores[partner]
        length = squares
        if basis.shape[1]:
            projected = basis.T @ permuted
            length = squares - np.einsum("ij,ij->j", projected, projected)
        with np.errstate(invalid="ignore", divide="ignore"):
            null[k] = aligned.factor * np.einsum("ij,ij->j", permuted, expression) / np.sqrt(length)
    null[:, reason != DEFINED] = np.nan
    null[np.abs(null) < 1e-13] = 0.0
    return np.clip(null, -1.0, 1.0)


def _permuted_in_folds(aligned: Aligned, reason: npt.NDArray[np.int8], permutations: Indices) -> Floats:
    """As `_permuted`, without covariates."""
    from pgxeval.evaluation.correlation_kernel import permuted_cosines

    columns, bounds = fold_columns(aligned.basis.folds, aligned.scores.shape[1])
    null = np.empty((len(permutations), len(aligned.scores)))
    partners = np.ascontiguousarray(permutations[:, columns], dtype=np.int64)
    scores, expression = np.ascontiguousarray(aligned.scores), np.ascontiguousarray(aligned.expression)
    permuted_cosines(scores, expression, partners, columns, bounds, null)
    null *= aligned.factor
    null[:, reason != DEFINED] = np.nan
    null[np.abs(null) < 1e-13] = 0.0
    return np.clip(null, -1.0, 1.0)


def _spread(values: Floats, mask: Bools) -> Floats:
    """Return the difference of the largest and the smallest value of each row; -inf without any."""
    if mask.all() and values.shape[1]:
        return np.asarray(values.max(axis=1) - values.min(axis=1))
    highest = np.max(values, axis=1, initial=-np.inf, where=mask)
    return np.asarray(highest - np.min(values, axis=1, initial=np.inf, where=mask))


def _over_rows(work: Callable[[slice], None], n_rows: int, threads: int | None) -> None:
    parts = [slice(start, min(start + _ROWS, n_rows)) for start in range(0, n_rows, _ROWS)]
    threads = threads or min(joblib.cpu_count(), 8)
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
    >>> result = correlate_rows(np.exp(x), x)
    >>> float(result.spearman[0]), int(result.df[0])
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
