"""What predictions are judged against: measured expression, where its genes lie, and the covariates."""

from __future__ import annotations

import os

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.cohort.cohort import Cohort
from pgxeval.cohort.covariate_files import read_covariates
from pgxeval.cohort.covariates import encode_covariates
from pgxeval.cohort.exclusions import exclusions_table
from pgxeval.cohort.expression import Expression
from pgxeval.cohort.expression_files import read_expression
from pgxeval.cohort.expression_pcs import component_names
from pgxeval.errors import TableError, UnknownNameError
from pgxeval.frames import ConvertsToPandas, TableLike
from pgxeval.names import known_names, near_genes
from pgxeval.signatures import show_defaults


@show_defaults
@attrs.frozen(kw_only=True, eq=False)
class MeasuredExpression:
    """Measured expression in a canonical order of individuals, so that their order changes nothing.

    Parameters
    ----------
    gene_ids, contigs
        str (n_genes,), in the order of the input.
    starts
        int64 (n_genes,): starts of the genes, 0-based.
    individuals
        Identifiers, sorted.
    expression
        float64 (n_genes, n_individuals), read-only; NaN is missing.
    covariates
        float64 (n_individuals, n_covariates), read-only, without NaN; None without covariates.
    covariate_names
        Names of the covariates.
    groups, strata
        Group (family, donor) and stratum of each individual, or None; see `pgxeval.Cohort`.
    relationship
        float64 (n_individuals, n_individuals): twice the kinship coefficient, or None.
    components
        float64 (n_individuals, n_components), read-only: components of the genotypes, where the cohort has population
        structure; None without.
    expression_components
        Names of the covariates that are components of the expression (`pgxeval.Cohort.with_pcs`).
    exclusions
        Columns kind, name, reason: what the cohort and incomplete covariates excluded.
    notes
        What a reader should know of how the tables were read.
    gene_names
        Symbols of the genes; the identifier of a gene without one.
    """

    gene_ids: tuple[str, ...] = attrs.field(repr=False)
    contigs: tuple[str, ...] = attrs.field(repr=False)
    starts: npt.NDArray[np.int64] = attrs.field(repr=False)
    individuals: tuple[str, ...] = attrs.field(repr=False)
    expression: npt.NDArray[np.float64] = attrs.field(repr=False)
    covariates: npt.NDArray[np.float64] | None = attrs.field(default=None, repr=False)
    covariate_names: tuple[str, ...] = ()
    groups: tuple[str, ...] | None = attrs.field(default=None, repr=False)
    strata: tuple[str, ...] | None = attrs.field(default=None, repr=False)
    relationship: npt.NDArray[np.float64] | None = attrs.field(default=None, repr=False)
    components: npt.NDArray[np.float64] | None = attrs.field(default=None, repr=False)
    expression_components: tuple[str, ...] = ()
    exclusions: pd.DataFrame = attrs.field(repr=False)
    notes: tuple[str, ...] = attrs.field(default=(), repr=False)
    gene_names: tuple[str, ...] = attrs.field(
        default=attrs.Factory(lambda self: self.gene_ids, takes_self=True), repr=False
    )

    @classmethod
    def of(
        cls,
        source: Cohort | Expression | pd.DataFrame | str | os.PathLike[str],
        covariates: TableLike | str | os.PathLike[str] | None = None,
    ) -> MeasuredExpression:
        """Return the measured expression of a cohort or of an expression table.

        Parameters
        ----------
        source
            A Cohort, an Expression, or a table that `pgxeval.cohort.read_expression` reads: a DataFrame or a file
            with the columns ``#chr start end gene_id`` and one column per individual.
        covariates
            A table that `pgxeval.cohort.read_covariates` reads, with one row per individual. Individuals without
            complete covariates are excluded and counted. None takes the covariates of the cohort, if any.

        Raises
        ------
        InputFileError
            If a file does not exist or cannot be read.
        TableError
            If the table has another layout, a duplicate gene or individual, or a value that is neither a finite
            number nor missing; or if no individual has complete covariates.
        """
        if isinstance(source, Cohort):
            values, exclusions = source.expression, source.exclusions
            groups, strata, relationship = source.groups, source.strata, source.relationship
            table, notes, components = source.covariates, list(source.notes), source.components
            learned = tuple(component_names(source.expression_factors))
        else:
            if not isinstance(source, Expression):
                source = _read(source)
            values, exclusions, table, notes = source.values, exclusions_table(()), None, list(source.notes)
            groups = strata = relationship = components = None
            learned = ()
        individuals = source.individuals
        if covariates is not None:
            raw = read_covariates(covariates, individuals)
            present = frozenset(raw.index)
            encoded = encode_covariates(raw, individuals)
            learned = ()
            if not len(encoded.table):
                raise TableError(
                    f"covariates name none of the {len(individuals)} individuals of the expression table: covariates "
                    f"have {known_names(list(raw.index), 5)}, expression {known_names(individuals, 5)}"
                )
            table = encoded.table if encoded.table.shape[1] else None
            notes += encoded.notes
            absent = [("individual", name, "not in the covariates") for name in individuals if name not in present]
            exclusions = pd.concat([exclusions, exclusions_table([*absent, *encoded.exclusions])], ignore_index=True)
        with_covariates = frozenset(individuals if table is None else table.index)
        order = np.array(
            sorted((i for i, name in enumerate(individuals) if name in with_covariates), key=lambda i: individuals[i]),
            dtype=np.intp,
        )
        names = tuple(individuals[i] for i in order)
        matrix = values[:, order]
        matrix.flags.writeable = False
        design = None if table is None else _read_only(table.loc[list(names)].to_numpy(dtype=np.float64))
        return cls(
            gene_ids=tuple(gene.gene_id for gene in source.genes),
            contigs=tuple(gene.contig for gene in source.genes),
            starts=np.array([gene.start for gene in source.genes], dtype=np.int64),
            individuals=names,
            expression=matrix,
            covariates=design,
            covariate_names=() if table is None else tuple(str(name) for name in table.columns),
            groups=None if groups is None else tuple(groups[i] for i in order),
            strata=None if strata is None else tuple(strata[i] for i in order),
            relationship=None if relationship is None else relationship.to_numpy()[np.ix_(order, order)],
            components=None if components is None else _read_only(components.loc[list(names)].to_numpy()),
            expression_components=learned,
            exclusions=exclusions,
            notes=tuple(notes),
            gene_names=tuple(gene.name for gene in source.genes),
        )

    @property
    def family_codes(self) -> npt.NDArray[np.int64] | None:
        """int64 (n_individuals,): number of the group of each individual, from 0; None where all are alone."""
        if self.groups is None or len(set(self.groups)) == len(self.groups):
            return None
        return np.unique(np.array(self.groups), return_inverse=True)[1].astype(np.int64)

    def row(self, gene_id: str) -> int:
        """Return the row of a gene.

        Raises
        ------
        UnknownNameError
            If the gene has no measured expression here.
        """
        try:
            return self.gene_ids.index(gene_id)
        except ValueError:
            symbols = dict(zip(self.gene_ids, self.gene_names, strict=True))
            raise UnknownNameError(
                f"gene {gene_id} has no measured expression here{near_genes(str(gene_id), self.gene_ids, symbols)}"
            ) from None


def _read_only(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    values = np.array(values, dtype=np.float64)
    values.flags.writeable = False
    return values


def _read(source: TableLike | str | os.PathLike[str]) -> Expression:
    if not isinstance(source, pd.DataFrame | ConvertsToPandas | str | os.PathLike):
        raise TableError(
            f"cannot judge against a {type(source).__name__}: give a Cohort, an expression table (a DataFrame with "
            "#chr, start, end, gene_id and one column per individual) or the path of one"
        )
    return read_expression(source)
