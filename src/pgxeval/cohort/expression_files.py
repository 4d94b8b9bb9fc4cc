"""Reads measured expression from BED-like tables: text, Parquet or a DataFrame."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.cohort.expression import Expression
from pgxeval.cohort.expression_layout import (
    _GENE_ID,
    _NUMBER_LIKE,
    _PLACE_COLUMNS,
    EXPECTED_LAYOUT,
    Layout,
    _plain,
    find_layout,
    is_number,
)
from pgxeval.cohort.text_tables import is_missing, number_from_text, split_lines
from pgxeval.errors import InputFileError, SettingError, TableError
from pgxeval.frames import TableLike, table_or_path
from pgxeval.genome.intervals import Gene, Strand
from pgxeval.names import known_names

_STRANDS: dict[str, Strand] = {"+": "+", "-": "-", "1": "+", "-1": "-"}


def read_expression(source: str | os.PathLike[str] | TableLike) -> Expression:
    """Read expression from a BED-like table: a file or a DataFrame.

    The columns are ``#chr start end gene_id`` and then one column per individual; positions are 0-based and
    half-open. The layouts of GTEx, tensorQTL (``.bed.gz`` and ``.bed.parquet``) and QTLtools (six columns with
    ``pid gid strand``) are recognised, and so are the usual other names of these columns (``chrom``,
    ``seqnames``, ``stop``, ``phenotype_id`` ...) in any order. Further columns with annotation, such as
    ``gene_name`` or any column of text before the first individual, are not individuals; a note lists them.

    Text may be separated by tabs, semicolons, commas or blanks, compressed by gzip or bgzip under any name,
    and quoted as R does. Lines that begin with ``##``, and remarks before the header (``# ...`` without a tab), are
    skipped. Identifiers are read as text: an individual may be called ``007`` or ``NA``.

    Parameters
    ----------
    source
        Path of the file, or a table (pandas, polars or Arrow) with these columns.

    Returns
    -------
    Expression
        Genes and individuals in the order of the table. An empty field, ``NA``, ``N/A``, ``.``, ``NaN``,
        ``NULL`` and ``None`` (in any case) are missing values: NaN.

    Raises
    ------
    InputFileNotFoundError
        If the file does not exist.
    InputFileError
        Naming file, line and column: no header, an individual or a gene that occurs twice, a line with too few
        or too many columns, positions out of order, a value that is infinite or not a number, a truncated file.
    TableError
        The same of a DataFrame.
    """
    path = table_or_path(source, "expression")
    if isinstance(path, pd.DataFrame):
        return _from_frame(path, "expression table", TableError)
    if path.is_file():
        with path.open("rb") as file:
            magic = file.read(4)
        if magic == b"PAR1":
            return _from_frame(_read_parquet(path), f"expression file {path}", InputFileError)
    return _from_text(path)


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputFileError(
            f"expression file {path} is not a complete Parquet file ({type(error).__name__})"
        ) from error


def _from_text(path: Path) -> Expression:
    what = f"expression file {path}"
    rows = split_lines(path, "expression file")
    header = next(rows, None)
    if header is None:
        raise InputFileError(f"{what} is empty; {EXPECTED_LAYOUT}")
    layout = find_layout(header[1], f"{what}, line {header[0]}", InputFileError)
    genes: list[Gene] = []
    values: list[npt.NDArray[np.float64]] = []
    line_of: dict[str, int] = {}
    text_columns: dict[int, str] = {}
    for number, fields in rows:
        where = f"{what}, line {number}"
        if len(fields) != layout.width:
            raise InputFileError(
                f"{where}: {len(fields)} columns where the header has {layout.width}; "
                + (
                    "R writes row names without a heading: write.table(..., row.names=FALSE)"
                    if len(fields) == layout.width + 1
                    else "the line may be cut short"
                )
            )
        gene = _gene(layout, fields, where, InputFileError)
        if gene.gene_id in line_of:
            raise InputFileError(
                f"{where}: gene {gene.gene_id} is already on line {line_of[gene.gene_id]}; expected one line per gene"
            )
        line_of[gene.gene_id] = number
        if not genes:
            text_columns = {
                place: _not_a_number(f"{where}, gene {gene.gene_id}", name, fields[place])
                for place, name in _leading_text(layout, fields)
            }
        genes.append(gene)
        values.append(_numbers(layout, fields, f"{where}, gene {gene.gene_id}", text_columns))
    if not genes:
        raise InputFileError(f"{what} has a header but no gene; {EXPECTED_LAYOUT}")
    return _expression(layout, genes, np.array(values), text_columns, what, InputFileError)


def _leading_text(layout: Layout, fields: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the columns before the first individual that hold text in the first line: annotation, it seems."""
    for place, name in layout.samples:
        if is_missing(fields[place]) or _NUMBER_LIKE.fullmatch(fields[place]):
            return
        yield place, name


def _not_a_number(where: str, individual: str, text: str) -> str:
    hint = "; write decimal points, not commas" if re.fullmatch(r"[+-]?\d+,\d+", text) else ""
    return (
        f"{where}, individual {individual}: {text[:40]!r} is not a number{hint}; missing values are written as NA or "
        "left empty"
    )


def _numbers(
    layout: Layout, fields: Sequence[str], where: str, text_columns: dict[int, str]
) -> npt.NDArray[np.float64]:
    """Return the values of one gene; fields of `text_columns` are NaN unless they hold a number after all."""
    texts = [fields[place] for place, _ in layout.samples]
    try:
        values = list(map(float, texts))
        careful = bool(text_columns) or any("_" in text for text in texts)
    except ValueError:
        careful = True
    if careful:
        values = []
        for place, individual in layout.samples:
            try:
                value = number_from_text(fields[place])
            except ValueError:
                if place not in text_columns:
                    raise InputFileError(_not_a_number(where, individual, fields[place])) from None
                value = np.nan
            else:
                if place in text_columns and not is_missing(fields[place]):
                    raise InputFileError(text_columns[place])
            values.append(value)
    row = np.array(values)
    infinite = np.isinf(row)
    if infinite.any():
        individual = layout.samples[int(infinite.argmax())][1]
        raise InputFileError(f"{where}, individual {individual}: the value is infinite; give a finite number, or NA")
    return row


