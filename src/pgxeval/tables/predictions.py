"""Predictions: the contract between those who predict and those who judge."""

from __future__ import annotations

import html
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pandas as pd

from pgxeval.errors import SettingError, UnknownNameError
from pgxeval.frames import TableLike, to_pandas
from pgxeval.names import known_names, match_versions, near_genes
from pgxeval.signatures import show_defaults
from pgxeval.tables.checking import check_predictions, keys_of
from pgxeval.tables.files import TISSUE, read_table, write_table
from pgxeval.tables.joining import check_joinable, join_settings, join_tables
from pgxeval.tables.wide import from_matrix, is_long, is_matrix, read_matrix

FAILED = "failed: "
"""How the reason of a prediction begins that is missing because something failed."""


def failures_table(rows: Iterable[tuple[str, str, str]]) -> pd.DataFrame:
    """Return failures as a table: predictor, gene_id and reason, one row per predictor and gene."""
    return pd.DataFrame([*rows], columns=["predictor", "gene_id", "reason"], dtype="string")


@show_defaults
@attrs.frozen(kw_only=True, eq=False, repr=False)
class Predictions:
    """A checked predictions table and the settings that each predictor ran with.

    Parameters
    ----------
    table
        One row per (predictor, gene_id, individual, replicate), and tissue where the table holds several; columns as
        `check_predictions` returns them. In replicate 0 the prediction of ``individual`` was made from that
        individual's own genotypes; in replicate 1 and up from those of another, the partner in one joint permutation
        of the cohort (`pgxeval.seeding.permute_individuals`), so that each row is always compared with the measured
        expression of ``individual``.
    settings
        Predictor name -> JSON-serialisable settings: requested and used ones, versions, cross-fitting, seed. In a table
        with a column tissue they are under ``"tissues"``, tissue by tissue.
    source
        What to call the table in messages.

    Raises
    ------
    TableError
        If the table does not fulfil the contract; see `check_predictions`.

    Examples
    --------
    >>> import pandas as pd
    >>> predictions = Predictions.from_table(pd.DataFrame({
    ...     "predictor": "mine", "gene_id": "G1", "individual": ["007", "NA"], "prediction": [0.5, 1.5]}))
    >>> predictions
    Predictions(2 rows, mine, 0 permuted replicate(s))
    >>> predictions.table["individual"].tolist()
    ['007', 'NA']
    """

    table: pd.DataFrame = attrs.field()
    settings: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    source: str = "predictions table"

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "table", check_predictions(self.table, self.source))

    @classmethod
    def from_table(
        cls,
        table: TableLike,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        source: str = "predictions table",
    ) -> Predictions:
        """Check a table of pandas, polars or Arrow (see `check_predictions`) and wrap it."""
        return cls(table=to_pandas(table), settings=settings or {}, source=source)

    @classmethod
    def from_matrix(cls, matrix: TableLike | str | os.PathLike[str], *, predictor: str) -> Predictions:
        """Make predictions from a matrix of genes and individuals, as other programs write them.

        Parameters
        ----------
        matrix
            One row per gene and one column per individual, with the gene identifiers as the index or in the first
            column; or PrediXcan's layout, the columns FID and IID and then one column per gene. A DataFrame of
            pandas or polars, an Arrow table, or the path of a Parquet, CSV, TSV or blank-separated ``.txt`` file.
        predictor
            Name of the predictor. The predictions are taken as zero-shot, since a matrix has no folds.

        Raises
        ------
        TableError
            If a name occurs twice, a cell is not a number, or the rows have no names.
        InputFileError
            If the file cannot be read.

        Examples
        --------
        >>> matrix = pd.DataFrame({"ann": [0.5], "bob": [1.5]}, index=["ENSG1"])
        >>> Predictions.from_matrix(matrix, predictor="mine")
        Predictions(2 rows, mine, 0 permuted replicate(s))
        """
        if isinstance(matrix, str | os.PathLike):
            return cls(table=from_matrix(read_matrix(matrix), predictor, str(matrix)), source=str(matrix))
        return cls(table=from_matrix(to_pandas(matrix), predictor), source="matrix of predictions")

    @classmethod
    def concat(cls, parts: Sequence[Predictions]) -> Predictions:
        """Join predictions of different genes, predictors or tissues, such as those of an array job.

        Parameters
        ----------
        parts
            Predictions without a common (predictor, gene), or (predictor, tissue, gene) if they have a column tissue
            (`with_tissue`), which all or none of them must have.

        Returns
        -------
        Predictions
            Rows in the order of a single run: predictors, tissues, genes and individuals in the order of their first
            appearance. Slices of genes, in their order, give the bytes of a single run over all of them.

        Raises
        ------
        TableError
            If a predictor and gene occur in two parts.
        SettingError
            If parts of the same predictor do not have the same replicates, seed, folds, versions, settings or
            individuals; the message spells out the difference.
        """
        given: object = parts
        members: list[object] = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]
        if others := [member for member in members if not isinstance(member, Predictions)]:
            raise SettingError(
                f"Predictions.concat joins a list of Predictions, got a {type(others[0]).__name__}; Predictions.read "
                "reads a file, and load() what is in a store"
            )
        if isinstance(given, Predictions):
            raise SettingError("Predictions.concat joins a list of Predictions, got a Predictions")
        parts = [member for member in members if isinstance(member, Predictions)]
        if not parts:
            raise SettingError("Predictions.concat needs at least one part")
        check_joinable(parts)
        table = join_tables([part.table for part in parts])
        return cls(table=table, settings=join_settings(parts), source="joined predictions")

    @classmethod
    def from_any(cls, table: TableLike, *, predictor: str = "predictions") -> Predictions:
        """Take a table in the layout of the predictions table, or else a matrix; see `from_matrix`.

        Parameters
        ----------
        table
            A table of pandas, polars or Arrow.
        predictor
            Name of the predictor, if it is a matrix.
        """
        plain = to_pandas(table)
        return cls.from_table(plain) if is_long(plain) else cls.from_matrix(plain, predictor=predictor)

    @property
    def tissues(self) -> tuple[str, ...]:
        """Names of the tissues, in the order of their first rows; empty without a column tissue."""
        return tuple(str(name) for name in self.table[TISSUE].unique()) if TISSUE in self.table else ()

    def with_tissue(self, tissue: str) -> Predictions:
        """Return the same predictions with a column tissue, to be joined with those of other tissues.

        Raises
        ------
        SettingError
            If they have a tissue already, or the name is empty.

        Examples
        --------
        >>> table = pd.DataFrame({"predictor": "mine", "gene_id": "G1", "individual": ["ann"], "prediction": [0.5]})
        >>> blood, brain = (Predictions.from_table(table).with_tissue(name) for name in ("blood", "brain"))
        >>> both = Predictions.concat([blood, brain])
        >>> both.tissues, both.of_tissue("brain")
        (('blood', 'brain'), Predictions(1 rows, mine, 0 permuted replicate(s)))
        """
        if not tissue.strip():
            raise SettingError(f"tissue must be a name, got {tissue!r}")
        if self.tissues:
            raise SettingError(f"these predictions have tissues already: {known_names(self.tissues, 5)}")
        codes = np.zeros(len(self.table), dtype=np.int8)
        column = pd.Categorical.from_codes(codes, categories=pd.Index([tissue], dtype="str"))
        table = self.table.assign(**{TISSUE: column})
        return Predictions(
            table=table,
            settings={name: {"tissues": {tissue: dict(one)}} for name, one in self.settings.items()},
            source=self.source,
        )

    def of_tissue(self, tissue: str) -> Predictions:
        """Return the predictions of one tissue, without the column tissue.

        Raises
        ------
        UnknownNameError
            If the table does not hold the tissue.
        """
        if tissue not in self.tissues:
            tissues = known_names(self.tissues, 5) if self.tissues else "no column tissue"
            raise UnknownNameError(f"tissue {tissue} is not in the {self.source}; it has {tissues}")
        rows = (self.table[TISSUE] == tissue).to_numpy()
        settings = {}
        for name, one in self.settings.items():
            by_tissue = one.get("tissues")
            if not isinstance(by_tissue, Mapping):
                settings[name] = one
            elif tissue in by_tissue:
                settings[name] = by_tissue[tissue]
        table = self.table.drop(columns=TISSUE)
        return Predictions(
            table=table if rows.all() else table[rows], settings=settings, source=f"{self.source}, tissue {tissue}"
        )

    def rows_of(self, gene_id: str) -> pd.DataFrame:
        """Return all rows of one gene.

        Raises
        ------
        UnknownNameError
            If it has none, under this or another Ensembl version.
        """
        genes = [str(name) for name in self.table["gene_id"].cat.categories]
        name = gene_id if gene_id in genes else match_versions([gene_id], genes).get(gene_id)
        code = genes.index(name) if name is not None else -2
        rows = np.flatnonzero(self.table["gene_id"].cat.codes.to_numpy() == code)
        if not len(rows):
            raise UnknownNameError(f"gene {gene_id} is not in the predictions table{near_genes(str(gene_id), genes)}")
        return self.table.iloc[rows]

    @property
    def failures(self) -> pd.DataFrame:
        """Genes at which a predictor failed: predictor, gene_id and reason, one row per predictor and gene.

        With a column tissue in the table, the reason begins with the tissue and there is a row for each.
        """
        reasons = self.table["reason"].cat.categories
        wrong = [code for code, text in enumerate(reasons) if str(text).startswith(FAILED)]
        rows = self.table.loc[np.isin(self.table["reason"].cat.codes, wrong)]
        first = rows.drop_duplicates([name for name in keys_of(rows) if name != "individual"])
        tissues = [f"{name}: " for name in first[TISSUE]] if TISSUE in first else [""] * len(first)
        columns = (first[name].astype(str) for name in ("predictor", "gene_id", "reason"))
        return failures_table(
            (predictor, gene_id, tissue + reason.removeprefix(FAILED))
            for predictor, gene_id, reason, tissue in zip(*columns, tissues, strict=True)
        )

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Predictions:
        """Read a Parquet, CSV or TSV file (``.csv.gz`` and ``.tsv.gz`` too) and its JSON sidecar, if any.

        Identifiers are read as strings: an individual called ``NA`` or ``007`` survives. A matrix of genes and
        individuals, PrediXcan's included, is taken for the predictions of one predictor, named like the file; see
        `from_matrix`.

        Raises
        ------
        InputFileNotFoundError
            If the file does not exist.
        InputFileError
            If the file cannot be read as its name says.
        TableError
            If the table does not keep the contract.
        """
        table, settings = read_table(path)
        if is_matrix(table):
            return cls.from_matrix(path, predictor=Path(path).name.split(".")[0])
        return cls.from_table(table, settings, source=str(path))

    def write(self, path: str | os.PathLike[str]) -> Path:
        """Write the table (``.parquet``, ``.csv``, ``.tsv``, the texts also ``.gz``) and a JSON sidecar.

        Each file appears whole or not at all.

        Raises
        ------
        SettingError
            If the ending names no known format, or the settings hold what JSON cannot.
        InputFileError
            If the folder cannot be written to.
        """
        return write_table(self.table, self.settings, path)

    @property
    def predictors(self) -> tuple[str, ...]:
        """Names of the predictors, in the order of their first rows."""
        return tuple(str(name) for name in self.table["predictor"].unique())

    @property
    def replicates(self) -> int:
        """Number of permuted replicates in the table (0 when it holds observed rows alone)."""
        return int(self.table["replicate"].max()) if len(self.table) else 0

    def __repr__(self) -> str:
        tissues = f"{len(self.tissues)} tissue(s), " if self.tissues else ""
        return (
            f"Predictions({len(self.table):,} rows, {', '.join(self.predictors)}, {tissues}"
            f"{self.replicates} permuted replicate(s))"
        )

    def _repr_html_(self) -> str:
        head = self.table.head(6).to_html(index=False)
        return (
            f"<p><b>Predictions</b>: {len(self.table):,} rows, {html.escape(', '.join(self.predictors))}, "
            f"{self.replicates} permuted replicate(s)</p>{head}"
        )
