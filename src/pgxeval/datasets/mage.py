"""MAGE: lymphoblastoid expression of 730 individuals of 26 populations, the largest open substitute for GTEx."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np
import pandas as pd

from pgxeval.cohort import Cohort, Expression, read_covariates, read_expression
from pgxeval.cohort.exclusions import exclusions_table
from pgxeval.datasets.download import RemoteFile, default_cache, fetch_member
from pgxeval.datasets.panel import Addresses, check_chromosomes, fetch_gene_models, fetch_genotypes, read_families
from pgxeval.errors import InputFileError
from pgxeval.genome import PersonalGenome, read_gtf

_ARCHIVE = RemoteFile(
    url="https://zenodo.org/records/10535719/files/MAGE.v1.0.data.zip?download=1",
    size="59 GB, of which single members are downloaded",
    licence="MAGE, CC-BY-4.0 (Taylor et al., Nature 632:122, 2024).",
)
EXPRESSION_MEMBER = "inverse_normal_TMM.filtered.TSS.MAGE.v1.0.bed.gz"
COVARIATES_MEMBER = "eQTL_covariates.tab.gz"
SWAPPED = "NA11919"
"""This column of the published matrix holds the expression of another individual (authors' notice of March 2026)."""


def load_mage(
    chromosomes: Sequence[str | int] = ("22",),
    *,
    folder: str | os.PathLike[str] | None = None,
    addresses: Addresses | None = None,
    progress: bool = True,
) -> Cohort:
    """Return MAGE as a `Cohort`: inverse-normal TMM expression, phased genotypes, covariates, families and populations.

    Parameters
    ----------
    chromosomes, folder, addresses, progress
        As in `load_geuvadis`. Only two members of the 59 GB archive are downloaded.

    Returns
    -------
    Cohort
        730 individuals: the published column of NA11919 holds the expression of HG00237 and is excluded, which the
        `exclusions` of the cohort record. Covariates are those of the authors' eQTL analysis (sex, genotype and
        expression components); families are `groups` and populations `strata`.

    Raises
    ------
    InputFileError
        If a download fails, or a file is not what was expected.
    """
    names = check_chromosomes(chromosomes)
    cache = (default_cache() if folder is None else Path(folder).expanduser()) / "mage"
    addresses = Addresses() if addresses is None else addresses
    archive = _ARCHIVE if not addresses.expression else RemoteFile(url=addresses.expression)
    matrix = read_expression(fetch_member(archive, EXPRESSION_MEMBER, cache, progress=progress))
    covariates = read_covariates(fetch_member(archive, COVARIATES_MEMBER, cache, progress=progress), matrix.individuals)
    families = read_families(addresses, cache, progress=progress)
    gtf = fetch_gene_models(addresses, cache, progress=progress)
    genotypes = fetch_genotypes(addresses, names, cache, progress=progress)
    contigs = {f"chr{name}" for name in names}
    rows = np.array([row for row, gene in enumerate(matrix.genes) if gene.contig in contigs], dtype=np.int64)
    columns = np.array([at for at, name in enumerate(matrix.individuals) if name != SWAPPED], dtype=np.int64)
    if not rows.size:
        raise InputFileError(f"no gene of the MAGE matrix lies on {', '.join(sorted(contigs))}")
    expression = Expression(
        values=matrix.values[np.ix_(rows, columns)],
        genes=[matrix.genes[row] for row in rows],
        individuals=[matrix.individuals[at] for at in columns],
    )
    cohort = Cohort.from_parts(
        genome=PersonalGenome(genotypes=genotypes),
        expression=expression,
        models=read_gtf(gtf, [gene.gene_id for gene in expression.genes]),
        covariates=covariates.drop(index=SWAPPED, errors="ignore"),
        groups=families["family"],
        strata=families["population"],
    )
    sample_swap = exclusions_table(
        [("individual", SWAPPED, "the column holds the expression of HG00237 (sample swap)")]
    )
    return attrs.evolve(cohort, exclusions=pd.concat([cohort.exclusions, sample_swap], ignore_index=True))
