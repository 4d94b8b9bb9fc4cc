"""The table of planted truth, one row per gene."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from pgxeval.errors import InputFileNotFoundError, TableError
from pgxeval.simulation.genes import SimulatedGene

COLUMNS = (
    "gene_id",
    "kind",
    "heritability",
    "linear_heritability",
    "n_causal",
    "causal_variants",
    "effects",
    "n_variants",
    "n_common",
)

COMMON_MAF = 0.01


def truth_table(genes: Sequence[SimulatedGene]) -> pd.DataFrame:
    """Tabulate what was planted.

    Returns
    -------
    pandas.DataFrame
        gene_id; kind; heritability and linear_heritability (sample variances, the noise has one minus the
        former); n_causal; causal_variants, comma-separated contig:position:ref:alt with the position
        1-based, in the order v1, v2 ...; effects, comma-separated term=coefficient as
        `pgxeval.simulation.planting.Planted` explains; n_variants of the window and n_common, those with a
        minor allele frequency of 0.01 or more.
    """
    # Twelve digits are the same on every machine; the last bits of a least-squares fit are not.
    rows = [
        (
            gene.gene.gene_id,
            gene.planted.kind,
            gene.planted.heritability,
            round(gene.planted.linear_heritability, 12),
            len(gene.planted.causal),
            ",".join(gene.variant(column) for column in gene.planted.causal),
            ",".join(f"{term}={value:.12g}" for term, value in gene.planted.effects.items()),
            len(gene.window.positions),
            int((gene.window.minor_allele_frequency >= COMMON_MAF).sum()),
        )
        for gene in genes
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def read_truth(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a ``truth.tsv`` that `simulate_cohort` wrote; empty texts stay empty.

    Raises
    ------
    InputFileNotFoundError
        If the file does not exist.
    TableError
        If it lacks a column of the truth table.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise InputFileNotFoundError.of("truth table", path)
    table = pd.read_csv(path, sep="\t", keep_default_na=False)
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise TableError(f"{path}: missing column(s) {', '.join(missing)}; a truth table has {COLUMNS}")
    return table
