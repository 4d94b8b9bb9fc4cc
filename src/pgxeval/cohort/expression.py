"""Measured expression: one number for each gene and individual, and the BED file it comes from."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.errors import InputFileError, SettingError, TableError
from pgxeval.genome.intervals import Gene
from pgxeval.lines import numbered_lines
from pgxeval.names import first_duplicate

_CONTIG_COLUMNS = ("#chr", "#chrom", "#chromosome", "chr", "chrom", "chromosome")
_MISSING = frozenset({"", "NA", "N/A", "na", "."})
_QTLTOOLS_COLUMNS = frozenset({"gid", "pid", "strand"})


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
        If one of them is no string: a number has lost its leading zeros already.
    """
    listed = tuple(names)
    for name in listed:
        if not isinstance(name, str):
            raise TableError(
                f"identifier {name!r} is of type {type(name).__name__}; identifiers are strings, "
                "so that 007 and NA keep their meaning"
            )
    return tuple(map(str, listed))


def genes_tuple(genes: Iterable[Gene]) -> tuple[Gene, ...]:
    """Return genes as a tuple."""
    return tuple(genes)


def number_from_text(text: str) -> float:
    """Return the number that a field of a text table holds; NaN for the accepted missing values.

    Raises
    ------
    ValueError
        If it holds none; ``1_000``, which Python would take, included.
    """
    if text.strip() in _MISSING:
        return math.nan
    if "_" in text:
        raise ValueError(text)
    return float(text)


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
            f"{len(individuals)} individuals: shape (genes, individuals) is wanted"
        )
    for what, names in (("gene", gene_ids), ("individual", individuals)):
        if (twice := first_duplicate(names)) is not None:
            raise TableError(f"expression: {what} {twice} occurs more than once; names are unique")
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
        One gene a row. From a BED file they have no strand and no exons; a one-base interval is taken
        for the TSS, as GTEx writes it, and any other for the gene's span, without a TSS.
    individuals
        Identifiers, one a column.

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

    def __attrs_post_init__(self) -> None:
        check_matrix(self.values, self.gene_ids, self.individuals)

    @property
    def gene_ids(self) -> tuple[str, ...]:
        """Identifiers of the genes, in the order of the rows."""
        return tuple(gene.gene_id for gene in self.genes)

    @property
    def table(self) -> pd.DataFrame:
        """A copy as a DataFrame: index gene_id, one column an individual."""
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


def read_expression_bed(path: str | os.PathLike[str]) -> Expression:
    """Read an expression BED file in the manner of GTEx and tensorQTL, plain, gzipped or bgzipped.

    The columns are ``#chr start end gene_id`` and then one for each individual; positions are 0-based
    half-open. The first column may be called ``chr``, ``chrom``, ``Chr`` ... with or without ``#``, the
    fourth anything (``phenotype_id``, ``ID``). Lines that begin with ``##`` are skipped.
    Identifiers are taken as they stand: an individual may be called ``007`` or ``NA``.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Expression
        Genes and individuals in the order of the file. An empty field, ``NA``, ``N/A``, ``.`` and ``nan``
        (in any case) are missing values: NaN.

    Raises
    ------
    InputFileNotFoundError
        If there is no such file.
    InputFileError
        Naming file, line and column: no header, an individual or a gene twice, a line with too few or too
        many columns, positions out of order, a value that is no number or infinite, a truncated file.
    """
    lines = numbered_lines(path, "expression file")
    individuals: tuple[str, ...] = ()
    header_line = 0
    for number, line in lines:
        if line.startswith("##") or not line:
            continue
        individuals, header_line = _header(path, number, line), number
        break
    if not header_line:
        raise InputFileError(f"expression file {path} is empty; {_LAYOUT}")
    genes: list[Gene] = []
    rows: list[npt.NDArray[np.float64]] = []
    line_of: dict[str, int] = {}
    for number, line in lines:
        if not line:
            continue
        fields = line.split("\t")
        if len(fields) != len(individuals) + 4:
            raise InputFileError(
                f"expression file {path}, line {number}: {len(fields)} columns where the header has "
                f"{len(individuals) + 4}; the line may be cut short"
            )
        gene = _gene(path, number, fields)
        if gene.gene_id in line_of:
            raise InputFileError(
                f"expression file {path}, line {number}: gene {gene.gene_id} stands on line "
                f"{line_of[gene.gene_id]} already; one line a gene is allowed"
            )
        line_of[gene.gene_id] = number
        genes.append(gene)
        rows.append(_numbers(path, number, fields, individuals))
    if not rows:
        raise InputFileError(f"expression file {path} has a header but no gene; {_LAYOUT}")
    values = np.array(rows)
    values.flags.writeable = False
    return Expression(values=values, genes=genes, individuals=individuals)


