"""Pairs of predictors turned so that an odds ratio is above 1."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pgxeval.evaluation.concordance import OddsRatioKind


def above_one(table: pd.DataFrame, kind: OddsRatioKind = "mcnemar") -> pd.DataFrame:
    """Exchange a and b in the rows of a concordance table where an odds ratio is below 1.

    Parameters
    ----------
    table
        A concordance table.
    kind
        The odds ratio that is to be above 1. The association odds ratio does not change when a and b are exchanged, so
        its rows are turned by the McNemar odds ratio.

    Returns
    -------
    pandas.DataFrame
        The same rows and columns: names and counts exchanged; McNemar and marginal odds ratios, their references and
        limits inverted; p-values as they were.

    Examples
    --------
    >>> row = pd.DataFrame({"predictor_a": ["net"], "predictor_b": ["forest"], "only_a": [10], "only_b": [20],
    ...                     "mcnemar_or": [0.5], "mcnemar_or_low": [0.25], "mcnemar_or_high": [0.8]})
    >>> above_one(row).values.tolist()
    [['forest', 'net', 20, 10, 2.0, 1.25, 4.0]]
    """
    turn = (table[f"{'marginal' if kind == 'marginal' else 'mcnemar'}_or"] < 1).to_numpy(dtype=bool)
    turned = table.copy()
    exchanged = [("predictor_a", "predictor_b"), ("only_a", "only_b")]
    for one in ("mcnemar", "marginal"):
        lows = [f"{one}_or_low", f"{one}_exact_low", f"{one}_over_reference_low"]
        exchanged += [(low, low.replace("_low", "_high")) for low in lows]
    for a, b in exchanged:
        if a in table:
            turned[a], turned[b] = table[a].where(~turn, table[b]), table[b].where(~turn, table[a])
    for name in turned:
        ratio = str(name).endswith(("_or", "_low", "_high", "_over_reference"))
        if ratio and str(name).removeprefix("reference_").startswith(("mcnemar", "marginal")):
            with np.errstate(divide="ignore"):
                inverse = 1 / turned[name].to_numpy(dtype=np.float64)
            turned[name] = turned[name].where(~turn, inverse)
    return turned
