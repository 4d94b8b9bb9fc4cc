"""The columns that an elastic net is fitted to, and the inner products of those that it needed so far."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pgxeval.predictors.trained.distinct_columns import DistinctColumns

_EXACT_FLOAT32 = 2**24  # integers up to here are exact
_FIRST_STORED = 256


class GramColumns:
    """Distinct columns of a dosage matrix, with a Gram matrix that grows as columns are needed.

    It depends on the genotypes alone, so all fits on the same rows share it: the inner folds of one fit, and the
    fits of the observed and of permuted expression. Where all dosages are whole numbers, inner products are
    computed in float32, which is exact; otherwise in float64.

    Parameters
    ----------
    dosages
        float64 (n_rows, n_columns), without missing values.
    distinct
        Its groups of identical columns. The columns of a group are represented by one.

    Attributes
    ----------
    screen
        float32 (n_distinct, n_rows), each distinct column, counting the less frequent allele.
    norm
        float64 (n_distinct,), Euclidean norm of each.
    multiplicity
        float64 (n_distinct,), how many columns each stands for.
    """

    def __init__(self, dosages: npt.NDArray[np.float64], distinct: DistinctColumns):
        self._dosages, self._representative = dosages, distinct.representative
        self._distinct = distinct
        self.n_rows, self.size = dosages.shape[0], distinct.representative.size
        self.multiplicity = distinct.multiplicity.astype(np.float64)
        self.screen = np.empty((self.size, self.n_rows), dtype=np.float32)
        self._turned = np.zeros(self.size, dtype=bool)
        self.norm = np.empty(self.size)
        whole, largest = True, 0.0
        for start in range(0, self.size, 512):
            block = slice(start, min(start + 512, self.size))
            values = dosages[:, self._representative[block]].T
            self._turned[block] = values.mean(axis=1) > 1
            values[self._turned[block]] = 2.0 - values[self._turned[block]]
            self.screen[block] = values
            self.norm[block] = np.sqrt((values**2).sum(axis=1))
            whole &= bool((values == np.rint(values)).all())
            largest = max(largest, float(np.abs(values).max(initial=0.0)))
        self.is_exact = whole and largest**2 * self.n_rows < _EXACT_FLOAT32
        kind = np.float32 if self.is_exact else np.float64
        self._position = np.full(self.size, -1, dtype=np.int64)
        self._n_stored = 0
        self.products: npt.NDArray[Any] = np.empty((0, 0), dtype=kind)
        self.stored: npt.NDArray[Any] = np.empty((0, self.n_rows), dtype=kind)

    def exact(self, columns: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return float64 (n_columns, n_rows), some distinct columns without rounding."""
        if self.is_exact:
            return self.screen[columns].astype(np.float64)
        values = self._dosages[:, self._representative[columns]].T
        is_turned = self._turned[columns]
        values[is_turned] = 2.0 - values[is_turned]
        return values

    def store(self, columns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return where `columns` are in `stored` and `products`, after adding those that were missing."""
        missing = columns[self._position[columns] < 0]
        if missing.size:
            old, new = self._n_stored, self._n_stored + missing.size
            if new > self.stored.shape[0]:
                self._grow(max(new, min(2 * self.stored.shape[0], self.size), min(_FIRST_STORED, self.size)))
            self.stored[old:new] = self.screen[missing] if self.is_exact else self.exact(missing)
            block = self.stored[old:new] @ self.stored[:new].T
            self.products[old:new, :new] = block
            self.products[:old, old:new] = block[:, :old].T
            self._position[missing] = np.arange(old, new)
            self._n_stored = new
        return self._position[columns]

    def _grow(self, capacity: int) -> None:
        products = np.empty((capacity, capacity), dtype=self.products.dtype)
        rows = np.empty((capacity, self.n_rows), dtype=self.stored.dtype)
        n = self._n_stored
        products[:n, :n], rows[:n] = self.products[:n, :n], self.stored[:n]
        self.products, self.stored = products, rows

    def spread_over_copies(self, coefficients: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return float64 (n_columns,): the coefficient of each original column, equal within a group."""
        group = self._distinct.group
        shares = (coefficients / self.multiplicity)[group]
        # a representative was turned here, a column may count the other allele than its representative
        signs = np.where(self._turned[group] != self._distinct.flipped, -1.0, 1.0)
        spread: npt.NDArray[np.float64] = shares * signs
        return spread
