"""Answers: the messages that the local AlphaGenome server sends for a request, correct or damaged."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pgxeval.testing.alphagenome.tracks import RESOLUTION_BP, AlphaGenomeTracks
from pgxeval.testing.alphagenome.wire import Upstream


class Answers:
    """Messages for requests.

    Parameters
    ----------
    tracks
        Tables and values.
    bf16
        Whether values travel as bfloat16.
    bytes_per_chunk
        Size of the chunks before compression.
    """

    def __init__(self, *, tracks: AlphaGenomeTracks, bf16: bool, bytes_per_chunk: int) -> None:
        self._upstream, self._tracks = Upstream.load(), tracks
        self._bf16, self._bytes_per_chunk = bf16, bytes_per_chunk
        tables = {output: tracks.table(output) for output in RESOLUTION_BP}
        self._terms = {output: table["ontology_curie"].astype(str).to_numpy() for output, table in tables.items()}
        self._protos = {output: self._upstream.track_protos(table) for output, table in tables.items()}

    def metadata(self, request: Any) -> Any:
        """Return the list of all tracks, with padding; empty for another organism."""
        return self._upstream.metadata(self._tracks.padded if self._human(request) else {})

    def messages(self, request: Any, fault: str | None) -> list[Any]:
        """Return the messages for a sequence; output types and organisms that are not served are ignored."""
        terms = set(self._upstream.terms_of(request))
        messages: list[Any] = []
        for output in self._upstream.outputs_of(request):
            if output not in RESOLUTION_BP or not self._human(request) or fault == "missing":
                continue
            rows = self._rows(output, terms, fault)
            values: npt.NDArray[Any] = self._tracks.answer(request.sequence, output, rows)
            if fault == "nan":
                values[len(values) // 2] = np.nan
            elif fault == "shape":
                values = values[:-1]
            if self._bf16:
                values = self._upstream.rounded(values)
            protos = [self._protos[output][row] for row in rows]
            message = self._upstream.pack(output, values, protos, self._bytes_per_chunk, short=fault == "short")
            if fault == "truncate":
                return [*messages, *message[: (len(message) + 1) // 2]]
            messages.extend(message)
        return messages

    def _human(self, request: Any) -> bool:
        return bool(request.organism == self._upstream.dna_client.Organism.HOMO_SAPIENS.to_proto())

    def _rows(self, output: str, terms: set[str], fault: str | None) -> npt.NDArray[np.intp]:
        requested = np.isin(self._terms[output], sorted(terms)) | (not terms)
        rows = np.flatnonzero(requested)
        if fault == "empty":
            return rows[:0]
        if fault == "reordered":
            return rows[::-1]
        if fault == "tracks":
            others = np.flatnonzero(~requested)
            return others[: max(1, len(rows))] if len(others) else rows[1:]
        return rows
