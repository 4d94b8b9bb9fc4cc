"""RowCorrelations: correlations of rows, and the reasons of those that are undefined."""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.evaluation.settings import Measure
from pgxeval.evaluation.standard_errors import StandardErrors

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.integer]

MIN_INDIVIDUALS = 10
DEFINED, FEW, CONSTANT_EXPRESSION, CONSTANT_PREDICTION, EXPLAINED, SMALL_FOLDS = range(6)
REASONS = (
    "",
    "fewer than 10 individuals",
    "constant expression",
    "constant prediction",
    "explained by the covariates",
    "every fold has fewer than 3 individuals",
)


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
