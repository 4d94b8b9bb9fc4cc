"""Measured expression: one number per gene and individual."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.errors import TableError
from pgxeval.genome.intervals import Gene
from pgxeval.names import first_duplicate


def read_only_matrix(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return `values` as a read-only float64 array: a copy, unless it is one already."""
    if isinstance(values, np.ndarray) and values.dtype == np.float64 and not values.flags.writeable:
        return values
    array = np.array(values, dtype=np.float64)
    array.flags.writeable = False
    return array


def names_tuple(names: Iterable[str]) -> tuple[str, ...]:
    """Return names as a tuple of plain strings.

    Raises
    ------
    TableError
        If one of them is not a string: a number may already have lost its leading zeros.
    """
    listed = tuple(names)
    for name in listed:
        if not isinstance(name, str):
            raise TableError(
                f"identifier {name!r} is of type {type(name).__name__}; identifiers must be strings, "
                "so that 007 and NA keep their meaning"
            )
    return tuple(map(str, listed))


def genes_tuple(genes: Iterable[Gene]) -> tuple[Gene, ...]:
    """Return genes as a tuple."""
    return tuple(genes)


def check_matrix(values: npt.NDArray[np.float64], gene_ids: Sequence[str], individuals: Sequence[str]) -> None:
    """Check an expression matrix against its names.

    Raises
    ------
    TableError
        If the shape does not fit, a gene or an individual occurs twice, or a value is infinite.
    """
    if values.shape != (len(gene_ids), len(individuals)):
        raise TableError(
            f"expression has shape {values.shape}, but there are {len(gene_ids)} genes and "
            f"{len(individuals)} individuals: expected shape (genes, individuals)"
        )
    for what, names in (("gene", gene_ids), ("individual", individuals)):
        if (twice := first_duplicate(names)) is not None:
            raise TableError(f"expression: {what} {twice} occurs more than once; names must be unique")
    infinite = np.isinf(values)
    if infinite.any():
        row, column = (int(axis[0]) for axis in np.nonzero(infinite))
        raise TableError(
            f"expression: {int(infinite.sum())} value(s) are infinite, the first for gene {gene_ids[row]}, "
            f"individual {individuals[column]}; give finite numbers, or NaN where nothing was measured"
        )


@attrs.frozen(kw_only=True, eq=False)
class Expression:
    """Expression of genes across individuals.

    Parameters
    ----------
    values
        float64 (n_genes, n_individuals), read-only, in any unit; NaN where nothing was measured.
    genes
        One gene per row. From a BED file they have no exons, and a strand only where the file has such a
        column. A one-base interval is taken as the TSS, as GTEx writes it, and any other interval as the span
        of the gene, whose TSS is known only where the strand is.
    individuals
        Identifiers, one per column.
    notes
        What a reader should know of how the table was read, such as columns that were not used.

    Raises
    ------
    TableError
        If the shape does not fit, a gene or an individual occurs twice, or a value is infinite.

    Examples
    --------
    >>> gene = Gene(gene_id="G1", contig="chr1", start=99, end=100)
    >>> Expression(values=[[0.5, float("nan")]], genes=[gene], individuals=["007", "NA"])
    Expression(1 genes, 2 individuals, 1 values missing)
    """

    values: npt.NDArray[np.float64] = attrs.field(converter=read_only_matrix)
    genes: tuple[Gene, ...] = attrs.field(converter=genes_tuple)
    individuals: tuple[str, ...] = attrs.field(converter=names_tuple)
    notes: tuple[str, ...] = attrs.field(default=(), converter=tuple[str, ...])

    def __attrs_post_init__(self) -> None:
        check_matrix(self.values, self.gene_ids, self.individuals)

    @property
    def gene_ids(self) -> tuple[str, ...]:
        """Identifiers of the genes, in the order of the rows."""
        return tuple(gene.gene_id for gene in self.genes)

    @property
    def table(self) -> pd.DataFrame:
        """A copy as a DataFrame: index gene_id, one column per individual."""
        return pd.DataFrame(
            self.values.copy(),
            index=pd.Index(list(self.gene_ids), name="gene_id"),
            columns=pd.Index(list(self.individuals), name="individual"),
        )

    def __repr__(self) -> str:
        return (
            f"Expression({len(self.genes)} genes, {len(self.individuals)} individuals, "
            f"{int(np.isnan(self.values).sum())} values missing)"
        )
