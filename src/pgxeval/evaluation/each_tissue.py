"""Go through the tissues of an evaluation, with the values of individuals of each."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from pgxeval.errors import SettingError
from pgxeval.evaluation.evaluation import Evaluation


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
