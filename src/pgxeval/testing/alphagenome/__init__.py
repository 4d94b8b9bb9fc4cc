"""Stand-ins for the hosted AlphaGenome, for tests."""

from pgxeval.testing.alphagenome.faults import RandomFaults, Script, random_faults
from pgxeval.testing.alphagenome.local import LocalAlphaGenome
from pgxeval.testing.alphagenome.server import AlphaGenomeServer
from pgxeval.testing.alphagenome.tracks import AlphaGenomeTracks

__all__ = [
    "AlphaGenomeServer",
    "AlphaGenomeTracks",
    "LocalAlphaGenome",
    "RandomFaults",
    "Script",
    "random_faults",
]


def __dir__() -> list[str]:
    return sorted(__all__)
