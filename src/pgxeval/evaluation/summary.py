"""The summary and concordance tables: shares and odds ratios, by stratum, beside their permuted references."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.evaluation.concordance import (
    OddsRatio,
    PairedTable,
    association_odds_ratio,
    clopper_pearson,
    marginal_odds_ratio,
    mcnemar_odds_ratio,
    paired_indicators,
    ratio,
)
from pgxeval.evaluation.per_gene import Judged
from pgxeval.evaluation.resampling import block_sums, block_weights, percentile_interval

Floats = npt.NDArray[np.float64]
ALL = "all"

_KINDS: Mapping[str, Callable[[Floats], Floats]] = {
    "mcnemar": mcnemar_odds_ratio,
    "marginal": marginal_odds_ratio,
    "association": association_odds_ratio,
}


@attrs.frozen(kw_only=True, eq=False)
class Stratum:
    """Genes that are summed up together.

    Parameters
    ----------
    name
        ``"all"`` or the stratum's name.
    genes
        bool (n_genes,).
    definers
        Predictors that defined the stratum on the same individuals.
    given
        Whether the stratum was given by the user, from other individuals.
    """

    name: str
    genes: npt.NDArray[np.bool_]
    definers: frozenset[str]
    given: bool

    def assignment(self, *predictors: str) -> str:
        """Say how results of these predictors in this stratum are to be taken."""
        if self.name == ALL:
            return "all genes"
        if self.given:
            return "independent"
        return "naive" if self.definers & set(predictors) else "same individuals"


@attrs.frozen(kw_only=True, eq=False)
class Summariser:
    """Sums up judged predictors over genes, with block-bootstrap intervals.

    Parameters
    ----------
    judged
        The predictors, in the order of the tables.
    blocks
        int64 (n_genes,): genomic block of each gene.
    confidence, bootstraps, seed, level
        Of the intervals, of the bootstrap and of significance.
    """

    judged: Sequence[Judged]
    blocks: npt.NDArray[np.int64]
    confidence: float
    bootstraps: int
    seed: int
    level: float

    def tables(self, strata: Sequence[Stratum]) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the summary and the concordance table, strata in their order."""
        summary: list[dict[str, Any]] = []
        concordance: list[dict[str, Any]] = []
        for stratum in strata:
            blocks = self.blocks[stratum.genes]
            n_blocks = len(np.unique(blocks))
            # a single block is the same in every draw, and says nothing about the spread
            weights = block_weights(n_blocks, self.bootstraps if n_blocks > 1 else 0, self.seed)
            summary += [self._share(judged, stratum, blocks, weights) for judged in self.judged]
            concordance += [
                self._pair(a, b, stratum, blocks, weights) for a, b in itertools.combinations(self.judged, 2)
            ]
        by_predictor = pd.DataFrame(summary, columns=list(SUMMARY))
        # whole numbers, NA where no p-value is to be had
        by_predictor = by_predictor.astype({"n_significant": "Int64", "n_significant_wrong": "Int64"})
        return by_predictor, pd.DataFrame(concordance, columns=list(CONCORDANCE))

    def _interval(self, draws: Floats) -> tuple[float, float]:
        return percentile_interval(draws, self.confidence)

    def _share(
        self, judged: Judged, stratum: Stratum, blocks: npt.NDArray[np.int64], weights: Floats
    ) -> dict[str, Any]:
        r, direction = judged.spearman[stratum.genes], judged.directions[stratum.genes]
        null_direction = judged.null_directions[:, stratum.genes]
        defined = ~np.isnan(r)
        counts = np.column_stack(
            [
                direction > 0,
                direction != 0,
                np.nan_to_num(r),
                defined,
                (null_direction > 0).sum(axis=0),
                (null_direction != 0).sum(axis=0),
            ]
        ).astype(np.float64)
        draws = weights @ block_sums(counts, blocks)
        with np.errstate(divide="ignore", invalid="ignore"):
            share, mean, reference = (draws[:, k] / draws[:, k + 1] for k in (0, 2, 4))
            by_replicate = (null_direction > 0).sum(axis=1) / (null_direction != 0).sum(axis=1)
        total = counts.sum(axis=0)
        observed, expected = ratio(total[0], total[1]), ratio(total[4], total[5])
        null = judged.null[:, stratum.genes]
        share_low, share_high = self._interval(share)
        difference_low, difference_high = self._interval(share - reference)
        mean_low, mean_high = self._interval(mean)
        binomial_low, binomial_high = clopper_pearson(int(total[0]), int(total[1]), self.confidence)
        if observed in (0, 1) and len(draws):
            # all genes agree, and so they do in every bootstrap draw
            share_low, share_high = binomial_low, binomial_high
            reference_low, reference_high = self._interval(reference)
            difference_low, difference_high = share_low - reference_high, share_high - reference_low
        with np.errstate(invalid="ignore"):
            significant = judged.q_value[stratum.genes] < self.level
        tested = not np.isnan(judged.p_value).all()
        return {
            "predictor": judged.predictor,
            "stratum": stratum.name,
            "assignment": stratum.assignment(judged.predictor),
            "naive": judged.predictor in stratum.definers,
            "n_genes": len(r),
            "defined": int(defined.sum()),
            "undefined": int((~defined).sum()),
            "mean_spearman": float(r[defined].mean()) if defined.any() else np.nan,
            "mean_low": mean_low,
            "mean_high": mean_high,
            "median_spearman": float(np.median(r[defined])) if defined.any() else np.nan,
            "mean_spearman_undefined_as_0": float(np.nan_to_num(r).mean()) if len(r) else np.nan,
            "reference_mean_spearman": float(np.nanmean(null)) if (~np.isnan(null)).any() else np.nan,
            "n_significant": int(significant.sum()) if tested else pd.NA,
            "n_significant_wrong": int((significant & (direction < 0)).sum()) if tested else pd.NA,
            "n_directed": int(total[1]),
            "n_right": int(total[0]),
            "share_right": observed,
            "share_low": share_low,
            "share_high": share_high,
            "binomial_low": binomial_low,
            "binomial_high": binomial_high,
            "reference_share": expected,
            "reference_sd": float(np.nanstd(by_replicate, ddof=1)) if (~np.isnan(by_replicate)).sum() > 1 else np.nan,
            "difference": observed - expected,
            "difference_low": difference_low,
            "difference_high": difference_high,
            "replicates": len(judged.null_replicates),
            "reference": judged.reference,
            "n_blocks": weights.shape[1],
        }

    def _pair(
        self, a: Judged, b: Judged, stratum: Stratum, blocks: npt.NDArray[np.int64], weights: Floats
    ) -> dict[str, Any]:
        observed = paired_indicators(a.directions[stratum.genes], b.directions[stratum.genes])
        rows_a, rows_b, reference = joint_replicates(a, b)
        null = paired_indicators(
            a.null_directions[rows_a][:, stratum.genes], b.null_directions[rows_b][:, stratum.genes]
        ).sum(axis=0)
        table = _table(observed.sum(axis=0), undefined=int((~observed.any(axis=1)).sum()))
        expected = _table(null.sum(axis=0)) if len(rows_a) else None
        draws = weights @ block_sums(np.column_stack([observed, null]).astype(np.float64), blocks)
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
        for kind, odds_of in _KINDS.items():
            exact = _odds_ratio(table, kind, self.confidence)
            null_value = _odds_ratio(expected, kind, self.confidence).value if expected else np.nan
            bootstrap = odds_of(draws[:, :4])
            low, high = self._interval(bootstrap)
            if not 0 < exact.value < np.inf:
                # a cell that is empty stays empty in every bootstrap draw
                low, high = exact.low, exact.high
                exact_only.append(kind)
            with np.errstate(divide="ignore", invalid="ignore"):
                over = bootstrap / odds_of(draws[:, 4:])
            over_low, over_high = self._interval(over)
            row |= {
                f"{kind}_or": exact.value,
                f"{kind}_or_low": low,
                f"{kind}_or_high": high,
                f"{kind}_p": _bootstrap_p(bootstrap) if kind == "marginal" else exact.p_value,
                f"reference_{kind}_or": null_value,
                f"{kind}_over_reference": ratio(exact.value, null_value),
                f"{kind}_over_reference_low": over_low,
                f"{kind}_over_reference_high": over_high,
            }
            if kind != "marginal":
                row |= {f"{kind}_exact_low": exact.low, f"{kind}_exact_high": exact.high}
        return row | {
            "replicates": len(rows_a),
            "reference": reference,
            "intervals": ("block bootstrap" if len(draws) else "none: fewer than two blocks")
            + (f"; exact, one-sided, for {', '.join(exact_only)} (zero cell)" if exact_only else ""),
            "n_blocks": weights.shape[1],
        }


