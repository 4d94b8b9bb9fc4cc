"""From the results of single genes to the predictions table and the record of the settings used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.prediction.results import GeneResult
from pgxeval.provenance import describe
from pgxeval.tables.checking import COLUMNS


def predictions_table(
    results: Iterable[GeneResult], predictors: Sequence[str], gene_ids: Sequence[str], individuals: Sequence[str]
) -> pd.DataFrame:
    """Lay out results as rows, by predictor, replicate, gene and individual.

    Parameters
    ----------
    results
        In any order: the table does not depend on it.
    predictors, gene_ids, individuals
        All names, in the order of the rows.

    Returns
    -------
    pandas.DataFrame
        The columns and types of the predictions table.
    """
    n = len(individuals)
    gene_rows = {gene_id: row for row, gene_id in enumerate(gene_ids)}
    codes = {name: code for code, name in enumerate(predictors)}
    blocks = sorted(
        ((codes[result.predictor], replicate, gene_rows[result.gene_id], result) for result in results
         for replicate in range(len(result.prediction))),
        key=lambda block: block[:3],
    )  # fmt: skip
    fold = np.zeros((len(blocks), n), dtype=np.int16)
    no_fold = np.ones((len(blocks), n), dtype=bool)
    prediction = np.empty((len(blocks), n))
    training_mean = np.full((len(blocks), n), np.nan)
    reason = np.full((len(blocks), n), -1, dtype=np.int32)
    texts: dict[str, int] = {}
    for row, (_, replicate, _, result) in enumerate(blocks):
        prediction[row] = result.prediction[replicate]
        if result.fold is not None and result.training_mean is not None:
            fold[row], training_mean[row] = result.fold[replicate], result.training_mean[replicate]
            no_fold[row] = False
        reasons = result.reasons[replicate]
        if len(distinct := set(reasons.values())) == 1:
            reason[row, list(reasons)] = texts.setdefault(distinct.pop(), len(texts))
        else:
            for individual, text in sorted(reasons.items()):
                reason[row, individual] = texts.setdefault(text, len(texts))
    columns = {
        "predictor": _categorical(np.repeat([code for code, *_ in blocks], n), predictors),
        "gene_id": _categorical(np.repeat([gene for _, _, gene, _ in blocks], n), gene_ids),
        "individual": _categorical(np.tile(np.arange(n), len(blocks)), individuals),
        "replicate": np.repeat(np.array([replicate for _, replicate, *_ in blocks], dtype=np.int16), n),
        "fold": pd.arrays.IntegerArray(fold.ravel(), no_fold.ravel()),
        "prediction": prediction.ravel(),
        "training_mean": training_mean.ravel(),
        "reason": _categorical(reason.ravel(), list(texts)),
    }
    return pd.DataFrame({name: columns[name] for name in COLUMNS}, copy=False)


def _categorical(codes: npt.NDArray[Any], categories: Sequence[str]) -> pd.Categorical:
    return pd.Categorical.from_codes(codes, categories=pd.Index(list(categories), dtype="str"))


class UsedSettings:
    """Sums up the settings that were used over genes and folds, in memory that does not grow with text.

    A setting that never varies is recorded as it is; numbers that vary by smallest, median and largest value;
    anything else by the number of times that each value occurred.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, list[float]] = {}
        self._values: dict[str, Counter[str]] = {}
        self._first: dict[str, Any] = {}
        self._varies: set[str] = set()

    def add(self, used: Mapping[str, Any]) -> None:
        """Take the settings of one fitted fold, or of one gene, into account."""
        for name, raw in used.items():
            value = describe(raw)
            first = self._first.setdefault(name, value)
            if name not in self._varies and value != first:
                self._varies.add(name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                self._numbers.setdefault(name, []).append(float(value))
            else:
                self._values.setdefault(name, Counter())[str(value)] += 1

    def summary(self) -> dict[str, Any]:
        """Return setting -> what was used."""
        return {name: self._summary(name) for name in self._first}

    def _summary(self, name: str) -> Any:
        if name not in self._varies:
            return self._first[name]
        if name not in self._values:
            numbers = np.array(self._numbers[name])
            numbers = numbers[np.isfinite(numbers)]
            if not numbers.size:
                return None
            return {"min": float(numbers.min()), "median": float(np.median(numbers)), "max": float(numbers.max())}
        counts = self._values[name] + Counter(str(number) for number in self._numbers.get(name, []))
        return dict(sorted(counts.items()))
