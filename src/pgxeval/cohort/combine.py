"""Combines the inputs of a cohort: shared individuals, gene models, complete covariates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.cohort.covariates import encode_covariates
from pgxeval.cohort.exclusions import (
    MIN_INDIVIDUALS,
    Exclusions,
    contig_names,
    share_individuals,
    too_few_message,
    with_models,
)
from pgxeval.cohort.expression import Expression
from pgxeval.errors import SettingError
from pgxeval.genome.formats.source import contig_names_of
from pgxeval.genome.intervals import Gene
from pgxeval.names import known_names

if TYPE_CHECKING:
    from pgxeval.genome.personal import PersonalGenome


@attrs.frozen(kw_only=True, eq=False)
class Combined:
    """Inputs of a cohort, restricted to what they share.

    Parameters
    ----------
    genes
        Genes with their models.
    values
        float64 (n_genes, n_individuals).
    individuals
        Individuals that all inputs have, with complete covariates, in the order of the expression.
    covariates
        float64, numeric and complete, one row per individual; None without.
    exclusions
        (kind, name, reason).
    notes
        For the reader.
    builds_differ
        Description of genes that lie elsewhere in the gene models, if enough of them do for the two to seem to be of
        different genome builds; else empty.
    """

    genes: list[Gene]
    values: npt.NDArray[np.float64]
    individuals: tuple[str, ...]
    covariates: pd.DataFrame | None
    exclusions: Exclusions
    notes: list[str]
    builds_differ: str


def combine(
    genome: PersonalGenome,
    expression: Expression,
    models: Mapping[str, Gene] | None,
    covariates: pd.DataFrame | None,
) -> Combined:
    """Restrict the inputs of a cohort to what they share; see `pgxeval.Cohort.from_parts`.

    Parameters
    ----------
    genome, expression, models
        As for `pgxeval.Cohort.from_parts`.
    covariates
        As `pgxeval.cohort.covariate_files.read_covariates` returns them.
    """
    notes = list(expression.notes)
    sources = {"expression table": expression.individuals, "genotypes": tuple(genome.individuals)}
    if covariates is not None:
        sources["covariates"] = tuple(covariates.index)
    individuals, exclusions = share_individuals(sources)
    if len(individuals) < MIN_INDIVIDUALS:
        raise SettingError(too_few_message(individuals, sources))
    table = None
    if covariates is not None and covariates.shape[1]:
        encoded = encode_covariates(covariates, individuals)
        table = encoded.table
        individuals = tuple(table.index)
        exclusions += encoded.exclusions
        notes += encoded.notes
        if len(individuals) < MIN_INDIVIDUALS:
            raise SettingError(
                f"{len(individuals)} individual(s) have complete covariates; at least {MIN_INDIVIDUALS} are needed. "
                "Drop the covariates that are often missing, or impute them"
            )
    genes = {gene.gene_id: gene for gene in expression.genes}
    builds_differ = ""
    if models is not None:
        genes, without_model, model_notes, differ = with_models(expression.genes, models)
        notes += model_notes
        builds_differ = model_notes[-1] if differ else ""
        exclusions += without_model
    renamed = [
        f"{ours} is {theirs}"
        for ours, theirs in contig_names(genes.values(), contig_names_of(genome)).items()
        if theirs not in (None, ours)
    ]
    if renamed:
        notes.append(f"contigs have other names in the genotypes: {known_names(renamed, 4)}")
    column_of = {name: column for column, name in enumerate(expression.individuals)}
    columns = [column_of[name] for name in individuals]
    rows = [row for row, gene in enumerate(expression.genes) if gene.gene_id in genes]
    return Combined(
        genes=[genes[expression.genes[row].gene_id] for row in rows],
        values=expression.values[np.ix_(rows, columns)],
        individuals=individuals,
        covariates=table,
        exclusions=exclusions,
        notes=notes,
        builds_differ=builds_differ,
    )
