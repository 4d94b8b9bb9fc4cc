"""Values of individuals in each tissue of an evaluation, read when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import attrs

from pgxeval.errors import SettingError
from pgxeval.evaluation.measured import MeasuredExpression
from pgxeval.tables.batches import BatchedPredictions
from pgxeval.tables.predictions import Predictions

if TYPE_CHECKING:
    from pgxeval.evaluation.evaluation import Evaluation


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


def each_tissue(evaluation: Evaluation, purpose: str) -> Iterator[tuple[str | None, Evaluation]]:
    """Go through the tissues of an evaluation, each as an evaluation that has its values of individuals.

    Parameters
    ----------
    evaluation
        An evaluation of one tissue or of several.
    purpose
        What needs the values, for the message.

    Yields
    ------
    tissue : str or None
        Name of the tissue; None in an evaluation of one tissue.
    evaluation : Evaluation
        Its `per_gene` has the rows of the tissue only, and it has target and predictions; the other tables stay those
        of all tissues.

    Raises
    ------
    SettingError
        If the evaluation was read from a folder, where values of individuals are not kept.
    """
    if evaluation.target is not None and evaluation.predictions is not None:
        yield None, evaluation
        return
    if not evaluation.values:
        raise SettingError(
            f"{purpose} needs the predictions, and this evaluation was read from a folder, which holds no values of "
            "individuals; evaluate the predictions again"
        )
    tissues = evaluation.per_gene["tissue"].astype(str)
    for tissue, values in evaluation.values.items():
        yield (
            tissue,
            attrs.evolve(
                evaluation,
                per_gene=evaluation.per_gene[tissues == tissue].reset_index(drop=True),
                target=values.measured(),
                predictions=values.predicted(),
            ),
        )
