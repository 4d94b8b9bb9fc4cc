"""The summary, concordance and comparison tables, by stratum, next to their permuted references."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from pgxeval.evaluation.blocks import block_sums
from pgxeval.evaluation.comparison import joint_replicates, mean_difference
from pgxeval.evaluation.concordance import (
    ODDS_RATIO_KINDS,
    OddsRatio,
    OddsRatioKind,
    PairedTable,
    clopper_pearson,
    log_odds_ratio,
    paired_indicators,
    ratio,
)
from pgxeval.evaluation.jackknife import BlockEstimate, replicate_variance
from pgxeval.evaluation.per_gene import NOT_IN_TABLE, Judged
from pgxeval.evaluation.strata import Stratum
from pgxeval.evaluation.tables import COMPARISON, CONCORDANCE, SUMMARY

Floats = npt.NDArray[np.float64]
Blocks = npt.NDArray[np.int64]

_SHARES = (0.0, 1.0)
_SHARE_DIFFERENCES = _CORRELATIONS = (-1.0, 1.0)
_WITHIN = 20  # replicates whose jackknife variance is averaged: enough for a mean, and the rest cost time


@attrs.frozen(kw_only=True, eq=False)
class Summariser:
    """Summarises judged predictors over genes.

    Parameters
    ----------
    judged
        The predictors, in the order of the tables.
    blocks
        int64 (n_genes,): genomic block of each gene.
    confidence
        Level of the intervals.
    level
        Level of significance of q-values.
    margin
        Equivalence margin for differences of mean correlations, or None.
    """

    judged: Sequence[Judged]
    blocks: Blocks
    confidence: float
    level: float
    margin: float | None = None

    def tables(self, strata: Sequence[Stratum]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """Return the summary, concordance and comparison tables, strata in their order."""
        concordance: list[dict[str, Any]] = []
        comparison: list[dict[str, Any]] = []
        for stratum in strata:
            blocks = self.blocks[stratum.genes]
            for a, b in itertools.combinations(self._shown(stratum), 2):
                concordance.append(self._pair(a, b, stratum, blocks))
                comparison.append(self._compare(a, b, stratum))
        return (
            self.shares(strata),
            pd.DataFrame(concordance, columns=list(CONCORDANCE)),
            pd.DataFrame(comparison, columns=list(COMPARISON)),
        )

    def shares(self, strata: Sequence[Stratum]) -> pd.DataFrame:
        """Return the summary table alone."""
        rows = [
            self._share(judged, stratum, self.blocks[stratum.genes])
            for stratum in strata
            for judged in self._shown(stratum)
        ]
        # whole numbers, NA without p-values
        return pd.DataFrame(rows, columns=list(SUMMARY)).astype(
            {"n_significant": "Int64", "n_significant_wrong": "Int64"}
        )

    def _shown(self, stratum: Stratum) -> list[Judged]:
        return [judged for judged in self.judged if judged.predictor not in stratum.withheld]

    def _share(self, judged: Judged, stratum: Stratum, blocks: Blocks) -> dict[str, Any]:
        r, direction = judged.correlation[stratum.genes], judged.directions[stratum.genes]
        null, null_direction = judged.null[:, stratum.genes], judged.null_directions[:, stratum.genes]
        defined = ~np.isnan(r)
        right, directed, null_right, null_directed = (
            direction > 0, direction != 0, null_direction > 0, null_direction != 0
        )  # fmt: skip
        counts = [right, directed, np.nan_to_num(r), defined, null_right.sum(axis=0), null_directed.sum(axis=0)]
        sums = block_sums(np.column_stack(counts).astype(np.float64), blocks)
        share, mean, reference = (BlockEstimate.ratio(sums[:, k], sums[:, k + 1]) for k in (0, 2, 4))
        n_right, n_directed = int(right.sum()), int(directed.sum())
        binomial = clopper_pearson(n_right, n_directed, self.confidence)
        # every gene agrees, and so it does whichever block is left out
        unanimous = n_directed > 0 and n_right in (0, n_directed)
        share_low, share_high = (
            binomial if unanimous else share.log_odds().interval(self.confidence, inverse=special.expit)
        )
        replicate_shares = _ratios(null_right.sum(axis=1), null_directed.sum(axis=1))
        difference = share.minus(reference).with_extra_variance(
            replicate_variance(replicate_shares, _shares_within(null_right, null_directed, blocks))
        )
        difference_low, difference_high = difference.interval(self.confidence, within=_SHARE_DIFFERENCES)
        if unanimous and not math.isnan(reference.value):
            reference_low, reference_high = reference.interval(self.confidence, within=_SHARES)
            difference_low, difference_high = binomial[0] - reference_high, binomial[1] - reference_low
        mean_low, mean_high = mean.interval(self.confidence, within=_CORRELATIONS)
        with np.errstate(invalid="ignore"):
            significant = judged.q_value[stratum.genes] < self.level
        tested = not np.isnan(judged.p_value).all()
        n_significant, n_wrong = int(significant.sum()), int((significant & (direction < 0)).sum())
        significant_low, significant_high = clopper_pearson(n_significant - n_wrong, n_significant, self.confidence)
        in_table = (judged.reason != NOT_IN_TABLE)[stratum.genes]
        return {
            "predictor": judged.predictor,
            "stratum": stratum.name,
            "assignment": stratum.assignment(judged.predictor),
            "naive": judged.predictor in stratum.definers,
            "n_genes": len(r),
            "defined": int(defined.sum()),
            "undefined": int((~defined).sum()),
            "mean_correlation": mean.value,
            "mean_low": mean_low,
            "mean_high": mean_high,
            "median_correlation": float(np.median(r[defined])) if defined.any() else np.nan,
            "reference_mean_correlation": float(np.nanmean(null)) if (~np.isnan(null)).any() else np.nan,
            "mean_correlation_undefined_as_0": float(np.nan_to_num(r[in_table]).mean()) if in_table.any() else np.nan,
            "reference_mean_correlation_undefined_as_0": (
                float(np.nan_to_num(null[:, in_table]).mean()) if len(null) and in_table.any() else np.nan
            ),
            "n_significant": n_significant if tested else pd.NA,
            "n_significant_wrong": n_wrong if tested else pd.NA,
            "share_right_significant": ratio(n_significant - n_wrong, n_significant),
            "share_right_significant_low": significant_low,
            "share_right_significant_high": significant_high,
            "n_directed": n_directed,
            "n_right": n_right,
            "share_right": ratio(n_right, n_directed),
            "share_low": share_low,
            "share_high": share_high,
            "binomial_low": binomial[0],
            "binomial_high": binomial[1],
            "reference_share": reference.value,
            "reference_sd": _sd(replicate_shares),
            "difference": difference.value,
            "difference_low": difference_low,
            "difference_high": difference_high,
            "difference_p": math.nan if unanimous else difference.p_value(),
            "replicates": len(judged.null_replicates),
            "reference": judged.reference,
            "n_blocks": len(sums),
            "effective_blocks": share.effective_blocks,
        }

    def _pair(self, a: Judged, b: Judged, stratum: Stratum, blocks: Blocks) -> dict[str, Any]:
        observed = paired_indicators(a.directions[stratum.genes], b.directions[stratum.genes])
        rows_a, rows_b, reference = joint_replicates(a, b)
        null = paired_indicators(
            a.null_directions[rows_a][:, stratum.genes], b.null_directions[rows_b][:, stratum.genes]
        )
        table = _table(observed.sum(axis=0), undefined=int((~observed.any(axis=1)).sum()))
        expected = _table(null.sum(axis=(0, 1))) if len(rows_a) else None
        sums = block_sums(np.column_stack([observed, null.sum(axis=0)]), blocks)
        within = [block_sums(one, blocks) for one in null[:_WITHIN]]
        totals = null.sum(axis=1).astype(np.float64)
        row: dict[str, Any] = {
            "predictor_a": a.predictor,
            "predictor_b": b.predictor,
            "stratum": stratum.name,
            "assignment": stratum.assignment(a.predictor, b.predictor),
            "naive": bool({a.predictor, b.predictor} & stratum.definers),
            "n": table.n,
            "both_right": table.both_right,
            "only_a": table.only_a,
            "only_b": table.only_b,
            "neither": table.neither,
            "undefined": table.undefined,
        }
        exact_only = []
        for kind in ODDS_RATIO_KINDS:
            exact = _odds_ratio(table, kind, self.confidence)
            null_value = _odds_ratio(expected, kind, self.confidence).value if expected else np.nan
            estimate = log_odds_ratio(sums[:, :4], kind)
            low, high = estimate.interval(self.confidence, inverse=_exp)
            if not 0 < exact.value < np.inf:
                # an empty cell is empty whichever block is left out
                low, high = exact.low, exact.high
                exact_only.append(kind)
            values = [log_odds_ratio(total[None], kind).value for total in totals]
            spread = replicate_variance(values, [log_odds_ratio(one, kind).block_variance for one in within])
            over = estimate.minus(log_odds_ratio(sums[:, 4:], kind)).with_extra_variance(spread)
            over_low, over_high = over.interval(self.confidence, inverse=_exp)
            row |= {
                f"{kind}_or": exact.value,
                f"{kind}_or_low": low,
                f"{kind}_or_high": high,
                f"{kind}_p": estimate.p_value(),
                f"reference_{kind}_or": null_value,
                f"{kind}_over_reference": ratio(exact.value, null_value),
                f"{kind}_over_reference_low": over_low,
                f"{kind}_over_reference_high": over_high,
                f"{kind}_over_reference_p": over.p_value(),
            }
            if kind != "marginal":
                row |= {
                    f"{kind}_exact_low": exact.low,
                    f"{kind}_exact_high": exact.high,
                    f"{kind}_exact_p": exact.p_value,
                }
        effective = BlockEstimate.ratio(sums[:, 1], sums[:, 1] + sums[:, 2]).effective_blocks
        return row | {
            "replicates": len(rows_a),
            "reference": reference,
            "intervals": ("block jackknife" if len(sums) > 1 else "none: fewer than two blocks")
            + (f"; exact, one-sided, for {', '.join(exact_only)} (zero cell)" if exact_only else ""),
            "n_blocks": len(sums),
            "effective_blocks": effective,
        }

    def _compare(self, a: Judged, b: Judged, stratum: Stratum) -> dict[str, Any]:
        genes = stratum.genes & (a.reason != NOT_IN_TABLE) & (b.reason != NOT_IN_TABLE)
        rows_a, rows_b, reference = joint_replicates(a, b)
        result = mean_difference(
            a.correlation[genes],
            b.correlation[genes],
            self.blocks[genes],
            null_a=a.null[rows_a][:, genes],
            null_b=b.null[rows_b][:, genes],
            confidence=self.confidence,
            margin=self.margin,
        )
        return {
            "predictor_a": a.predictor,
            "predictor_b": b.predictor,
            "stratum": stratum.name,
            "assignment": stratum.assignment(a.predictor, b.predictor),
            "naive": bool({a.predictor, b.predictor} & stratum.definers),
            **result.row(),
            "replicates": len(rows_a),
            "reference": reference,
        }


def _ratios(top: npt.NDArray[np.integer], bottom: npt.NDArray[np.integer]) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(top / bottom, dtype=np.float64)


def _shares_within(right: npt.NDArray[np.bool_], directed: npt.NDArray[np.bool_], blocks: Blocks) -> list[float]:
    """Return the jackknife variance of the share in each of the first replicates."""
    pairs = zip(right[:_WITHIN], directed[:_WITHIN], strict=True)
    sums = [block_sums(np.column_stack(pair), blocks) for pair in pairs]
    return [BlockEstimate.ratio(one[:, 0], one[:, 1]).block_variance for one in sums]


def _sd(values: Floats) -> float:
    numbers = values[~np.isnan(values)]
    return float(numbers.std(ddof=1)) if len(numbers) > 1 else math.nan


def _exp(value: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.exp(value))


def _table(counts: npt.NDArray[np.integer], undefined: int = 0) -> PairedTable:
    both, only_a, only_b, neither = (int(k) for k in counts)
    return PairedTable(both_right=both, only_a=only_a, only_b=only_b, neither=neither, undefined=undefined)


def _odds_ratio(table: PairedTable, kind: OddsRatioKind, confidence: float) -> OddsRatio:
    if kind == "mcnemar":
        return table.mcnemar(confidence)
    return table.marginal(confidence) if kind == "marginal" else table.association(confidence)
