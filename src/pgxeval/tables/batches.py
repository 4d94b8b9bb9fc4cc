"""BatchedPredictions: predictions that are read some genes at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import pandas as pd


@runtime_checkable
class BatchedPredictions(Protocol):
    """What the evaluator needs of predictions that are not held in memory."""

    @property
    def predictors(self) -> tuple[str, ...]:
        """Names of the predictors, in the order of the results."""
        ...

    @property
    def replicates(self) -> int:
        """Number of permuted replicates."""
        ...

    @property
    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """Predictor -> settings, as `Predictions.settings`."""
        ...

    @property
    def failures(self) -> pd.DataFrame:
        """Genes at which a predictor failed, as `Predictions.failures`."""
        ...

    def batches(self, predictor: str) -> Iterator[pd.DataFrame]:
        """Yield tables as `check_predictions` returns them, each with all rows of some genes of a predictor."""
        ...

    def rows_of(self, gene_id: str) -> pd.DataFrame:
        """Return all rows of one gene."""
        ...


@runtime_checkable
class HoldsPredictions(Protocol):
    """A store of predictions."""

    def predictions(self) -> BatchedPredictions:
        """Return everything that is stored."""
        ...
