"""CohortData: the fields of a cohort, what must hold of them, and what is read from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.checks import whole
from pgxeval.cohort.covariates import check_covariates, constant, covariate_basis
from pgxeval.cohort.exclusions import MIN_INDIVIDUALS, NO_CONTIG, count_exclusions, exclusions_table, unusable_genes
from pgxeval.cohort.expression import Expression, check_matrix, genes_tuple, names_tuple, read_only_matrix
from pgxeval.cohort.expression_pcs import component_names, expression_components
from pgxeval.cohort.groups import check_groups
from pgxeval.cohort.notebook import cohort_html
from pgxeval.cohort.relatedness import check_relationship
from pgxeval.errors import SettingError, TableError, UnknownNameError
from pgxeval.genome.formats.source import contig_names_of
from pgxeval.genome.intervals import Gene
from pgxeval.names import known_names, near_genes, near_names

if TYPE_CHECKING:
    from pgxeval.genome.personal import PersonalGenome


def _checked(table: pd.DataFrame | None) -> pd.DataFrame | None:
    return None if table is None else check_covariates(table)


def _nothing() -> pd.DataFrame:
    return exclusions_table(())


def _notes(notes: Sequence[str]) -> tuple[str, ...]:
    return tuple(notes)


def _labels(labels: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if labels is None else names_tuple(labels)


def _copied(table: pd.DataFrame | None) -> pd.DataFrame | None:
    return None if table is None else table.astype(np.float64)


@attrs.frozen(kw_only=True, eq=False, repr=False)
class CohortData:
    """The checked data of a cohort; `pgxeval.Cohort` documents the fields."""

    genome: PersonalGenome
    genes: tuple[Gene, ...] = attrs.field(converter=genes_tuple)
    expression: npt.NDArray[np.float64] = attrs.field(converter=read_only_matrix)
    individuals: tuple[str, ...] = attrs.field(converter=names_tuple)
    covariates: pd.DataFrame | None = attrs.field(default=None, converter=_checked)
    exclusions: pd.DataFrame = attrs.field(factory=_nothing, converter=exclusions_table)
    notes: tuple[str, ...] = attrs.field(default=(), converter=_notes)
    groups: tuple[str, ...] | None = attrs.field(default=None, converter=_labels)
    strata: tuple[str, ...] | None = attrs.field(default=None, converter=_labels)
    relationship: pd.DataFrame | None = attrs.field(default=None, converter=_copied)
    components: pd.DataFrame | None = attrs.field(default=None, converter=_copied)
    expression_factors: int = attrs.field(default=0, validator=whole(0))
    _rows: Mapping[str, int] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_rows", {gene.gene_id: row for row, gene in enumerate(self.genes)})
        check_matrix(self.expression, self.gene_ids, self.individuals)
        if len(self.individuals) < MIN_INDIVIDUALS:
            raise SettingError(f"a cohort needs at least {MIN_INDIVIDUALS} individuals, got {len(self.individuals)}")
        if not self.genes:
            raise SettingError("a cohort needs at least one gene, got none")
        genotyped = frozenset(self.genome.individuals)
        if unknown := [name for name in self.individuals if name not in genotyped]:
            raise UnknownNameError(
                f"{len(unknown)} individual(s) are not in the genotypes: {known_names(unknown)}"
                f"{near_names(unknown[0], self.genome.individuals)}"
            )
        for gene_id, reason in unusable_genes(self.genes, self.expression, contig_names_of(self.genome)).items():
            error = UnknownNameError if reason == NO_CONTIG else TableError
            raise error(f"gene {gene_id} cannot be judged: {reason}; Cohort.from_parts excludes such genes")
        self._check_covariates()
        self._check_relations()

    def _check_relations(self) -> None:
        for what, labels in (("groups", self.groups), ("strata", self.strata)):
            if labels is not None and len(labels) != len(self.individuals):
                raise TableError(
                    f"{what} must have one label per individual ({len(self.individuals)}), got {len(labels)}"
                )
        if self.groups is not None:
            check_groups(self.groups)
        if self.relationship is not None:
            check_relationship(self.relationship, self.individuals)

    def _check_covariates(self) -> None:
        if self.covariates is None:
            return
        if tuple(self.covariates.index) != self.individuals:
            raise TableError(
                f"the index of the covariates ({len(self.covariates)} individuals) is not the cohort's "
                f"individuals ({len(self.individuals)}) in their order; "
                "use covariates.loc[list(individuals)]"
            )
        flat = constant(self.covariates.to_numpy(), axis=0)
        if flat.any():
            raise TableError(
                f"covariate {self.covariates.columns[int(flat.argmax())]} is the same for all individuals; "
                "Cohort.from_parts excludes such covariates"
            )
        rank = covariate_basis(self.covariates, len(self.individuals)).shape[1] - 1
        if len(self.individuals) - 2 - rank < 1:
            raise SettingError(
                f"{rank} independent covariates leave no degree of freedom with {len(self.individuals)} "
                "individuals (individuals - 2 - covariates must be 1 or more); give fewer covariates"
            )

    @property
    def fixed_covariates(self) -> npt.NDArray[np.float64] | None:
        """Covariates that were not learned from expression, float64 (n_individuals, n_covariates), or None."""
        if self.covariates is None:
            return None
        table = self.covariates.drop(columns=component_names(self.expression_factors))
        return table.to_numpy(dtype=np.float64) if table.shape[1] else None

    @property
    def gene_ids(self) -> tuple[str, ...]:
        """Identifiers of the genes, in the order of `genes`."""
        return tuple(gene.gene_id for gene in self.genes)

    @property
    def expression_table(self) -> pd.DataFrame:
        """A copy of the expression as a DataFrame: index gene_id, one column per individual."""
        return Expression(values=self.expression, genes=self.genes, individuals=self.individuals).table

    def gene(self, gene_id: str) -> Gene:
        """Return a gene by its identifier.

        Raises
        ------
        UnknownNameError
            If the cohort has no such gene; the message gives the reason if it was excluded, or near names.
        """
        return self.genes[self.row_of(gene_id)]

    def expression_of(self, gene_id: str) -> pd.Series:
        """Return the expression of one gene: float64, indexed by individual, NaN where not measured.

        Raises
        ------
        UnknownNameError
            As `gene`.
        """
        return pd.Series(
            self.expression[self.row_of(gene_id)].copy(),
            index=pd.Index(list(self.individuals), name="individual"),
            name=gene_id,
        )

    def row_of(self, gene_id: str) -> int:
        """Return the row of a gene in `expression`, from 0."""
        row = self._rows.get(gene_id)
        if row is None:
            left = self.exclusions.loc[(self.exclusions["kind"] == "gene") & (self.exclusions["name"] == gene_id)]
            symbols = {gene.gene_id: gene.name for gene in self.genes}
            why = f"; it was excluded: {left['reason'].iloc[0]}" if len(left) else ""
            why = why or near_genes(str(gene_id), self._rows, symbols)
            raise UnknownNameError(f"gene {gene_id} is not in the cohort{why}")
        return row

    def with_covariates(self, covariates: pd.DataFrame) -> Self:
        """Return the cohort with further covariates next to those that it has.

        Parameters
        ----------
        covariates
            One row per individual of the cohort (more are ignored), one column per covariate. A covariate of
            the same name is replaced.

        Raises
        ------
        TableError
            If a covariate is missing for an individual, infinite or not a number.
        """
        missing = [name for name in self.individuals if name not in covariates.index]
        if missing:
            raise TableError(f"covariates lack {len(missing)} individual(s) of the cohort: {known_names(missing, 5)}")
        table = check_covariates(covariates.loc[list(self.individuals)])
        if self.covariates is not None:
            table = pd.concat([self.covariates.drop(columns=table.columns, errors="ignore"), table], axis=1)
        return attrs.evolve(self, covariates=table)

    def __repr__(self) -> str:
        covariates = 0 if self.covariates is None else self.covariates.shape[1]
        exclusions = "; ".join(
            f"{count} {kind}(s) {reason}" for kind, reason, count in count_exclusions(self.exclusions)
        )
        return (
            f"Cohort({len(self.genes)} genes, {len(self.individuals)} individuals, {covariates} covariates; "
            f"excluded: {exclusions or 'nothing'})"
        )

    def _repr_html_(self) -> str:
        covariates = 0 if self.covariates is None else self.covariates.shape[1]
        missing = float(np.isnan(self.expression).mean())
        size = f"{len(self.genes):,} genes, {len(self.individuals):,} individuals, {covariates} covariates"
        return cohort_html(f"{size}; {missing:.1%} of the expression values missing", self.exclusions, self.notes)


def learned_components(cohort: CohortData, k: int, individuals: Sequence[str]) -> pd.DataFrame:
    """Return k expression components over some individuals of a cohort, given its other covariates."""
    column_of = {name: column for column, name in enumerate(cohort.individuals)}
    rows = np.array([column_of[name] for name in individuals], dtype=np.int64)
    scores = expression_components(cohort.expression, k, rows, cohort.fixed_covariates)
    return pd.DataFrame(
        scores,
        index=pd.Index(list(individuals), name="individual"),
        columns=pd.Index(component_names(k), name="covariate"),
    )