def joint_replicates(a: Judged, b: Judged) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], str]:
    """Return the rows of the two nulls that come from the same permutations, and where they are from.

    Two predictors answer the same permuted expression alike, so the reference of a pair is only to be had from
    replicates that both went through.
    """
    nothing = np.empty(0, dtype=np.intp)
    if a.null_key is None or b.null_key is None:
        lacking = " and ".join(one.predictor for one in (a, b) if one.null_key is None)
        return nothing, nothing, f"none: no permuted replicates of {lacking}"
    if a.null_key != b.null_key:
        return nothing, nothing, "none: the two were permuted with different seeds or among different individuals"
    common, rows_a, rows_b = np.intersect1d(a.null_replicates, b.null_replicates, return_indices=True)
    if len(common) == 0:
        return nothing, nothing, "none: the two have no replicate in common"
    return rows_a, rows_b, f"{len(common)} joint replicates on permuted expression"


def _table(counts: npt.NDArray[np.integer], undefined: int = 0) -> PairedTable:
    both, only_a, only_b, neither = (int(k) for k in counts)
    return PairedTable(both_right=both, only_a=only_a, only_b=only_b, neither=neither, undefined=undefined)


def _odds_ratio(table: PairedTable, kind: str, confidence: float) -> OddsRatio:
    if kind == "mcnemar":
        return table.mcnemar(confidence)
    return table.marginal(confidence) if kind == "marginal" else table.association(confidence)


