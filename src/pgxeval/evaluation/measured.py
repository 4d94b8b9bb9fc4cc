"""What predictions are judged against: measured expression, where its genes lie, and the covariates."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.errors import TableError, UnknownNameError

if TYPE_CHECKING:
    from pgxeval.genome.intervals import Gene

_PLACE = ("chr", "start", "end", "gene_id")


class CohortLike(Protocol):
    """What the evaluator asks of a cohort."""

    genes: Sequence[Gene]
    individuals: Sequence[str]
    expression: npt.NDArray[np.float64]
    covariates: pd.DataFrame | None


@attrs.frozen(kw_only=True, eq=False)
class MeasuredExpression:
    """Measured expression in a canonical order of individuals, so that their order changes nothing.

    Parameters
    ----------
    gene_ids, contigs
        str (n_genes,), in the order of the input.
    starts
        int64 (n_genes,): starts of the genes, 0-based.
    individuals
        Identifiers, sorted.
    expression
        float64 (n_genes, n_individuals), read-only; NaN is missing.
    covariates
        float64 (n_individuals, n_covariates), read-only, without NaN; None without covariates.
    covariate_names
        Names of the covariates.
    groups, strata
        Group (family, donor) and stratum of each individual, or None; see `pgxeval.Cohort`.
    relationship
        float64 (n_individuals, n_individuals): twice the kinship coefficient, or None.
    left_out
        Columns kind, name, reason: what was left out on the way here.
    """

    gene_ids: tuple[str, ...] = attrs.field(repr=False)
    contigs: tuple[str, ...] = attrs.field(repr=False)
    starts: npt.NDArray[np.int64] = attrs.field(repr=False)
    individuals: tuple[str, ...] = attrs.field(repr=False)
    expression: npt.NDArray[np.float64] = attrs.field(repr=False)
    covariates: npt.NDArray[np.float64] | None = attrs.field(default=None, repr=False)
    covariate_names: tuple[str, ...] = ()
    groups: tuple[str, ...] | None = attrs.field(default=None, repr=False)
    strata: tuple[str, ...] | None = attrs.field(default=None, repr=False)
    relationship: npt.NDArray[np.float64] | None = attrs.field(default=None, repr=False)
    left_out: pd.DataFrame = attrs.field(repr=False)

    @classmethod
    def of(cls, source: object, covariates: pd.DataFrame | None = None) -> MeasuredExpression:
        """Make a target of a cohort, an expression table in BED layout, or the path of one.

        Parameters
        ----------
        source
            An object with ``genes``, ``individuals``, ``expression`` and perhaps ``covariates``; a DataFrame
            with the columns ``#chr start end gene_id`` and one column an individual; or a path.
        covariates
            Individuals x numeric covariates; None takes those of the cohort, if any.

        Raises
        ------
        TableError
            If the table is not laid out so, holds a duplicate gene or individual, or a value that is neither
            a finite number nor missing.
        """
        if isinstance(source, str | os.PathLike):
            from pgxeval.cohort.expression import read_expression_bed

            source = read_expression_bed(Path(source))
        given = pd.DataFrame({"kind": [], "name": [], "reason": []}, dtype="str")
        groups = strata = relationship = None
        if isinstance(source, pd.DataFrame):
            gene_ids, contigs, starts, individuals, values = _from_bed(source)
        elif hasattr(source, "genes") and hasattr(source, "individuals"):
            genes: Sequence[Gene] = source.genes
            gene_ids = [gene.gene_id for gene in genes]
            contigs = [gene.contig for gene in genes]
            starts = [gene.start for gene in genes]
            individuals = [str(name) for name in source.individuals]
            values = source.expression if hasattr(source, "expression") else getattr(source, "values", None)
            if covariates is None:
                covariates = getattr(source, "covariates", None)
            given = getattr(source, "left_out", given)
            groups, strata = getattr(source, "groups", None), getattr(source, "strata", None)
            relationship = getattr(source, "relationship", None)
        else:
            raise TableError(
                f"cannot judge against a {type(source).__name__}: give a Cohort, an expression table "
                "(DataFrame with #chr, start, end, gene_id and one column an individual) or the path of one"
            )
        _refuse_duplicates(gene_ids, "gene")
        _refuse_duplicates(individuals, "individual")
        matrix = np.asarray(values, dtype=np.float64)
        if matrix.shape != (len(gene_ids), len(individuals)):
            raise TableError(
                f"expression has shape {matrix.shape}, but there are {len(gene_ids)} genes and "
                f"{len(individuals)} individuals"
            )
        infinite = np.isinf(matrix)
        if infinite.any():
            gene, person = (int(k) for k in np.argwhere(infinite)[0])
            raise TableError(
                f"expression is infinite in {int(infinite.sum())} place(s), first at gene {gene_ids[gene]}, "
                f"individual {individuals[person]}; finite numbers are wanted, or NaN for missing"
            )
        kept, design, names, lost = _covariates(covariates, individuals)
        order = np.array(sorted(kept, key=lambda i: individuals[i]), dtype=np.intp)
        if len(order) != len(individuals) or np.any(order != np.arange(len(order))):
            matrix = matrix[:, order]
        elif matrix.flags.writeable:
            matrix = matrix.copy()
        matrix.flags.writeable = False
        if design is not None:
            design = design[order]
            design.flags.writeable = False
        return cls(
            gene_ids=tuple(gene_ids),
            contigs=tuple(contigs),
            starts=np.asarray(starts, dtype=np.int64),
            individuals=tuple(individuals[i] for i in order),
            expression=matrix,
            covariates=design,
            covariate_names=names,
            groups=None if groups is None else tuple(groups[i] for i in order),
            strata=None if strata is None else tuple(strata[i] for i in order),
            relationship=None if relationship is None else relationship.to_numpy()[np.ix_(order, order)],
            left_out=pd.concat([given, lost], ignore_index=True),
        )

    def row(self, gene_id: str) -> int:
        """Return the row of a gene.

        Raises
        ------
        UnknownNameError
            If the gene has no measured expression here.
        """
        try:
            return self.gene_ids.index(gene_id)
        except ValueError:
            raise UnknownNameError(
                f"gene {gene_id} has no measured expression here; known are {_some(self.gene_ids)}"
            ) from None


def _from_bed(table: pd.DataFrame) -> tuple[list[str], list[str], list[int], list[str], Any]:
    names = [str(name) for name in table.columns]
    plain = [name.lstrip("#").lower() for name in names[:4]]
    plain = ["chr" if name in ("chrom", "chromosome") else name for name in plain]
    plain[3:] = ["gene_id" if name in ("phenotype_id", "pid") else name for name in plain[3:]]
    if tuple(plain) != _PLACE:
        raise TableError(
            f"expression table: the first four columns are {', '.join(names[:4])}; wanted are #chr, start, end, "
            "gene_id and then one column an individual (the GTEx/tensorQTL BED layout)"
        )
    individuals = names[4:]
    gene_ids = [str(name) for name in table.iloc[:, 3].tolist()]
    values = np.empty((len(table), len(individuals)))
    for place, name in enumerate(individuals):
        column = table.iloc[:, 4 + place]
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        bad = np.isnan(numbers) & column.notna().to_numpy()
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise TableError(
                f"expression table: gene {gene_ids[row]}, individual {name}: {column.iloc[row]!r} is not a "
                "number; leave the cell empty where expression is missing"
            )
        values[:, place] = numbers
    try:
        starts = table.iloc[:, 1].astype("int64").tolist()
    except (TypeError, ValueError) as error:
        raise TableError(f"expression table: column {names[1]} must hold whole numbers: {error}") from error
    return gene_ids, table.iloc[:, 0].astype(str).tolist(), starts, individuals, values


def _covariates(
    covariates: pd.DataFrame | None, individuals: Sequence[str]
) -> tuple[list[int], npt.NDArray[np.float64] | None, tuple[str, ...], pd.DataFrame]:
    everyone = list(range(len(individuals)))
    nobody = pd.DataFrame({"kind": [], "name": [], "reason": []}, dtype="str")
    if covariates is None or covariates.shape[1] == 0:
        return everyone, None, (), nobody
    index = [str(name) for name in covariates.index]
    _refuse_duplicates(index, "individual", "covariates")
    try:
        numbers = covariates.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise TableError(
            f"covariates must be numbers (individuals in rows, covariates in columns): {error}; "
            "code categories as 0/1 columns"
        ) from error
    if np.isinf(numbers).any():
        raise TableError("covariates hold infinite values; finite numbers are wanted, or NaN for missing")
    place = {name: row for row, name in enumerate(index)}
    design = np.full((len(individuals), numbers.shape[1]), np.nan)
    for i, name in enumerate(individuals):
        if name in place:
            design[i] = numbers[place[name]]
    kept = np.flatnonzero(~np.isnan(design).any(axis=1)).tolist()
    lost = sorted(set(everyone) - set(kept))
    if not kept:
        raise TableError(
            f"covariates are complete for none of the {len(individuals)} individuals of the expression table; "
            f"covariates name {_some(index)}, expression names {_some(individuals)}"
        )
    return (
        kept,
        design,
        tuple(str(name) for name in covariates.columns),
        pd.DataFrame(
            {
                "kind": "individual",
                "name": [individuals[i] for i in lost],
                "reason": "without covariates, or with a missing one",
            },
            dtype="str",
        ),
    )


def _refuse_duplicates(names: Sequence[str], kind: str, where: str = "expression") -> None:
    if len(set(names)) == len(names):
        return
    counts = pd.Series(list(names)).value_counts()
    twice = counts.index[counts > 1].tolist()
    raise TableError(f"{where}: {len(twice)} {kind}(s) stand more than once: {_some(twice)}; each may stand once")


def _some(names: Sequence[str], at_most: int = 5) -> str:
    shown = ", ".join(str(name) for name in list(names)[:at_most])
    return shown if len(names) <= at_most else f"{shown} and {len(names) - at_most} more"
