"""Relations between the individuals of a cohort: groups, strata and relationships, as given or as estimated."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import attrs
import pandas as pd

from pgxeval.cohort.check import check_cohort, notes_of, warnings_of
from pgxeval.cohort.data import CohortData
from pgxeval.cohort.groups import Grouping, Labels, assign_groups, read_labels
from pgxeval.cohort.pedigree import read_relationship
from pgxeval.cohort.relatedness import related_groups
from pgxeval.cohort.screening import Screening
from pgxeval.genome.intervals import Gene

if TYPE_CHECKING:
    from pgxeval.genome.personal import PersonalGenome

ESTIMATE = "estimate"

_Cohort = TypeVar("_Cohort", bound=CohortData)


@attrs.frozen(kw_only=True, eq=False)
class Relations:
    """Who is related to whom.

    Parameters
    ----------
    groups, strata
        Label of each individual; None without.
    relationship
        Twice the kinship coefficients; None without.
    screening
        Common variants and relatives, if genotypes were read.
    notes
        For the reader.
    """

    groups: tuple[str, ...] | None
    strata: tuple[str, ...] | None
    relationship: pd.DataFrame | None
    screening: Screening | None
    notes: tuple[str, ...]


def find_relations(
    genome: PersonalGenome,
    genes: Sequence[Gene],
    individuals: tuple[str, ...],
    *,
    groups: Labels | None,
    strata: Labels | None,
    relationship: str | os.PathLike[str] | pd.DataFrame | None,
    columns: pd.DataFrame | None,
    screen: bool,
) -> Relations:
    """Read or estimate groups, strata and relationships.

    Parameters
    ----------
    genome, genes, individuals
        Of the cohort; common variants around the genes are read where something is to be estimated.
    groups, strata, relationship
        As for `pgxeval.Cohort.from_parts`.
    columns
        Covariates, whose columns may name groups or strata.
    screen
        Whether common variants are read in any case.
    """
    estimate_groups = isinstance(groups, str) and groups == ESTIMATE
    estimate_relationship = isinstance(relationship, str) and relationship == ESTIMATE
    grouping = None if groups is None or estimate_groups else read_labels(groups, "groups", columns)
    matrix = None if relationship is None or estimate_relationship else read_relationship(relationship, individuals)
    if groups is None and matrix is not None:
        grouping = Grouping(labels=related_groups(matrix), source="relationship=")
    screening = None
    if screen or estimate_groups or estimate_relationship:
        labels_so_far = None if grouping is None else [grouping.labels.get(name, name) for name in individuals]
        screening = Screening.of(genome, genes, individuals, labels_so_far)
        if estimate_relationship:
            matrix = screening.relationship()
        if estimate_groups:
            grouping = Grouping(labels=screening.groups(), source="estimated kinship")
        elif groups is None and estimate_relationship and matrix is not None:
            grouping = Grouping(labels=related_groups(matrix), source="estimated relationship")
    labels, layers, notes = assign_groups(
        individuals, grouping, None if strata is None else read_labels(strata, "strata", columns)
    )
    return Relations(groups=labels, strata=layers, relationship=matrix, screening=screening, notes=tuple(notes))


def relate(
    cohort: _Cohort,
    columns: pd.DataFrame | None,
    *,
    groups: Labels | None,
    strata: Labels | None,
    relationship: str | os.PathLike[str] | pd.DataFrame | None,
    genotype_pcs: int,
    screen: bool,
) -> tuple[_Cohort, list[str]]:
    """Return the cohort with groups, strata, relationships and genotype components, and what to warn of.

    Parameters
    ----------
    cohort
        The cohort without them.
    columns
        Covariates, whose columns may name groups or strata.
    groups, strata, relationship, genotype_pcs
        As for `pgxeval.Cohort.from_parts`.
    screen
        Whether the genotypes are searched for relatives and population structure.
    """
    relations = find_relations(
        cohort.genome,
        cohort.genes,
        cohort.individuals,
        groups=groups,
        strata=strata,
        relationship=relationship,
        columns=columns,
        screen=screen or genotype_pcs > 0,
    )
    related = attrs.evolve(
        cohort,
        groups=relations.groups,
        strata=relations.strata,
        relationship=relations.relationship,
        notes=[*cohort.notes, *relations.notes],
    )
    screening = relations.screening
    if screening is None:
        return related, []
    if genotype_pcs:
        related = related.with_covariates(screening.components(genotype_pcs).scores)
    if not screen:
        return related, []
    findings = check_cohort(related, screening)
    components = screening.significant_components(genotype_pcs)
    noted = attrs.evolve(related, notes=[*related.notes, *notes_of(findings)], components=components)
    return noted, warnings_of(findings)
