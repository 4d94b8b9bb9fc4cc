"""Null of zero-shot models by random variant weights through the same genotypes.

Permuted expression asks whether a model does better than chance for unrelated genotypes. Random weights ask more:
whether it does better than any weighted sum of the same variants of the same individuals, which shares their linkage,
their population structure and whatever of these follows expression (the idea of Sasse et al. 2023, Nat Genet
55:2060). A weight belongs to a variant and not to a gene, so neighbouring genes share weights as they share a model.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from pgxeval.checks import whole
from pgxeval.cohort import Cohort
from pgxeval.errors import SettingError, UnknownNameError
from pgxeval.evaluation import Evaluation
from pgxeval.evaluation.correlation import RankedExpression
from pgxeval.evaluation.each_tissue import each_tissue
from pgxeval.evaluation.gene_batches import first_folds
from pgxeval.evaluation.inference import exceedance_p
from pgxeval.seeding import hash64

Floats = npt.NDArray[np.float64]

SUMMARY: Mapping[str, str] = {
    "predictor": "name of the zero-shot predictor",
    "genes": "genes with a direction and with random weights",
    "share_right": "share of right directions of the predictor",
    "null_share": "mean of this share over draws of random weights",
    "null_share_sd": "its standard deviation between draws, which includes what neighbouring genes share",
    "share_p": "two-sided p-value of share_right among the draws",
    "mean_correlation": "mean correlation of the predictor",
    "null_mean": "mean of this mean over draws",
    "null_mean_sd": "its standard deviation between draws",
    "mean_p": "two-sided p-value of mean_correlation among the draws",
}
"""Columns of the summary of `random_weights`: one row per zero-shot predictor."""


@attrs.frozen(kw_only=True)
class RandomWeightSettings:
    """Which variants have random weights, and how often they are drawn.

    Parameters
    ----------
    flank_bp
        Variants this far on either side of the TSS, as a sequence model sees them; half of its context [bp].
    draws
        Draws of the weights, at least 20; no p-value is below ``1 / (draws + 1)``.
    seed
        Seed of the weights.
    """

    flank_bp: int = attrs.field(default=98_304, validator=whole(1))
    draws: int = attrs.field(default=200, validator=whole(20))
    seed: int = attrs.field(default=0, validator=whole(0))


@attrs.frozen(kw_only=True, eq=False)
class RandomWeights:
    """Zero-shot predictors against random weights of the same variants.

    Parameters
    ----------
    summary
        One row per zero-shot predictor; columns: `pgxeval.study.random_weights.SUMMARY`.
    per_gene
        One row per predictor and gene: predictor, tissue (if there are several), gene_id, correlation, null_sd (root
        mean square of the null correlations), p_value (two-sided: share of draws, plus one, with at least this
        absolute correlation), variants, reason (why p is NaN).
    settings
        How the weights were drawn.
    """

    summary: pd.DataFrame
    per_gene: pd.DataFrame
    settings: RandomWeightSettings


def random_weights(
    cohort: Cohort | Mapping[str, Cohort],
    evaluation: Evaluation,
    predictors: Sequence[str] | None = None,
    *,
    settings: RandomWeightSettings | None = None,
) -> RandomWeights:
    """Compare zero-shot predictors with random weights of the same variants.

    Parameters
    ----------
    cohort
        The cohort whose predictions were judged, or tissue -> cohort for an evaluation of several tissues.
    evaluation
        The evaluation. A variant has the same weight in all tissues, so the tissues of a gene stay dependent in the
        null as they are in the data.
    predictors
        Names of zero-shot predictors; None takes all of the evaluation.
    settings
        `RandomWeightSettings`.

    Returns
    -------
    RandomWeights

    Raises
    ------
    UnknownNameError
        If a predictor is not in the evaluation.
    SettingError
        If a predictor is cross-fitted, the tissues of cohorts and evaluation differ, or the evaluation was read from a
        folder.
    """
    settings = RandomWeightSettings() if settings is None else settings
    kinds = {name: str(one["kind"]) for name, one in evaluation.settings["predictors"].items()}
    names = [name for name, kind in kinds.items() if kind == "zero-shot"] if predictors is None else list(predictors)
    if unknown := [name for name in names if name not in kinds]:
        raise UnknownNameError(f"predictor {unknown[0]} is not in the evaluation; it has {', '.join(kinds)}")
    if trained := [name for name in names if kinds[name] != "zero-shot"]:
        raise SettingError(f"random weights are a null of zero-shot predictors; {trained[0]} is cross-fitted")
    correlations: dict[str, list[Floats]] = {name: [] for name in names}
    labels, nulls, counts = [], [], []
    for tissue, one in each_tissue(evaluation, "random weights"):
        null, variants = _null_of(_cohort_of(cohort, tissue), one, kinds, settings)
        gene_ids = one.per_gene["gene_id"].astype(str).drop_duplicates().to_numpy()
        for name in names:
            own = one.per_gene[one.per_gene["predictor"].astype(str) == name]
            r = own.set_index(own["gene_id"].astype(str))["correlation"].reindex(gene_ids)
            correlations[name].append(r.to_numpy(dtype=np.float64))
        label = pd.DataFrame({"gene_id": gene_ids})
        if tissue is not None:
            label.insert(0, "tissue", tissue)
        labels.append(label)
        nulls.append(null)
        counts.append(variants)
    genes, null, variants = pd.concat(labels, ignore_index=True), np.hstack(nulls), np.concatenate(counts)
    by_predictor = {name: np.concatenate(parts) for name, parts in correlations.items()}
    tables = [_per_gene(name, genes, r, null, variants) for name, r in by_predictor.items()]
    return RandomWeights(
        summary=pd.DataFrame(
            [{"predictor": name, **_summary(r, null)} for name, r in by_predictor.items()], columns=[*SUMMARY]
        ),
        per_gene=pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(),
        settings=settings,
    )


def _cohort_of(cohorts: Cohort | Mapping[str, Cohort], tissue: str | None) -> Cohort:
    if isinstance(cohorts, Cohort):
        if tissue is None:
            return cohorts
        raise SettingError("this evaluation has several tissues; give the cohorts as a mapping from tissue to Cohort")
    if tissue is None and len(cohorts) == 1:
        return next(iter(cohorts.values()))
    if tissue is None or tissue not in cohorts:
        raise SettingError(f"no cohort of {'one tissue' if tissue is None else tissue}; got {', '.join(cohorts)}")
    return cohorts[tissue]


def _null_of(
    cohort: Cohort, evaluation: Evaluation, kinds: Mapping[str, str], settings: RandomWeightSettings
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return the correlations of random weights, float64 (draws, n_genes), and the variants of each gene."""
    target, predictions = evaluation.target, evaluation.predictions
    assert target is not None and predictions is not None  # noqa: PT018
    run = frozenset(predictions.predictors)
    folds = first_folds(predictions, target, {name: kind for name, kind in kinds.items() if name in run})
    expression = RankedExpression(target.expression, target.covariates, None, target.family_codes)
    by_name = {gene.gene_id: gene for gene in cohort.genes}
    gene_ids = evaluation.per_gene["gene_id"].astype(str).drop_duplicates().tolist()
    null = np.full((settings.draws, len(gene_ids)), np.nan)
    counts = np.zeros(len(gene_ids), dtype=np.int64)
    for k, gene_id in enumerate(gene_ids):
        gene = by_name.get(gene_id)
        if gene is None:
            continue
        dosages = cohort.genome.dosages(gene.cis_window(settings.flank_bp, "tss"), list(target.individuals))
        values, varying = _centred(dosages.values)
        counts[k] = int(varying.sum())
        if not counts[k]:
            continue
        weights = variant_weights(dosages.variants[varying], settings.draws, settings.seed)
        row = np.full(settings.draws, target.row(gene_id))
        correlations = expression.correlate((values @ weights).T, row, folds=folds, measure=evaluation.measure)
        null[:, k] = correlations.correlation(evaluation.measure)
    return null, counts


