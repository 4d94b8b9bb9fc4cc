"""Upstream: the parts of grpc and alphagenome that the local server uses, imported when they are needed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.errors import SettingError
from pgxeval.predictors.alphagenome.upstream import upstream
from pgxeval.testing.alphagenome.tracks import RESOLUTION_BP

_PREFIX = "OUTPUT_TYPE_"

Handler = Callable[[Any, Any], Iterator[Any]]


@attrs.frozen(kw_only=True, repr=False)
class Upstream:
    """Their modules, for all versions from 0.9 on."""

    grpc: Any
    dna_client: Any
    track_data: Any
    ontology: Any
    track_data_utils: Any
    tensor_utils: Any
    tensor: Any
    model: Any
    messages: Any
    service: Any
    bfloat16: Any

    @staticmethod
    @cache
    def load() -> Upstream:
        """Import the modules.

        Raises
        ------
        SettingError
            If one of them is not installed.
        """
        try:
            return Upstream(
                grpc=importlib.import_module("grpc"),
                dna_client=upstream("models.dna_client"),
                track_data=upstream("data.track_data"),
                ontology=upstream("data.ontology"),
                track_data_utils=upstream("models.track_data_utils"),
                tensor_utils=upstream("tensor_utils"),
                tensor=upstream("protos.tensor_pb2"),
                model=upstream("protos.dna_model_pb2"),
                messages=upstream("protos.dna_model_service_pb2"),
                service=upstream("protos.dna_model_service_pb2_grpc"),
                bfloat16=importlib.import_module("ml_dtypes").bfloat16,
            )
        except ImportError as error:
            raise SettingError(
                f"the local AlphaGenome server needs the package {error.name or 'alphagenome'}: "
                'pip install "pgxeval[alphagenome]"'
            ) from error

    def curie(self, term: Any) -> str:
        """Return an ontology term as text with seven digits: a text, their object or their message."""
        if isinstance(term, str):
            term = self.ontology.from_curie(term)
        elif not isinstance(term, self.ontology.OntologyTerm):
            term = self.ontology.from_proto(term)
        return str(term.ontology_curie)

    def outputs_of(self, request: Any) -> tuple[str, ...]:
        """Return the names of the output types that a request asks for."""
        return tuple(self.model.OutputType.Name(kind).removeprefix(_PREFIX) for kind in request.requested_outputs)

    def terms_of(self, request: Any) -> tuple[str, ...]:
        """Return the ontology terms that a request asks for, sorted; none stands for all."""
        return tuple(sorted({self.curie(term) for term in request.ontology_terms}))

    def track_protos(self, table: pd.DataFrame) -> list[Any]:
        """Return the message of each track of a table."""
        return list(self.track_data_utils.metadata_to_proto(table).metadata)

    def rounded(self, values: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        """Return values as bfloat16."""
        return values.astype(self.bfloat16)

    def pack(
        self, output: str, values: npt.NDArray[Any], tracks: Sequence[Any], bytes_per_chunk: int, *, short: bool = False
    ) -> list[Any]:
        """Return the messages of one output: what it is, then its values in chunks; `short` leaves out the last one."""
        zstd = self.tensor.CompressionType.COMPRESSION_TYPE_ZSTD

        def packed(array: npt.NDArray[Any]) -> tuple[Any, Sequence[Any]]:
            tensor: tuple[Any, Sequence[Any]] = self.tensor_utils.pack_tensor(
                array, bytes_per_chunk=bytes_per_chunk, compression_type=zstd
            )
            return tensor

        tensor, chunks = packed(values)
        if short:
            chunks = packed(values.ravel()[:-1])[1]
            tensor.chunk_count = len(chunks)
        data = self.model.TrackData(values=tensor, metadata=tracks, resolution=RESOLUTION_BP[output])
        kind = self.model.OutputType.Value(_PREFIX + output)
        respond = self.messages.PredictSequenceResponse
        head = respond(output=self.model.Output(output_type=kind, track_data=data))
        return [head, *(respond(tensor_chunk=chunk) for chunk in chunks)]

    def metadata(self, tables: Mapping[str, pd.DataFrame]) -> Any:
        """Return the message that lists all tracks."""
        return self.messages.MetadataResponse(
            output_metadata=[
                self.model.OutputMetadata(
                    output_type=self.model.OutputType.Value(_PREFIX + output),
                    tracks=self.track_data_utils.metadata_to_proto(table),
                )
                for output, table in tables.items()
            ]
        )

    def serve(self, server: Any, handlers: Mapping[str, Handler]) -> None:
        """Let a ``grpc.Server`` answer calls by name."""
        members = {name: _method(handler) for name, handler in handlers.items()}
        servicer = type("Servicer", (self.service.DnaModelServiceServicer,), members)
        self.service.add_DnaModelServiceServicer_to_server(servicer(), server)


def _method(handler: Handler) -> Callable[[Any, Any, Any], Iterator[Any]]:
    return lambda servicer, request, context: handler(request, context)
