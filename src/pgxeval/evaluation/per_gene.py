"""One predictor, gene by gene: its correlations, what can be inferred from them, and its own null distribution."""

from __future__ import annotations

from typing import Literal

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.evaluation.concordance import Directions, directions_of
from pgxeval.evaluation.settings import Measure

Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.object_]
Kind = Literal["zero-shot", "crossfit", "prequential"]

NOT_IN_TABLE = "not in the predictions table"


@attrs.frozen(kw_only=True, eq=False)
class Judged:
    """What is known of one predictor at every gene that any predictor of the table covers.

    Parameters
    ----------
    predictor, kind
        Its name, and how its predictions came about.
    measure
        The correlation that directions, q-values, `p_predicts`, `inference`, `reason` and `null` belong to.
    spearman, spearman_low, spearman_high, spearman_p
        float64 (n_genes,): rank correlation, confidence limits and p-value, NaN where undefined. p-values are
        one-sided against a correlation above the permuted reference for cross-fitted predictors, two-sided for all
        others.
    pearson, pearson_low, pearson_high, pearson_p
        float64 (n_genes,): the same of the product-moment correlation.
    q_value
        float64 (n_genes,): Benjamini-Hochberg over genes.
    p_predicts
        float64 (n_genes,): p-value against a positive correlation, one-sided for every predictor.
    n, df
        int64 (n_genes,): individuals with both values, and degrees of freedom.
    inference, reason, withheld
        str (n_genes,): how the p-value was computed, why a correlation is undefined ("" where it is
        defined), and which interval or p-value is withheld and why ("" where nothing is).
    null, null_df
        float64 and int64 (n_null, n_genes): correlations under permuted expression, and their degrees of freedom.
    null_replicates
        int64 (n_null,): number of the joint permutation of each row of `null`.
    null_key
        Permutations with equal keys and numbers are the same permutation; None without a null.
    reference
        Where the null comes from, or why there is none.
    """

    predictor: str
    kind: Kind
    measure: Measure
    spearman: Floats
    spearman_low: Floats
    spearman_high: Floats
    spearman_p: Floats
    q_value: Floats
    p_predicts: Floats
    pearson: Floats
    pearson_low: Floats
    pearson_high: Floats
    pearson_p: Floats
    n: npt.NDArray[np.int64]
    df: npt.NDArray[np.int64]
    inference: Texts
    reason: Texts
    withheld: Texts
    null: Floats
    null_df: npt.NDArray[np.int64]
    null_replicates: npt.NDArray[np.int64]
    null_key: tuple[int, int] | None
    reference: str

    @property
    def correlation(self) -> Floats:
        """Correlation of the measure, float64 (n_genes,)."""
        return self.spearman if self.measure == "spearman" else self.pearson

    @property
    def p_value(self) -> Floats:
        """p-value of the measure, float64 (n_genes,)."""
        return self.spearman_p if self.measure == "spearman" else self.pearson_p

    @property
    def interval(self) -> tuple[Floats, Floats]:
        """Confidence limits of the measure, float64 (n_genes,) each."""
        if self.measure == "spearman":
            return self.spearman_low, self.spearman_high
        return self.pearson_low, self.pearson_high

    @property
    def directions(self) -> Directions:
        """+1, -1 or 0 (none), int8 (n_genes,)."""
        return directions_of(self.correlation)

    @property
    def null_directions(self) -> Directions:
        """+1, -1 or 0 (none), int8 (n_null, n_genes)."""
        return directions_of(self.null)

    def per_gene(self, gene_ids: tuple[str, ...]) -> pd.DataFrame:
        """Return the rows of the per_gene table."""
        direction = self.directions
        low, high = self.interval
        return pd.DataFrame(
            {
                "predictor": self.predictor,
                "gene_id": list(gene_ids),
                "n": self.n,
                "correlation": self.correlation,
                "ci_low": low,
                "ci_high": high,
                "p_value": self.p_value,
                "q_value": self.q_value,
                "p_predicts": self.p_predicts,
                "inference": self.inference,
                "spearman": self.spearman,
                "spearman_low": self.spearman_low,
                "spearman_high": self.spearman_high,
                "spearman_p": self.spearman_p,
                "pearson": self.pearson,
                "pearson_low": self.pearson_low,
                "pearson_high": self.pearson_high,
                "pearson_p": self.pearson_p,
                "direction": pd.arrays.IntegerArray(direction.copy(), direction == 0),
                "reason": _texts(self.reason),
                "withheld": _texts(self.withheld),
            }
        )


def _texts(values: Texts) -> pd.api.extensions.ExtensionArray:
    return pd.array([text or None for text in values], dtype="string")
