"""Make the tables of an evaluation from judged predictors."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import attrs
import numpy as np
import pandas as pd

from pgxeval.errors import PgxevalWarning
from pgxeval.evaluation.blocks import assign_blocks, default_block_bp
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.exclusions import exclusions_table
from pgxeval.evaluation.gene_sets import GeneSets, gene_sets, match_sets
from pgxeval.evaluation.judged_genes import JudgedGenes
from pgxeval.evaluation.measured import MeasuredExpression
from pgxeval.evaluation.settings import EvaluationSettings
from pgxeval.evaluation.strata import ALL, strata_of, strata_table
from pgxeval.evaluation.structure import structure_table
from pgxeval.evaluation.summary import Summariser
from pgxeval.evaluation.tables import STRUCTURE
from pgxeval.evaluation.tissue_values import TissueValues
from pgxeval.evaluation.true_directions_table import true_directions_table
from pgxeval.tables.batches import BatchedPredictions
from pgxeval.tables.predictions import Predictions

FEW_BLOCKS = 5
"""Effective number of genomic blocks below which a warning is issued."""


def conclude(
    result: JudgedGenes,
    settings: EvaluationSettings,
    *,
    strata: GeneSets | None = None,
    target: MeasuredExpression | None = None,
    predictions: Predictions | BatchedPredictions | None = None,
    values: Mapping[str, TissueValues] | None = None,
) -> Evaluation:
    """Make the tables over genes, or gene-tissue pairs, from judged predictors.

    Parameters
    ----------
    result
        The judged predictors.
    settings
        How they were judged.
    strata
        Gene sets from other individuals (`pgxeval.evaluation.gene_sets`); None defines strata by elastic net and
        random forest.
    target, predictions, values
        What was judged against what, in one tissue or by tissue.
    """
    strata = None if strata is None else match_sets(gene_sets(strata), result.gene_ids)
    names = {"elastic_net": settings.elastic_net, "random_forest": settings.random_forest}
    by_stratum = strata_table(result.judged, result.gene_ids, strata, **names, level=settings.level)
    block_bp = settings.block_bp
    if block_bp is None:
        block_bp = default_block_bp(result.settings["predictors"].get(one.predictor, {}) for one in result.judged)
    blocks = assign_blocks(result.contigs, result.starts, block_bp)
    summariser = Summariser(
        judged=result.judged,
        blocks=blocks,
        confidence=settings.confidence,
        level=settings.level,
        margin=settings.margin,
    )
    definers = frozenset(names.values()) if strata is None else frozenset()
    trained = frozenset(one.predictor for one in result.judged if one.kind != "zero-shot")
    named_strata = strata_of(by_stratum, definers, strata, trained)
    summary, concordance, comparison = summariser.tables(named_strata)
    _warn_of_few_blocks(summary)
    structure = pd.DataFrame(columns=list(STRUCTURE))
    if result.otherwise:
        other = attrs.evolve(summariser, judged=result.otherwise).shares(named_strata[:1])
        structure = structure_table(summary[summary["stratum"] == ALL], other, result.adjustments)
    per_gene = pd.concat([one.per_gene(result.gene_ids) for one in result.judged], ignore_index=True)
    per_gene.insert(2, "gene_name", pd.Series(result.gene_names * len(result.judged), dtype="str"))
    if result.tissues is not None:
        per_gene.insert(1, "tissue", pd.Series(result.tissues * len(result.judged), dtype="str"))
        by_stratum.insert(0, "tissue", pd.Series(result.tissues, dtype="str"))
    return Evaluation(
        summary=summary,
        per_gene=per_gene,
        concordance=concordance,
        true_directions=true_directions_table(result.judged, blocks, named_strata, confidence=settings.confidence),
        comparison=comparison,
        strata=by_stratum,
        structure=structure,
        exclusions=exclusions_table(result.excluded),
        settings={
            **attrs.asdict(settings),
            **result.settings,
            "n_genes": len(result.gene_ids),
            "n_individuals": len(result.individuals),
            "block_bp": block_bp,
            "n_blocks": len(np.unique(blocks)),
            "strata": "given" if strata is not None else "elastic net and random forest of this table",
        },
        target=target,
        predictions=predictions,
        values=values or {},
    )


def _warn_of_few_blocks(summary: pd.DataFrame) -> None:
    enough = summary["effective_blocks"] >= FEW_BLOCKS
    few = summary[~enough & (summary["n_directed"] > 0)].drop_duplicates("stratum")
    if len(few):
        strata = ", ".join(f"{row.stratum} ({row.n_blocks})" for row in few.itertuples())
        warnings.warn(
            f"fewer than {FEW_BLOCKS} effective genomic blocks in {strata} (number of blocks in brackets): "
            "block-jackknife intervals are very wide there, and missing below 2 effective blocks",
            PgxevalWarning,
            stacklevel=4,
        )