_LAYOUT = "wanted are the tab-separated columns #chr, start, end, gene_id and one for each individual"


def _header(path: str | os.PathLike[str], number: int, line: str) -> tuple[str, ...]:
    where = f"expression file {path}, line {number}"
    fields = line.split("\t")
    if len(fields) < 4 or fields[0].lower() not in _CONTIG_COLUMNS:
        raise InputFileError(
            f"{where}: no header found ({len(fields)} tab-separated column(s), the first is "
            f"{fields[0][:40]!r}); {_LAYOUT}"
        )
    if [field.lower() for field in fields[1:3]] != ["start", "end"]:
        raise InputFileError(f"{where}: columns 2 and 3 are {fields[1]!r} and {fields[2]!r}; {_LAYOUT}")
    individuals = fields[4:]
    if not individuals:
        raise InputFileError(f"{where}: the header names no individual; {_LAYOUT}")
    if extra := [name for name in individuals[:2] if name.lower() in _QTLTOOLS_COLUMNS]:
        raise InputFileError(
            f"{where}: column {extra[0]!r} is no individual; this is the six-column layout of QTLtools: "
            "drop the fifth and sixth column (cut -f1-4,7-)"
        )
    if "" in individuals:
        raise InputFileError(f"{where}: column {individuals.index('') + 5} of the header has no name")
    if (twice := first_duplicate(individuals)) is not None:
        raise InputFileError(f"{where}: individual {twice} has more than one column; keep one of them")
    return tuple(individuals)


def _gene(path: str | os.PathLike[str], number: int, fields: list[str]) -> Gene:
    contig, start_text, end_text, gene_id = fields[:4]
    where = f"expression file {path}, line {number}"
    if not gene_id or not contig:
        raise InputFileError(f"{where}: the gene has no {'identifier' if contig else 'contig'}")
    if not (start_text.isdecimal() and end_text.isdecimal()):
        raise InputFileError(
            f"{where}, gene {gene_id}: positions {start_text!r} to {end_text!r}; whole numbers of 0 or more "
            "are wanted (some programs write 1000000 as 1e+06)"
        )
    start, end = int(start_text), int(end_text)
    try:
        return Gene(gene_id=gene_id, contig=contig, start=start, end=end, tss=start if end - start == 1 else None)
    except SettingError as error:
        raise InputFileError(f"{where}: {error}") from error


def _numbers(
    path: str | os.PathLike[str], number: int, fields: list[str], individuals: tuple[str, ...]
) -> npt.NDArray[np.float64]:
    texts = fields[4:]
    try:
        values = list(map(float, texts))
        careful = False
    except ValueError:
        careful = True
    if careful or any("_" in text for text in texts):
        values = []
        for text, individual in zip(texts, individuals, strict=True):
            try:
                values.append(number_from_text(text))
            except ValueError:
                raise InputFileError(
                    f"expression file {path}, line {number}, gene {fields[3]}, individual {individual}: "
                    f"{text[:40]!r} is not a number; missing values are written as NA or left empty"
                ) from None
    row = np.array(values)
    infinite = np.isinf(row)
    if infinite.any():
        raise InputFileError(
            f"expression file {path}, line {number}, gene {fields[3]}, individual "
            f"{individuals[int(infinite.argmax())]}: the value is infinite; give a finite number, or NA"
        )
    return row
