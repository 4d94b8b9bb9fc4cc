"""run_study: a whole study on a user's own cohort, in one call that continues where it was killed."""

from __future__ import annotations

import copy
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pandas as pd

from pgxeval.cohort import Cohort
from pgxeval.errors import (
    InputFileError,
    PgxevalError,
    PgxevalWarning,
    RemoteServiceError,
    SettingError,
)
from pgxeval.evaluation import Evaluation, MeasuredExpression, across_genes, evaluate_tissues, tissue_sharing
from pgxeval.evaluation.blocks import assign_blocks
from pgxeval.evaluation.tissues import tissue_values
from pgxeval.genome import Gene
from pgxeval.prediction import StoredPredictions, predict_cohort
from pgxeval.prediction.digest import array_digest, digest
from pgxeval.prediction.identity import genome_identity
from pgxeval.prediction.predictor_state import identify
from pgxeval.prediction.request import make_predictors
from pgxeval.prediction.workers import count_workers
from pgxeval.predictors import SequencePredictor, TrainablePredictor
from pgxeval.predictors.sequence.cache import ScoreCache
from pgxeval.provenance import __version__, describe, versions
from pgxeval.study.ceiling import CEILING, ceiling_table
from pgxeval.study.cis_tests import HERITABILITY, NONADDITIVITY, heritability_table, nonadditivity_table
from pgxeval.study.counts import count_steps
from pgxeval.study.effects import EFFECTS, AnyPredictor, effects_table
from pgxeval.study.mechanism import MECHANISM, mechanism_table
from pgxeval.study.pairs import compare_in_tissues
from pgxeval.study.parts import kept_tables
from pgxeval.study.results import StudyEvaluation
from pgxeval.study.roles import Kind, Roles
from pgxeval.study.selection import select_pairs
from pgxeval.study.settings import StudySettings
from pgxeval.study.split_halves import split_strata
from pgxeval.study.study import Study
from pgxeval.tables import Predictions
from pgxeval.tables.writing import make_folder

