"""AlphaGenomeTorchModel: the PyTorch port of AlphaGenome by genomicsxai, on this machine, as a `SequenceModel`."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.errors import PgxevalError, SettingError
from pgxeval.forks import renew_after_fork
from pgxeval.genome.encoding import one_hot
from pgxeval.predictors.alphagenome.model import (
    CITATION,
    CONTEXT_LENGTHS_BP,
    LICENCE,
    UNNAMED_VERSION,
    digest_of_tracks,
)
from pgxeval.predictors.alphagenome.tracks import BIN_WIDTHS_BP, alphagenome_track_table, answer_columns, check_output
from pgxeval.predictors.hosted.calls import BadAnswerError
from pgxeval.predictors.sequence.input import check_input
from pgxeval.predictors.sequence.model import ModelInfo
from pgxeval.predictors.torch_state import precision_of

_HUMAN = 0


@runtime_checkable
class PredictsNamedOutputs(Protocol):
    """A module with the ``predict`` of ``alphagenome_pytorch.AlphaGenome``."""

    def predict(
        self,
        one_hot: Any,
        organism_index: int,
        *,
        named_outputs: bool,
        resolutions: Sequence[int],
        heads: Sequence[str],
    ) -> Any:
        """Return an object with one attribute per head: resolution [bp] -> ``tensor`` and ``tracks``."""
        ...


class AlphaGenomeTorchModel:
    """A PyTorch port of AlphaGenome as a `SequenceModel`; sequences pass in batches.

    Parameters
    ----------
    model
        ``alphagenome_pytorch.AlphaGenome`` (genomicsxai, version 0.3 or later), or any module with its
        ``predict(one_hot, organism_index, named_outputs=True, resolutions=..., heads=...)``, whose result names the
        tracks of each output.
    output
        Output type: ``"RNA_SEQ"``, ``"CAGE"``, ... See `BIN_WIDTHS_BP`.
    version
        Identifies the weights in results and in the cache.
    metadata
        The tracks of the output (columns name, strand, ontology_curie, ...), if the model does not name them.
    context_lengths
        Sequence lengths that the model accepts [bp].
    batch_size
        Sequences per pass; halved when memory is short.

    Raises
    ------
    SettingError
        If an argument is not allowed.
    PgxevalError
        If the result of a first pass over N does not have the form above.

    Notes
    -----
    The port needs Python 3.12 or later and is not a dependency of pgxeval: on Python 3.11 another project of the same
    name would be installed. Passes run in evaluation mode and without TF32, in the precision of the model's own
    policy; afterwards the model is restored. Source: genomicsxai/alphagenome-pytorch, model.py and
    docs/named_outputs.rst.
    """

    def __init__(
        self,
        model: PredictsNamedOutputs,
        *,
        output: str = "RNA_SEQ",
        version: str | None = None,
        metadata: pd.DataFrame | None = None,
        context_lengths: Sequence[int] = CONTEXT_LENGTHS_BP,
        batch_size: int = 1,
    ) -> None:
        if isinstance(model, type) or not isinstance(model, PredictsNamedOutputs):
            raise SettingError(
                "AlphaGenome: expected a model with predict(one_hot, organism_index, named_outputs=True, ...), such as "
                f"alphagenome_pytorch.AlphaGenome.from_pretrained(...), got {type(model).__name__}"
            )
        self.output = check_output(output)
        self._model = model
        renew_after_fork(self)
        self._width = BIN_WIDTHS_BP[output]
        self._metadata = metadata
        if metadata is None:
            nothing = np.full((1, min(context_lengths)), ord("N"), dtype=np.uint8)
            metadata = self._pass(nothing).metadata
        table = alphagenome_track_table(metadata, output)
        self._keys = tuple(zip(table["name"], table["strand"], strict=True))
        policy = getattr(getattr(model, "dtype_policy", None), "compute_dtype", "float32")
        settings: dict[str, Any] = {
            "output": output,
            "tracks": digest_of_tracks(self._keys),
            "runs_on": "this machine, torch",
            "precision": str(policy).removeprefix("torch."),
        }
        self.info = ModelInfo(
            name="alphagenome",
            version=UNNAMED_VERSION if version is None else version,
            context_lengths=context_lengths,
            tracks=table,
            settings=settings,
            batch_size=batch_size,
            remote=False,
            citation=CITATION,
            licence=LICENCE,
        )

    def __repr__(self) -> str:
        return f"AlphaGenomeTorchModel({type(self._model).__name__}, output={self.output!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        renew_after_fork(self)

    def renew_locks(self) -> None:
        """Make a new lock: in a forked child, a thread of the parent may hold it."""
        self._lock = threading.Lock()

    def predict_tracks(self, sequences: npt.NDArray[np.uint8], tracks: Sequence[int]) -> npt.NDArray[np.float32]:
        """Predict tracks for sequences; see `SequenceModel.predict_tracks`.

        Raises
        ------
        SettingError
            If the input is not allowed.
        PgxevalError
            If the model returns something of another form than the port does.
        """
        check_input(self.info, sequences, tracks)
        n_bins = self.info.n_bins(sequences.shape[1], tracks)
        values = np.empty((len(sequences), n_bins, len(tracks)), dtype=np.float32)
        if not len(sequences):
            return values
        answer = self._pass(sequences)
        keys = [self._keys[track] for track in tracks]
        for row in range(len(sequences)):
            track_data = SimpleNamespace(values=answer.values[row], metadata=answer.metadata, resolution=self._width)
            try:
                values[row] = answer_columns(track_data, keys, width_bp=self._width, length=sequences.shape[1])
            except BadAnswerError as error:
                if "NaN" not in str(error):
                    raise PgxevalError(f"AlphaGenome: the result of the model cannot be used: {error}") from None
                values[row] = np.nan  # only this sequence; the engine reports it
        return values

    def _pass(self, sequences: npt.NDArray[np.uint8]) -> SimpleNamespace:
        import torch

        head = self.output.lower()
        parameters = getattr(self._model, "parameters", None)
        first = next(parameters(), None) if callable(parameters) else None
        device = torch.device("cpu") if first is None else first.device
        with self._lock, _evaluating(self._model), precision_of("float32", device.type), torch.inference_mode():
            letters = torch.from_numpy(one_hot(sequences)).to(device)
            named = self._model.predict(letters, _HUMAN, named_outputs=True, resolutions=(self._width,), heads=(head,))
            try:
                tracks = getattr(named, head)[self._width]
                values = tracks.tensor.float().cpu().numpy()
                metadata = _table(tracks.tracks) if self._metadata is None else self._metadata
            except (AttributeError, KeyError, TypeError, IndexError) as error:
                raise PgxevalError(
                    f"AlphaGenome: the result of the model has no {head}[{self._width}] with tensor and tracks, which "
                    f"alphagenome_pytorch 0.3 returns ({type(error).__name__})"
                ) from error
        if values.ndim != 3 or values.shape[::2] != (len(sequences), len(metadata)):
            raise PgxevalError(
                f"AlphaGenome: the model returned {values.shape} for {len(sequences)} sequences and "
                f"{len(metadata)} tracks"
            )
        return SimpleNamespace(values=values, metadata=metadata)


def _table(tracks: Sequence[Any]) -> pd.DataFrame:
    fields = ("ontology_curie", "biosample_name", "gtex_tissue", "data_source", "assay_title")
    return pd.DataFrame(
        {
            "name": [str(track.track_name) for track in tracks],
            "strand": [str(track.get("strand") or ".") for track in tracks],
            **{field: [track.get(field) for track in tracks] for field in fields},
        }
    )


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    parts = getattr(model, "modules", None)
    modes = [(part, part.training) for part in parts()] if callable(parts) else []
    try:
        for part, _ in modes:
            part.training = False
        yield
    finally:
        for part, training in modes:
            part.training = training
