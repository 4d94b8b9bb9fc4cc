"""AlphaGenome on personal haplotypes, hosted or local."""

from pgxeval.predictors.alphagenome.client import HostedClient, PredictsSequence
from pgxeval.predictors.alphagenome.model import AlphaGenomeModel
from pgxeval.predictors.alphagenome.predictor import AlphaGenomePredictor
from pgxeval.predictors.alphagenome.torch_model import AlphaGenomeTorchModel, PredictsNamedOutputs
from pgxeval.predictors.alphagenome.tracks import alphagenome_track_table, choose_tissue

__all__ = [
    "AlphaGenomeModel",
    "AlphaGenomePredictor",
    "AlphaGenomeTorchModel",
    "HostedClient",
    "PredictsNamedOutputs",
    "PredictsSequence",
    "alphagenome_track_table",
    "choose_tissue",
]


def __dir__() -> list[str]:
    return sorted(__all__)
