"""Cohorts of some genes and individuals, without the genes and covariates that do not vary among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.cohort.covariates import CONSTANT_COVARIATE, constant
from pgxeval.cohort.data import CohortData, learned_components
from pgxeval.cohort.exclusions import MIN_INDIVIDUALS, exclusions_table, no_gene_message, unusable_genes
from pgxeval.cohort.expression import names_tuple
from pgxeval.cohort.expression_pcs import component_names
from pgxeval.errors import SettingError, TableError, UnknownNameError
from pgxeval.genome.formats.source import contig_names_of
from pgxeval.genome.intervals import Gene
from pgxeval.names import first_duplicate, known_names, near_names
from pgxeval.seeding import hash64

if TYPE_CHECKING:
    from pgxeval.genome.personal import PersonalGenome

_Cohort = TypeVar("_Cohort", bound=CohortData)


def usable_part(
    kind: type[_Cohort],
    *,
    genome: PersonalGenome,
    genes: Sequence[Gene],
    values: npt.NDArray[np.float64],
    individuals: tuple[str, ...],
    covariates: pd.DataFrame | None,
    exclusions: pd.DataFrame,
    notes: Sequence[str],
    groups: Sequence[str] | None = None,
    strata: Sequence[str] | None = None,
    relationship: pd.DataFrame | None = None,
    components: pd.DataFrame | None = None,
) -> _Cohort:
    """Build a cohort without the genes and covariates that do not vary in these individuals."""
    reasons = unusable_genes(genes, values, contig_names_of(genome))
    rows = [row for row, gene in enumerate(genes) if gene.gene_id not in reasons]
    if not rows:
        raise TableError(no_gene_message(genes, reasons, genome.contigs))
    more = [("gene", gene_id, reason) for gene_id, reason in reasons.items()]
    if covariates is not None:
        covariates = covariates.loc[list(individuals)]
        flat = constant(covariates.to_numpy(), axis=0)
        more += [("covariate", str(name), CONSTANT_COVARIATE) for name in covariates.columns[flat]]
        covariates = covariates.loc[:, ~flat] if not flat.all() else None
    values = values[rows]
    values.flags.writeable = False
    return kind(
        genome=genome,
        genes=[genes[row] for row in rows],
        expression=values,
        individuals=individuals,
        covariates=covariates,
        exclusions=pd.concat([exclusions, exclusions_table(more)], ignore_index=True),
        notes=notes,
        groups=groups,
        strata=strata,
        relationship=relationship,
        components=components,
    )


def subset(cohort: _Cohort, genes: Sequence[str] | None, individuals: Sequence[str] | None) -> _Cohort:
    """Return a cohort of some genes and individuals; see `pgxeval.Cohort.subset`."""
    gene_ids = cohort.gene_ids if genes is None else _distinct(genes, "genes")
    names = cohort.individuals if individuals is None else _distinct(individuals, "individuals")
    if not gene_ids:
        raise SettingError("a cohort needs at least one gene, got none")
    rows = [cohort.row_of(gene_id) for gene_id in gene_ids]
    column_of = {name: column for column, name in enumerate(cohort.individuals)}
    if unknown := [name for name in names if name not in column_of]:
        raise UnknownNameError(
            f"{len(unknown)} individual(s) are not in the cohort: {known_names(unknown)}"
            f"{near_names(unknown[0], column_of)}"
        )
    if len(names) < MIN_INDIVIDUALS:
        raise SettingError(f"a cohort needs at least {MIN_INDIVIDUALS} individuals, got {len(names)}")
    columns = [column_of[name] for name in names]
    covariates = cohort.covariates
    if cohort.expression_factors and covariates is not None:
        covariates = covariates.drop(columns=component_names(cohort.expression_factors))
        covariates = covariates if covariates.shape[1] else None
    part = usable_part(
        type(cohort),
        genome=cohort.genome,
        genes=[cohort.genes[row] for row in rows],
        values=cohort.expression[np.ix_(rows, columns)],
        individuals=tuple(names),
        covariates=covariates,
        exclusions=cohort.exclusions,
        notes=(
            *cohort.notes,
            f"subset of a cohort of {len(cohort.genes)} genes and {len(cohort.individuals)} individuals",
        ),
        groups=None if cohort.groups is None else [cohort.groups[column] for column in columns],
        strata=None if cohort.strata is None else [cohort.strata[column] for column in columns],
        relationship=None if cohort.relationship is None else cohort.relationship.loc[list(names), list(names)],
        components=None if cohort.components is None else cohort.components.loc[list(names)],
    )
    if not cohort.expression_factors:
        return part
    factors = learned_components(cohort, cohort.expression_factors, names)
    return attrs.evolve(part.with_covariates(factors), expression_factors=cohort.expression_factors)


def halves(cohort: _Cohort, seed: int) -> tuple[_Cohort, _Cohort]:
    """Divide the individuals into two disjoint cohorts; see `pgxeval.Cohort.halves`."""
    second = [hash64("half", seed, label) % 2 == 1 for label in cohort.groups or cohort.individuals]
    sides = tuple(
        tuple(name for name, is_second in zip(cohort.individuals, second, strict=True) if is_second == side)
        for side in (False, True)
    )
    if min(map(len, sides)) < MIN_INDIVIDUALS:
        raise SettingError(
            f"halves of {len(sides[0])} and {len(sides[1])} individuals (seed {seed}): each needs at "
            f"least {MIN_INDIVIDUALS}; the cohort of {len(cohort.individuals)} is too small to divide so"
        )
    return subset(cohort, None, sides[0]), subset(cohort, None, sides[1])


def _distinct(names: Sequence[str], what: str) -> tuple[str, ...]:
    if isinstance(names, str):
        raise SettingError(f"{what} must be a sequence of names, got the one string {names!r}")
    distinct = names_tuple(names)
    if (twice := first_duplicate(distinct)) is not None:
        raise SettingError(f"{what}: {twice} occurs more than once")
    return distinct
