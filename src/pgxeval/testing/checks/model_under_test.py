"""The model that the checks of a sequence model try, with its tracks, sequences and answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.predictors.sequence.model import ModelInfo, SequenceModel
from pgxeval.testing.checks.checking import demand
from pgxeval.testing.checks.golden import Golden

_N_SEQUENCES = 3

_MOST_TRACKS = 4


def _locked(sequences: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    sequences.flags.writeable = False
    return sequences


@attrs.define(kw_only=True, eq=False)
class ModelUnderTest:
    """A model and its test input.

    Parameters
    ----------
    model
        The model.
    context_length
        Length of the sequences [bp]. Default: the shortest that the model accepts.
    tracks
        Rows of its track table. Default: up to four that share the bin width of the first.
    tolerance
        Maximum relative difference between answers to the same question: float32 varies with batches and
        processors.
    golden
        Known correct answers, or None.
    equivariant
        Whether the model promises the same, mirrored values for the reverse complement.
    """

    model: SequenceModel
    context_length: int | None = None
    tracks: Sequence[int] | None = None
    tolerance: float = 1e-4
    golden: Golden | None = None
    equivariant: bool = False
    _answer: npt.NDArray[np.float32] | None = attrs.field(default=None, init=False)

    @property
    def info(self) -> ModelInfo:
        """Description of the model."""
        info = self.model.info
        demand(isinstance(info, ModelInfo), f"info must be a ModelInfo, got {type(info).__name__}")
        return info

    @property
    def length(self) -> int:
        """Length of the sequences [bp]."""
        return self.info.context_lengths[0] if self.context_length is None else self.context_length

    @property
    def asked(self) -> list[int]:
        """Rows of the track table that are requested."""
        if self.tracks is not None:
            return list(self.tracks)
        widths = self.info.tracks["bin_width_bp"].to_numpy()
        same = np.flatnonzero(widths == widths[0])
        some = np.unique(np.linspace(0, len(same) - 1, _MOST_TRACKS).round().astype(int))
        chosen = [int(row) for row in same[some]]
        pairs = self.info.tracks["pair"].to_numpy()
        return chosen + [int(pairs[row]) for row in chosen if pairs[row] >= 0 and int(pairs[row]) not in chosen]

    def sequences(self, n: int = _N_SEQUENCES, letters: bytes = b"ACGT", seed: int = 0) -> npt.NDArray[np.uint8]:
        """Return random sequences, uint8 ASCII ``(n, length)``, read-only; always the same ones."""
        alphabet = np.frombuffer(letters, dtype=np.uint8)
        return _locked(np.random.default_rng(seed).choice(alphabet, size=(n, self.length)))

    def predict(self, sequences: npt.NDArray[np.uint8], tracks: Sequence[int] | None = None) -> npt.NDArray[Any]:
        """Call the model as in a run, with read-only sequences."""
        return np.asarray(self.model.predict_tracks(sequences, self.asked if tracks is None else tracks))

    @property
    def answer(self) -> npt.NDArray[np.float32]:
        """Its answer to `sequences`, computed once and copied."""
        if self._answer is None:
            self._answer = self.predict(self.sequences()).copy()
        return self._answer

    def same(self, one: npt.NDArray[Any], other: npt.NDArray[Any]) -> bool:
        """Return whether two answers agree within the tolerance."""
        if one.shape != other.shape:
            return False
        scale = float(np.nanmax(np.abs(one), initial=0.0))
        return bool(np.allclose(one, other, rtol=self.tolerance, atol=1e-2 * self.tolerance * scale, equal_nan=True))

    def difference(self, one: npt.NDArray[Any], other: npt.NDArray[Any]) -> str:
        """Return how far two answers are apart, in words."""
        if one.shape != other.shape:
            return f"shapes {one.shape} and {other.shape}"
        with np.errstate(all="ignore"):
            apart = np.abs(one.astype(np.float64) - other) / np.maximum(np.abs(one), 1e-30)
        return f"up to {np.nanmax(apart, initial=0.0):.1e} apart (relative), {self.tolerance:.0e} allowed"

    def refused(self, sequences: npt.NDArray[np.uint8], what: str) -> None:
        """Require that the model refuses sequences with a ValueError, such as SettingError."""
        try:
            self.predict(sequences)
        except ValueError:
            return
        except Exception as error:
            demand(
                False,
                f"{what} must be refused with SettingError (or another ValueError), got {type(error).__name__}",
            )
        demand(False, f"{what} must be refused with SettingError (or another ValueError), but were answered")
