"""Geuvadis: lymphoblastoid expression of 462 individuals of five populations, with 1000 Genomes 30x genotypes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pgxeval.cohort import Cohort, Expression
from pgxeval.datasets.download import RemoteFile, default_cache, fetch
from pgxeval.datasets.panel import Addresses, check_chromosomes, fetch_gene_models, fetch_genotypes, read_families
from pgxeval.errors import InputFileError
from pgxeval.genome import PersonalGenome, match_genes, read_gtf

_EXPRESSION = RemoteFile(
    url=(
        "https://ftp.ebi.ac.uk/biostudies/fire/E-GEUV-/001/E-GEUV-1/Files/E-GEUV-1/analysis_results/"
        "GD462.GeneQuantRPKM.50FN.samplename.resk10.txt.gz"
    ),
    checksum="md5:500bffeed8e0f770c157e0189e9e50ae",
    size="87 MB",
    licence="Geuvadis, open data (Lappalainen et al., Nature 501:506, 2013; ArrayExpress E-GEUV-1).",
)
_ANNOTATION = ("TargetID", "Gene_Symbol", "Chr", "Coord")


def load_geuvadis(
    chromosomes: Sequence[str | int] = ("22",),
    *,
    folder: str | os.PathLike[str] | None = None,
    addresses: Addresses | None = None,
    progress: bool = True,
) -> Cohort:
    """Return Geuvadis as a `Cohort`: expression on GRCh38 gene models, phased genotypes, families and populations.

    Parameters
    ----------
    chromosomes
        Autosomes whose genotypes are downloaded and whose genes are in the cohort; chromosome 22 takes about 0.4 GB.
    folder
        Cache folder; default: `pgxeval.datasets.default_cache`.
    addresses
        Where the files are; default: the public servers.
    progress
        Whether to show size and licence of each file before it is downloaded, and progress bars.

    Returns
    -------
    Cohort
        The 445 or so individuals of Geuvadis that the panel has, PEER-corrected expression as published, sex as a
        covariate, families as `groups` and populations as `strata`.

    Raises
    ------
    InputFileError
        If a download fails, or a file is not what was expected.
    """
    names = check_chromosomes(chromosomes)
    cache = (default_cache() if folder is None else Path(folder).expanduser()) / "geuvadis"
    addresses = Addresses() if addresses is None else addresses
    source = _EXPRESSION if not addresses.expression else RemoteFile(url=addresses.expression)
    matrix = _read_matrix(fetch(source, cache, progress=progress))
    gtf = fetch_gene_models(addresses, cache, progress=progress)
    families = read_families(addresses, cache, progress=progress)
    genotypes = fetch_genotypes(addresses, names, cache, progress=progress)
    matches = match_genes(list(matrix.index), read_gtf(gtf, list(matrix.index)))
    contigs = {f"chr{name}" for name in names}
    genes = [gene for gene in matches.genes.values() if gene.contig in contigs]
    if not genes:
        raise InputFileError(f"no gene of the Geuvadis matrix lies on {', '.join(sorted(contigs))} in {gtf}")
    ids = [name for name, gene in matches.genes.items() if gene.contig in contigs]
    expression = Expression(values=matrix.loc[ids].to_numpy(), genes=genes, individuals=list(matrix.columns))
    covariates = pd.DataFrame({"male": (families["sex"] == "1").astype(float)})
    return Cohort.from_parts(
        genome=PersonalGenome(genotypes=genotypes),
        expression=expression,
        covariates=covariates,
        groups=families["family"],
        strata=families["population"],
    )


def _read_matrix(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, sep="\t", index_col=0, dtype=dict.fromkeys(_ANNOTATION, str), na_filter=False)
    missing = [name for name in _ANNOTATION[1:] if name not in table]
    if missing:
        raise InputFileError(
            f"{path}: missing column(s) {', '.join(missing)}; expected the Geuvadis matrix with "
            f"{', '.join(_ANNOTATION)} and one column per individual"
        )
    return table.drop(columns=list(_ANNOTATION[1:])).astype("float64")
