"""A simulated cohort in the file formats of real ones, for trying things out without a network."""

from __future__ import annotations

import os
from pathlib import Path

from pgxeval.cohort import Cohort
from pgxeval.datasets.download import default_cache
from pgxeval.simulation import simulate_cohort


def load_example(
    *, individuals: int = 120, genes: int = 12, seed: int = 0, folder: str | os.PathLike[str] | None = None
) -> Cohort:
    """Return a simulated cohort with phased genotypes, read from real file formats; takes a few seconds.

    Parameters
    ----------
    individuals, genes
        Size of the cohort.
    seed
        Seed of the simulation.
    folder
        Cache folder; default: `pgxeval.datasets.default_cache`. The files stay there for the next call.

    Returns
    -------
    Cohort
        With a reference genome, so that sequence models can run on it. The windows of its genes are 50 kb wide, lie
        20 kb apart and are simulated independently: ``EvaluationSettings(block_bp=20_000)`` makes each gene one block.

    Raises
    ------
    SettingError
        If a size is out of range, or the package msprime (extra ``demo``) is missing.
    """
    cache = default_cache() if folder is None else Path(folder).expanduser()
    place = cache / f"example-{individuals}-{genes}-{seed}"
    if not (place / "truth.tsv").is_file():
        simulate_cohort(place, individuals=individuals, genes=genes, window_bp=50_000, seed=seed)
    return Cohort.from_files(
        expression=place / "expression.bed.gz",
        genotypes=place / "genotypes.vcf.gz",
        genes=place / "genes.gtf.gz",
        reference=place / "reference.fa",
    )
