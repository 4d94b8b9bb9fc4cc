"""Correlation across genes: whether a predictor ranks genes by their mean expression."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy

from pgxeval.evaluation.measured import MeasuredExpression
from pgxeval.tables import Predictions

FEWEST_GENES = 10
FEW = f"fewer than {FEWEST_GENES} genes with a prediction and measured expression"
PERFECT = "a correlation of 1 or -1 has no interval"
COLUMNS = ("predictor", "n_genes", "spearman", "low", "high", "pearson", "reason")


def across_genes(predictions: Predictions, measured: MeasuredExpression, *, confidence: float = 0.95) -> pd.DataFrame:
    """Correlate mean prediction with mean expression over genes.

    Sequence models are good at this and often poor across individuals (Sasse et al., Nat Genet 55:2060, 2023); the two
    must not be confused. It is meaningful only if expression is comparable between genes: values that were standardised
    per gene have no differences between genes to predict. A trained predictor has seen the mean of each gene.

    Parameters
    ----------
    predictions
        The predictions table; replicate 0 is used, uncentred.
    measured
        Measured expression.
    confidence
        Level of the interval, which assumes independent genes.

    Returns
    -------
    pandas.DataFrame
        One row per predictor: predictor, n_genes, spearman with low and high, pearson, and the reason where they are
        NaN.
    """
    table = predictions.table
    observed = table[(table["replicate"] == 0) & table["prediction"].notna()]
    observed = observed[observed["individual"].isin(measured.individuals)]
    means = observed.groupby(["predictor", "gene_id"], observed=True, sort=False)["prediction"].mean()
    expression = pd.Series(np.nanmean(measured.expression, axis=1), index=pd.Index(measured.gene_ids))
    rows = []
    for name in predictions.predictors:
        part = means[name] if name in means.index.get_level_values(0) else pd.Series(dtype=np.float64)
        joined = pd.DataFrame({"predicted": part, "measured": expression.reindex(part.index.astype(str)).to_numpy()})
        joined = joined.dropna()
        x, y = joined["predicted"].to_numpy(), joined["measured"].to_numpy()
        if len(joined) < FEWEST_GENES or np.ptp(x) == 0 or np.ptp(y) == 0:
            rows.append((name, len(joined), *[np.nan] * 4, FEW if len(joined) < FEWEST_GENES else "constant"))
            continue
        rank = float(scipy.stats.spearmanr(x, y).statistic)
        low, high = _interval(rank, len(joined), confidence)
        reason = "" if np.isfinite(low) else PERFECT
        rows.append((name, len(joined), rank, low, high, float(scipy.stats.pearsonr(x, y).statistic), reason))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _interval(rank: float, n: int, confidence: float) -> tuple[float, float]:
    """Return limits of a rank correlation on Fisher's scale (Bonett and Wright, Psychometrika 65:23, 2000).

    NaN where the correlation is 1 or -1, which have no finite place on that scale.
    """
    if abs(rank) == 1:
        return np.nan, np.nan
    half = scipy.stats.norm.isf((1 - confidence) / 2) * np.sqrt((1 + rank**2 / 2) / (n - 3))
    return float(np.tanh(np.arctanh(rank) - half)), float(np.tanh(np.arctanh(rank) + half))
