"""From the long predictions table to matrices, one predictor at a time, without copying the table."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.errors import TableError
from pgxeval.evaluation.correlation import RELATIVE_SPREAD

_ROWS = 4_000_000
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
    flat
        bool (n_replicates, n_genes): the prediction is constant within every fold, and so says nothing
        about individuals.
    reasons
        Target row -> the most frequent reason that the predictor gave for a missing prediction.
    missing
        Reason -> number of missing predictions (replicate 0).
    """

    predictor: str
    genes: npt.NDArray[np.int64]
    replicates: tuple[int, ...]
    values: npt.NDArray[np.float64] = attrs.field(repr=False)
    scale: npt.NDArray[np.float64] = attrs.field(repr=False)
    folds: npt.NDArray[np.int16] | None = attrs.field(repr=False)
    flat: npt.NDArray[np.bool_] = attrs.field(repr=False)
    reasons: dict[int, str] = attrs.field(repr=False)
    missing: dict[str, int] = attrs.field(repr=False)

    @property
    def cross_fitted(self) -> bool:
        """Whether the predictions were made by models trained on other individuals of this cohort."""
        return self.folds is not None


@attrs.frozen(eq=False)
class LongTable:
    """A checked predictions table, aligned with the genes and individuals of a target.

    Parameters
    ----------
    table
        As `pgxeval.tables.check_predictions` returns it.
    gene_ids, individuals
        Of the target.
    """

    table: pd.DataFrame = attrs.field(repr=False)
    gene_ids: tuple[str, ...] = attrs.field(repr=False)
    individuals: tuple[str, ...] = attrs.field(repr=False)
    gene_map: npt.NDArray[np.int64] = attrs.field(init=False, repr=False)
    individual_map: npt.NDArray[np.int64] = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "gene_map", _align(self.table["gene_id"], self.gene_ids))
        object.__setattr__(self, "individual_map", _align(self.table["individual"], self.individuals))

    @property
    def predictors(self) -> tuple[str, ...]:
        """Names of the predictors, in the order of their first rows."""
        codes = self.table["predictor"].cat.codes.to_numpy()
        names = self.table["predictor"].cat.categories
        used = [int(code) for code in np.flatnonzero(_counts(codes, len(names)))]
        first = {code: int(np.argmax(codes == code)) for code in used}
        return tuple(str(names[code]) for code in sorted(first, key=first.__getitem__))

    def unknown(self, key: str) -> dict[str, int]:
        """Return name -> number of rows, for genes (``"gene_id"``) or individuals that the target lacks."""
        column, known = self.table[key], self.gene_map if key == "gene_id" else self.individual_map
        rows = _counts(column.cat.codes.to_numpy(), len(column.cat.categories))
        return {str(column.cat.categories[k]): int(rows[k]) for k in np.flatnonzero((known < 0) & (rows > 0)).tolist()}

    def present(self, key: str) -> npt.NDArray[np.int64]:
        """Return the sorted target positions of genes or individuals that the table speaks of."""
        column, known = self.table[key], self.gene_map if key == "gene_id" else self.individual_map
        rows = _counts(column.cat.codes.to_numpy(), len(column.cat.categories))
        return np.sort(known[(known >= 0) & (rows > 0)])

    def people(self, predictor: str) -> tuple[npt.NDArray[np.bool_], int]:
        """Return which individuals of the target have rows of the predictor, and how many have any row."""
        wanted = self.table["predictor"].cat.categories.get_loc(predictor)
        predictors = self.table["predictor"].cat.codes.to_numpy()
        codes = self.table["individual"].cat.codes.to_numpy()
        rows = np.zeros(len(self.individual_map), dtype=np.int64)
        for start in range(0, len(codes), _ROWS):
            part = slice(start, start + _ROWS)
            rows += _counts(codes[part][predictors[part] == wanted], len(rows))
        found = np.zeros(len(self.individuals), dtype=bool)
        found[self.individual_map[(rows > 0) & (self.individual_map >= 0)]] = True
        return found, int((rows > 0).sum())

    def matrices(self, predictor: str) -> PredictorMatrices:
        """Lay out the rows of one predictor.

        Raises
        ------
        TableError
            If some of its predictions have a fold and others none.
        """
        genes, replicates, folded = self._extent(predictor)
        shape = (len(replicates), len(genes), len(self.individuals))
        values = np.full(shape, np.nan)
        self._scatter(predictor, genes, replicates, "prediction", values)
        scale = np.fmax(np.fmax.reduce(values, axis=2, initial=0.0), -np.fmin.reduce(values, axis=2, initial=0.0))
        folds: npt.NDArray[np.int16] | None = None
        flat = np.zeros(shape[:2], dtype=bool)
        if folded:
            means = np.full(shape, np.nan)
            self._scatter(predictor, genes, replicates, "training_mean", means)
            values -= means
            del means
            for centred, size in zip(values, scale, strict=True):
                # a fold whose model has no coefficient is exactly 0, so that rounding is not ranked
                centred[np.abs(centred) <= RELATIVE_SPREAD * size[:, None]] = 0.0
            folds = np.full(shape, NO_FOLD, dtype=np.int16)
            self._scatter(predictor, genes, replicates, "fold", folds)
            flat = _flat(values, folds, scale)
        reasons, missing = self._reasons(predictor)
        return PredictorMatrices(
            predictor=predictor,
            genes=genes,
            replicates=replicates,
            values=values,
            scale=scale,
            folds=folds,
            flat=flat,
            reasons=reasons,
            missing=missing,
        )

    def _parts(self, predictor: str) -> Iterator[tuple[slice, npt.NDArray[np.bool_] | slice]]:
        """Yield stretches of the table and which of their rows belong to the predictor and the target."""
        wanted = self.table["predictor"].cat.categories.get_loc(predictor)
        predictors = self.table["predictor"].cat.codes.to_numpy()
        genes = self.table["gene_id"].cat.codes.to_numpy()
        individuals = self.table["individual"].cat.codes.to_numpy()
        all_known = bool((self.gene_map >= 0).all() and (self.individual_map >= 0).all())
        for start in range(0, len(self.table), _ROWS):
            part = slice(start, min(start + _ROWS, len(self.table)))
            chosen = predictors[part] == wanted
            if not chosen.any():
                continue
            if not all_known:
                chosen &= (self.gene_map >= 0)[genes[part]] & (self.individual_map >= 0)[individuals[part]]
            yield part, slice(None) if chosen.all() else chosen

    def _extent(self, predictor: str) -> tuple[npt.NDArray[np.int64], tuple[int, ...], bool]:
        genes = np.zeros(len(self.gene_ids), dtype=bool)
        replicates = np.zeros(np.iinfo(np.int16).max + 1, dtype=bool)
        with_fold = without = 0
        codes = self.table["gene_id"].cat.codes.to_numpy()
        for part, chosen in self._parts(predictor):
            genes[self.gene_map[np.flatnonzero(_counts(codes[part][chosen], len(self.gene_map)))]] = True
            replicates |= _counts(self.table["replicate"].to_numpy()[part][chosen], len(replicates)) > 0
            said = ~np.isnan(self.table["prediction"].to_numpy()[part][chosen])
            folded = self.table["fold"].iloc[part].notna().to_numpy()[chosen]
            with_fold += int((folded & said).sum())
            without += int((~folded & said).sum())
        if with_fold and without:
            raise TableError(
                f"predictor {predictor}: {with_fold} predictions have a fold and {without} have none; a "
                "predictor is either cross-fitted (fold and training_mean in every row) or zero-shot (neither)"
            )
        return np.flatnonzero(genes), tuple(int(k) for k in np.flatnonzero(replicates)), with_fold > 0

    def _scatter(
        self,
        predictor: str,
        genes: npt.NDArray[np.int64],
        replicates: tuple[int, ...],
        column: str,
        into: npt.NDArray[np.float64] | npt.NDArray[np.int16],
    ) -> None:
        n = len(self.individuals)
        local = np.full(len(self.gene_ids) + 1, 0, dtype=np.int64)
        local[genes] = np.arange(len(genes)) * n
        start_of_gene = local[self.gene_map]
        start_of_replicate = np.zeros(max(replicates, default=0) + 1, dtype=np.int64)
        start_of_replicate[list(replicates)] = np.arange(len(replicates)) * len(genes) * n
        gene_codes = self.table["gene_id"].cat.codes.to_numpy()
        individual_codes = self.table["individual"].cat.codes.to_numpy()
        flat = into.reshape(-1)
        for part, chosen in self._parts(predictor):
            place = start_of_gene[gene_codes[part][chosen]]
            place += self.individual_map[individual_codes[part][chosen]]
            if len(replicates) > 1:
                place += start_of_replicate[self.table["replicate"].to_numpy()[part][chosen]]
            stretch = self.table[column].iloc[part]
            numbers = stretch.to_numpy(dtype=np.int16, na_value=NO_FOLD) if column == "fold" else stretch.to_numpy()
            flat[place] = numbers[chosen]

    def _reasons(self, predictor: str) -> tuple[dict[int, str], dict[str, int]]:
        found = []
        for part, chosen in self._parts(predictor):
            silent = np.isnan(self.table["prediction"].to_numpy()[part]) & (
                self.table["replicate"].to_numpy()[part] == 0
            )
            if not isinstance(chosen, slice):
                silent &= chosen
            if silent.any():
                found.append(self.table[["gene_id", "reason"]].iloc[part][silent])
        if not found:
            return {}, {}
        rows = pd.concat(found)
        codes = rows["reason"].astype("object").fillna("no reason given")
        counted = (
            pd.DataFrame({"gene": self.gene_map[rows["gene_id"].cat.codes.to_numpy()], "reason": codes.to_numpy()})
            .value_counts()
            .reset_index(name="count")
            .sort_values(["gene", "count", "reason"], ascending=[True, False, True])
        )
        first = counted.drop_duplicates("gene")
        missing = counted.groupby("reason")["count"].sum().sort_index()
        return (
            dict(zip(first["gene"].tolist(), first["reason"].tolist(), strict=True)),
            {str(reason): int(count) for reason, count in missing.items()},
        )


def _align(column: pd.Series, names: tuple[str, ...]) -> npt.NDArray[np.int64]:
    return np.asarray(pd.Index(names).get_indexer(column.cat.categories.astype(str)), dtype=np.int64)


def _counts(codes: npt.NDArray[np.integer], size: int) -> npt.NDArray[np.int64]:
    total = np.zeros(size, dtype=np.int64)
    for start in range(0, len(codes), _ROWS):
        total += np.bincount(codes[start : start + _ROWS], minlength=size)
    return total


def _flat(
    values: npt.NDArray[np.float64], folds: npt.NDArray[np.int16], scale: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """Say which rows are constant, but for rounding, within each of their folds."""
    flat = np.ones(values.shape[:2], dtype=bool)
    for fold in np.unique(folds[folds != NO_FOLD]):
        for start in range(0, values.shape[1], 512):
            rows = slice(start, start + 512)
            inside = np.where(folds[:, rows] == fold, values[:, rows], np.nan)
            spread = np.fmax.reduce(inside, axis=2) - np.fmin.reduce(inside, axis=2)
            flat[:, rows] &= ~(spread > RELATIVE_SPREAD * scale[:, rows])
    return flat
