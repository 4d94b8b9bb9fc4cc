"""Values of individuals in each tissue of an evaluation, read when they are needed."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from pgxeval.evaluation.measured import MeasuredExpression
from pgxeval.tables.batches import BatchedPredictions
from pgxeval.tables.predictions import Predictions


@attrs.frozen(kw_only=True, eq=False)
class TissueValues:
    """Where the values of individuals of one tissue come from.

    Nothing is read or kept until a function is called, so an evaluation of 49 tissues holds no second copy of their
    expression.

    Parameters
    ----------
    measured
        Returns the measured expression.
    predicted
        Returns the predictions.
    """

    measured: Callable[[], MeasuredExpression]
    predicted: Callable[[], Predictions | BatchedPredictions]