ONE_TISSUE = "cohort"
"""Name of the tissue of a study of one Cohort."""
FEWEST_TO_SPLIT = 40
"""Individuals below which a tissue is not divided into halves: a half needs at least 10."""
FAILURES = ("step", "tissue", "predictor", "gene_id", "reason")
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
    tissues = _tissues(cohorts)
    shared = {name: _share_scores(own, folder / "scores") for name, own in _by_tissue(predictors, tissues).items()}
    kinds = _kinds(shared)
    roles = Roles.of(kinds, settings)
    make_folder(folder, "study")
    parts, number = folder / "parts", count_workers(workers)
    stored, failures = _predict(tissues, shared, folder / "predictions", settings, workers=number, progress=progress)
    evaluation = _evaluate(tissues, stored, parts, settings)
    blocks = _blocks(tissues, evaluation)
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
    tables |= _split(tissues, stored, shared, folder, settings, workers=number)
    chosen = []
    if "attribution" in settings.analyses:
        chosen = select_pairs(evaluation, settings.attributed_genes, settings.max_attributed)
        tables["effects"], failed = effects_table(
            tissues,
            {tissue: [one for one in own if one.name in stored[tissue].predictors] for tissue, own in shared.items()},
            chosen,
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
        across_genes=_across(tissues, stored, parts, evaluation),
        tissue_sharing=tissue_sharing(evaluation.per_gene),
        genes=_genes_table([tissues[tissue].gene(gene) for tissue, gene in chosen]),
        counts=pd.DataFrame(),
        failures=_failures_table(failures),
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


def _tissues(cohorts: Mapping[str, Cohort] | Cohort) -> dict[str, Cohort]:
    if isinstance(cohorts, Cohort):
        return {ONE_TISSUE: cohorts}
    given: object = cohorts
    if not isinstance(given, Mapping) or not given:
        kind = "an empty mapping" if isinstance(given, Mapping) else f"a {type(given).__name__}"
        raise SettingError(
            f"cohorts must be a Cohort, or map the name of each tissue to its Cohort, got {kind}; for example "
            'run_study({"blood": cohort, "brain": other_cohort}, predictors, "folder")'
        )
    for tissue, cohort in given.items():
        if not isinstance(tissue, str) or not tissue.strip() or not isinstance(cohort, Cohort):
            raise SettingError(
                f"cohorts: expected names of tissues and Cohorts, got {tissue!r} -> {type(cohort).__name__}"
            )
    return dict(given)


def folder_name(tissue: str) -> str:
    """Return a name for the folder of a tissue: its own, or with a digest if it has other characters.

    Examples
    --------
    >>> folder_name("Whole_Blood"), folder_name("Skin (leg)").startswith("Skin__leg_-")
    ('Whole_Blood', True)
    """
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", tissue)[:60]
    return plain if plain == tissue else f"{plain}-{digest(tissue)[:8]}"


def _by_tissue(
    predictors: Sequence[AnyPredictor | str] | Mapping[str, Sequence[AnyPredictor | str]],
    tissues: Mapping[str, Cohort],
) -> dict[str, list[AnyPredictor]]:
    if not isinstance(predictors, Mapping):
        made = make_predictors(predictors)
        return {tissue: list(made) for tissue in tissues}
    if set(predictors) != set(tissues):
        raise SettingError(
            f"predictors must have the same tissues as the cohorts, {', '.join(tissues)}; got {', '.join(predictors)}"
        )
    lists = {}
    for tissue in tissues:
        if not predictors[tissue]:
            raise SettingError(f"tissue {tissue} has no predictor; leave it out of the cohorts")
        lists[tissue] = list(make_predictors(predictors[tissue]))
    return lists


def _share_scores(predictors: Sequence[AnyPredictor], folder: Path) -> list[AnyPredictor]:
    """Give sequence predictors without a score cache a common one: each haplotype is computed once for all tissues."""
    shared: list[AnyPredictor] = []
    for predictor in predictors:
        if isinstance(predictor, SequencePredictor) and predictor.score_cache is None:
            own = copy.copy(predictor)
            own.options = attrs.evolve(predictor.options, score_cache=folder)
            own.score_cache = ScoreCache(folder)
            shared.append(own)
        else:
            shared.append(predictor)
    return shared


def _kinds(predictors: Mapping[str, Sequence[AnyPredictor]]) -> dict[str, Kind]:
    kinds: dict[str, Kind] = {}
    for own in predictors.values():
        for predictor in own:
            kind: Kind = "trained" if isinstance(predictor, TrainablePredictor) else "zero-shot"
            if kinds.setdefault(predictor.name, kind) != kind:
                raise SettingError(
                    f"predictor {predictor.name} is trained in one tissue and zero-shot in another; "
                    "give the two different names"
                )
    return kinds


def _predict(
    cohorts: Mapping[str, Cohort],
    predictors: Mapping[str, Sequence[AnyPredictor]],
    store: Path,
    settings: StudySettings,
    *,
    workers: int,
    progress: bool,
) -> tuple[dict[str, StoredPredictions], list[pd.DataFrame]]:
    """Predict in every tissue; a predictor that fails at all of its genes is excluded there."""
    stored: dict[str, StoredPredictions] = {}
    failures: list[pd.DataFrame] = []
    for tissue, cohort in cohorts.items():

        def run(own: Sequence[AnyPredictor], cohort: Cohort = cohort, tissue: str = tissue) -> StoredPredictions:
            return predict_cohort(
                cohort,
                own,
                folds=settings.folds,
                seed=settings.seed,
                replicates=settings.replicates,
                workers=workers,
                progress=progress,
                store=store / folder_name(tissue),
            )

        own = list(predictors[tissue])
        try:
            stored[tissue] = run(own)
        except (SettingError, InputFileError, RemoteServiceError):
            raise
        except PgxevalError:
            working = []
            for predictor in own:
                try:
                    run([predictor])
                except (SettingError, InputFileError, RemoteServiceError):
                    raise
                except PgxevalError as error:
                    row = ("predictions", tissue, predictor.name, "", f"failed at all genes: {error}")
                    failures.append(pd.DataFrame([row], columns=list(FAILURES)))
                else:
                    working.append(predictor)
            if not working:
                raise
            stored[tissue] = run(working)
        failures.append(stored[tissue].failures.assign(step="predictions", tissue=tissue))
    return stored, failures


def _evaluate(
    cohorts: Mapping[str, Cohort], stored: Mapping[str, StoredPredictions], parts: Path, settings: StudySettings
) -> StudyEvaluation:
    key = digest([
        __version__,
        identify(settings.evaluation, "evaluation"),
        {tissue: _measured_digest(cohort) for tissue, cohort in cohorts.items()},
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


SPLIT_SUMMARY = ("tissue", "predictor", "stratum", "n_genes", "mean_correlation", "mean_low", "mean_high")
SPLIT_COMPARISON = ("tissue", "predictor_a", "predictor_b", "stratum", "n_genes", "mean_difference")


def _split(
    cohorts: Mapping[str, Cohort],
    stored: Mapping[str, StoredPredictions],
    predictors: Mapping[str, Sequence[AnyPredictor]],
    folder: Path,
    settings: StudySettings,
    *,
    workers: int,
) -> dict[str, pd.DataFrame]:
    """Judge predictors in strata that the other half of the individuals defined, tissue by tissue."""
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
            _measured_digest(cohort),
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
        name: pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=list(empty[name]))
        for name, found in tables.items()
    }


def _measured_digest(cohort: Cohort) -> str:
    return digest([
        [*cohort.gene_ids],
        [*cohort.individuals],
        array_digest(cohort.expression),
        None if cohort.covariates is None else array_digest(cohort.covariates.to_numpy(dtype=np.float64)),
        None if cohort.relationship is None else array_digest(cohort.relationship.to_numpy(dtype=np.float64)),
        [*(cohort.groups or ())],
        [*(cohort.strata or ())],
    ])  # fmt: skip


def _blocks(cohorts: Mapping[str, Cohort], evaluation: Evaluation) -> dict[str, int]:
    genes = {gene.gene_id: gene for cohort in cohorts.values() for gene in cohort.genes}
    numbers = assign_blocks(
        [gene.contig for gene in genes.values()],
        [gene.start for gene in genes.values()],
        int(evaluation.settings["block_bp"]),
    )
    return dict(zip(genes, numbers.tolist(), strict=True))


def _across(
    cohorts: Mapping[str, Cohort], stored: Mapping[str, StoredPredictions], parts: Path, evaluation: Evaluation
) -> pd.DataFrame:
    tables = []
    for tissue, cohort in cohorts.items():
        runs = stored[tissue].runs
        key = digest([__version__, _measured_digest(cohort), dict(runs), evaluation.settings["confidence"]])

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


def _failures_table(failures: Sequence[pd.DataFrame]) -> pd.DataFrame:
    rows = [row for table in failures for row in table.reindex(columns=list(FAILURES)).itertuples(index=False)]
    return pd.DataFrame(rows, columns=list(FAILURES)).fillna("").astype("str")


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
