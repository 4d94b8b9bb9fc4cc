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

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.cohort.covariates import constant
from pgxeval.evaluation.expression_units import ExpressionUnits
from pgxeval.evaluation.gene_rows import RELATIVE_SPREAD, centred, largest, neighbours, over_rows, spread
from pgxeval.evaluation.null_correlations import Aligned, permuted, permuted_in_folds
from pgxeval.evaluation.ranks import rank_with_ties, score_within_folds
from pgxeval.evaluation.residuals import CovariateBasis
from pgxeval.evaluation.row_correlations import (
    CONSTANT_EXPRESSION,
    CONSTANT_PREDICTION,
    EXPLAINED,
    FEW,
    MIN_INDIVIDUALS,
    SMALL_FOLDS,
    RowCorrelations,
)
from pgxeval.evaluation.settings import Measure
from pgxeval.evaluation.standard_errors import influence_standard_errors

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.integer]


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
    _expression: ExpressionUnits = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_expression", ExpressionUnits(self.values, self.basis(None), self.threads))

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
        noise = RELATIVE_SPREAD * (largest(predictions) if scale is None else scale)
        result = RowCorrelations.undefined(n_rows, 0 if permutations is None else len(permutations))

        def correlate(part: slice, predicted: Floats) -> tuple[Aligned, RowCorrelations]:
            return self._correlate(
                neighbours(which[part]),
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
                null = permuted if self.covariates is not None else permuted_in_folds
                result.null[:, part] = null(aligned, correlations.reason, permutations)
                result.null_df[:, part] = correlations.df
                return
            for k, partner in enumerate(permutations):
                _, again = correlate(part, predictions[part][:, partner])
                result.null[k, part], result.null_df[k, part] = again.correlation(measure), again.df

        over_rows(work, n_rows, self.threads)
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
        noise = RELATIVE_SPREAD * (largest(predictions) if scale is None else scale)
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
        y_rank, y_value, others = self._expression.of_rows(rows, mask, measured, basis, folds)
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
        own, other = (x_rank, x_unit) if measure == "spearman" else (x_unit, x_rank)
        secondary = result.pearson if measure == "spearman" else result.spearman
        secondary[other.explained] = np.nan
        result.undefine(own.explained, EXPLAINED)
        expression = y_rank if measure == "spearman" else y_value
        for row in np.flatnonzero(~expression.any(axis=1)):
            own_row = own_values[row][None, mask[row]]
            same = own_row.size == 0 or bool(constant(own_row, axis=1)[0])
            result.undefine(np.arange(len(n)) == row, CONSTANT_EXPRESSION if same else EXPLAINED)
        flat = ~(spread(values, mask) > noise)
        if folds is not None:
            without = rank_factor == 0
            if without.any():
                fullest = np.max([((folds == fold) & mask).sum(axis=1) for fold in np.unique(folds)], axis=0)
                result.undefine(without & (fullest < 3), SMALL_FOLDS)
                flat |= without & (fullest >= 3)
            flat |= within.flat & tie_noise
        result.undefine(flat, CONSTANT_PREDICTION)
        result.undefine(n - x_rank.rank < min_individuals, FEW)
        if measure == "pearson":
            scores, rank_factor = centred(x_value, mask), value_factor
        aligned = Aligned(scores=scores, expression=expression, mask=mask, factor=rank_factor, basis=basis)
        return aligned, result


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
