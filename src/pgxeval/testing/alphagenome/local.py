"""LocalAlphaGenome: an object with the interface of the open weights and the numbers of the local server."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from pgxeval.testing.alphagenome.tracks import RESOLUTION_BP, AlphaGenomeTracks
from pgxeval.testing.alphagenome.wire import Upstream


class LocalAlphaGenome:
    """A model with ``predict_sequence`` and ``output_metadata``, with the peculiarities of the research version.

    It has no base class of the package, accepts any length and letter, and takes an empty list of ontology terms as no
    track and ``None`` as all; its tables are cut from a longer one, so their index is not a count.

    Parameters
    ----------
    tracks
        Tracks and values.
    bf16
        Whether values are rounded to bfloat16.
    """

    def __init__(self, *, tracks: AlphaGenomeTracks, bf16: bool = False) -> None:
        self._tracks, self._bf16 = tracks, bf16
        self._asked: list[str] = []

    def __repr__(self) -> str:
        return "LocalAlphaGenome()"

    @property
    def sequences(self) -> Counter[str]:
        """SHA-256 of a sequence -> number of calls with it."""
        return Counter(self._asked)

    def predict_sequence(
        self,
        sequence: str,
        *,
        organism: Any = None,
        requested_outputs: Iterable[Any],
        ontology_terms: Iterable[Any] | None,
        interval: Any = None,
    ) -> Any:
        """Return the ``Output`` for one sequence; keywords as for ``DnaClient.predict_sequence``."""
        upstream = Upstream.load()
        self._asked.append(hashlib.sha256(sequence.encode()).hexdigest())
        terms = None if ontology_terms is None else {upstream.curie(term) for term in ontology_terms}
        answers = {}
        for output in [requested.name for requested in dict.fromkeys(requested_outputs)]:
            if output not in RESOLUTION_BP or not _human(organism):
                continue
            table = self._tracks.listed(output)
            keep = np.ones(len(table), dtype=bool) if terms is None else table["ontology_curie"].isin(terms).to_numpy()
            values = self._tracks.answer(sequence, output, np.flatnonzero(keep))
            if self._bf16:
                values = upstream.rounded(values).astype(np.float32)
            answers[output.lower()] = upstream.track_data.TrackData(
                values, table[keep], resolution=RESOLUTION_BP[output], interval=interval
            )
        return upstream.dna_client.Output(**answers)

    def output_metadata(self, organism: Any = None) -> Any:
        """Return the ``OutputMetadata``, without padding."""
        tables = {output.lower(): self._tracks.listed(output) for output in RESOLUTION_BP} if _human(organism) else {}
        return Upstream.load().dna_client.OutputMetadata(**tables)


def _human(organism: Any) -> bool:
    return organism is None or organism.name == "HOMO_SAPIENS"
