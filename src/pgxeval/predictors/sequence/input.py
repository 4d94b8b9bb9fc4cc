"""What every sequence model must refuse: a check that authors of models may call first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pgxeval.errors import SettingError
from pgxeval.predictors.sequence.model import ModelInfo

_ALLOWED = np.zeros(256, dtype=np.bool_)
_ALLOWED[list(b"ACGTN")] = True


def check_input(info: ModelInfo, sequences: Any, tracks: Sequence[int]) -> None:
    """Refuse what no model may answer, as `SequenceModel.predict_tracks` demands.

    Parameters
    ----------
    info
        Of the model.
    sequences
        Wanted: uint8 ASCII ``(n_sequences, length)`` of A, C, G, T and N in upper case.
    tracks
        Wanted: rows of ``info.tracks``, at least one, all of one bin width.

    Raises
    ------
    SettingError
        If the array is of another kind, the length is none of the model's, a letter is foreign (or an N, where
        the model refuses it), or there is no such track. The message names the place, never the sequence.

    Examples
    --------
    >>> import pandas as pd
    >>> tracks = pd.DataFrame({"name": ["RNA"], "bin_width_bp": [4]})
    >>> info = ModelInfo(name="toy", version="1", context_lengths=8, tracks=tracks)
    >>> check_input(info, np.frombuffer(b"ACGTNACG", np.uint8)[None], [0])
    >>> check_input(info, np.frombuffer(b"ACGTRACG", np.uint8)[None], [0])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    pgxeval.errors.SettingError: ... are none of ACGTN, the first in sequence 0 at index 4
    """
    if not isinstance(sequences, np.ndarray):
        raise SettingError(
            f"model {info.name}: sequences must be uint8 ASCII (n_sequences, length), got a {type(sequences).__name__}"
        )
    if sequences.dtype != np.uint8 or sequences.ndim != 2:
        raise SettingError(
            f"model {info.name}: sequences must be uint8 ASCII (n_sequences, length), got {sequences.dtype} "
            f"{sequences.shape}"
        )
    info.check_length(sequences.shape[1])
    info.bin_width_bp(tracks)
    foreign = ~_ALLOWED[sequences]
    if info.n_policy == "refuse":
        foreign |= sequences == ord("N")
    if foreign.any():
        row, column = np.argwhere(foreign)[0]
        raise SettingError(
            f"model {info.name}: {int(foreign.sum())} letters of {len(sequences)} sequences are none of "
            f"{'ACGTN' if info.n_policy == 'accept' else 'ACGT'}, the first in sequence {row} at index {column}"
        )