def variant_weights(variants: pd.DataFrame, draws: int, seed: int) -> Floats:
    """Return normal weights that depend only on seed, draw and variant, float64 (n_variants, draws).

    Parameters
    ----------
    variants
        Columns contig, position, ref and alt.
    draws
        Number of draws.
    seed
        Seed of the weights.
    """
    texts = variants["contig"].astype(str) + ":" + variants["position"].astype(str)
    texts = texts + ":" + variants["ref"].astype(str) + ":" + variants["alt"].astype(str)
    # two checksums of 32 bits, mixed by the finaliser of SplitMix64 (Steele, Lea and Flood 2014)
    encoded = [text.encode() for text in texts]
    low = np.array([zlib.crc32(text) for text in encoded], dtype=np.uint64)
    high = np.array([zlib.adler32(text) for text in encoded], dtype=np.uint64)
    key = (low << np.uint64(32)) ^ high ^ np.uint64(hash64("random weights", seed))
    step = np.arange(1, draws + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = _mix(_mix(key)[:, None] + step[None, :])
    uniform = ((mixed >> np.uint64(11)).astype(np.float64) + 0.5) / 2**53
    return np.asarray(special.ndtri(uniform), dtype=np.float64)


def _mix(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _centred(calls: npt.NDArray[np.int8] | npt.NDArray[np.float32]) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return dosages of the variants that vary, centred, missing ones at the mean; and which variants vary."""
    called = calls >= 0
    count = np.maximum(called.sum(axis=0), 1)
    values = np.where(called, calls, 0).astype(np.float64)
    values -= values.sum(axis=0) / count
    values[~called] = 0.0
    varying = np.abs(values).max(axis=0, initial=0.0) > 0
    return values[:, varying], varying


def _summary(r: Floats, null: Floats) -> dict[str, float]:
    usable = np.isfinite(r) & (r != 0) & np.isfinite(null).all(axis=0)
    if not usable.any():
        return {"genes": 0}
    shares, means = (null[:, usable] > 0).mean(axis=1), null[:, usable].mean(axis=1)
    share, mean = float((r[usable] > 0).mean()), float(r[usable].mean())
    return {
        "genes": int(usable.sum()),
        "share_right": share,
        "null_share": float(shares.mean()),
        "null_share_sd": float(shares.std(ddof=1)),
        "share_p": _two_sided(share - 0.5, shares - 0.5),
        "mean_correlation": mean,
        "null_mean": float(means.mean()),
        "null_mean_sd": float(means.std(ddof=1)),
        "mean_p": _two_sided(mean, means),
    }


def _two_sided(observed: float, null: Floats) -> float:
    """Return a p-value against draws that are symmetric: the opposite weights are as likely."""
    return float(exceedance_p(abs(observed), np.abs(null)))


def _per_gene(name: str, genes: pd.DataFrame, r: Floats, null: Floats, counts: npt.NDArray[np.int64]) -> pd.DataFrame:
    defined = np.isfinite(null).all(axis=0)
    with np.errstate(invalid="ignore"):
        p = (1 + (np.abs(null) >= np.abs(r) - 1e-12).sum(axis=0)) / (1 + len(null))
    usable = defined & np.isfinite(r)
    reason = np.select(
        [~np.isfinite(r), counts == 0, ~defined],
        ["correlation undefined", "no variant varies around the gene", "random weights undefined"],
        default="",
    )
    table = genes.assign(
        correlation=r,
        null_sd=np.sqrt((null**2).mean(axis=0)),
        p_value=np.where(usable, p, np.nan),
        variants=counts,
        reason=reason,
    )
    table.insert(0, "predictor", name)
    return table
