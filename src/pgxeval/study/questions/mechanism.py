"""Whether a model and the random forest use other variants where both are right."""

from __future__ import annotations

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.evaluation.blocks import block_sums
from pgxeval.evaluation.comparison import CORRELATION_DIFFERENCES
from pgxeval.evaluation.jackknife import BlockEstimate
from pgxeval.study.finding import Answer, Finding
from pgxeval.study.questions.rows import why
from pgxeval.study.results import StudyResults
from pgxeval.study.roles import NO_MODEL
from pgxeval.wording import correlation, counted

FEWEST_PAIRS = 5
"""Smallest number of gene-tissue pairs from which mechanisms are compared."""


def ask_mechanism(study: StudyResults) -> Finding:
    """Compare the agreement of model and forest with that of another trained predictor and the forest."""
    roles = study.settings["roles"]
    model, forest = roles["model"], roles["random_forest"]
    others = [name for name in (roles["elastic_net"], *roles["trained"]) if name not in (None, forest)]
    control = others[0] if others else None
    margin = float(study.settings["settings"]["mechanism_margin"])
    frame = Finding(
        key="mechanism",
        question=f"Where both are right, does {model or 'the model'} use other variants than "
        f"{forest or 'the random forest'}?",
        answer="not asked",
        method="At pairs where both predictors are right and significant, the effects of all variants give the "
        "predictions that they imply, and these are correlated over individuals. This agreement with the forest is "
        f"compared with that of {control or 'another trained predictor'}, which reads the same individuals: the "
        f"mechanism is called different if it is lower by more than {margin:g}.",
        caveats=(
            "A lower agreement means other effects of the variants. It does not tell a model that reads other variants "
            "from one that weighs the same variants badly; the overlap of their leading variants does.",
            "Effects are per allele: what a predictor makes of dominance and interactions is not in them.",
            "Two predictors that were trained on the same individuals share their noise, which raises the agreement "
            "that is compared with.",
        ),
    )
    if model is None:
        return attrs.evolve(frame, reason=NO_MODEL)
    if forest is None or control is None:
        return attrs.evolve(frame, reason="it needs a random forest and a second trained predictor")
    if not len(study.mechanism):
        return attrs.evolve(frame, reason="no gene-tissue pair has effects of variants")
    agreement = agreement_table(study, model, forest, control)
    if len(agreement) < FEWEST_PAIRS:
        return attrs.evolve(
            frame,
            answer="undecided",
            n_pairs=len(agreement),
            reason=f"only {counted(len(agreement), 'pair')} at which both are right and significant and all three "
            f"have effects; expected at least {FEWEST_PAIRS}",
        )
    gap = (agreement["control"] - agreement["model"]).to_numpy(dtype=np.float64)
    confidence = float(study.evaluation.settings["confidence"])
    answer, (value, low, high) = answer_gap(gap, agreement["block"].to_numpy(dtype=np.int64), margin, confidence)
    reason = why(answer, low, f"the interval contains {margin:g}")
    return attrs.evolve(
        frame,
        answer=answer,
        quantity="difference of agreement",
        value=value,
        low=low,
        high=high,
        n_pairs=len(agreement),
        statement=f"The predictions implied by the effects of {model} correlate with those of {forest} by "
        f"{correlation(agreement['model'].mean())} on average, those of {control} by "
        f"{correlation(agreement['control'].mean())}.",
        reason=reason,
    )


def answer_gap(
    gap: npt.NDArray[np.float64], blocks: npt.NDArray[np.int64], margin: float, confidence: float
) -> tuple[Answer, tuple[float, float, float]]:
    """Decide whether the mean difference of agreement is above the margin.

    Parameters
    ----------
    gap
        float64 (n_pairs,): agreement of the control with the forest less that of the model.
    blocks
        int64 (n_pairs,): genomic block of each pair.
    margin
        Smallest mean difference that counts as another mechanism.
    confidence
        Level of the block-jackknife interval.

    Returns
    -------
    answer : str
        ``"yes"`` if the interval lies above the margin, ``"no"`` if it lies below, else ``"undecided"``.
    numbers : tuple of float
        Mean difference and its limits.
    """
    sums = block_sums(np.column_stack([gap, np.ones(len(gap))]), blocks)
    estimate = BlockEstimate.ratio(sums[:, 0], sums[:, 1])
    low, high = estimate.interval(confidence, within=CORRELATION_DIFFERENCES)
    return "yes" if low > margin else "no" if high < margin else "undecided", (estimate.value, low, high)


def agreement_table(study: StudyResults, model: str, forest: str, control: str) -> pd.DataFrame:
    """Return the agreement of a model, and of a trained predictor, with the random forest.

    Returns
    -------
    pandas.DataFrame
        One row per gene-tissue pair at which `model` and `forest` are right and significant and all three have effects:
        tissue, gene_id, model and control (correlation of the implied predictions with those of the forest), block.
    """
    columns = {"model": _agreement(study, model, forest), "control": _agreement(study, control, forest)}
    blocks = study.mechanism.set_index(_places(study.mechanism))["block"]
    table = pd.DataFrame({**columns, "block": blocks[~blocks.index.duplicated()]}).dropna()
    level = float(study.evaluation.settings["level"])
    per_gene = study.evaluation.per_gene
    right = per_gene[
        (per_gene["direction"].fillna(0) > 0)
        & (per_gene["q_value"].fillna(1.0) < level)
        & per_gene["predictor"].astype(str).isin([model, forest])
    ]
    both = right.groupby(_places(right)).size()
    return table[table.index.isin(both[both == 2].index)].reset_index(names=["tissue", "gene_id"])


def _agreement(study: StudyResults, a: str, b: str) -> pd.Series[float]:
    table = study.mechanism
    rows = table[
        ((table["predictor_a"] == a) & (table["predictor_b"] == b))
        | ((table["predictor_a"] == b) & (table["predictor_b"] == a))
    ]
    return rows.set_index(_places(rows))["prediction_correlation"]


def _places(table: pd.DataFrame) -> list[pd.Series[str]]:
    return [table["tissue"].astype(str), table["gene_id"].astype(str)]