def _gene(layout: Layout, fields: Sequence[str], where: str, error: type[InputFileError | TableError]) -> Gene:
    contig, start_text, end_text, gene_id = (
        fields[place] for place in (layout.contig, layout.start, layout.end, layout.gene_id)
    )
    if not gene_id or not contig:
        raise error(f"{where}: the gene has no {'identifier' if contig else 'contig'}")
    if not (start_text.isdecimal() and end_text.isdecimal()):
        raise error(
            f"{where}, gene {gene_id}: positions {start_text[:40]!r} to {end_text[:40]!r}; expected whole numbers of 0 "
            "or more (some programs write 1000000 as 1e+06)"
        )
    start, end = int(start_text), int(end_text)
    strand = None if layout.strand is None else _STRANDS.get(fields[layout.strand])
    name = gene_id if layout.gene_name is None or is_missing(fields[layout.gene_name]) else fields[layout.gene_name]
    tss = start if end - start == 1 or strand == "+" else end - 1 if strand == "-" else None
    try:
        return Gene(gene_id=gene_id, contig=contig, start=start, end=end, strand=strand, tss=tss, name=name)
    except SettingError as problem:
        raise error(f"{where}: {problem}") from problem


def _from_frame(table: pd.DataFrame, what: str, error: type[InputFileError | TableError]) -> Expression:
    if not isinstance(table.index, pd.RangeIndex) and not any(
        _plain(name) in _GENE_ID for name in table.columns[:_PLACE_COLUMNS]
    ):
        table = table.rename_axis(index="gene_id").reset_index()
    layout = find_layout([str(name) for name in table.columns], what, error)
    if table.empty:
        raise error(f"{what} has a header but no gene; {EXPECTED_LAYOUT}")
    places = [layout.contig, layout.start, layout.end, layout.gene_id, layout.gene_name, layout.strand]
    texts = {place: _texts(table.iloc[:, place]) for place in places if place is not None}
    genes = []
    row_of: dict[str, int] = {}
    for row in range(len(table)):
        fields = [texts[place][row] if place in texts else "" for place in range(layout.width)]
        gene = _gene(layout, fields, f"{what}, row {row + 1}", error)
        if gene.gene_id in row_of:
            raise error(
                f"{what}, row {row + 1}: gene {gene.gene_id} is already in row {row_of[gene.gene_id]}; expected one "
                "row per gene"
            )
        row_of[gene.gene_id] = row + 1
        genes.append(gene)
    values = np.full((len(table), len(layout.samples)), np.nan)
    text_columns: list[int] = []
    leading = True
    for column, (place, individual) in enumerate(layout.samples):
        cells = table.iloc[:, place]
        numbers = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        present = ~cells.isna().to_numpy()
        if pd.api.types.is_object_dtype(cells) or pd.api.types.is_string_dtype(cells):
            present &= np.array([not is_missing(str(cell)) for cell in cells])
        bad = np.isnan(numbers) & present
        leading &= bool(bad.all()) and not any(_NUMBER_LIKE.fullmatch(str(cell)) for cell in cells)
        if leading:
            text_columns.append(place)
        elif bad.any():
            row = int(bad.argmax())
            raise error(_not_a_number(f"{what}, gene {genes[row].gene_id}", individual, str(cells.iloc[row])))
        if np.isinf(numbers).any():
            row = int(np.isinf(numbers).argmax())
            raise error(
                f"{what}, gene {genes[row].gene_id}, individual {individual}: the value is infinite; give a finite "
                "number, or NaN"
            )
        values[:, column] = numbers
    return _expression(layout, genes, values, text_columns, what, error)


def _texts(column: pd.Series) -> list[str]:
    """Return a column as texts; whole numbers without a decimal point, missing values as empty texts."""
    missing = column.isna().tolist()
    return [
        "" if lacking else str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
        for cell, lacking in zip(column.tolist(), missing, strict=True)
    ]


def _expression(  # noqa: PLR0917 (the last step of both readers)
    layout: Layout,
    genes: Sequence[Gene],
    values: npt.NDArray[np.float64],
    text_columns: Collection[int],
    where: str,
    error: type[InputFileError | TableError],
) -> Expression:
    columns = [column for column, (place, _) in enumerate(layout.samples) if place not in text_columns]
    if not columns:
        raise TableError(f"expression table: no column holds numbers; {EXPECTED_LAYOUT}")
    if len(columns) < len(layout.samples):
        values = values[:, columns]
    identifiers = [gene.gene_id for gene in genes]
    # identifiers of Entrez are whole numbers
    if not layout.gene_named and all(map(is_number, identifiers)) and not all(map(str.isdigit, identifiers)):
        raise error(
            f"{where}: no column with gene identifiers: the fourth column, {layout.gene_column!r}, holds measured "
            "values; name the column of the identifiers gene_id"
        )
    unused = [*layout.unused, *(name for place, name in layout.samples if place in text_columns)]
    values.flags.writeable = False
    return Expression(
        values=values,
        genes=genes,
        individuals=[layout.samples[column][1] for column in columns],
        notes=[
            *([f"columns of the expression table that were not used: {known_names(unused, 5)}"] if unused else []),
            *([] if layout.gene_named else [f"column {layout.gene_column!r} was taken for the gene identifiers"]),
        ],
    )
