"""EnformerModel: Enformer in the PyTorch port enformer-pytorch, as a `SequenceModel`."""

from __future__ import annotations

import importlib.util
import os
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.errors import InputFileError, PgxevalWarning, SettingError
from pgxeval.forks import renew_after_fork
from pgxeval.predictors.enformer.forward import (
    Geometry,
    arithmetic,
    borrowed,
    choose_device,
    declared_tf_gamma,
    device_of,
    fitting_batch,
    head_outputs,
    run_pass,
)
from pgxeval.predictors.enformer.tracks import BIN_WIDTH_BP, N_TRACKS, enformer_tracks
from pgxeval.predictors.enformer.weights import OFFICIAL, fingerprint, load_enformer, unwrap, weights_digest
from pgxeval.predictors.sequence.input import check_input
from pgxeval.predictors.sequence.model import ModelInfo
from pgxeval.predictors.sequence.track_table import make_track_table
from pgxeval.predictors.torch_state import PRECISIONS, Precision

if TYPE_CHECKING:
    from enformer_pytorch import Enformer

    from pgxeval.predictors.sequence.target import Target

_CITATION = "Avsec et al., Nat Methods 18:1196 (2021), doi:10.1038/s41592-021-01252-x"
_LICENCE = "published weights: CC BY 4.0; enformer-pytorch: MIT"