def _bootstrap_p(draws: Floats) -> float:
    """Return twice the smaller share of bootstrap draws on either side of 1, one draw added."""
    draws = draws[~np.isnan(draws)]
    if len(draws) == 0:
        return float("nan")
    smaller = min(int((draws <= 1).sum()), int((draws >= 1).sum()))
    return min(1.0, 2 * (1 + smaller) / (1 + len(draws)))


SUMMARY = (
    "predictor", "stratum", "assignment", "naive", "n_genes", "defined", "undefined",
    "mean_spearman", "mean_low", "mean_high", "median_spearman", "mean_spearman_undefined_as_0",
    "reference_mean_spearman", "n_significant", "n_significant_wrong", "n_directed", "n_right",
    "share_right", "share_low", "share_high", "binomial_low", "binomial_high",
    "reference_share", "reference_sd", "difference", "difference_low", "difference_high",
    "replicates", "reference", "n_blocks",
)  # fmt: skip

CONCORDANCE = (
    "predictor_a", "predictor_b", "stratum", "assignment", "naive",
    "n", "both_right", "only_a", "only_b", "neither", "undefined",
    *(
        name
        for kind in _KINDS
        for name in (
            f"{kind}_or", f"{kind}_or_low", f"{kind}_or_high",
            *((f"{kind}_exact_low", f"{kind}_exact_high") if kind != "marginal" else ()),
            f"{kind}_p", f"reference_{kind}_or",
            f"{kind}_over_reference", f"{kind}_over_reference_low", f"{kind}_over_reference_high",
        )
    ),
    "replicates", "reference", "intervals", "n_blocks",
)  # fmt: skip
