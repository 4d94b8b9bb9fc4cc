"""Table of the true directions of every two predictors, as the mixture model estimates them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from pgxeval.evaluation.concordance import PairedTable
from pgxeval.evaluation.per_gene import Judged
from pgxeval.evaluation.strata import Stratum
from pgxeval.evaluation.tables import TRUE_DIRECTIONS
from pgxeval.evaluation.true_directions import METHOD, TrueShare, true_odds_ratio, true_share

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def true_directions_table(
    judged: Sequence[Judged], blocks: Ints, strata: Sequence[Stratum], *, confidence: float
) -> pd.DataFrame:
    """Return the true_directions table: one row per pair of predictors and stratum.

    Parameters
    ----------
    judged
        The predictors, in the order of the tables.
    blocks
        int64 (n_genes,): genomic block of each gene.
    strata
        Strata in their order.
    confidence
        Level of the limits, here and in `judged`.
    """
    rows: list[dict[str, Any]] = []
    errors = {one.predictor: _errors(one, confidence) for one in judged}
    shares: dict[tuple[str, bytes], TrueShare] = {}

    def share_of(one: Judged, genes: npt.NDArray[np.bool_]) -> TrueShare:
        key = one.predictor, genes.tobytes()
        if key not in shares:
            shares[key] = true_share(
                one.correlation[genes], errors[one.predictor][genes], blocks[genes], confidence=confidence
            )
        return shares[key]

    for stratum in strata:
        shown = [one for one in judged if one.predictor not in stratum.withheld]
        for a, b in itertools.combinations(shown, 2):
            genes = stratum.genes & (a.directions != 0) & (b.directions != 0)
            genes = genes & np.isfinite(errors[a.predictor]) & np.isfinite(errors[b.predictor])
            observed = PairedTable.of(a.directions[genes], b.directions[genes])
            share_a, share_b = share_of(a, genes), share_of(b, genes)
            odds = true_odds_ratio(share_a, share_b)
            rows.append(
                {
                    "predictor_a": a.predictor,
                    "predictor_b": b.predictor,
                    "stratum": stratum.name,
                    "assignment": stratum.assignment(a.predictor, b.predictor),
                    "naive": bool({a.predictor, b.predictor} & stratum.definers),
                    "n": int(genes.sum()),
                    "observed_share_a": _mean(a.directions[genes] > 0),
                    "observed_share_b": _mean(b.directions[genes] > 0),
                    "observed_or": observed.marginal().value,
                    **_columns("a", share_a),
                    **_columns("b", share_b),
                    "true_or": odds.value,
                    "true_or_low": odds.low,
                    "true_or_high": odds.high,
                    "method": METHOD,
                    "reason": odds.reason,
                }
            )
    return pd.DataFrame(rows, columns=list(TRUE_DIRECTIONS))


def _columns(side: str, share: TrueShare) -> dict[str, float]:
    return {
        f"true_share_{side}": share.share,
        f"true_share_{side}_low": share.low,
        f"true_share_{side}_high": share.high,
        f"without_effect_{side}": share.without_effect,
    }


def _mean(values: npt.NDArray[np.bool_]) -> float:
    return float(values.mean()) if len(values) else math.nan


def _errors(judged: Judged, confidence: float) -> Floats:
    """Return standard errors of Fisher's z from the limits of the correlations; NaN where there is none."""
    inside = 1 - 1e-15
    low, high = (np.clip(one, -inside, inside) for one in judged.interval)
    quantile = special.stdtrit(np.maximum(judged.df, 1), (1 + confidence) / 2)
    error = (np.arctanh(high) - np.arctanh(low)) / (2 * quantile)
    return np.where(error > 0, error, np.nan)
