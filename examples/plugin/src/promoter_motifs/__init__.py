"""Expression from promoter motifs: an example of a plugin for pgxeval."""

from __future__ import annotations

from pgxeval.predictors.sequence.predictor import SequencePredictor
from pgxeval.predictors.sequence.readout import TssBins
from promoter_motifs.model import MotifModel

__all__ = ["MotifModel", "make_predictor"]


def make_predictor(name: str = "promoter_motifs", bins: int = 16) -> SequencePredictor:
    """Return the predictor of the entry point.

    Parameters
    ----------
    name
        Name in the predictions table.
    bins
        Bins of 64 bp around the TSS whose activity is summed.
    """
    return SequencePredictor(MotifModel(), TssBins(n=bins, aggregate="sum"), tracks="initiation", name=name)
