"""Cohort: the individuals that genotypes and expression share, their genes, and what was excluded."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.checks import whole
from pgxeval.cohort.check import CheckedCohort, check_cohort, findings_table, notes_of, warnings_of
from pgxeval.cohort.combine import combine
from pgxeval.cohort.covariates import (
    CONSTANT_COVARIATE,
    check_covariates,
    constant,
    covariate_basis,
    read_covariates,
)
from pgxeval.cohort.expression import (
    Expression,
    check_matrix,
    genes_tuple,
    names_tuple,
    read_only_matrix,
)
from pgxeval.cohort.expression_files import read_expression
from pgxeval.cohort.expression_pcs import component_names, expression_components
from pgxeval.cohort.genotype_pcs import StructureTest
from pgxeval.cohort.groups import Labels, check_groups
from pgxeval.cohort.notebook import cohort_html
from pgxeval.cohort.relatedness import check_relationship
from pgxeval.cohort.relations import find_relations
from pgxeval.cohort.screening import Screening
from pgxeval.cohort.sharing import (
    MIN_INDIVIDUALS,
    NO_CONTIG,
    count_exclusions,
    exclusions_table,
    no_gene_message,
    unusable_genes,
)
from pgxeval.errors import PgxevalWarning, SettingError, TableError, UnknownNameError
from pgxeval.genome.annotation import read_gtf
from pgxeval.genome.formats.calls import Field
from pgxeval.genome.formats.opening import GenotypePaths
from pgxeval.genome.formats.source import GenotypeSource, contig_names_of
from pgxeval.genome.intervals import Gene
from pgxeval.names import first_duplicate, known_names, near_names
from pgxeval.seeding import hash64
from pgxeval.signatures import show_defaults

if TYPE_CHECKING:
    from pgxeval.genome.personal import PersonalGenome

_CALLER = 3


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


@show_defaults
@attrs.frozen(kw_only=True, eq=False, repr=False)
class Cohort:
    """Individuals with genotypes and measured expression, and the genes to judge predictors on.

    `from_files` and `from_parts` exclude what cannot be used and list it in `exclusions`. Built directly, a Cohort
    refuses what these exclude, so that a Cohort never needs to be checked again.

    Parameters
    ----------
    genome
        Genotypes of (at least) these individuals: a `PersonalGenome`, or any object with its `individuals`,
        `contigs` and `dosages`.
    genes
        One gene per row of `expression`.
    expression
        float64 (n_genes, n_individuals), read-only; NaN where nothing was measured. Every gene varies and
        is measured in at least 10 individuals.
    individuals
        Identifiers, at least 10. `from_files` keeps the order of the expression file.
    covariates
        float64, one row per individual in the order of `individuals`, one column per covariate; None without.
    exclusions
        Columns kind ("individual", "gene" or "covariate"), name and reason: everything that is in some input
        and not in the cohort.
    notes
        What else a reader should know of how the inputs were brought together.
    groups
        Label of the group (family, donor) of each individual, in the order of `individuals`: a group stays in
        one fold, is permuted as a whole and is resampled as a whole. None treats individuals as unrelated.
    strata
        Label of the stratum of each individual (a population, a generation in a family): permutations exchange
        individuals only within a stratum. None without.
    relationship
        float64, one row and one column per individual: twice the kinship coefficient, 1 on the diagonal. None
        treats individuals as unrelated.
    components
        float64, one row per individual, columns PC1, PC2 ...: principal components of the genotypes, kept by
        `from_files` and `from_parts` where they find population structure. `Evaluator` reports results with and
        without them in `Evaluation.structure`. None without structure, or where it was not tested.

    Raises
    ------
    TableError
        If shapes or names do not fit, a name occurs twice, a value is infinite, a gene does not vary or is
        measured in few individuals, or a covariate is missing for an individual.
    SettingError
        If there are fewer than 10 individuals, no gene, or more covariates than the individuals allow.
    UnknownNameError
        If an individual, or the contig of a gene, is not known to `genome`.

    Examples
    --------
    Usually from files: ``Cohort.from_files(expression="expression.bed.gz", genotypes="genotypes.vcf.gz")``.
    Here from inputs in memory; one gene does not vary and one individual has no genotypes:

    >>> from types import SimpleNamespace
    >>> people = [f"P{i}" for i in range(12)]
    >>> genes = [Gene(gene_id=name, contig="chr1", start=0, end=9) for name in ("varies", "flat")]
    >>> measured = Expression(values=[range(12), [1] * 12], genes=genes, individuals=people)
    >>> genome = SimpleNamespace(individuals=people[1:], contigs=["1"], source=None, notes=())
    >>> cohort = Cohort.from_parts(genome=genome, expression=measured, screen_genotypes=False)
    >>> cohort.exclusions["reason"].tolist()
    ['not in the genotypes', 'constant expression']
    """

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
        known = frozenset(self.genome.individuals)
        if unknown := [name for name in self.individuals if name not in known]:
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

    @classmethod
    def from_files(
        cls,
        *,
        expression: str | os.PathLike[str] | pd.DataFrame,
        genotypes: GenotypePaths | GenotypeSource,
        genes: str | os.PathLike[str] | None = None,
        reference: str | os.PathLike[str] | None = None,
        covariates: str | os.PathLike[str] | pd.DataFrame | None = None,
        groups: Labels | None = None,
        strata: Labels | None = None,
        relationship: str | os.PathLike[str] | pd.DataFrame | None = None,
        genotype_pcs: int = 0,
        screen_genotypes: bool = True,
        field: Field | None = None,
        half_missing: Literal["missing", "reference"] = "missing",
    ) -> Cohort:
        """Combine the files of a cohort: the individuals and genes that occur in all of them.

        Parameters
        ----------
        expression
            BED-like table of GTEx, tensorQTL or QTLtools, as text, Parquet or DataFrame
            (`pgxeval.cohort.expression_files.read_expression`).
        genotypes
            Indexed VCF or BCF, or PLINK 2 files (`PersonalGenome`); a list of files, a pattern with ``{chrom}`` or a
            folder, if there is one file per chromosome.
        genes
            GTF with the gene models (`pgxeval.genome.annotation.read_gtf`). Without it the positions of the
            expression table are used: they have a strand only where the table has such a column, and a TSS where
            the strand is known or the interval is one base long.
        reference
            Indexed FASTA, needed only by sequence predictors.
        covariates
            Covariate table of GTEx, its transpose, PLINK's ``.eigenvec``, or a DataFrame with one row per individual
            (`pgxeval.cohort.covariates.read_covariates`). Categories become indicator columns; individuals with a
            missing value are excluded.
        groups, strata, relationship, genotype_pcs, screen_genotypes
            Families, populations, relationships and ancestry of the individuals; see `from_parts`.
        field
            Field that dosages are read from: ``"GT"``, ``"DS"`` or ``"GP"``; None chooses (`PersonalGenome`).
        half_missing
            What dosages are made of half-calls such as ``1|.``: ``"missing"``, or ``"reference"``, which reads the
            missing allele as REF. vt decompose, vcfbreakmulti and GLnexus write multi-allelic records so.

        Returns
        -------
        Cohort
            Individuals and genes in the order of the expression file.

        Raises
        ------
        InputFileNotFoundError, InputFileError
            If a file is missing or malformed.
        TableError, SettingError
            If fewer than 10 individuals, or no gene, are left; see `from_parts`.
        """
        from pgxeval.genome.personal import PersonalGenome

        genome = PersonalGenome(genotypes, reference, field=field, half_missing=half_missing)
        measured = read_expression(expression)
        return cls.from_parts(
            genome=genome,
            expression=measured,
            models=None if genes is None else read_gtf(Path(genes).expanduser(), measured.gene_ids),
            covariates=covariates,
            groups=groups,
            strata=strata,
            relationship=relationship,
            genotype_pcs=genotype_pcs,
            screen_genotypes=screen_genotypes,
        )

    @classmethod
    def from_parts(
        cls,
        *,
        genome: PersonalGenome,
        expression: Expression,
        models: Mapping[str, Gene] | None = None,
        covariates: str | os.PathLike[str] | pd.DataFrame | None = None,
        groups: Labels | None = None,
        strata: Labels | None = None,
        relationship: str | os.PathLike[str] | pd.DataFrame | None = None,
        genotype_pcs: int = 0,
        screen_genotypes: bool = True,
    ) -> Cohort:
        """Combine inputs that have been read; see `from_files`.

        Excluded and counted are individuals that some input lacks or whose covariates are incomplete; genes
        without a gene model, on a contig that the genotypes do not have, measured in fewer than 10 of the shared
        individuals, or without variation among them; and covariates without variation among them.

        Parameters
        ----------
        genome
            Genotypes.
        expression
            Expression; its order of individuals and genes is kept.
        models
            Gene models by identifier, matched by `pgxeval.genome.annotation.match_genes`; None keeps the
            genes of `expression` as they are.
        covariates
            One row per individual, one column per covariate.
        groups
            Families, or donors of several samples. A mapping or Series from individual to label, the name of a
            covariate column, the path of a PED, FAM or ``.psam`` file or of a table with two columns (individual,
            label), or ``"estimate"``: connected relatives up to the second degree, found in the genotypes.
            A group stays in one fold and is permuted as a whole.
        strata
            Populations, given in the same ways as `groups`: permutations exchange individuals within a stratum.
        relationship
            A pedigree file, a DataFrame of twice the kinship coefficients with individuals in rows and columns, or
            ``"estimate"``: from the genotypes, given ancestry (PC-Relate). Without `groups`, individuals that are
            related by more than 0.1 form a group.
        genotype_pcs
            Number of principal components of the genotypes to add to the covariates; see `genotype_pcs`.
        screen_genotypes
            Whether to search common variants around the genes for relatives, repeated samples and population
            structure, and to warn of them. Reads at most about 5 Mb.

        Warns
        -----
        PgxevalWarning
            If closely related individuals are not in one group, the genotypes show population structure that the
            covariates do not account for, or gene models and expression table seem to be of different genome builds.

        Raises
        ------
        TableError
            If no individual is shared, or no gene is left; the message shows names of both sides.
        SettingError
            If fewer than 10 individuals are shared.
        """
        table = None if covariates is None else read_covariates(covariates, expression.individuals)
        labels = {labels for labels in (groups, strata) if isinstance(labels, str)}
        combined = combine(
            genome, expression, models, None if table is None else table.drop(columns=labels, errors="ignore")
        )
        if combined.builds_differ:
            warnings.warn(
                f"{combined.builds_differ}. Are the expression table and the gene models of the same genome build as "
                "the genotypes?",
                PgxevalWarning,
                stacklevel=_CALLER - 1,
            )
        cohort = cls._screened(
            genome=genome,
            genes=combined.genes,
            values=combined.values,
            individuals=combined.individuals,
            covariates=combined.covariates,
            exclusions=exclusions_table(combined.exclusions),
            notes=[*combined.notes, *genome.notes],
        )
        return cohort._related(groups, strata, relationship, table, genotype_pcs=genotype_pcs, screen=screen_genotypes)

    def _related(
        self,
        groups: Labels | None,
        strata: Labels | None,
        relationship: str | os.PathLike[str] | pd.DataFrame | None,
        columns: pd.DataFrame | None,
        *,
        genotype_pcs: int,
        screen: bool,
    ) -> Cohort:
        """Return the cohort with groups, strata, relationships and genotype components."""
        relations = find_relations(
            self.genome,
            self.genes,
            self.individuals,
            groups=groups,
            strata=strata,
            relationship=relationship,
            columns=columns,
            screen=screen or genotype_pcs > 0,
        )
        cohort = attrs.evolve(
            self,
            groups=relations.groups,
            strata=relations.strata,
            relationship=relations.relationship,
            notes=[*self.notes, *relations.notes],
        )
        screening = relations.screening
        if screening is None:
            return cohort
        if genotype_pcs:
            cohort = cohort.with_covariates(screening.components(genotype_pcs).scores)
        if not screen:
            return cohort
        findings = check_cohort(cohort._checked_parts(), screening)
        for problem in warnings_of(findings):
            warnings.warn(problem, PgxevalWarning, stacklevel=_CALLER)
        components = screening.significant_components(genotype_pcs)
        return attrs.evolve(cohort, notes=[*cohort.notes, *notes_of(findings)], components=components)

    def check(self) -> pd.DataFrame:
        """Check the cohort before anything is computed.

        Compares contig lengths of genotypes, reference and gene models and REF alleles with the reference, looks for
        genes without variants, half-calls, close relatives, repeated samples, population structure and expression
        that looks like raw counts, and counts what was excluded. `from_files` and `from_parts` warn of the serious
        findings.

        Returns
        -------
        pandas.DataFrame
            One row per check: check, status ("ok", "note" or "warning"), finding, and advice.
        """
        screening = Screening.of(self.genome, self.genes, self.individuals, self.groups)
        return findings_table(check_cohort(self._checked_parts(), screening))

    def _checked_parts(self) -> CheckedCohort:
        names = [field.name for field in attrs.fields(CheckedCohort)]
        return CheckedCohort(**{name: getattr(self, name) for name in names})

    def genotype_pcs(self, k: int = 5) -> pd.DataFrame:
        """Compute principal components of the cohort's own genotypes.

        Common variants are sampled around the genes, at most about 5 Mb, and pruned for linkage disequilibrium.
        The components are fitted over individuals without relatives up to the second degree (one individual
        per group), and the others are projected onto them (Conomos et al. 2015, Genet Epidemiol 39:276).

        Parameters
        ----------
        k
            Number of components.

        Returns
        -------
        pandas.DataFrame
            float64, one row per individual, columns PC1, PC2 ...; variance 1 over the individuals of the fit.
            Use it as ``cohort.with_covariates(cohort.genotype_pcs(5))``.

        Raises
        ------
        SettingError
            If there are fewer than 100 usable variants, or fewer than `k` components.
        """
        return Screening.of(self.genome, self.genes, self.individuals, self.groups).components(k).scores

    def expression_pcs(self, k: int = 10) -> pd.DataFrame:
        """Compute principal components of the cohort's own expression, given its covariates.

        Parameters
        ----------
        k
            Number of components.

        Returns
        -------
        pandas.DataFrame
            float64, one row per individual, columns EPC1, EPC2 ...; see `pgxeval.cohort.expression_pcs`. To adjust
            for them use `with_pcs`, which also learns them again inside each training fold.

        Raises
        ------
        SettingError
            If there are fewer than 50 genes, or `k` is too large for the individuals.
        """
        return self._expression_components(k, self.individuals)

    def with_pcs(self, *, genotype: int = 0, expression: int = 0) -> Cohort:
        """Return the cohort with components of its genotypes and of its expression among the covariates.

        Genotype components are fixed, because they owe nothing to expression. Expression components of all
        individuals are covariates of the evaluation; `predict_cohort` learns them again from the training individuals
        of each fold and replicate, and so does `subset` from the individuals that it keeps.

        Parameters
        ----------
        genotype, expression
            Number of components; see `genotype_pcs` and `expression_pcs`. 0 adds none. Expression components are
            computed given all other covariates, genotype components included, and replace those that the cohort has.
        """
        cohort = self
        if self.expression_factors and self.covariates is not None:
            rest = self.covariates.drop(columns=component_names(self.expression_factors))
            cohort = attrs.evolve(self, covariates=rest if rest.shape[1] else None, expression_factors=0)
        if genotype:
            cohort = cohort.with_covariates(cohort.genotype_pcs(genotype))
        if expression:
            cohort = attrs.evolve(
                cohort.with_covariates(cohort.expression_pcs(expression)), expression_factors=expression
            )
        return cohort

    def _expression_components(self, k: int, individuals: Sequence[str]) -> pd.DataFrame:
        """Return expression components over some individuals, given the other covariates."""
        column_of = {name: column for column, name in enumerate(self.individuals)}
        rows = np.array([column_of[name] for name in individuals], dtype=np.int64)
        scores = expression_components(self.expression, k, rows, self.fixed_covariates)
        return pd.DataFrame(
            scores,
            index=pd.Index(list(individuals), name="individual"),
            columns=pd.Index(component_names(k), name="covariate"),
        )

    @property
    def fixed_covariates(self) -> npt.NDArray[np.float64] | None:
        """Covariates that were not learned from expression, float64 (n_individuals, n_covariates), or None."""
        if self.covariates is None:
            return None
        table = self.covariates.drop(columns=component_names(self.expression_factors))
        return table.to_numpy(dtype=np.float64) if table.shape[1] else None

    def relatives(self) -> pd.DataFrame:
        """Find pairs of individuals related up to the second degree, from common variants around the genes.

        Returns
        -------
        pandas.DataFrame
            One row per pair: individual_a, individual_b, kinship (KING-robust), kinship_se and relationship.
            See `pgxeval.cohort.relatedness.find_relatives`.
        """
        return Screening.of(self.genome, self.genes, self.individuals, self.groups).relatives

    def structure(self) -> StructureTest | None:
        """Test for population structure, and whether covariates account for it.

        Returns
        -------
        StructureTest or None
            None where fewer than 100 common variants in 30 regions of 2 Mb lie around the genes.
        """
        screening = Screening.of(self.genome, self.genes, self.individuals, self.groups)
        return screening.structure(self.expression, covariate_basis(self.covariates, len(self.individuals)))

    def with_covariates(self, covariates: pd.DataFrame) -> Cohort:
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

    @classmethod
    def _screened(
        cls,
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
    ) -> Cohort:
        """Build a cohort without the genes and covariates that do not vary in these individuals."""
        reasons = unusable_genes(genes, values, contig_names_of(genome))
        kept = [row for row, gene in enumerate(genes) if gene.gene_id not in reasons]
        if not kept:
            raise TableError(no_gene_message(genes, reasons, genome.contigs))
        more = [("gene", gene_id, reason) for gene_id, reason in reasons.items()]
        if covariates is not None:
            covariates = covariates.loc[list(individuals)]
            flat = constant(covariates.to_numpy(), axis=0)
            more += [("covariate", str(name), CONSTANT_COVARIATE) for name in covariates.columns[flat]]
            covariates = covariates.loc[:, ~flat] if not flat.all() else None
        values = values[kept]
        values.flags.writeable = False
        return cls(
            genome=genome,
            genes=[genes[row] for row in kept],
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
        return self.genes[self._row(gene_id)]

    def expression_of(self, gene_id: str) -> pd.Series:
        """Return the expression of one gene: float64, indexed by individual, NaN where not measured.

        Raises
        ------
        UnknownNameError
            As `gene`.
        """
        return pd.Series(
            self.expression[self._row(gene_id)].copy(),
            index=pd.Index(list(self.individuals), name="individual"),
            name=gene_id,
        )

    def _row(self, gene_id: str) -> int:
        row = self._rows.get(gene_id)
        if row is None:
            left = self.exclusions.loc[(self.exclusions["kind"] == "gene") & (self.exclusions["name"] == gene_id)]
            why = f"; it was excluded: {left['reason'].iloc[0]}" if len(left) else ""
            raise UnknownNameError(f"gene {gene_id} is not in the cohort{why or near_names(str(gene_id), self._rows)}")
        return row

    def subset(self, *, genes: Sequence[str] | None = None, individuals: Sequence[str] | None = None) -> Cohort:
        """Return a cohort of some genes and individuals, in the given order.

        Genes and covariates that do not vary among these individuals are excluded and counted.

        Parameters
        ----------
        genes
            Gene identifiers; None keeps all.
        individuals
            Individuals; None keeps all.

        Raises
        ------
        UnknownNameError
            If a gene or an individual is not in the cohort.
        SettingError
            If a name occurs twice, or fewer than 10 individuals are left.
        TableError
            If no gene is left.
        """
        gene_ids = self.gene_ids if genes is None else _distinct(genes, "genes")
        names = self.individuals if individuals is None else _distinct(individuals, "individuals")
        if not gene_ids:
            raise SettingError("a cohort needs at least one gene, got none")
        rows = [self._row(gene_id) for gene_id in gene_ids]
        column_of = {name: column for column, name in enumerate(self.individuals)}
        if unknown := [name for name in names if name not in column_of]:
            raise UnknownNameError(
                f"{len(unknown)} individual(s) are not in the cohort: {known_names(unknown)}"
                f"{near_names(unknown[0], column_of)}"
            )
        if len(names) < MIN_INDIVIDUALS:
            raise SettingError(f"a cohort needs at least {MIN_INDIVIDUALS} individuals, got {len(names)}")
        columns = [column_of[name] for name in names]
        covariates = self.covariates
        if self.expression_factors and covariates is not None:
            covariates = covariates.drop(columns=component_names(self.expression_factors))
            covariates = covariates if covariates.shape[1] else None
        cohort = self._screened(
            genome=self.genome,
            genes=[self.genes[row] for row in rows],
            values=self.expression[np.ix_(rows, columns)],
            individuals=tuple(names),
            covariates=covariates,
            exclusions=self.exclusions,
            notes=(
                *self.notes,
                f"subset of a cohort of {len(self.genes)} genes and {len(self.individuals)} individuals",
            ),
            groups=None if self.groups is None else [self.groups[column] for column in columns],
            strata=None if self.strata is None else [self.strata[column] for column in columns],
            relationship=None if self.relationship is None else self.relationship.loc[list(names), list(names)],
            components=None if self.components is None else self.components.loc[list(names)],
        )
        if not self.expression_factors:
            return cohort
        factors = self._expression_components(self.expression_factors, names)
        return attrs.evolve(cohort.with_covariates(factors), expression_factors=self.expression_factors)

    def halves(self, seed: int) -> tuple[Cohort, Cohort]:
        """Divide the individuals into two disjoint cohorts by a hash of (seed, individual or group).

        Groups stay together. Adding an individual moves no other, so the halves are only approximately equal.

        Raises
        ------
        SettingError
            If a half has fewer than 10 individuals.
        """
        second = [hash64("half", seed, label) % 2 == 1 for label in self.groups or self.individuals]
        sides = tuple(
            tuple(name for name, is_second in zip(self.individuals, second, strict=True) if is_second == side)
            for side in (False, True)
        )
        if min(map(len, sides)) < MIN_INDIVIDUALS:
            raise SettingError(
                f"halves of {len(sides[0])} and {len(sides[1])} individuals (seed {seed}): each needs at "
                f"least {MIN_INDIVIDUALS}; the cohort of {len(self.individuals)} is too small to divide so"
            )
        return self.subset(individuals=sides[0]), self.subset(individuals=sides[1])

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


def _distinct(names: Sequence[str], what: str) -> tuple[str, ...]:
    if isinstance(names, str):
        raise SettingError(f"{what} must be a sequence of names, got the one string {names!r}")
    distinct = names_tuple(names)
    if (twice := first_duplicate(distinct)) is not None:
        raise SettingError(f"{what}: {twice} occurs more than once")
    return distinct
