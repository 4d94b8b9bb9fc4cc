"""How far each predictor is from the accuracy that cis heritability allows, over gene-tissue pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.evaluation import Evaluation, share_of_ceiling, spearman_ceiling
from pgxeval.evaluation.blocks import block_sums
from pgxeval.evaluation.jackknife import BlockEstimate
from pgxeval.evaluation.per_gene import NOT_IN_TABLE

CEILING = ("predictor", "pairs", "n_pairs", "mean_correlation", "mean_ceiling", "share", "low", "high", "reason")
"""Columns of the ceiling table: one row per predictor and set of pairs."""
HERITABLE, ALL = "heritable", "all"
NO_PAIR = "no pair with a heritability above 0 and a prediction"
NO_HERITABLE = "no pair whose heritability is significant"


def ceiling_table(evaluation: Evaluation, heritability: pd.DataFrame, blocks: Mapping[str, int]) -> pd.DataFrame:
    """Return mean correlation over mean ceiling, for each predictor.

    Parameters
    ----------
    evaluation
        Evaluation of all tissues.
    heritability
        Heritability of the gene-tissue pairs.
    blocks
        Gene -> genomic block.

    Returns
    -------
    pandas.DataFrame
        Columns `CEILING`. ``pairs`` is ``"heritable"`` (pairs whose heritability is significant at the level of the
        evaluation; an undefined correlation counts as 0) or ``"all"``. share is a ratio of means, with a
        block-jackknife interval; ``reason`` is why it is NaN.
    """
    settings = evaluation.settings
    level, confidence = float(settings["level"]), float(settings["confidence"])
    measure = evaluation.measure
    defined = heritability[heritability["h2"].notna()].set_index(["tissue", "gene_id"])
    keys = {HERITABLE: defined[defined["h2_q"] < level], ALL: defined}
    rows: list[dict[str, Any]] = []
    for predictor in dict.fromkeys(evaluation.per_gene["predictor"].astype(str)):
        table = evaluation.per_gene[evaluation.per_gene["predictor"].astype(str) == predictor]
        table = table[(table["reason"] != NOT_IN_TABLE).fillna(True).astype(bool)]  # not run in this tissue
        r = pd.Series(
            table["correlation"].fillna(0.0).to_numpy(dtype=np.float64),
            index=pd.MultiIndex.from_arrays([table["tissue"].astype(str), table["gene_id"].astype(str)]),
        )
        for pairs, h in keys.items():
            shared = h.index.intersection(r.index)
            own = [blocks[gene] for _, gene in shared]
            numbers = _row(r.loc[shared].to_numpy(), h.loc[shared, "h2"].to_numpy(), own, measure, confidence)
            reason = "" if np.isfinite(numbers["share"]) else NO_HERITABLE if pairs == HERITABLE else NO_PAIR
            rows.append({"predictor": predictor, "pairs": pairs, **numbers, "reason": reason})
    return pd.DataFrame(rows, columns=list(CEILING))


def _row(
    r: npt.NDArray[np.float64], h2: npt.NDArray[np.float64], blocks: Sequence[int], measure: str, confidence: float
) -> dict[str, float]:
    ceiling = np.sqrt(h2) if measure == "pearson" else spearman_ceiling(h2)
    share = share_of_ceiling(r, h2, measure=measure)
    low = high = float("nan")
    if np.isfinite(share):
        sums = block_sums(np.column_stack([r, ceiling]), np.asarray(blocks, dtype=np.int64))
        low, high = BlockEstimate.ratio(sums[:, 0], sums[:, 1]).interval(confidence)
    return {
        "n_pairs": len(r),
        "mean_correlation": float(r.mean()) if len(r) else float("nan"),
        "mean_ceiling": float(ceiling.mean()) if len(r) else float("nan"),
        "share": share,
        "low": low,
        "high": high,
    }
