"""Which of two predictors ranks the individuals better on average, and how sure that is."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import pandas as pd

from pgxeval.evaluation.per_gene import NOT_IN_TABLE
from pgxeval.evaluation.resampling import assign_blocks, block_sums, block_weights, percentile_interval


@attrs.frozen(kw_only=True)
class MeanDifference:
    """Difference of two predictors' mean Spearman correlation over the same genes.

    Parameters
    ----------
    genes
        Genes that both predictors were asked for.
    difference
        Mean over these genes of the one less the other, an undefined correlation counting as 0.
    low, high
        Paired block-bootstrap interval; NaN where it cannot be had.
    reference
        The same difference on permuted expression, where two cross-fitted predictors differ a little, too; 0 where it
        is not known.
    """

    genes: int
    difference: float
    low: float
    high: float
    reference: float = 0.0

    @property
    def decided(self) -> bool:
        """Whether the interval excludes 0, the reference and all between them."""
        return self.low > max(0.0, self.reference) or self.high < min(0.0, self.reference)


def mean_difference(evaluation: Any, a: str, b: str) -> MeanDifference:
    """Compare the mean Spearman correlation of predictors `a` and `b` on the same genes.

    Parameters
    ----------
    evaluation
        An `Evaluation`. Without its ``target`` (where the genes lie) there is no interval.
    a, b
        Names of the predictors.
    """
    table = evaluation.per_gene
    lacks = (table["reason"] == NOT_IN_TABLE).fillna(value=False).to_numpy(dtype=bool) if "reason" in table else False
    sides = {}
    for name in (a, b):
        rows = table[(table["predictor"].astype(str) == name) & ~lacks]
        sides[name] = pd.Series(rows["spearman"].to_numpy(dtype=np.float64), index=rows["gene_id"].astype(str))
    both = [gene for gene in sides[a].index if gene in sides[b].index]
    if not both:
        return MeanDifference(genes=0, difference=np.nan, low=np.nan, high=np.nan)
    gains = (sides[a].loc[both].fillna(0.0) - sides[b].loc[both].fillna(0.0)).to_numpy()
    low, high = _interval(evaluation, both, gains)
    reference = _null_mean(evaluation, a) - _null_mean(evaluation, b)
    return MeanDifference(genes=len(both), difference=float(gains.mean()), low=low, high=high, reference=reference)


def _null_mean(evaluation: Any, name: str) -> float:
    summary = getattr(evaluation, "summary", None)
    if summary is None or not {"predictor", "stratum", "reference_mean_spearman"} <= set(summary.columns):
        return 0.0
    rows = summary[(summary["predictor"].astype(str) == name) & (summary["stratum"] == "all")]
    mean = float(rows["reference_mean_spearman"].iloc[0]) if len(rows) else np.nan
    return 0.0 if np.isnan(mean) else mean


def _interval(evaluation: Any, genes: list[str], gains: np.ndarray[Any, Any]) -> tuple[float, float]:
    target, settings = getattr(evaluation, "target", None), dict(getattr(evaluation, "settings", {}))
    if target is None or not settings.get("block_bp"):
        return np.nan, np.nan
    place = {gene: row for row, gene in enumerate(target.gene_ids)}
    rows = [place[gene] for gene in genes]
    blocks = assign_blocks([target.contigs[row] for row in rows], np.asarray(target.starts)[rows], settings["block_bp"])
    sums = block_sums(np.column_stack([gains, np.ones(len(gains))]), blocks)
    if len(sums) < 2:  # one block resampled is always itself
        return np.nan, np.nan
    draws = block_weights(len(sums), int(settings.get("bootstraps", 2000)), int(settings.get("seed", 0))) @ sums
    return percentile_interval(draws[:, 0] / draws[:, 1], float(settings.get("confidence", 0.95)))
