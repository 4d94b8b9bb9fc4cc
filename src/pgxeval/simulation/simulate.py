"""A cohort with known truth: linked haplotypes, planted effects, and files in the formats of real cohorts.

Every gene has its own window from an independent coalescent, so genes are independent and the
variants within a window are linked as in a European sample. The same seed gives the same bytes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, TypedDict

import attrs
import pandas as pd

from pgxeval.genome.formats.memory import Block, InMemoryGenotypes
from pgxeval.simulation.design import DEFAULT_KINDS, SimulationDesign
from pgxeval.simulation.files import (
    write_covariates,
    write_expression,
    write_gene_models,
    write_genotypes,
    write_reference,
)
from pgxeval.simulation.genes import SimulatedGene, simulate_gene
from pgxeval.simulation.linkage import SimulatedWindow, simulate_window
from pgxeval.simulation.planting import plant
from pgxeval.simulation.truth import read_truth, truth_table
from pgxeval.tables.writing import make_folder

if TYPE_CHECKING:
    from pgxeval.cohort.cohort import Cohort

__all__ = [
    "DEFAULT_KINDS",
    "InMemoryGenotypes",
    "SimulatedCohort",
    "SimulatedGene",
    "SimulatedWindow",
    "plant",
    "read_truth",
    "simulate_cohort",
    "simulate_cohort_in_memory",
    "simulate_gene",
    "simulate_window",
]

DEFAULT_HERITABILITY = 0.2
ADDITIVE_CAUSAL = (1, 3, 10)


class CohortFiles(TypedDict):
    """Paths of the files of a cohort, by the names of the arguments of `pgxeval.Cohort.from_files`."""

    expression: Path
    genotypes: Path
    genes: Path
    reference: Path
    covariates: NotRequired[Path]


@attrs.frozen(kw_only=True, eq=False)
class SimulatedCohort:
    """Files of a simulated cohort, and the truth planted in them.

    Parameters
    ----------
    folder
        Where everything lies.
    expression, genotypes, genes, reference
        ``expression.bed.gz``, ``genotypes.vcf.gz``, ``genes.gtf.gz`` (each with its ``.tbi``) and
        ``reference.fa`` (with its ``.fai``).
    covariates
        ``covariates.tsv`` in the GTEx layout, or None.
    truth
        One row per gene, see `pgxeval.simulation.truth.truth_table`; also written as ``truth.tsv``.
    """

    folder: Path
    expression: Path
    genotypes: Path
    genes: Path
    reference: Path
    covariates: Path | None
    truth: pd.DataFrame = attrs.field(repr=False)

    @property
    def files(self) -> CohortFiles:
        """The arguments of `pgxeval.Cohort.from_files`."""
        paths: CohortFiles = {
            "expression": self.expression,
            "genotypes": self.genotypes,
            "genes": self.genes,
            "reference": self.reference,
        }
        return paths if self.covariates is None else {**paths, "covariates": self.covariates}


def simulate_cohort(
    folder: str | os.PathLike[str],
    *,
    individuals: int = 300,
    genes: int | None = None,
    kinds: Mapping[str, int] | None = None,
    heritability: float | Mapping[str, float] = DEFAULT_HERITABILITY,
    additive_causal: Sequence[int] = ADDITIVE_CAUSAL,
    window_bp: int = 100_000,
    spacing_bp: int = 20_000,
    covariates: int = 0,
    seed: int = 0,
) -> SimulatedCohort:
    """Simulate a cohort and write it as the files that `pgxeval.Cohort.from_files` reads.

    Parameters
    ----------
    folder
        Is made if need be; files of the same names are replaced, each when all are complete.
    individuals
        Number of individuals, at least 2.
    genes
        Number of genes: 60 unless `kinds` is given.
    kinds
        Number of genes of each kind (null, additive, overdominant, recessive, epistatic; see
        `pgxeval.simulation.planting.plant`). By default in the proportions of `DEFAULT_KINDS`.
    heritability
        Sample variance of the genetic part of expression, for all kinds or for each.
    additive_causal
        Numbers of causal variants that the additive genes take in turn.
    window_bp
        Length of the window of each gene, with the TSS in its middle. With 100 kb it holds about 150
        variants with a minor allele frequency of 0.01 or more.
    spacing_bp
        Bases without variants around and between the windows.
    covariates
        Number of covariates, each of which adds a variance of about 0.09 to every gene's expression on top
        of the genetic part and the noise.
    seed
        Same seed, same bytes (with the same versions of msprime and htslib).

    Returns
    -------
    SimulatedCohort

    Raises
    ------
    SettingError
        If an argument is out of range or two contradict each other.
    PgxevalError
        If msprime is not installed.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     simulated = simulate_cohort(folder, individuals=30, genes=3, window_bp=20_000, seed=1)
    ...     sorted(path.name for path in simulated.folder.iterdir())[:3]
    ['expression.bed.gz', 'expression.bed.gz.tbi', 'genes.gtf.gz']
    >>> simulated.truth.columns[:4].tolist()
    ['gene_id', 'kind', 'heritability', 'linear_heritability']
    """
    plan = SimulationDesign.make(
        individuals=individuals,
        genes=genes,
        kinds=kinds,
        heritability=heritability,
        additive_causal=additive_causal,
        window_bp=window_bp,
        spacing_bp=spacing_bp,
        covariates=covariates,
        seed=seed,
    )
    simulated_genes = tuple(plan.genes())
    truth = truth_table(simulated_genes)
    folder = Path(folder).expanduser()
    make_folder(folder, "the folder of the simulated cohort")
    partial = Path(tempfile.mkdtemp(prefix=".simulating-", dir=folder))
    try:
        write_reference(partial / "reference.fa", plan.reference(simulated_genes))
        write_genotypes(partial / "genotypes.vcf.gz", simulated_genes, plan.individuals, plan.contigs)
        write_gene_models(partial / "genes.gtf.gz", simulated_genes)
        table, expression = plan.covariates(), plan.expression(simulated_genes)
        names = [plan.individuals[i] for i in plan.order]
        write_expression(partial / "expression.bed.gz", simulated_genes, names, expression[:, plan.order])
        if table is not None:
            write_covariates(partial / "covariates.tsv", table)
        truth.to_csv(partial / "truth.tsv", sep="\t", index=False, lineterminator="\n")
        for file in sorted(partial.iterdir()):
            file.replace(folder / file.name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return SimulatedCohort(
        folder=folder,
        expression=folder / "expression.bed.gz",
        genotypes=folder / "genotypes.vcf.gz",
        genes=folder / "genes.gtf.gz",
        reference=folder / "reference.fa",
        covariates=None if table is None else folder / "covariates.tsv",
        truth=truth,
    )


def simulate_cohort_in_memory(
    *,
    individuals: int = 300,
    genes: int | None = None,
    kinds: Mapping[str, int] | None = None,
    heritability: float | Mapping[str, float] = DEFAULT_HERITABILITY,
    additive_causal: Sequence[int] = ADDITIVE_CAUSAL,
    window_bp: int = 100_000,
    spacing_bp: int = 2_200_000,
    covariates: int = 0,
    seed: int = 0,
) -> tuple[Cohort, pd.DataFrame]:
    """Simulate the same cohort without writing it: for calibration studies with many genes.

    Parameters are those of `simulate_cohort`, and so are the genotypes and the expression. Only
    `spacing_bp` is larger by default, so that a cis window of 1 Mb on either side of a gene holds the
    variants of that gene alone; positions differ accordingly.

    Returns
    -------
    cohort : pgxeval.Cohort
        Without a reference genome.
    truth : pandas.DataFrame
        See `pgxeval.simulation.truth.truth_table`.

    Examples
    --------
    >>> cohort, truth = simulate_cohort_in_memory(individuals=40, kinds={"null": 2}, window_bp=20_000)
    >>> len(cohort.genes), len(cohort.individuals), truth["kind"].tolist()
    (2, 40, ['null', 'null'])
    """
    from pgxeval.cohort.cohort import Cohort
    from pgxeval.genome.personal import PersonalGenome

    plan = SimulationDesign.make(
        individuals=individuals,
        genes=genes,
        kinds=kinds,
        heritability=heritability,
        additive_causal=additive_causal,
        window_bp=window_bp,
        spacing_bp=spacing_bp,
        covariates=covariates,
        seed=seed,
    )
    simulated_genes = tuple(plan.genes())
    blocks: dict[str, list[Block]] = {}
    for gene in simulated_genes:
        starts = gene.interval.start + gene.window.positions
        blocks.setdefault(gene.interval.contig, []).append((starts, gene.ref, gene.alt, gene.window.haplotypes))
    table = plan.covariates()
    cohort = Cohort(
        genome=PersonalGenome(genotypes=InMemoryGenotypes.from_haplotypes(plan.individuals, blocks)),
        genes=tuple(gene.gene for gene in simulated_genes),
        expression=plan.expression(simulated_genes)[:, plan.order],
        individuals=tuple(plan.individuals[i] for i in plan.order),
        covariates=None if table is None else table.iloc[plan.order],
    )
    return cohort, truth_table(simulated_genes)
