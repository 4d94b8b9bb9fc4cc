"""The evaluation of a study, kept in its folder: all pairs, across genes, and strata that the other half defined."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import numpy as np
import pandas as pd

from pgxeval.cohort import Cohort
from pgxeval.errors import PgxevalWarning
from pgxeval.evaluation import Evaluation, MeasuredExpression, across_genes, evaluate_tissues
from pgxeval.evaluation.blocks import assign_blocks
from pgxeval.evaluation.tissues import tissue_values
from pgxeval.prediction import StoredPredictions
from pgxeval.prediction.digest import array_digest, digest
from pgxeval.prediction.predictor_state import identify
from pgxeval.provenance import __version__
from pgxeval.study.effects import AnyPredictor
from pgxeval.study.pairs import compare_in_tissues
from pgxeval.study.parts import kept_tables
from pgxeval.study.results import StudyEvaluation
from pgxeval.study.settings import StudySettings
from pgxeval.study.split_halves import split_strata
from pgxeval.study.tissues import folder_name
from pgxeval.tables import Predictions

FEWEST_TO_SPLIT = 40
"""Individuals below which a tissue is not divided into halves: a half needs at least 10."""
SPLIT_SUMMARY = ("tissue", "predictor", "stratum", "n_genes", "mean_correlation", "mean_low", "mean_high")
"""Columns of the summary over strata from halves."""
SPLIT_COMPARISON = ("tissue", "predictor_a", "predictor_b", "stratum", "n_genes", "mean_difference")
"""Columns of the comparison of predictors in strata from halves."""


def kept_evaluation(
    cohorts: Mapping[str, Cohort], stored: Mapping[str, StoredPredictions], parts: Path, settings: StudySettings
) -> StudyEvaluation:
    """Evaluate and compare in all tissues, or read what was kept for the same predictions and settings.

    Parameters
    ----------
    cohorts, stored
        Tissue -> Cohort, and tissue -> its predictions.
    parts
        Folder of kept tables.
    settings
        Settings of the study.

    Returns
    -------
    StudyEvaluation
        The warnings of the evaluation are the ``notes`` of its settings.
    """
    key = digest([
        __version__,
        identify(settings.evaluation, "evaluation"),
        {tissue: measured_digest(cohort) for tissue, cohort in cohorts.items()},
        {tissue: dict(one.runs) for tissue, one in stored.items()},
        {tissue: one.failures.astype(str).to_numpy().ravel().tolist() for tissue, one in stored.items()},
    ])  # fmt: skip
    folder = parts / "evaluation" / key
    if not folder.is_dir():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            evaluation = evaluate_tissues(
                cohorts, stored, settings=attrs.evolve(settings.evaluation, seed=settings.seed)
            )
        notes = [str(one.message) for one in caught if issubclass(one.category, PgxevalWarning)]
        noted = {**evaluation.settings, "notes": list(dict.fromkeys(notes))}
        attrs.evolve(evaluation, settings=noted).write(folder)
    evaluation = attrs.evolve(Evaluation.read(folder), values=tissue_values(cohorts, stored))
    pairs, flips = kept_tables(
        parts / "pairs",
        digest([key, settings.comparison, settings.bootstrap_samples]),
        ("pairs", "flips"),
        lambda: compare_in_tissues(
            evaluation, method=settings.comparison, samples=settings.bootstrap_samples, seed=settings.seed
        ),
    )
    return StudyEvaluation.of(evaluation, pairs, flips)


def kept_across_genes(
    cohorts: Mapping[str, Cohort], stored: Mapping[str, StoredPredictions], parts: Path, evaluation: Evaluation
) -> pd.DataFrame:
    """Correlate predicted with measured expression across genes, for each individual, tissue and predictor."""
    tables = []
    for tissue, cohort in cohorts.items():
        runs = stored[tissue].runs
        key = digest([__version__, measured_digest(cohort), dict(runs), evaluation.settings["confidence"]])

        def compute(tissue: str = tissue, cohort: Cohort = cohort) -> list[pd.DataFrame]:
            confidence, target = float(evaluation.settings["confidence"]), MeasuredExpression.of(cohort)
            tables = []
            for name in stored[tissue].predictors:
                batches = [table[table["replicate"] == 0] for table in stored[tissue].batches(name)]
                if batches:
                    observed = Predictions.from_table(pd.concat(batches, ignore_index=True))
                    tables.append(across_genes(observed, target, confidence=confidence))
            return [pd.concat(tables, ignore_index=True)]

        (table,) = kept_tables(parts / "across_genes", key, ("across_genes",), compute)
        table.insert(0, "tissue", tissue)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def kept_strata(
    cohorts: Mapping[str, Cohort],
    stored: Mapping[str, StoredPredictions],
    predictors: Mapping[str, Sequence[AnyPredictor]],
    folder: Path,
    settings: StudySettings,
    *,
    workers: int,
) -> dict[str, pd.DataFrame]:
    """Judge predictors in strata that the other half of the individuals defined, tissue by tissue.

    Parameters
    ----------
    cohorts, stored, predictors
        Tissue -> Cohort, predictions and predictors. A tissue without the two predictors that define strata, or with
        fewer than `FEWEST_TO_SPLIT` individuals, is left out.
    folder
        Folder of the study.
    settings
        Settings of the study; nothing is computed where ``split`` is None.
    workers
        Worker processes.

    Returns
    -------
    dict
        Tables ``split_summary`` and ``split_comparison``.
    """
    names = ("split_summary", "split_comparison")
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in names}
    split = settings.split
    for tissue, cohort in cohorts.items() if split is not None else ():
        own = [one for one in predictors[tissue] if one.name in stored[tissue].predictors]
        defining = {settings.evaluation.elastic_net, settings.evaluation.random_forest}
        if not defining <= {one.name for one in own} or len(cohort.individuals) < FEWEST_TO_SPLIT:
            continue
        key = digest([
            __version__,
            measured_digest(cohort),
            dict(stored[tissue].runs),
            identify(split, "split"),
            identify(settings.evaluation, "evaluation"),
        ])  # fmt: skip

        def compute(
            tissue: str = tissue, cohort: Cohort = cohort, own: Sequence[AnyPredictor] = tuple(own)
        ) -> list[pd.DataFrame]:
            store = folder / "halves" / folder_name(tissue)
            result = split_strata(cohort, own, split=split, settings=settings.evaluation, store=store, workers=workers)
            return [result.summary, result.comparison]

        for name, table in zip(names, kept_tables(folder / "parts" / "halves", key, names, compute), strict=True):
            table.insert(0, "tissue", tissue)
            tables[name].append(table)
    empty = {"split_summary": SPLIT_SUMMARY, "split_comparison": SPLIT_COMPARISON}
    return {
        name: pd.concat(of_tissue, ignore_index=True) if of_tissue else pd.DataFrame(columns=list(empty[name]))
        for name, of_tissue in tables.items()
    }


def measured_digest(cohort: Cohort) -> str:
    """Return a digest of everything that an evaluation reads of a cohort."""
    return digest([
        [*cohort.gene_ids],
        [*cohort.individuals],
        array_digest(cohort.expression),
        None if cohort.covariates is None else array_digest(cohort.covariates.to_numpy(dtype=np.float64)),
        None if cohort.relationship is None else array_digest(cohort.relationship.to_numpy(dtype=np.float64)),
        [*(cohort.groups or ())],
        [*(cohort.strata or ())],
    ])  # fmt: skip


def gene_blocks(cohorts: Mapping[str, Cohort], evaluation: Evaluation) -> dict[str, int]:
    """Return gene -> number of its block of the genome, over the genes of all tissues."""
    genes = {gene.gene_id: gene for cohort in cohorts.values() for gene in cohort.genes}
    numbers = assign_blocks(
        [gene.contig for gene in genes.values()],
        [gene.start for gene in genes.values()],
        int(evaluation.settings["block_bp"]),
    )
    return dict(zip(genes, numbers.tolist(), strict=True))
