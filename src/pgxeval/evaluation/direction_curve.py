"""Calibration of directions: the share of right ones by the size of the predicted effect, or any strength of genes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from pgxeval.errors import SettingError, TableError
from pgxeval.evaluation.blocks import assign_blocks, block_sums
from pgxeval.evaluation.concordance import clopper_pearson, ratio
from pgxeval.evaluation.each_tissue import each_tissue
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.jackknife import BlockEstimate
from pgxeval.tables.batches import BatchedPredictions
from pgxeval.tables.predictions import Predictions

Floats = npt.NDArray[np.float64]

PREDICTED_EFFECT = "predicted_effect"
COLUMNS: Mapping[str, str] = {
    "predictor": "name of the predictor",
    "by": "what the genes are ordered by",
    "bin": "number of the bin, from 1 (smallest)",
    "lowest": "smallest value in the bin",
    "middle": "median value in the bin",
    "highest": "largest value in the bin",
    "n_directed": "genes (or gene-tissue pairs) in the bin with a direction",
    "n_right": "of these, in the right direction",
    "share_right": "n_right / n_directed",
    "share_low": "lower limit of share_right, block jackknife; exact binomial for 0, 1 and where positions are unknown",
    "share_high": "upper limit of share_right",
    "unknown": "genes of the predictor with a direction but without a value, which are in no bin",
}
"""Columns of the table of `direction_curve`."""


def direction_curve(
    evaluation: Evaluation, by: Mapping[str, float] | pd.Series | Literal["predicted_effect"], *, bins: int = 5
) -> pd.DataFrame:
    """Return the share of right directions in bins of genes, from weak to strong.

    If the directions of a predictor mean something, they are more often right where the predictor expects larger
    differences between individuals, and where expression has a stronger cis signal.

    Parameters
    ----------
    evaluation
        An evaluation.
    by
        ``"predicted_effect"``: standard deviation over individuals of the prediction of a gene, in the unit of the
        predictor (for a cross-fitted predictor within folds); the bins of each predictor differ. Or a value per gene,
        or per tissue and gene (a Series with these two levels), such as the cis heritability or the negative logarithm
        of the p-value of an eQTL. It should come from other individuals: a value that was estimated on the same ones
        shares their noise with the correlations.
    bins
        Number of bins with equal numbers of genes, at least 2. Equal values are in the same bin.

    Returns
    -------
    pandas.DataFrame
        One row per predictor and bin; columns: `pgxeval.evaluation.direction_curve.COLUMNS`.

    Raises
    ------
    SettingError
        If there are fewer than 2 bins, or ``"predicted_effect"`` is asked of an evaluation that was read from a folder.
    TableError
        If no gene of the evaluation has a value.
    """
    if bins < 2:
        raise SettingError(f"bins must be at least 2, got {bins}")
    genes = evaluation.per_gene
    name = by if isinstance(by, str) else str(getattr(by, "name", None) or "value")
    if isinstance(by, str):
        if by != PREDICTED_EFFECT:
            raise SettingError(f'by must be "{PREDICTED_EFFECT}" or a value per gene, got {by!r}')
        sizes = predicted_effects(evaluation)
        keys = pd.MultiIndex.from_frame(genes[list(sizes.index.names)].astype(str))
        values = sizes.reindex(keys).to_numpy(dtype=np.float64)
    else:
        strengths = pd.Series(dict(by), dtype=np.float64)
        values = strengths.reindex(_places(genes, strengths)).to_numpy(dtype=np.float64)
    if not np.isfinite(values).any():
        raise TableError(
            f"{name}: no gene of the evaluation has a value; expected gene identifiers such as those of per_gene"
        )
    blocks = _blocks(evaluation)
    rows: list[dict[str, Any]] = []
    for predictor, part in genes.groupby("predictor", sort=False, observed=True):
        place = genes.index.get_indexer(part.index)
        right = (part["direction"] > 0).fillna(False).to_numpy(dtype=bool)
        directed = part["direction"].notna().to_numpy()
        strength = values[place]
        usable = directed & np.isfinite(strength)
        if not usable.any():
            continue
        edges = np.unique(np.quantile(strength[usable], np.linspace(0, 1, bins + 1)[1:-1]))
        number = np.searchsorted(edges, strength, side="left")
        for k in np.unique(number[usable]):
            in_bin = usable & (number == k)
            n_right, n = int(right[in_bin].sum()), int(in_bin.sum())
            low, high = _limits(right[in_bin], None if blocks is None else blocks[place][in_bin], evaluation)
            rows.append(
                {
                    "predictor": str(predictor),
                    "by": name,
                    "bin": int(k) + 1,
                    "lowest": float(strength[in_bin].min()),
                    "middle": float(np.median(strength[in_bin])),
                    "highest": float(strength[in_bin].max()),
                    "n_directed": n,
                    "n_right": n_right,
                    "share_right": ratio(n_right, n),
                    "share_low": low,
                    "share_high": high,
                    "unknown": int((directed & ~np.isfinite(strength)).sum()),
                }
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def predicted_effects(evaluation: Evaluation) -> pd.Series:
    """Return the standard deviation over individuals of each prediction, indexed by predictor and gene.

    The predictions of a cross-fitted predictor are less the mean training expression of their fold, and compared
    within folds. In an evaluation of several tissues the first level of the index is the tissue.

    Raises
    ------
    SettingError
        If the evaluation was read from a folder, where values of individuals are not kept.
    """
    parts: dict[str, pd.Series] = {}
    for tissue, one in each_tissue(evaluation, "the size of predicted effects"):
        assert one.predictions is not None
        sizes = _sizes(one.predictions)
        if tissue is None:
            return sizes
        parts[tissue] = sizes
    joined: pd.Series = pd.concat(parts, names=["tissue"])
    return joined


def _sizes(predictions: Predictions | BatchedPredictions) -> pd.Series:
    parts = []
    for predictor in predictions.predictors:
        tables = (
            [predictions.table[predictions.table["predictor"] == predictor]]
            if isinstance(predictions, Predictions)
            else predictions.batches(predictor)
        )
        for table in tables:
            rows = table[(table["replicate"] == 0) & table["prediction"].notna()]
            values = pd.DataFrame(
                {
                    "gene_id": rows["gene_id"].astype(str).to_numpy(),
                    "fold": rows["fold"].astype("Int64").fillna(-1).to_numpy(dtype=np.int64),
                    "value": rows["prediction"].to_numpy(dtype=np.float64),
                }
            )
            mean = values.groupby(["gene_id", "fold"], sort=False)["value"].transform("mean")
            by_gene = values.assign(square=(values["value"] - mean) ** 2).groupby("gene_id", sort=False)
            free = by_gene.size() - by_gene["fold"].nunique()
            size = np.sqrt(by_gene["square"].sum() / free.where(free > 0))
            size.index = pd.MultiIndex.from_product([[str(predictor)], size.index], names=["predictor", "gene_id"])
            parts.append(size)
    sizes: pd.Series = pd.concat(parts)
    return sizes


def _places(genes: pd.DataFrame, given: pd.Series) -> pd.Index:
    """Return the rows of per_gene as keys of the given values: genes, or tissues and genes."""
    if not isinstance(given.index, pd.MultiIndex):
        return pd.Index(genes["gene_id"].astype(str))
    if given.index.nlevels != 2 or "tissue" not in genes:
        raise TableError(
            f"expected values per gene, or per tissue and gene of an evaluation of several tissues, got an index of "
            f"{given.index.nlevels} levels"
        )
    return pd.MultiIndex.from_frame(genes[["tissue", "gene_id"]].astype(str))


def _blocks(evaluation: Evaluation) -> npt.NDArray[np.int64] | None:
    """Return the genomic block of each row of per_gene, or None where positions of genes are not known."""
    if evaluation.target is None and not evaluation.values:
        return None
    places: dict[str, tuple[str, int]] = {}
    for _, one in each_tissue(evaluation, "the blocks of genes"):
        assert one.target is not None
        places.update(zip(one.target.gene_ids, zip(one.target.contigs, one.target.starts, strict=True), strict=True))
    rows = [places[gene] for gene in evaluation.per_gene["gene_id"].astype(str)]
    starts = np.array([start for _, start in rows], dtype=np.int64)
    return assign_blocks([contig for contig, _ in rows], starts, int(evaluation.settings["block_bp"]))


def _limits(
    right: npt.NDArray[np.bool_], blocks: npt.NDArray[np.int64] | None, evaluation: Evaluation
) -> tuple[float, float]:
    confidence = float(evaluation.settings["confidence"])
    n, total = int(right.sum()), len(right)
    if blocks is None or n in (0, total):
        return clopper_pearson(n, total, confidence)
    sums = block_sums(np.column_stack([right, np.ones(total)]), blocks)
    low, high = BlockEstimate.ratio(sums[:, 0], sums[:, 1]).log_odds().interval(confidence, inverse=special.expit)
    return (low, high) if not math.isnan(low) else (math.nan, math.nan)
