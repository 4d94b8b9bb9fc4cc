"""EnformerModel: Enformer by the PyTorch port enformer-pytorch, as a `SequenceModel`."""

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

from pgxeval.errors import InputFileError, PgxevalError, PgxevalWarning, SettingError
from pgxeval.predictors.enformer.forward import (
    Geometry,
    arithmetic,
    borrowed,
    choose_device,
    device_of,
    fitting_batch,
    head_outputs,
    is_out_of_memory,
    release_memory,
    run_pass,
    says_tf_gamma,
)
from pgxeval.predictors.enformer.weights import OFFICIAL, check_module, fingerprint, load_enformer, weights_digest
from pgxeval.predictors.sequence.input import check_input
from pgxeval.predictors.sequence.model import ModelInfo, make_track_table
from pgxeval.predictors.sequence.tracks import ENFORMER_BIN_WIDTH_BP, ENFORMER_TRACKS, enformer_tracks
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
        ``pytorch_model.bin``), or an ``enformer_pytorch.Enformer`` in hand, which is borrowed for each call and
        comes back as it was.
    head
        Output head: ``"human"`` or ``"mouse"`` with the published weights.
    track_table
        Table of the head's tracks, one row an output (see `make_track_table`), or the path of Basenji's
        ``targets_human.txt``. None for the human tracks that the package names; see `enformer_tracks`.
    use_tf_gamma
        Whether the position features are those of the TensorFlow original. The published weights need them:
        without, a prediction at a peak was off by 15 % (enformer-pytorch, issue 31). None uses them wherever
        they fit, whatever a file or a model in hand says; it warns where these say otherwise. A model that was
        trained in PyTorch without them needs False.
    context_length
        Bases of sequence [bp]; None for 1,536 positions, which is 196,608 with the published geometry.
    target_length
        Central bins that come out, -1 for all; None for what the model says (896 as published).
    device
        ``"cpu"``, ``"cuda"`` or ``"cuda:1"``. None for where the model in hand is, else a GPU where there is one.
    precision
        ``"float32"`` (TF32 off), ``"tf32"`` or ``"bfloat16"``; recorded with every result.
    batch_size
        Sequences a pass; None for what fits into memory.
    revision, cache_folder
        For the hub; see `load_enformer`.

    Raises
    ------
    SettingError
        If a setting is not allowed, there is no GPU where one was asked for, or the package enformer-pytorch is
        missing.
    InputFileNotFoundError, InputFileError
        If weights cannot be had or read, or are of another architecture.

    Notes
    -----
    Weights are read by our own code and nothing that a file holds is ever run. N is all zeros in the one-hot
    encoding, as in training. The published code loses a bin where the crop is uneven; here that is refused.
    An instance pickles by the name or folder of its weights, one with a model in hand together with it.
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
        cache_folder: str | os.PathLike[str] | None = None,
    ) -> None:
        _require_package()
        if precision not in PRECISIONS:
            raise SettingError(f"EnformerModel: precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
        if batch_size is not None and (type(batch_size) is not int or batch_size < 1):
            raise SettingError(f"EnformerModel: batch_size must be a whole number above 0, or None, got {batch_size!r}")
        self.head = head
        self.precision: Precision = precision
        self._lock = threading.RLock()
        self._files: dict[str, Any] | None = None
        self._digest = ""
        self._seen: object = None
        said: bool | None
        if isinstance(weights, str | os.PathLike):
            self.device = choose_device(device)
            self._files = {"weights": os.fspath(weights), "revision": revision, "cache_folder": cache_folder}
            loaded = load_enformer(**self._files)
            self.origin = loaded.origin
            said = loaded.use_tf_gamma
            self._module: Enformer | None = loaded.module.to(self.device)
        else:
            check_module(weights)
            self.device = choose_device(device, default=str(device_of(weights)))
            self.origin = "model in hand"
            said = says_tf_gamma(weights)
            self._module = weights
        self.geometry = Geometry.of(
            self._module, context_length=context_length, target_length=target_length, use_tf_gamma=use_tf_gamma
        )
        if use_tf_gamma is None and said is False and self.geometry.use_tf_gamma:
            warnings.warn(
                f"EnformerModel: the {self.origin} says use_tf_gamma=False, and the position features of the original "
                "are used all the same, for the published weights need them; say use_tf_gamma=True or False",
                PgxevalWarning,
                stacklevel=2,
            )
        outputs = head_outputs(self._module, head)
        self._tracks = _track_table(track_table, head, outputs, self.geometry)
        if len(self._tracks) != outputs:
            raise SettingError(
                f"EnformerModel: the track table has {len(self._tracks)} rows, and the head {head} {outputs} outputs"
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
        self._lock = threading.RLock()

    @property
    def info(self) -> ModelInfo:
        """Name, version (with a digest of the weights), geometry and tracks."""
        with self._lock:
            if self._files is None and self._module is not None and fingerprint(self._module) != self._seen:
                self._info = self._describe(self._module)  # the model in hand was trained further
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
            citation=_CITATION,
            licence=_LICENCE,
        )

    def predict_tracks(self, sequences: npt.NDArray[np.uint8], tracks: Sequence[int]) -> npt.NDArray[np.float32]:
        """Predict tracks of sequences; see `SequenceModel.predict_tracks`.

        Raises
        ------
        SettingError
            If the length is not the context length, a letter is none of ACGTN, or a track is not there.
        PgxevalError
            If one sequence alone does not fit into memory.
        """
        check_input(self.info, sequences, tracks)
        return self._passes(sequences, tracks, np.arange(self.geometry.n_bins))

    def predict_targets(
        self, batches: Iterable[npt.NDArray[np.uint8]], targets: Sequence[Target], tracks: Sequence[int]
    ) -> Iterator[tuple[int, npt.NDArray[np.float64], str | None]]:
        """Predict targets, computing their bins alone; see `PredictsTargets.predict_targets`."""
        width = self.geometry.bin_width_bp
        offset = self.geometry.crop * width
        first = at = 0
        for sequences in batches:
            check_input(self.info, sequences, tracks)
            end = at
            while end < len(targets) and targets[end].row < first + len(sequences):
                end += 1
            wanted = [target.bins(width, offset)[0] for target in targets[at:end]]
            if wanted:
                bins = np.unique(np.concatenate(wanted))
                rows = sorted({target.row - first for target in targets[at:end]})
                values = dict(zip(rows, self._passes(sequences[rows], tracks, bins), strict=True))
                for number, own in enumerate(wanted, start=at):
                    target = targets[number]
                    taken = values[target.row - first][np.searchsorted(bins, own)]
                    reduced = target.reduce(taken, width, offset)
                    if np.isfinite(reduced).all():
                        yield number, reduced, None
                    else:
                        yield number, np.full(len(tracks), np.nan), "enformer gave NaN or infinity"
            first, at = first + len(sequences), end

    def _passes(
        self, sequences: npt.NDArray[np.uint8], tracks: Sequence[int], bins: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        answer = np.empty((len(sequences), len(bins), len(tracks)), dtype=np.float32)
        done = 0
        with self._lock:
            module = self._ready_module()
            with borrowed(module, device=self.device, use_tf_gamma=self.geometry.use_tf_gamma):
                while done < len(sequences):
                    batch = sequences[done : done + self._batch_size]
                    values = self._try_pass(module, batch, tracks, bins)
                    if values is None:
                        self._batch_size = len(batch) // 2
                        continue
                    answer[done : done + len(batch)] = values
                    done += len(batch)
        return answer

    def _try_pass(
        self, module: Enformer, batch: npt.NDArray[np.uint8], tracks: Sequence[int], bins: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32] | None:
        """Run a pass; None where memory does not suffice and a smaller batch may do."""
        try:
            with arithmetic(self.precision, self.device):
                return run_pass(module, batch, head=self.head, tracks=tracks, positions=bins + self.geometry.crop)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if len(batch) == 1:
                raise PgxevalError(
                    f"EnformerModel: the memory of {self.device} does not suffice for one sequence of "
                    f"{self.geometry.context_length:,} bp; free some of it, take another device, or "
                    'precision="bfloat16"'
                ) from error
        release_memory(self.device)
        return None

    def _ready_module(self) -> Enformer:
        if self._module is None:  # after unpickling
            loaded = load_enformer(**(self._files or {}))
            if weights_digest(loaded.module) != self._digest:
                raise InputFileError(f"{self.origin}: the weights are not those that this model was made with")
            self._module = loaded.module.to(self.device)
        return self._module


def _track_table(
    given: pd.DataFrame | str | os.PathLike[str] | None, head: str, outputs: int, geometry: Geometry
) -> pd.DataFrame:
    if isinstance(given, pd.DataFrame):
        return make_track_table(given)
    human = head == "human" and outputs == ENFORMER_TRACKS and geometry.bin_width_bp == ENFORMER_BIN_WIDTH_BP
    if given is not None or human:
        return enformer_tracks(given)
    return make_track_table(
        pd.DataFrame({"name": [f"{head} {number}" for number in range(outputs)], "bin_width_bp": geometry.bin_width_bp})
    )


def _require_package() -> None:
    if importlib.util.find_spec("enformer_pytorch") is None:
        raise SettingError('Enformer needs the package enformer-pytorch: pip install "pgxeval[enformer]"')
