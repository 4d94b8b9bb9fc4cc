"""run_study: a whole study on a user's own cohort, in one call that continues where it was killed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import pandas as pd

from pgxeval.cohort import Cohort
from pgxeval.evaluation import tissue_sharing
from pgxeval.genome import Gene
from pgxeval.prediction import StoredPredictions
from pgxeval.prediction.identity import genome_identity
from pgxeval.prediction.workers import count_workers
from pgxeval.provenance import describe, versions
from pgxeval.study.ceiling import CEILING, ceiling_table
from pgxeval.study.cis_tests import HERITABILITY, NONADDITIVITY, heritability_table, nonadditivity_table
from pgxeval.study.counts import count_steps
from pgxeval.study.effects import EFFECTS, AnyPredictor, effects_table
from pgxeval.study.evaluation import gene_blocks, kept_across_genes, kept_evaluation, kept_strata
from pgxeval.study.mechanism import MECHANISM, mechanism_table
from pgxeval.study.predictions import failures_table, predict_tissues
from pgxeval.study.roles import Roles
from pgxeval.study.selection import select_pairs
from pgxeval.study.settings import StudySettings
from pgxeval.study.study import Study
from pgxeval.study.tissues import kinds_of, predictors_by_tissue, share_scores, tissue_cohorts
from pgxeval.tables.writing import make_folder

_DEFAULTS = StudySettings()


def run_study(
    cohorts: Mapping[str, Cohort] | Cohort,
    predictors: Sequence[AnyPredictor | str] | Mapping[str, Sequence[AnyPredictor | str]],
    folder: str | os.PathLike[str],
    *,
    settings: StudySettings = _DEFAULTS,
    workers: int | None = None,
    progress: bool = True,
) -> Study:
    """Predict, evaluate, compare and explain, in all tissues; a second call with the same folder continues.

    Parameters
    ----------
    cohorts
        Tissue -> `pgxeval.Cohort`. Individuals and genes may differ between tissues. One Cohort is one tissue.
    predictors
        Predictors with different names, or names of `available_predictors`, for all tissues; or tissue -> predictors,
        if a model has another track for each tissue or a predictor answers in some tissues only. The same model has
        the same name in all tissues.
    folder
        Where predictions, scores of sequence models, tables and ``methods.md`` are kept.
    settings
        `StudySettings`.
    workers
        Worker processes; None or -1 for all cores that this process may use.
    progress
        Whether to show progress bars, if the session is interactive.

    Returns
    -------
    Study
        All tables. A predictor that fails at all genes of a tissue is excluded there and listed in ``failures``, and
        so is a gene at which something fails.

    Raises
    ------
    SettingError
        If an argument is not allowed.
    RemoteServiceError
        If a hosted service cannot be used; completed work is kept.
    InputFileError
        If the folder cannot be written.
    PgxevalError
        If no predictor works in any tissue.

    Notes
    -----
    Sequence predictors without a score cache share one in the folder, so that each haplotype passes through a model
    once for all tissues.
    """
    folder = Path(folder).expanduser()
    tissues = tissue_cohorts(cohorts)
    shared = {
        name: share_scores(own, folder / "scores") for name, own in predictors_by_tissue(predictors, tissues).items()
    }
    kinds = kinds_of(shared)
    roles = Roles.of(kinds, settings)
    make_folder(folder, "study")
    parts, number = folder / "parts", count_workers(workers)
    stored, failures = predict_tissues(
        tissues, shared, folder / "predictions", settings, workers=number, progress=progress
    )
    evaluation = kept_evaluation(tissues, stored, parts, settings)
    blocks = gene_blocks(tissues, evaluation)
    tables: dict[str, pd.DataFrame] = {
        "heritability": pd.DataFrame(columns=list(HERITABILITY)),
        "ceiling": pd.DataFrame(columns=list(CEILING)),
        "nonadditivity": pd.DataFrame(columns=list(NONADDITIVITY)),
        "effects": pd.DataFrame(columns=list(EFFECTS)),
        "mechanism": pd.DataFrame(columns=list(MECHANISM)),
    }
    common: dict[str, Any] = {"seed": settings.seed, "workers": number, "progress": progress}
    if "heritability" in settings.analyses:
        tables["heritability"] = heritability_table(
            tissues, parts / "heritability", cis_variants=settings.cis_variants, **common
        )
        tables["ceiling"] = ceiling_table(evaluation, tables["heritability"], blocks)
    if "nonadditivity" in settings.analyses:
        tables["nonadditivity"] = nonadditivity_table(
            tissues,
            parts / "nonadditivity",
            settings=settings.nonadditivity,
            cis_variants=settings.cis_variants,
            **common,
        )
    tables |= kept_strata(tissues, stored, shared, folder, settings, workers=number)
    pairs = []
    if "attribution" in settings.analyses:
        pairs = select_pairs(evaluation, settings.attributed_genes, settings.max_attributed)
        tables["effects"], failed = effects_table(
            tissues,
            {tissue: [one for one in own if one.name in stored[tissue].predictors] for tissue, own in shared.items()},
            pairs,
            parts / "effects",
            settings=attrs.evolve(settings.attribution, folds=settings.folds, seed=settings.seed),
            workers=number,
            progress=progress,
        )
        failures += [failed.assign(step="effects of variants")]
        tables["mechanism"] = mechanism_table(
            tissues,
            tables["effects"],
            parts / "mechanism",
            blocks=blocks,
            settings=settings.mechanism,
            **common,
        )
    study = Study(
        evaluation=evaluation,
        **tables,
        across_genes=kept_across_genes(tissues, stored, parts, evaluation),
        tissue_sharing=tissue_sharing(evaluation.per_gene),
        genes=_genes_table([tissues[tissue].gene(gene) for tissue, gene in pairs]),
        counts=pd.DataFrame(),
        failures=failures_table(failures),
        settings={
            "settings": describe(settings),
            "tissues": {tissue: _record(cohort, stored[tissue]) for tissue, cohort in tissues.items()},
            "kinds": kinds,
            "roles": {**attrs.asdict(roles), "trained": list(roles.trained)},
            "versions": versions(),
        },
        cohorts=tissues,
    )
    study = attrs.evolve(study, counts=count_steps(study, {name: one.failures for name, one in stored.items()}))
    study.write(folder)
    return study


def _genes_table(genes: Sequence[Gene]) -> pd.DataFrame:
    rows = [
        {
            "gene_id": gene.gene_id,
            "name": gene.name,
            "contig": gene.contig,
            "start": gene.start,
            "end": gene.end,
            "strand": gene.strand,
            "tss": gene.tss,
            "exons": ",".join(f"{start}-{end}" for start, end in gene.exons or ()),
        }
        for gene in {gene.gene_id: gene for gene in genes}.values()
    ]
    return pd.DataFrame(rows, columns=["gene_id", "name", "contig", "start", "end", "strand", "tss", "exons"])


def _record(cohort: Cohort, stored: StoredPredictions) -> dict[str, Any]:
    return {
        "individuals": len(cohort.individuals),
        "genes": len(cohort.genes),
        "covariates": [] if cohort.covariates is None else [str(name) for name in cohort.covariates.columns],
        "groups": None if cohort.groups is None else len(set(cohort.groups)),
        "genome": genome_identity(cohort.genome),
        "notes": list(cohort.notes),
        "runs": stored.runs,
        "replicates": stored.replicates,
    }
