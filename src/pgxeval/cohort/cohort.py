"""Cohort: the individuals that genotypes and expression share, their genes, and what was excluded."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import attrs
import pandas as pd

from pgxeval.cohort.check import check_cohort, findings_table
from pgxeval.cohort.combine import combine
from pgxeval.cohort.covariate_files import read_covariates
from pgxeval.cohort.covariates import covariate_basis
from pgxeval.cohort.data import CohortData, learned_components
from pgxeval.cohort.exclusions import (
    exclusions_table,
)
from pgxeval.cohort.expression import (
    Expression,
)
from pgxeval.cohort.expression_files import read_expression
from pgxeval.cohort.expression_pcs import component_names
from pgxeval.cohort.genotype_pcs import StructureTest
from pgxeval.cohort.groups import Labels
from pgxeval.cohort.relations import relate
from pgxeval.cohort.screening import Screening
from pgxeval.cohort.subset import halves, subset, usable_part
from pgxeval.errors import PgxevalWarning
from pgxeval.frames import TableLike
from pgxeval.genome.annotation import read_gtf
from pgxeval.genome.formats.calls import Field
from pgxeval.genome.formats.opening import GenotypePaths
from pgxeval.genome.formats.source import GenotypeSource
from pgxeval.genome.intervals import Gene
from pgxeval.signatures import show_defaults

if TYPE_CHECKING:
    from pgxeval.genome.personal import PersonalGenome

_CALLER = 3


@show_defaults
@attrs.frozen(kw_only=True, eq=False, repr=False)
class Cohort(CohortData):
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

    @classmethod
    def from_files(
        cls,
        *,
        expression: str | os.PathLike[str] | TableLike,
        genotypes: GenotypePaths | GenotypeSource,
        genes: str | os.PathLike[str] | None = None,
        reference: str | os.PathLike[str] | None = None,
        covariates: str | os.PathLike[str] | TableLike | None = None,
        groups: Labels | None = None,
        strata: Labels | None = None,
        relationship: str | os.PathLike[str] | pd.DataFrame | None = None,
        genotype_pcs: int = 0,
        expression_pcs: int = 0,
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
            Indexed VCF or BCF, PLINK 2, VCF Zarr or BGEN (`PersonalGenome`); a list of files, a pattern with
            ``{chrom}`` or a folder, if there is one file per chromosome.
        genes
            GTF with the gene models (`pgxeval.genome.annotation.read_gtf`). Without it the positions of the
            expression table are used: they have a strand only where the table has such a column, and a TSS where
            the strand is known or the interval is one base long.
        reference
            Indexed FASTA, needed only by sequence predictors.
        covariates
            Covariate table of GTEx, its transpose, PLINK's ``.eigenvec``, or a DataFrame with one row per individual
            (`pgxeval.cohort.covariate_files.read_covariates`). Categories become indicator columns; individuals with a
            missing value are excluded.
        groups, strata, relationship, genotype_pcs, expression_pcs, screen_genotypes
            Families, populations, relationships, ancestry and hidden factors of the individuals; see `from_parts`.
        field
            Field that dosages are read from: ``"GT"``, ``"DS"`` or ``"GP"``; None chooses (`PersonalGenome`).
        half_missing
            How half-calls such as ``1|.`` become dosages: ``"missing"``, or ``"reference"``, which reads the
            missing allele as REF. vt decompose, vcfbreakmulti and GLnexus write multi-allelic records this way.

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
            models=None if genes is None else read_gtf(genes, measured.gene_ids),
            covariates=covariates,
            groups=groups,
            strata=strata,
            relationship=relationship,
            genotype_pcs=genotype_pcs,
            expression_pcs=expression_pcs,
            screen_genotypes=screen_genotypes,
        )

    @classmethod
    def from_parts(
        cls,
        *,
        genome: PersonalGenome,
        expression: Expression,
        models: Mapping[str, Gene] | None = None,
        covariates: str | os.PathLike[str] | TableLike | None = None,
        groups: Labels | None = None,
        strata: Labels | None = None,
        relationship: str | os.PathLike[str] | pd.DataFrame | None = None,
        genotype_pcs: int = 0,
        expression_pcs: int = 0,
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
        expression_pcs
            Number of principal components of the expression to add to the covariates, given all others, as
            `with_pcs` does: `predict_cohort` learns them again from the training individuals of each fold.
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
            If fewer than 10 individuals are shared, or the data do not allow as many components.
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
        cohort = usable_part(
            cls,
            genome=genome,
            genes=combined.genes,
            values=combined.values,
            individuals=combined.individuals,
            covariates=combined.covariates,
            exclusions=exclusions_table(combined.exclusions),
            notes=[*combined.notes, *genome.notes],
        )
        related, warned = relate(
            cohort,
            table,
            groups=groups,
            strata=strata,
            relationship=relationship,
            genotype_pcs=genotype_pcs,
            screen=screen_genotypes,
        )
        for problem in warned:
            warnings.warn(problem, PgxevalWarning, stacklevel=_CALLER - 1)
        return related.with_pcs(expression=expression_pcs) if expression_pcs else related

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
        return findings_table(check_cohort(self, screening))

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
        return learned_components(self, k, self.individuals)

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
        return subset(self, genes, individuals)

    def halves(self, seed: int) -> tuple[Cohort, Cohort]:
        """Divide the individuals into two disjoint cohorts by a hash of (seed, individual or group).

        Groups stay together. Adding an individual moves no other, so the halves are only approximately equal.

        Raises
        ------
        SettingError
            If a half has fewer than 10 individuals.
        """
        return halves(self, seed)
