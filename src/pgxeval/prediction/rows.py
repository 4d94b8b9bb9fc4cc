"""PredictionRows: answers of predictors, gathered gene by gene into the predictions table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.errors import GenotypeError
from pgxeval.prediction.crossfit import CrossFit
from pgxeval.predictors.protocol import Prediction
from pgxeval.tables.predictions import COLUMNS

if TYPE_CHECKING:
    from pgxeval.cohort.cohort import Cohort
    from pgxeval.genome.intervals import Gene


@attrs.frozen(kw_only=True, eq=False)
class _Block:
    """One gene and replicate of one predictor, a value for each individual."""

    gene_row: int
    replicate: int
    prediction: npt.NDArray[np.float64]
    fold: npt.NDArray[np.int16] | None
    training_mean: npt.NDArray[np.float64] | None
    reason: npt.NDArray[np.int32] | None


class PredictionRows:
    """Collects predictions in compact blocks and lays them out as one table.

    Parameters
    ----------
    cohort
        Gives the order of genes and individuals.
    """

    def __init__(self, cohort: Cohort) -> None:
        self._genes = [gene.gene_id for gene in cohort.genes]
        self._gene_rows = {gene_id: row for row, gene_id in enumerate(self._genes)}
        self._individuals = list(cohort.individuals)
        self._blocks: dict[str, list[_Block]] = {}
        self._reasons: dict[str, int] = {}
        self._used: dict[str, list[Mapping[str, Any]]] = {}

    def add_cross_fit(self, gene: Gene, fit: CrossFit) -> None:
        """Add the out-of-fold predictions of one gene and replicate."""
        self._add(
            fit.predictor,
            _Block(
                gene_row=self._gene_rows[gene.gene_id],
                replicate=fit.replicate,
                prediction=fit.prediction,
                fold=fit.fold,
                training_mean=fit.training_mean,
                reason=self._codes(fit.reason),
            ),
            fit.used if fit.replicate == 0 else [],
        )

    def add_prediction(self, name: str, gene: Gene, prediction: Prediction) -> None:
        """Add the answer of a predictor that needs no training."""
        reasons = {
            row: reason for row in range(len(self._individuals)) if (reason := prediction.reason(row)) is not None
        }
        self._add(
            name,
            _Block(
                gene_row=self._gene_rows[gene.gene_id],
                replicate=0,
                prediction=prediction.values,
                fold=None,
                training_mean=None,
                reason=self._codes(reasons),
            ),
            [prediction.used],
        )

    def _add(self, name: str, block: _Block, used: Sequence[Mapping[str, Any]]) -> None:
        self._blocks.setdefault(name, []).append(block)
        self._used.setdefault(name, []).extend(used)

    def _codes(self, reasons: Mapping[int, str]) -> npt.NDArray[np.int32] | None:
        if not reasons:
            return None
        codes = np.full(len(self._individuals), -1, dtype=np.int32)
        for row, reason in reasons.items():
            codes[row] = self._reasons.setdefault(reason, len(self._reasons))
        return codes

    def check_something_said(self, name: str) -> None:
        """Refuse a run in which a predictor could not predict anyone at any gene.

        Raises
        ------
        GenotypeError
            With the reason given most often, and a gene for which it was given.
        """
        observed = [block for block in self._blocks.get(name, []) if block.replicate == 0]
        if any(np.isfinite(block.prediction).any() for block in observed):
            return
        codes = [block.reason[-1] for block in observed if block.reason is not None]
        texts = list(self._reasons)
        given = [texts[code] for code in codes if code >= 0]
        raise GenotypeError(
            f"predictor {name!r} could not predict anyone at any of {len(observed)} genes; at gene "
            f"{self._genes[observed[0].gene_row]}: {given[0] if given else 'no reason given'}. Check that genotypes "
            "and expression are of the same genome build, or widen the window and lower the filters "
            "(cis_variants=CisVariants(...))"
        )

    def used(self, name: str) -> dict[str, Any]:
        """Summarise what was used: the value where it never varies, else smallest, median and largest, or counts."""
        values: dict[str, list[Any]] = {}
        for used in self._used.get(name, []):
            for key, value in used.items():
                values.setdefault(key, []).append(value)
        return {key: _summary(several) for key, several in values.items()}

    def table(self, names: Sequence[str]) -> pd.DataFrame:
        """Return all rows, by predictor (in the order of `names`), replicate, gene and individual."""
        n = len(self._individuals)
        ordered = sorted(
            ((code, block) for code, name in enumerate(names) for block in self._blocks.get(name, [])),
            key=lambda item: (item[0], item[1].replicate, item[1].gene_row),
        )
        blocks = [block for _, block in ordered]
        fold = np.zeros((len(blocks), n), dtype=np.int16)
        no_fold = np.ones((len(blocks), n), dtype=bool)
        prediction = np.empty((len(blocks), n))
        training_mean = np.full((len(blocks), n), np.nan)
        reason = np.full((len(blocks), n), -1, dtype=np.int32)
        for row, block in enumerate(blocks):
            prediction[row] = block.prediction
            if block.fold is not None and block.training_mean is not None:
                fold[row], training_mean[row], no_fold[row] = block.fold, block.training_mean, False
            if block.reason is not None:
                reason[row] = block.reason
        columns = {
            "predictor": _categorical(np.repeat([code for code, _ in ordered], n), names),
            "gene_id": _categorical(np.repeat([block.gene_row for block in blocks], n), self._genes),
            "individual": _categorical(np.tile(np.arange(n), len(blocks)), self._individuals),
            "replicate": np.repeat(np.array([block.replicate for block in blocks], dtype=np.int16), n),
            "fold": pd.arrays.IntegerArray(fold.ravel(), no_fold.ravel()),
            "prediction": prediction.ravel(),
            "training_mean": training_mean.ravel(),
            "reason": _categorical(reason.ravel(), list(self._reasons)),
        }
        return pd.DataFrame({name: columns[name] for name in COLUMNS}, copy=False)


def _categorical(codes: npt.NDArray[Any], categories: Sequence[str]) -> pd.Categorical:
    return pd.Categorical.from_codes(codes, categories=pd.Index(list(categories), dtype="str"))


def _summary(several: Sequence[Any]) -> Any:
    if all(value == several[0] for value in several):
        return several[0]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in several):
        numbers = np.array(several, dtype=np.float64)
        numbers = numbers[np.isfinite(numbers)]
        return {"min": float(numbers.min()), "median": float(np.median(numbers)), "max": float(numbers.max())}
    texts, counts = np.unique([str(value) for value in several], return_counts=True)
    return dict(zip(texts.tolist(), counts.tolist(), strict=True))
