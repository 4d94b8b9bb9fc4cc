"""JudgedGenes: all predictors at the genes of one tissue, or at the gene-tissue pairs of several."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import attrs
import joblib
import numpy as np
import numpy.typing as npt

from pgxeval.evaluation.batched import BatchedTable
from pgxeval.evaluation.correlate_genes import correlate_genes
from pgxeval.evaluation.exclusions import cohort_exclusions, exclusion, undefined_genes
from pgxeval.evaluation.infer import Inferrer
from pgxeval.evaluation.judge import Judge
from pgxeval.evaluation.matching import match_names
from pgxeval.evaluation.matrices import LongTable
from pgxeval.evaluation.measured import MeasuredExpression
from pgxeval.evaluation.per_gene import Judged
from pgxeval.evaluation.settings import EvaluationSettings
from pgxeval.evaluation.structure import other_adjustment
from pgxeval.tables.batches import BatchedPredictions
from pgxeval.tables.predictions import Predictions

_FEWEST_PERMUTATIONS, _MOST_PERMUTATIONS = 20, 200
_PERMUTED_CELLS = 100_000_000  # measured values permuted by default: a few seconds


@attrs.frozen(kw_only=True, eq=False)
class JudgedGenes:
    """Judged predictors at the genes of one tissue, or at the gene-tissue pairs of several.

    Parameters
    ----------
    judged
        The predictors.
    gene_ids, gene_names, contigs
        str (n_genes,): identifier, symbol and contig of each gene.
    starts
        int64 (n_genes,): start of each gene, 0-based.
    individuals
        Names of the individuals with a row in the predictions table.
    tissues
        str (n_genes,): tissue of each gene, or None in an evaluation of one tissue.
    excluded
        Rows of the exclusions table.
    settings
        Settings of each predictor, and what the evaluation used.
    otherwise, adjustments
        The predictors with another adjustment for ancestry, and what the two adjustments are called; empty without
        population structure.
    """

    judged: tuple[Judged, ...]
    gene_ids: tuple[str, ...]
    gene_names: tuple[str, ...]
    contigs: tuple[str, ...]
    starts: npt.NDArray[np.int64]
    individuals: tuple[str, ...]
    tissues: tuple[str, ...] | None = None
    excluded: tuple[Mapping[str, Any], ...] = ()
    settings: Mapping[str, Any] = attrs.field(factory=dict)
    otherwise: tuple[Judged, ...] = ()
    adjustments: tuple[str, str] = ("", "")


def judge_genes(
    target: MeasuredExpression,
    predictions: Predictions | BatchedPredictions,
    settings: EvaluationSettings,
    *,
    threads: int | None = None,
    drop_unknown_genes: bool = False,
) -> JudgedGenes:
    """Compare each predictor with the measured expression of one tissue, gene by gene.

    Parameters
    ----------
    target
        The measured expression.
    predictions
        Predictions of any number of predictors.
    settings
        How they are judged.
    threads
        Threads for ranking; None uses one per core, at most 8.
    drop_unknown_genes
        Whether predictions for genes without measured expression are dropped and counted, or an error.
    """
    threads = threads or min(joblib.cpu_count(), 8)
    long = _lay_out(predictions, target, threads)
    excluded = match_names(long, target, drop_unknown_genes=drop_unknown_genes)
    genes, people = long.present("gene_id"), long.present("individual")
    seeds = [
        recorded["seed"]
        for recorded in predictions.settings.values()
        if recorded.get("cross_fitting") and isinstance(recorded.get("seed"), int)
    ]
    permutation_seed = seeds[0] if seeds else settings.seed
    permutations = settings.permutations
    if permutations is None:
        permutations = _default_permutations(len(genes), len(people), predictions.replicates)
    everyone = np.zeros(len(target.individuals), dtype=bool)
    everyone[people] = True
    judge = Judge(
        individuals=target.individuals,
        everyone=everyone,
        measure=settings.measure,
        zero_shot_inference=settings.zero_shot_inference,
        permutations=permutations,
        seed=permutation_seed,
        folds=long.common_folds(),
        groups=target.groups,
        strata=target.strata,
    )
    references = [
        judge.reference(
            name,
            predictions.settings.get(name, {}),
            long.replicates(name),
            *long.people(name),
            folded=long.is_folded(name),
        )
        for name in long.predictors
    ]
    adjustment = other_adjustment(target)
    targets = [target] if adjustment is None else [target, adjustment.target]
    collected, missing = correlate_genes(judge, long, references, genes=genes, targets=targets, threads=threads)
    inferrer = Inferrer(
        measure=settings.measure,
        confidence=settings.confidence,
        zero_shot_inference=settings.zero_shot_inference,
        families=target.family_codes is not None,
    )
    judged, *others = (
        [inferrer.judged(found[reference.predictor], reference) for reference in references] for found in collected
    )
    excluded += [
        exclusion("prediction", predictor, f"missing: {reason}", counts[reason])
        for predictor, counts in missing.items()
        for reason in sorted(counts)
    ]
    gene_ids = tuple(target.gene_ids[row] for row in genes)
    excluded += [row for one in judged for row in undefined_genes(one, gene_ids)]
    return JudgedGenes(
        judged=tuple(judged),
        gene_ids=gene_ids,
        gene_names=tuple(target.gene_names[row] for row in genes),
        contigs=tuple(target.contigs[row] for row in genes),
        starts=target.starts[genes],
        individuals=tuple(target.individuals[column] for column in people),
        excluded=(*cohort_exclusions(target.exclusions), *excluded),
        settings={
            "n_genes": len(genes),
            "n_individuals": len(people),
            "covariates": list(target.covariate_names),
            "permutations": permutations,
            "permutation_seed": permutation_seed,
            "predictors": {
                one.predictor: {
                    "kind": one.kind,
                    "reference": one.reference,
                    **_draws(one),
                    **dict(predictions.settings.get(one.predictor, {})),
                }
                for one in judged
            },
        },
        otherwise=tuple(others[0]) if others else (),
        adjustments=("", "") if adjustment is None else (adjustment.main, adjustment.other),
    )


def _draws(one: Judged) -> dict[str, int | float]:
    """Return the number of null draws and, where p-values count them, the smallest p-value that counting gives."""
    draws = int((~np.isnan(one.null)).sum())
    counted = {"smallest_counted_p": 1 / (1 + draws)} if one.kind == "crossfit" and draws else {}
    return {"null_draws": draws, **counted}


def _lay_out(
    predictions: Predictions | BatchedPredictions, target: MeasuredExpression, threads: int
) -> LongTable | BatchedTable:
    if isinstance(predictions, Predictions):
        return LongTable(predictions.table, target.gene_ids, target.individuals, threads)
    return BatchedTable(predictions, target.gene_ids, target.individuals)


def _default_permutations(genes: int, individuals: int, replicates: int) -> int:
    affordable = min(_MOST_PERMUTATIONS, _PERMUTED_CELLS // (genes * individuals))
    return max(replicates, _FEWEST_PERMUTATIONS, math.ceil(1000 / genes), affordable)
