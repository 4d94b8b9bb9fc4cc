"""MotifModel: promoter activity as the sum of binding sites, found by their consensus sequences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.predictors.sequence.input import check_input
from pgxeval.predictors.sequence.model import ModelInfo

# Consensus sequences in IUPAC letters, and the weight of a perfect site. The first two are bound on the strand that
# is transcribed, the others work in either direction.
MOTIFS: dict[str, tuple[str, float, bool]] = {
    "TATA box": ("TATAWAWR", 1.0, True),
    "initiator": ("YYANWYY", 0.3, True),
    "GC box (SP1)": ("GGGGCGGGG", 1.0, False),
    "CCAAT box (NFY)": ("RRCCAATSR", 0.8, False),
    "ETS": ("ACCGGAAGT", 0.8, False),
    "NRF1": ("GCGCATGCGC", 1.0, False),
    "CRE": ("TGACGTCA", 0.6, False),
}
CONTEXT_BP, BIN_BP = 4_096, 64
MISMATCH = 0.2  # every base off the consensus leaves a fifth of the affinity

_LETTERS = {
    "A": "A", "C": "C", "G": "G", "T": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "N": "ACGT",
}  # fmt: skip
_COMPLEMENT = str.maketrans("ACGTRYSWN", "TGCAYRSWN")


class MotifModel:
    """A `SequenceModel` in NumPy: three tracks in bins of 64 bp over 4,096 bp.

    ``initiation`` on either strand counts all sites, directed ones only where they point along the strand;
    ``binding`` counts the undirected sites.
    """

    info = ModelInfo(
        name="promoter_motifs",
        version="1.0",
        context_lengths=CONTEXT_BP,
        remote=False,
        tracks=pd.DataFrame(
            {
                "name": ["initiation +", "initiation -", "binding"],
                "assay": ["initiation", "initiation", "binding"],
                "strand": ["+", "-", "."],
                "pair": [1, 0, 2],
                "bin_width_bp": BIN_BP,
            }
        ),
        n_policy="accept",  # N fits no letter of a consensus
        batch_size=64,
        citation="consensus sequences as in textbooks; weights made up for this example",
        licence="BSD-3-Clause",
    )

    def predict_tracks(self, sequences: npt.NDArray[np.uint8], tracks: Sequence[int]) -> npt.NDArray[np.float32]:
        """Return float32 ``(n_sequences, 64, n_tracks)`` for uint8 ASCII ``(n_sequences, 4096)``."""
        check_input(self.info, sequences, tracks)
        made = np.zeros((len(sequences), CONTEXT_BP, 3))
        for consensus, weight, directed in MOTIFS.values():
            forward = weight * _sites(sequences, consensus)
            backward = weight * _sites(sequences, consensus.translate(_COMPLEMENT)[::-1])
            made[:, :, 0] += forward if directed else forward + backward
            made[:, :, 1] += backward if directed else forward + backward
            made[:, :, 2] += 0 if directed else forward + backward
        binned = made.reshape(len(sequences), CONTEXT_BP // BIN_BP, BIN_BP, 3).sum(axis=2)
        return binned[:, :, list(tracks)].astype(np.float32)


def _sites(sequences: npt.NDArray[np.uint8], consensus: str) -> npt.NDArray[np.float64]:
    """Return the affinity at each base, that of a site standing at its middle (half and half at the middle two)."""
    n, length = sequences.shape
    starts = length - len(consensus) + 1
    misses = np.zeros((n, starts))
    for offset, letter in enumerate(consensus):
        fits = np.zeros(256, dtype=bool)
        fits[list(_LETTERS[letter].encode())] = True
        misses += ~fits[sequences[:, offset : offset + starts]]
    affinity = MISMATCH**misses
    spread = np.zeros((n, length))
    for middle in ((len(consensus) - 1) // 2, len(consensus) // 2):
        spread[:, middle : middle + starts] += affinity / 2
    return spread
