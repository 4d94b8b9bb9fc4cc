"""Input that every sequence model must refuse: a check that authors of models can call first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pgxeval.errors import SettingError
from pgxeval.predictors.sequence.model import ModelInfo

_ALLOWED = np.zeros(256, dtype=np.bool_)
_ALLOWED[list(b"ACGTN")] = True


def check_input(info: ModelInfo, sequences: npt.NDArray[np.uint8], tracks: Sequence[int]) -> None:
    """Raise an error for input that no model may answer, as `SequenceModel.predict_tracks` requires.

    Parameters
    ----------
    info
        Description of the model.
    sequences
        Expected: uint8 ASCII ``(n_sequences, length)`` of A, C, G, T and N in upper case.
    tracks
        Expected: rows of ``info.tracks``, at least one, all with the same bin width.

    Raises
    ------
    SettingError
        If the array has another type or shape, the model does not accept the length, a letter is not allowed (N
        included, where the model refuses it), or a track does not exist. The message names the position, never the
        sequence.

    Examples
    --------
    >>> import pandas as pd
    >>> tracks = pd.DataFrame({"name": ["RNA"], "bin_width_bp": [4]})
    >>> info = ModelInfo(name="toy", version="1", context_lengths=8, tracks=tracks, remote=False)
    >>> check_input(info, np.frombuffer(b"ACGTNACG", np.uint8)[None], [0])
    >>> check_input(info, np.frombuffer(b"ACGTRACG", np.uint8)[None], [0])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    pgxeval.errors.SettingError: ... are not among ACGTN, the first in sequence 0 at index 4
    """
    given: Any = sequences  # authors also call this with whatever they have at hand
    if not isinstance(given, np.ndarray) or given.dtype != np.uint8 or given.ndim != 2:
        description = f"{given.dtype} {given.shape}" if isinstance(given, np.ndarray) else type(given).__name__
        raise SettingError(f"model {info.name}: sequences must be uint8 ASCII (n_sequences, length), got {description}")
    info.check_length(sequences.shape[1])
    info.bin_width_bp(tracks)
    foreign = ~_ALLOWED[sequences]
    if info.n_policy == "refuse":
        foreign |= sequences == ord("N")
    if foreign.any():
        row, column = np.argwhere(foreign)[0]
        raise SettingError(
            f"model {info.name}: {int(foreign.sum())} letters of {len(sequences)} sequences are not among "
            f"{'ACGTN' if info.n_policy == 'accept' else 'ACGT'}, the first in sequence {row} at index {column}"
        )
