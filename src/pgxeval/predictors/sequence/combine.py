"""Combining: from scores of haplotypes to one number per individual."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pgxeval.genome.single_variants import SingleVariants
from pgxeval.predictors.sequence.readout import Readout
from pgxeval.predictors.sequence.scores import GeneScores
from pgxeval.predictors.sequence.settings import Combine

NO_COPY = "the individual carries no copy of the window"
NO_LOG = "the score of a haplotype has no logarithm: it is not above 0 after adding the pseudocount"


def combine_haplotypes(
    scores: GeneScores, indices: Sequence[npt.NDArray[np.int32]], readout: Readout, combine: Combine
) -> tuple[npt.NDArray[np.float64], dict[int, str]]:
    """Combine the two haplotypes of each individual.

    Scores are averaged over views (shifts, strands), finished by the readout, averaged over tracks, and then
    combined over the copies that the individual carries.

    Parameters
    ----------
    scores
        Scores of one gene.
    indices
        For each view int32 ``(n_individuals, 2)``, as `Haplotypes.index`.
    readout
        Its `finish` is applied.
    combine
        ``"mean"`` or ``"max"`` of the copies; ``"log_sum"``: sum of ln(x + 1). A single copy (chrX, chrY, chrM)
        counts twice, so that ploidy does not shift the result.

    Returns
    -------
    tuple
        float64 ``(n_individuals,)``, NaN where the score of a copy is unknown; row of the individual -> reason.
    """
    copies = haplotype_scores(scores, indices, readout)
    absent = indices[0] < 0
    if combine == "log_sum":
        with np.errstate(invalid="ignore", divide="ignore"):
            copies = np.log1p(copies)
        copies[~np.isfinite(copies)] = np.nan
    copies = np.where(absent, copies[:, ::-1], copies)
    values: npt.NDArray[np.float64]
    if combine == "mean":
        values = copies.mean(axis=1)
    elif combine == "max":
        values = copies.max(axis=1)
    else:
        values = copies.sum(axis=1)
    return values, {
        row: _reason(scores, [index[row] for index in indices]) for row in np.flatnonzero(np.isnan(values)).tolist()
    }


def combine_single_variants(
    scores: GeneScores, indices: Sequence[npt.NDArray[np.int32]], readout: Readout, single: SingleVariants
) -> tuple[npt.NDArray[np.float64], dict[int, str]]:
    """Add the effects of single variants to the score of the reference.

    Parameters
    ----------
    scores
        Scores of one gene, for the haplotypes of `single`.
    indices
        For each view int32 ``(1 + n_alleles, 2)``, as `Haplotypes.index`.
    readout
        Its `finish` is applied.
    single
        Number of copies of each allele in each individual.

    Returns
    -------
    tuple
        float64 ``(n_individuals,)``: the score of the reference plus, for each allele, its effect times the share of
        the individual's copies that carry it; NaN where the effect of a carried allele is unknown. Row of the
        individual -> reason.
    """
    rows = [index[:, :1] for index in indices]
    by_allele = haplotype_scores(scores, rows, readout)[:, 0]
    effects = by_allele[1:] - by_allele[0]
    unknown = np.isnan(effects)
    carried = single.dosages[:, unknown] > 0
    defined = np.where(unknown, 0.0, effects)
    # row by row: the prediction of an individual does not depend on the other rows
    values = by_allele[0] + (single.dosages * defined).sum(axis=1) / single.ploidy
    values[carried.any(axis=1)] = np.nan
    of_allele = np.flatnonzero(unknown) + 1
    reasons = {}
    for row in np.flatnonzero(np.isnan(values)).tolist():
        allele = 0 if np.isnan(by_allele[0]) else int(of_allele[np.argmax(carried[row])])
        reasons[row] = _reason(scores, [index[allele] for index in rows])
    return values, reasons


def haplotype_scores(
    scores: GeneScores, indices: Sequence[npt.NDArray[np.int32]], readout: Readout
) -> npt.NDArray[np.float64]:
    """Return the score of each copy: float64 with the shape of an index, NaN where absent or unknown."""
    total = np.zeros((*indices[0].shape, len(scores.tracks[0])))
    for index, values in zip(indices, scores.values, strict=True):
        if index.size:
            total += np.where((index < 0)[..., None], np.nan, values[np.maximum(index, 0)])
    finished: npt.NDArray[np.float64] = readout.finish(total / len(indices)).mean(axis=-1)
    return finished


def _reason(scores: GeneScores, rows: Sequence[npt.NDArray[np.int32]]) -> str:
    present = False
    for reasons, copies in zip(scores.reasons, rows, strict=True):
        for row in copies.tolist():
            present |= row >= 0
            if row in reasons:
                return reasons[row]
    return NO_LOG if present else NO_COPY
