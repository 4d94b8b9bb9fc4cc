"""Golden: known correct answers of a model, for later comparison."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from zipfile import BadZipFile

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.checks import between
from pgxeval.errors import InputFileError, TableError
from pgxeval.predictors.sequence.model import SequenceModel


def _whole_numbers(value: Iterable[int]) -> tuple[int, ...]:
    return tuple(int(number) for number in value)


def _letters(value: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    letters = np.array(value, dtype=np.uint8)
    letters.flags.writeable = False
    return letters


def _numbers(value: npt.ArrayLike) -> npt.NDArray[np.float32]:
    numbers = np.array(value, dtype=np.float32)
    numbers.flags.writeable = False
    return numbers


@attrs.frozen(kw_only=True, eq=False)
class Golden:
    """Sequences, the values that a model returned for them, and the tolerance for later values.

    Parameters
    ----------
    sequences
        uint8 ASCII ``(n_sequences, length)``.
    tracks
        Rows of the track table.
    values
        float32 ``(n_sequences, n_bins, n_tracks)``.
    relative, absolute
        Tolerance, as ``rtol`` and ``atol`` of `numpy.allclose`. Batches, processors and libraries change float32 by
        about 1e-6, TF32 by 1e-3.

    Raises
    ------
    TableError
        If shapes do not match.
    """

    sequences: npt.NDArray[np.uint8] = attrs.field(converter=_letters, repr=False)
    tracks: tuple[int, ...] = attrs.field(converter=_whole_numbers)
    values: npt.NDArray[np.float32] = attrs.field(converter=_numbers, repr=False)
    relative: float = attrs.field(default=1e-4, validator=between(0))
    absolute: float = attrs.field(default=0.0, validator=between(0))

    def __attrs_post_init__(self) -> None:
        n, t = len(self.sequences), len(self.tracks)
        if self.sequences.ndim != 2 or self.values.ndim != 3 or self.values.shape[::2] != (n, t):
            raise TableError(
                f"golden values: {self.sequences.shape} sequences and {t} tracks do not match values of shape "
                f"{self.values.shape}"
            )

    @classmethod
    def of(cls, model: SequenceModel, sequences: npt.NDArray[np.uint8], tracks: Sequence[int]) -> Golden:
        """Return the values of a model that is known to be correct."""
        return cls(sequences=sequences, tracks=tuple(tracks), values=model.predict_tracks(sequences, tracks))

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write an ``.npz`` file, to be kept with the tests of a model."""
        np.savez_compressed(
            Path(path).expanduser(),
            sequences=self.sequences,
            tracks=np.array(self.tracks, dtype=np.int64),
            values=self.values,
            tolerance=np.array([self.relative, self.absolute]),
        )

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Golden:
        """Read a file that `write` wrote; no pickle is ever loaded.

        Raises
        ------
        InputFileError
            If it is not such a file.
        """
        try:
            with Path(path).expanduser().open("rb") as handle, np.load(handle, allow_pickle=False) as file:
                relative, absolute = file["tolerance"].tolist()
                return cls(
                    sequences=file["sequences"],
                    tracks=tuple(file["tracks"].tolist()),
                    values=file["values"],
                    relative=relative,
                    absolute=absolute,
                )
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise InputFileError(
                f"{path}: cannot be read as golden values ({type(error).__name__}: {error})"
            ) from error
