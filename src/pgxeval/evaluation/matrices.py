"""From the long predictions table to matrices, one predictor at a time, without copying the table."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias, cast

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.evaluation.gene_rows import RELATIVE_SPREAD
from pgxeval.names import match_versions

_ROWS = 2**15
_GENES = 512
_GENES_PER_UNIT = 128
_MOST_LOOKS = 4
NO_FOLD = -1


@attrs.frozen(kw_only=True, eq=False)
class PredictorMatrices:
    """Predictions of one predictor.

    Parameters
    ----------
    predictor
        Its name.
    genes
        int64 (n_genes,): rows of the target that the predictor speaks of, ascending.
    replicates
        Numbers of the replicates, ascending; 0, where there, is first.
    values
        float64 (n_replicates, n_genes, n_individuals): predictions, cross-fitted ones less the mean training
        expression of their fold; NaN where missing.
    scale
        float64 (n_replicates, n_genes): largest absolute uncentred prediction.
    folds
        int16 like `values`, `NO_FOLD` where there is none; None for a zero-shot predictor.
    reasons
        MeasuredExpression row -> the most frequent reason that the predictor gave for a missing prediction.
    missing
        Reason -> number of missing predictions (replicate 0).
    """

    predictor: str
    genes: npt.NDArray[np.int64]
    replicates: tuple[int, ...]
    values: npt.NDArray[np.float64] = attrs.field(repr=False)
    scale: npt.NDArray[np.float64] = attrs.field(repr=False)
    folds: npt.NDArray[np.int16] | None = attrs.field(repr=False)
    reasons: dict[int, str] = attrs.field(repr=False)
    missing: dict[str, int] = attrs.field(repr=False)

    @property
    def cross_fitted(self) -> bool:
        """Whether the predictions were made by models trained on other individuals of this cohort."""
        return self.folds is not None


@attrs.frozen(kw_only=True, eq=False)
class _Contents:
    """What each predictor's rows hold, found in one pass; the first axis is the predictor's code."""

    first_row: npt.NDArray[np.int64]
    genes: npt.NDArray[np.bool_]
    individuals: npt.NDArray[np.bool_]
    replicates: npt.NDArray[np.bool_]
    folded: npt.NDArray[np.bool_]
    silent: npt.NDArray[np.bool_]
    """Whether a stretch (second axis) holds an observed prediction that is missing."""
    here: npt.NDArray[np.bool_]
    """Whether a stretch (second axis) holds any row."""


@attrs.frozen(kw_only=True, eq=False)
class _Stretch:
    """Keys (as codes) and predictions of neighbouring rows."""

    predictor: npt.NDArray[np.uint32]
    gene: npt.NDArray[np.uint32]
    individual: npt.NDArray[np.uint32]
    replicate: npt.NDArray[np.int16]
    prediction: npt.NDArray[np.float64]


Unit: TypeAlias = Callable[[], Iterator[PredictorMatrices]]
"""Some genes: the matrices of each predictor at these genes, laid out when they are asked for."""


class LongTable:
    """A checked predictions table, aligned with the genes and individuals of a target.

    Parameters
    ----------
    table
        As `pgxeval.tables.predictions.check_predictions` returns it.
    gene_ids, individuals
        Of the target.
    threads
        Threads that share the rows.
    """

    def __init__(
        self, table: pd.DataFrame, gene_ids: tuple[str, ...], individuals: tuple[str, ...], threads: int = 1
    ) -> None:
        self.table = table
        self.gene_ids = gene_ids
        self.individuals = individuals
        self.threads = threads
        self._names = {key: _categories(table[key]) for key in ("predictor", "gene_id", "individual")}
        self._codes = {key: _codes(table[key]) for key in ("predictor", "gene_id", "individual")}
        self._replicate = table["replicate"].to_numpy()
        self._prediction = table["prediction"].to_numpy()
        self._mean = table["training_mean"].to_numpy()
        other_version = match_versions(self._names["gene_id"], gene_ids)
        matched = [other_version.get(name, name) for name in self._names["gene_id"]]
        self.other_versions = frozenset(other_version)
        self._map = {
            "gene_id": np.asarray(pd.Index(gene_ids).get_indexer(pd.Index(matched)), dtype=np.int64),
            "individual": np.asarray(
                pd.Index(individuals).get_indexer(pd.Index(self._names["individual"])), dtype=np.int64
            ),
        }
        self._parts = [slice(start, min(start + _ROWS, len(table))) for start in range(0, len(table), _ROWS)]
        self._held: list[npt.NDArray[np.int64]] = [np.empty(0, dtype=np.int64)] * len(self._parts)
        self._contents = self._look()

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.table)

    def is_folded(self, predictor: str) -> bool:
        """Tell whether the predictor is cross-fitted."""
        return bool(self._contents.folded[self._names["predictor"].index(predictor)])

    @property
    def predictors(self) -> tuple[str, ...]:
        """Names of the predictors, in the order of their first rows."""
        first = self._contents.first_row
        codes = [code for code in np.argsort(first).tolist() if first[code] < len(self.table)]
        return tuple(self._names["predictor"][code] for code in codes)

    def unknown(self, key: str) -> list[str]:
        """Return genes (``"gene_id"``) or individuals (``"individual"``) that the target lacks."""
        seen = self._seen(key).any(axis=0) & (self._map[key] < 0)
        return [self._names[key][code] for code in np.flatnonzero(seen).tolist()]

    def present(self, key: str) -> npt.NDArray[np.int64]:
        """Return the sorted target positions of genes or individuals that the table speaks of."""
        return np.sort(self._map[key][self._seen(key).any(axis=0) & (self._map[key] >= 0)])

    def people(self, predictor: str) -> tuple[npt.NDArray[np.bool_], int]:
        """Return which individuals of the target have rows of the predictor, and how many have any row."""
        seen = self._contents.individuals[self._names["predictor"].index(predictor)]
        presence = np.zeros(len(self.individuals), dtype=bool)
        presence[self._map["individual"][seen & (self._map["individual"] >= 0)]] = True
        return presence, int(seen.sum())

    def common_folds(self) -> npt.NDArray[np.int16] | None:
        """Return the folds of the first cross-fitted predictor, in which zero-shot predictors are then judged, too.

        Returns
        -------
        numpy.ndarray or None
            int16 (n_individuals,), `NO_FOLD` for individuals without one. None if no predictor is cross-fitted, or
            the first one that is has different folds at different genes.
        """
        from pgxeval.evaluation.table_kernel import read_folds

        folded = [name for name in self.predictors if self._contents.folded[self._names["predictor"].index(name)]]
        if not folded:
            return None
        code = self._names["predictor"].index(folded[0])
        folds = np.full(len(self.individuals), NO_FOLD, dtype=np.int16)
        for number in np.flatnonzero(self._contents.here[code]).tolist():
            rows = self._read(number)
            fold = self._fold(number)
            place = self._map["individual"]
            if not read_folds(code, rows.predictor, rows.individual, rows.replicate, fold, place, NO_FOLD, folds):
                return None
        return folds

    def replicates(self, predictor: str) -> tuple[int, ...]:
        """Return the numbers of the replicates of a predictor, ascending."""
        return tuple(np.flatnonzero(self._contents.replicates[self._names["predictor"].index(predictor)]).tolist())

    def units(self) -> Iterator[Unit]:
        """Yield some genes at a time, with the matrices of each predictor at these genes.

        Units hold few genes where all rows of a gene are close together, and many where they are scattered over the
        whole table, so that no row is looked at more than a few times.
        """
        for genes, parts in self._split():
            yield functools.partial(self._unit, genes, parts)

    def _unit(self, genes: npt.NDArray[np.int64], parts: Sequence[int]) -> Iterator[PredictorMatrices]:
        for predictor in self.predictors:
            matrices = self.matrices(predictor, genes, parts)
            if matrices.genes.size:
                yield matrices

    def _split(self) -> list[tuple[npt.NDArray[np.int64], list[int]]]:
        """Return genes of the target in units, and the numbers of the stretches that hold their rows."""
        place = self._map["gene_id"]
        first = np.full(len(place), len(self._parts))
        for number in range(len(self._parts) - 1, -1, -1):
            first[self._held[number]] = number
        codes = np.flatnonzero((first < len(self._parts)) & (place >= 0))
        codes = codes[np.lexsort([place[codes], first[codes]])]
        size = _GENES_PER_UNIT
        while True:
            unit = np.full(len(place), -1)
            unit[codes] = np.arange(len(codes)) // size
            units_held = [np.unique(unit[codes_here]) for codes_here in self._held]
            if size >= len(codes) or sum(map(len, units_held)) <= _MOST_LOOKS * len(self._parts) + len(codes) // size:
                break
            size *= 4
        parts: list[list[int]] = [[] for _ in range(-(-len(codes) // size))]
        for number, units in enumerate(units_held):
            for k in units[units >= 0].tolist():
                parts[k].append(number)
        blocks = (codes[start : start + size] for start in range(0, len(codes), size))
        return [(np.sort(place[some]), numbers) for some, numbers in zip(blocks, parts, strict=True)]

    def matrices(
        self,
        predictor: str,
        genes: npt.NDArray[np.int64] | None = None,
        parts: Sequence[int] | None = None,
        *,
        replicates: tuple[int, ...] | None = None,
        folded: bool | None = None,
    ) -> PredictorMatrices:
        """Lay out the rows of one predictor.

        Parameters
        ----------
        predictor
            Its name.
        genes
            Rows of the target to lay out, ascending; None takes all that the predictor has.
        parts
            Numbers of the stretches of the table that hold their rows; None looks at all.
        replicates, folded
            Replicates of the predictor, and whether it is cross-fitted, where this table is a part of a larger one.
        """
        from pgxeval.evaluation.table_kernel import lay_out

        code = self._names["predictor"].index(predictor)
        contents = self._contents
        place = self._map["gene_id"]
        own = np.zeros(len(self.gene_ids), dtype=bool)
        own[place[contents.genes[code] & (place >= 0)]] = True
        genes = np.flatnonzero(own) if genes is None else genes[own[genes]]
        replicates = self.replicates(predictor) if replicates is None else replicates
        here = np.flatnonzero(contents.here[code]).tolist()
        numbers = here if parts is None else [number for number in parts if contents.here[code, number]]
        shape = (len(replicates), len(genes), len(self.individuals))
        values, scale = np.full(shape, np.nan), np.zeros(shape[:2])
        places = self._places(genes, replicates)
        cross_fitted = bool(contents.folded[code]) if folded is None else folded
        folds = np.full(shape if cross_fitted else (0, 0, 0), NO_FOLD, dtype=np.int16)
        for number in numbers:
            rows = self._read(number)
            lay_out(
                code,
                rows.predictor,
                rows.gene,
                rows.individual,
                rows.replicate,
                rows.prediction,
                self._mean[self._parts[number]],
                self._fold(number) if cross_fitted else folds.reshape(-1),
                *places,
                values,
                scale,
                folds,
            )
        if cross_fitted:
            _remove_rounding(values, scale)
        reasons, missing = self._reasons(code, genes, numbers)
        return PredictorMatrices(
            predictor=predictor,
            genes=genes,
            replicates=replicates,
            values=values,
            scale=scale,
            folds=folds if cross_fitted else None,
            reasons=reasons,
            missing=missing,
        )

    def _seen(self, key: str) -> npt.NDArray[np.bool_]:
        return self._contents.genes if key == "gene_id" else self._contents.individuals

    def _look(self) -> _Contents:
        from pgxeval.evaluation import table_kernel

        n = {key: len(names) for key, names in self._names.items()}
        many = n["predictor"]
        contents = _Contents(
            first_row=np.full(many, len(self.table), dtype=np.int64),
            genes=np.zeros((many, n["gene_id"]), dtype=bool),
            individuals=np.zeros((many, n["individual"]), dtype=bool),
            replicates=np.zeros((many, np.iinfo(np.int16).max + 1), dtype=bool),
            folded=np.zeros(many, dtype=bool),
            silent=np.zeros((many, len(self._parts)), dtype=bool),
            here=np.zeros((many, len(self._parts)), dtype=bool),
        )
        folds = self.table["fold"].array

        def look(number: int) -> None:
            rows, silent, here = self._read(number), np.zeros(many, dtype=bool), np.zeros(many, dtype=bool)
            self._held[number] = np.flatnonzero(np.bincount(rows.gene, minlength=n["gene_id"]))
            table_kernel.look(
                rows.predictor,
                rows.gene,
                rows.individual,
                rows.replicate,
                rows.prediction,
                np.asarray(folds[self._parts[number]].isna()),
                contents.genes,
                contents.individuals,
                contents.replicates,
                contents.folded,
                silent,
                here,
            )
            contents.silent[:, number], contents.here[:, number] = silent, here

        self._each(look, range(len(self._parts)))
        for code in range(many):
            numbers = np.flatnonzero(contents.here[code])
            if len(numbers):
                part = self._parts[int(numbers[0])]
                contents.first_row[code] = part.start + int(np.argmax(self._codes["predictor"][part] == code))
        return contents

    def _each(self, work: Callable[[int], None], numbers: Sequence[int]) -> None:
        if self.threads == 1 or len(numbers) < 2:
            for number in numbers:
                work(number)
            return
        with ThreadPoolExecutor(self.threads) as pool:
            for _ in pool.map(work, numbers):
                pass

    def _read(self, number: int) -> _Stretch:
        """Return keys and predictions of a stretch; the types of the keys do not depend on the table."""
        part = self._parts[number]
        return _Stretch(
            predictor=self._codes["predictor"][part].astype(np.uint32),
            gene=self._codes["gene_id"][part].astype(np.uint32),
            individual=self._codes["individual"][part].astype(np.uint32),
            replicate=self._replicate[part],
            prediction=self._prediction[part],
        )

    def _fold(self, number: int) -> npt.NDArray[np.int16]:
        return np.asarray(self.table["fold"].array[self._parts[number]].to_numpy(dtype=np.int16, na_value=NO_FOLD))

    def _places(
        self, genes: npt.NDArray[np.int64], replicates: tuple[int, ...]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the places of genes, individuals and replicates by code; negative for those that are not laid out."""
        place = np.full(len(self.gene_ids) + 1, -1)  # the last place is that of unknown genes
        place[genes] = np.arange(len(genes))
        of_replicate = np.full(max(replicates) + 1, -1)
        of_replicate[list(replicates)] = np.arange(len(replicates))
        return place[self._map["gene_id"]], self._map["individual"], of_replicate

    def _rows(self, code: int, wanted: npt.NDArray[np.bool_], part: slice) -> npt.NDArray[np.bool_] | slice:
        """Return which rows of a stretch belong to the predictor, to wanted genes (by code) and to the target."""
        mask = self._codes["predictor"][part] == code
        if not wanted.all():
            mask &= wanted[self._codes["gene_id"][part]]
        if (self._map["individual"] < 0).any():
            mask &= (self._map["individual"] >= 0)[self._codes["individual"][part]]
        return _whole_or_mask(mask)

    def _wanted(self, genes: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Return which gene codes are among rows of the target."""
        among = np.zeros(len(self.gene_ids) + 1, dtype=bool)  # the last place is that of unknown genes
        among[genes] = True
        return among[self._map["gene_id"]]

    def _reasons(
        self, code: int, genes: npt.NDArray[np.int64], parts: Sequence[int]
    ) -> tuple[dict[int, str], dict[str, int]]:
        counts = []
        mask = self._wanted(genes)
        for number in parts:
            if not self._contents.silent[code, number]:
                continue
            part = self._parts[number]
            silent = np.isnan(self._prediction[part]) & (self._replicate[part] == 0)
            rows = self._rows(code, mask, part)
            if not isinstance(rows, slice):
                silent &= rows
            counts.append(self.table[["gene_id", "reason"]].iloc[part][silent])
        if not counts:
            return {}, {}
        rows_of = pd.concat(counts)
        reason = rows_of["reason"].astype("object").fillna("no reason given")
        counted = (
            pd.DataFrame({"gene": self._map["gene_id"][_codes(rows_of["gene_id"])], "reason": reason.to_numpy()})
            .value_counts()
            .reset_index(name="count")
            .sort_values(["gene", "count", "reason"], ascending=[True, False, True])
        )
        first = counted.drop_duplicates("gene")
        missing = counted.groupby("reason")["count"].sum().sort_index()
        return (
            dict(zip(first["gene"].tolist(), first["reason"].tolist(), strict=True)),
            {str(text): int(count) for text, count in missing.items()},
        )


def fold_patterns(
    folds: npt.NDArray[np.int16],
) -> list[tuple[npt.NDArray[np.intp] | slice, npt.NDArray[np.int16]]]:
    """Group genes by their folds.

    Parameters
    ----------
    folds
        int16 (n_genes, n_individuals); `NO_FOLD` where the individual has no prediction.

    Returns
    -------
    list of tuple
        Genes and the folds of their individuals, int16 (n_individuals,). Genes whose folds differ only where
        predictions are missing are in one group.
    """
    highest = folds.max(axis=0, initial=NO_FOLD)
    if not ((folds != highest) & (folds != NO_FOLD)).any():
        return [(slice(None), highest)]
    patterns, inverse = np.unique(folds, axis=0, return_inverse=True)
    return [(np.flatnonzero(inverse.reshape(-1) == k), pattern) for k, pattern in enumerate(patterns)]


def _categories(column: pd.Series[Any]) -> list[str]:
    return [str(name) for name in column.cat.categories]


def _codes(column: pd.Series[Any]) -> npt.NDArray[np.integer]:
    # Series.cat.codes would copy millions of rows
    return np.asarray(cast("pd.Categorical", column.array).codes)


def _whole_or_mask(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_] | slice:
    return slice(None) if mask.all() else mask


def _remove_rounding(values: npt.NDArray[np.float64], scale: npt.NDArray[np.float64]) -> None:
    """Set centred predictions that differ from 0 by rounding to 0: those of a model without coefficients."""
    for centred, size in zip(values, scale, strict=True):
        for start in range(0, len(centred), _GENES):
            rows = slice(start, start + _GENES)
            centred[rows][np.abs(centred[rows]) <= RELATIVE_SPREAD * size[rows, None]] = 0.0
