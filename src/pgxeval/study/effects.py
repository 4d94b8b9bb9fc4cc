"""Effects of variants for the predictors of a study, at chosen gene-tissue pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import attrs
import numpy as np
import pandas as pd

from pgxeval.attribution import EFFECT_COLUMNS, AttributionSettings, attribute
from pgxeval.cohort import Cohort
from pgxeval.errors import RemoteServiceError
from pgxeval.genome.identity import Json
from pgxeval.prediction.digest import array_digest, digest
from pgxeval.prediction.identity import genome_identity
from pgxeval.prediction.predictor_state import identify
from pgxeval.predictors import Predictor, TrainablePredictor
from pgxeval.provenance import __version__
from pgxeval.study.parts import compute_parts
from pgxeval.tables.predictions import FAILED

AnyPredictor: TypeAlias = Predictor | TrainablePredictor
Pair: TypeAlias = tuple[str, str]
"""A tissue and a gene identifier."""

EFFECTS = ("tissue", *EFFECT_COLUMNS)
"""Columns of the effects table of a study: one row per gene-tissue pair, predictor and variant."""
_TYPES = {
    **dict.fromkeys(("tissue", "predictor", "gene_id", "variant", "contig", "ref", "alt", "method"), "str"),
    **dict.fromkeys(("maf", "effect", "at_0", "at_1", "at_2"), "float64"),
    "position": "int64",
    "folds": "Int16",
}


@attrs.frozen(kw_only=True, eq=False)
class _Task:
    """One predictor at one gene of a cohort that holds this gene alone."""

    predictor: AnyPredictor
    cohort: Cohort
    settings: AttributionSettings


def _gene_id(task: _Task) -> str:
    return task.cohort.gene_ids[0]


def _attribute(task: _Task) -> pd.DataFrame:
    try:
        table = attribute(task.predictor, task.cohort.genes[0], task.cohort, settings=task.settings)
        return table.assign(reason="")
    except RemoteServiceError:
        raise
    except Exception as error:  # a gene that fails concerns no other gene
        return pd.DataFrame({"reason": [f"{FAILED}{type(error).__name__}: {error}"]})


def effects_table(
    cohorts: Mapping[str, Cohort],
    predictors: Mapping[str, Sequence[AnyPredictor]],
    pairs: Sequence[Pair],
    folder: Path,
    *,
    settings: AttributionSettings,
    workers: int,
    progress: bool,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compute the effects of all predictors at gene-tissue pairs.

    Parameters
    ----------
    cohorts, predictors
        Tissue -> cohort, and tissue -> predictors.
    pairs
        Tissue and gene identifier.
    folder
        Where parts are kept, one file per pair and predictor.
    settings
        How effects are computed.
    workers, progress
        As for `compute_parts`; zero-shot predictors, which may hold a model or a connection, stay in this process.

    Returns
    -------
    effects : pandas.DataFrame
        Columns `EFFECTS`; see `pgxeval.attribute`.
    failures : pandas.DataFrame
        One row per predictor and pair without effects: tissue, predictor, gene_id, reason.
    """
    trained: dict[str, _Task] = {}
    ready: dict[str, _Task] = {}
    names: dict[str, tuple[str, str, str]] = {}
    genomes = {tissue: genome_identity(cohort.genome) for tissue, cohort in cohorts.items()}
    for tissue, gene_id in pairs:
        cohort = cohorts[tissue].subset(genes=[gene_id])
        trainable = [isinstance(predictor, TrainablePredictor) for predictor in predictors[tissue]]
        for predictor, is_trainable in zip(predictors[tissue], trainable, strict=True):
            learnt: list[Json] = [array_digest(cohort.expression), _covariates(cohort), [*(cohort.groups or ())]]
            key = digest([
                __version__,
                identify(predictor, f"predictor {predictor.name!r}"),
                identify(cohort.genes[0], f"gene {gene_id}"),
                genomes[tissue],
                [*cohort.individuals],
                learnt if is_trainable else [],
                identify(settings, "attribution"),
            ])  # fmt: skip
            (trained if is_trainable else ready)[key] = _Task(predictor=predictor, cohort=cohort, settings=settings)
            names[key] = tissue, predictor.name, gene_id
    label = "effects of variants"
    parts = compute_parts(
        folder, trained, _attribute, label=label, workers=workers, progress=progress, name_of=_gene_id
    )
    parts |= compute_parts(folder, ready, _attribute, label=label, workers=1, progress=progress)
    tables, failures = [], []
    for key, (tissue, predictor_name, gene_id) in names.items():
        reason = str(parts[key]["reason"].iloc[0]) if len(parts[key]) else ""
        if reason:
            failures.append((tissue, predictor_name, gene_id, reason.removeprefix(FAILED)))
        else:
            tables.append(parts[key].drop(columns="reason").assign(tissue=tissue))
    effects = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(EFFECTS))
    failed = pd.DataFrame(failures, columns=["tissue", "predictor", "gene_id", "reason"], dtype="str")
    return effects[list(EFFECTS)].astype(_TYPES), failed


def _covariates(cohort: Cohort) -> str | None:
    return None if cohort.covariates is None else array_digest(cohort.covariates.to_numpy(dtype=np.float64))