class EnformerModel:
    """Enformer as a `SequenceModel`: 196,608 bp in, 896 bins of 128 bp out, human or mouse tracks.

    Parameters
    ----------
    weights
        Name on the Hugging Face hub, local folder (``config.json`` and ``model.safetensors`` or
        ``pytorch_model.bin``), or a loaded ``enformer_pytorch.Enformer``, compiled or not. A loaded model is borrowed
        for each call and returned unchanged.
    head
        Output head: ``"human"`` or ``"mouse"`` with the published weights.
    track_table
        Table of the tracks of the head, one row per output (see `make_track_table`), or the path of Basenji's
        ``targets_human.txt``. None for the human tracks that the package names; see `enformer_tracks`.
    use_tf_gamma
        Whether to use the position features of the TensorFlow original. The published weights need them: without
        them a prediction at a peak was off by 15 % (enformer-pytorch, issue 31). None uses them wherever they fit,
        even if a file or a loaded model declares otherwise, and then warns. A model that was trained in PyTorch
        without them needs False.
    context_length
        Bases of sequence [bp]; None for 1,536 positions, which is 196,608 bp with the published geometry.
    target_length
        Number of central bins in the output, -1 for all; None for the model's own (896 as published).
    device
        ``"cpu"``, ``"cuda"`` or ``"cuda:1"``. None for the device of the loaded model, else a GPU if there is one.
    precision
        ``"float32"`` (TF32 off), ``"tf32"`` or ``"bfloat16"``; recorded with every result.
    batch_size
        Sequences per pass; None for what fits into memory.
    revision, hub_cache
        For the hub; see `load_enformer`.

    Raises
    ------
    SettingError
        If a setting is not allowed, the requested GPU does not exist, or the package enformer-pytorch is missing.
    InputFileNotFoundError, InputFileError
        If weights cannot be found or read, or belong to another architecture.

    Notes
    -----
    Weights are read by our own code, and nothing in a weights file is ever executed. N is all zeros in the one-hot
    encoding, as in training. The published code loses a bin if the crop is uneven; here that is refused. An instance
    is pickled by the name or folder of its weights; a loaded model is pickled with it.
    """

    def __init__(
        self,
        weights: str | os.PathLike[str] | Enformer = OFFICIAL,
        *,
        head: str = "human",
        track_table: pd.DataFrame | str | os.PathLike[str] | None = None,
        use_tf_gamma: bool | None = None,
        context_length: int | None = None,
        target_length: int | None = None,
        device: str | None = None,
        precision: Precision = "float32",
        batch_size: int | None = None,
        revision: str | None = None,
        hub_cache: str | os.PathLike[str] | None = None,
    ) -> None:
        _require_package()
        if precision not in PRECISIONS:
            raise SettingError(f"EnformerModel: precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
        if batch_size is not None and (type(batch_size) is not int or batch_size < 1):
            raise SettingError(f"EnformerModel: batch_size must be a whole number above 0, or None, got {batch_size!r}")
        self.head = head
        self.precision: Precision = precision
        renew_after_fork(self)
        self._files: dict[str, Any] | None = None
        self._digest = ""
        self._seen: object = None
        declared: bool | None
        if isinstance(weights, str | os.PathLike):
            self.device = choose_device(device)
            self._files = {"weights": os.fspath(weights), "revision": revision, "hub_cache": hub_cache}
            loaded = load_enformer(**self._files)
            self.origin = loaded.origin
            declared = loaded.use_tf_gamma
            self._module: Enformer | None = loaded.module.to(self.device)
        else:
            module = unwrap(weights)
            self.device = choose_device(device, default=str(device_of(module)))
            self.origin = "loaded model"
            declared = declared_tf_gamma(module)
            self._module = module
        self.geometry = Geometry.of(
            self._module, context_length=context_length, target_length=target_length, use_tf_gamma=use_tf_gamma
        )
        if use_tf_gamma is None and declared is False and self.geometry.use_tf_gamma:
            warnings.warn(
                f"EnformerModel: the {self.origin} declares use_tf_gamma=False, but the position features of the "
                "original are used, because the published weights need them; set use_tf_gamma to True or False",
                PgxevalWarning,
                stacklevel=2,
            )
        outputs = head_outputs(self._module, head)
        self._tracks = _track_table(track_table, head, outputs, self.geometry)
        if len(self._tracks) != outputs:
            raise SettingError(
                f"EnformerModel: the track table has {len(self._tracks)} rows, but the head {head} has {outputs} "
                "outputs"
            )
        self._batch_size = batch_size or fitting_batch(self._module, self.geometry.context_length, self.device)
        self._info = self._describe(self._module)

    def __repr__(self) -> str:
        return f"EnformerModel({self.origin}, head={self.head!r}, device={self.device!r}, precision={self.precision!r})"

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        del state["_lock"]
        if self._files is not None:
            state["_module"] = None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        renew_after_fork(self)

    def renew_locks(self) -> None:
        """Make a new lock: in a forked child, a thread of the parent may hold it."""
        self._lock = threading.RLock()

    @property
    def travels(self) -> bool:
        """Whether the weights have a name or a path, from which each process loads its own copy."""
        return self._files is not None

    @property
    def info(self) -> ModelInfo:
        """Name, version with a digest of the weights, geometry and tracks."""
        with self._lock:
            if self._files is None and self._module is not None and fingerprint(self._module) != self._seen:
                self._info = self._describe(self._module)  # the loaded model was trained further
            return self._info

    def _describe(self, module: Enformer) -> ModelInfo:
        self._seen = fingerprint(module)
        self._digest = weights_digest(module)
        geometry = self.geometry
        settings: dict[str, Any] = {
            "head": self.head,
            "precision": self.precision,
            "use_tf_gamma": geometry.use_tf_gamma,
        }
        return ModelInfo(
            name="enformer",
            version=f"enformer-pytorch {version('enformer-pytorch')}, weights {self._digest}",
            context_lengths=geometry.context_length,
            tracks=self._tracks,
            output_offset_bp=geometry.crop * geometry.bin_width_bp,
            n_policy="accept",
            batch_size=self._batch_size,
            settings=settings,
            remote=False,
            citation=_CITATION,
            licence=_LICENCE,
        )

    def predict_tracks(self, sequences: npt.NDArray[np.uint8], tracks: Sequence[int]) -> npt.NDArray[np.float32]:
        """Predict tracks for sequences; see `SequenceModel.predict_tracks`.

        Raises
        ------
        SettingError
            If the length is not the context length, a letter is not among ACGTN, or a track does not exist.
        """
        check_input(self.info, sequences, tracks)
        return self._passes(sequences, tracks, np.arange(self.geometry.n_bins))

    def predict_targets(
        self, batches: Iterable[npt.NDArray[np.uint8]], targets: Sequence[Target], tracks: Sequence[int]
    ) -> Iterator[tuple[int, npt.NDArray[np.float64], str | None]]:
        """Predict targets, computing only their bins; see `PredictsTargets.predict_targets`."""
        width = self.geometry.bin_width_bp
        offset = self.geometry.crop * width
        first = start = 0
        for sequences in batches:
            check_input(self.info, sequences, tracks)
            end = start
            while end < len(targets) and targets[end].row < first + len(sequences):
                end += 1
            bins_of_targets = [target.bins(width, offset)[0] for target in targets[start:end]]
            if bins_of_targets:
                bins = np.unique(np.concatenate(bins_of_targets))
                rows = sorted({target.row - first for target in targets[start:end]})
                values = dict(zip(rows, self._passes(sequences[rows], tracks, bins), strict=True))
                for position, own_bins in enumerate(bins_of_targets, start=start):
                    target = targets[position]
                    own_values = values[target.row - first][np.searchsorted(bins, own_bins)]
                    reduced = target.reduce(own_values, width, offset)
                    if np.isfinite(reduced).all():
                        yield position, reduced, None
                    else:
                        yield position, np.full(len(tracks), np.nan), "enformer returned NaN or infinity"
            first, start = first + len(sequences), end

    def _passes(
        self, sequences: npt.NDArray[np.uint8], tracks: Sequence[int], bins: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        values = np.empty((len(sequences), len(bins), len(tracks)), dtype=np.float32)
        positions = bins + self.geometry.crop
        with self._lock:
            module = self._ready_module()
            with (
                borrowed(module, device=self.device, use_tf_gamma=self.geometry.use_tf_gamma),
                arithmetic(self.precision, self.device),
            ):
                for row in range(0, len(sequences), self._batch_size):
                    batch = sequences[row : row + self._batch_size]
                    values[row : row + len(batch)] = run_pass(
                        module, batch, head=self.head, tracks=tracks, positions=positions
                    )
        return values

    def _ready_module(self) -> Enformer:
        if self._module is None:  # after unpickling
            loaded = load_enformer(**(self._files or {}))
            if weights_digest(loaded.module) != self._digest:
                raise InputFileError(f"{self.origin}: the weights have changed since this model was made")
            self._module = loaded.module.to(self.device)
        return self._module


def _track_table(
    tracks: pd.DataFrame | str | os.PathLike[str] | None, head: str, outputs: int, geometry: Geometry
) -> pd.DataFrame:
    if isinstance(tracks, pd.DataFrame):
        return make_track_table(tracks)
    human = head == "human" and outputs == N_TRACKS and geometry.bin_width_bp == BIN_WIDTH_BP
    if tracks is not None or human:
        return enformer_tracks(tracks)
    return make_track_table(
        pd.DataFrame({"name": [f"{head} {number}" for number in range(outputs)], "bin_width_bp": geometry.bin_width_bp})
    )


def _require_package() -> None:
    if importlib.util.find_spec("enformer_pytorch") is None:
        raise SettingError('Enformer needs the package enformer-pytorch: pip install "pgxeval[enformer]"')
