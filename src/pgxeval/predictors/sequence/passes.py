"""Passes: sequences through a model, in batches, with one outcome per target and failures that stay local.

This is the one place that tests for lack of memory and halves batches.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.errors import PgxevalError
from pgxeval.forks import renew_after_fork
from pgxeval.genome.haplotypes import Haplotypes
from pgxeval.predictors.sequence.model import PredictsTargets, SequenceModel
from pgxeval.predictors.sequence.target import Target

_MAX_FAILURES = 8  # sequences that may fail before the first answer; after that the model itself is at fault
_NO_MEMORY = ("out of memory", "can't allocate memory", "defaultcpuallocator", "not enough memory")


def _letters(original: bytes, replacement: bytes) -> bytes:
    letters = bytearray(b"N" * 256)
    for letter, other in zip(original, replacement, strict=True):
        letters[letter] = other
    return bytes(letters)


_FORWARD = _letters(b"ACGT", b"ACGT")
_MIRRORED = _letters(b"ACGT", b"TGCA")


def clean(sequence: npt.NDArray[np.uint8]) -> bytes:
    """Return a sequence, uint8 ASCII ``(length,)``, in which every letter other than A, C, G and T becomes N."""
    return sequence.tobytes().translate(_FORWARD)


def mirror(sequence: npt.NDArray[np.uint8]) -> bytes:
    """Return the reverse complement of a sequence, uint8 ASCII ``(length,)``; other letters become N."""
    return sequence.tobytes().translate(_MIRRORED)[::-1]


@attrs.frozen(kw_only=True, eq=False)
class Job:
    """A sequence that must pass through the model, and what is read from it.

    Parameters
    ----------
    haplotypes, row
        Where the sequence comes from.
    mirrored
        Whether its reverse complement passes.
    targets
        What is read from the sequence that passes; their `row` is ignored.
    """

    haplotypes: Haplotypes = attrs.field(repr=False)
    row: int
    mirrored: bool
    targets: tuple[Target, ...]


@attrs.frozen(kw_only=True, eq=False)
class PassOutcome:
    """What came of one target of one job.

    Parameters
    ----------
    job
        Position of the job in the list that was run.
    target
        Position in ``job.targets``.
    values
        float64 ``(n_tracks,)``; NaN where there is a reason.
    reason
        Why there are no values; None where there are.
    final
        Whether the model would give the same reason again.
    """

    job: int
    target: int
    values: npt.NDArray[np.float64]
    reason: str | None = None
    final: bool = False


def build(jobs: Sequence[Job]) -> npt.NDArray[np.uint8]:
    """Write the sequences of some jobs: uint8 ASCII of ACGTN, ``(n_jobs, length)``, read-only."""
    sequences = np.empty((len(jobs), jobs[0].haplotypes.length), np.uint8)
    for row, job in enumerate(jobs):
        sequence = job.haplotypes.edits.build(np.array([job.row]), job.haplotypes.length)[0]
        sequences[row] = np.frombuffer(mirror(sequence) if job.mirrored else clean(sequence), np.uint8)
    sequences.flags.writeable = False
    return sequences


def predict_tracks(
    model: SequenceModel, sequences: npt.NDArray[np.uint8], tracks: Sequence[int]
) -> npt.NDArray[np.floating]:
    """Call ``model.predict_tracks`` and check shape and type of the answer.

    Raises
    ------
    PgxevalError
        With the shape that was promised and the one that came.
    """
    info = model.info
    values = np.asarray(model.predict_tracks(sequences, tracks))
    shape = (len(sequences), info.n_bins(sequences.shape[1], tracks), len(tracks))
    if values.shape != shape or values.dtype.kind != "f":
        raise PgxevalError(
            f"model {info.name}: predict_tracks returned {values.dtype} {values.shape}; its info promises float32 "
            f"{shape} (sequences, bins, tracks) for {len(sequences)} sequences of {sequences.shape[1]} bp. "
            "pgxeval.testing.check_sequence_model shows what else is wrong"
        )
    return values


def predict_targets(
    model: SequenceModel, batches: Iterable[npt.NDArray[np.uint8]], targets: Sequence[Target], tracks: Sequence[int]
) -> Iterator[tuple[int, npt.NDArray[np.float64], str | None]]:
    """Do for any `SequenceModel`, by ``model.predict_tracks``, what `PredictsTargets.predict_targets` describes.

    The tracks of one batch are in memory at a time.

    Raises
    ------
    PgxevalError
        If the model returns another shape than it promised.
    """
    info = model.info
    width, offset = info.bin_width_bp(tracks), info.output_offset_bp
    first, position = 0, 0
    for batch in batches:
        values = predict_tracks(model, batch, tracks)
        while position < len(targets) and targets[position].row < first + len(batch):
            target = targets[position]
            bins, _ = target.bins(width, offset)
            yield position, *_reduce(target, values[target.row - first][bins], width, offset, info.name)
            position += 1
        first += len(batch)


def _reduce(
    target: Target, values: npt.NDArray[np.floating], width: int, offset: int, name: str
) -> tuple[npt.NDArray[np.float64], str | None]:
    n_tracks = values.shape[1]
    n_bad = int((~np.isfinite(values)).sum())
    if n_bad:
        return (
            np.full(n_tracks, np.nan),
            f"model {name} returned NaN or infinity in {n_bad} of {values.size} bins that are read",
        )
    reduced = target.reduce(values, width, offset)
    if not np.isfinite(reduced).all():
        return np.full(
            n_tracks, np.nan
        ), f"model {name} returned values of -1 or less, for which ln(x + 1) is undefined"
    return reduced, None


class Passes:
    """Runs jobs through a model: fills batches, counts passes, halves batches when memory is short.

    A job that fails affects only itself: the other jobs of its batch are tried one by one.

    Parameters
    ----------
    model
        The model.
    batch_size
        Maximum number of sequences per call.
    """

    def __init__(self, model: SequenceModel, batch_size: int) -> None:
        self.model = model
        self.name = model.info.name
        self.batch_size = batch_size
        self.count = 0
        self._answered = False
        self._failed = 0
        self._failure: Exception | None = None
        renew_after_fork(self)

    def renew_locks(self) -> None:
        """Make a new lock: in a forked child, a thread of the parent may hold it."""
        self._lock = threading.Lock()

    def run(self, jobs: Sequence[Job], tracks: Sequence[int]) -> Iterator[PassOutcome]:
        """Run jobs that share length and tracks; thread-safe.

        Yields
        ------
        PassOutcome
            One per target.

        Raises
        ------
        PgxevalError
            If the model breaks its promise, fails for every sequence, or memory is too short for a single sequence.
        """
        waiting = [(job, tuple(range(len(jobs[job].targets)))) for job in range(len(jobs))]
        yield from self._run(jobs, waiting, tracks, self.batch_size)

    def check(self) -> None:
        """Raise an error if the model failed for some sequences and has answered none.

        Raises
        ------
        PgxevalError
            From the last failure.
        """
        if self._failure is not None and not self._answered:
            raise PgxevalError(
                f"model {self.name} failed for each of the first {self._failed} sequences, the last time with "
                f"{type(self._failure).__name__}; its own message is in the error above"
            ) from self._failure

    def _run(
        self, jobs: Sequence[Job], waiting: list[tuple[int, tuple[int, ...]]], tracks: Sequence[int], size: int
    ) -> Iterator[PassOutcome]:
        missing = {(job, target) for job, targets in waiting for target in targets}
        try:
            for outcome in self._ask(jobs, waiting, tracks, size):
                missing.discard((outcome.job, outcome.target))
                yield outcome
        except PgxevalError:
            raise
        except Exception as error:
            # without its traceback, which would keep the tensors of the failed call in memory
            failure = error.with_traceback(None)
        else:
            return
        rest = [(job, left) for job, targets in waiting if (left := tuple(n for n in targets if (job, n) in missing))]
        if not rest:
            return
        size = min(size, len(rest))
        if _is_out_of_memory(failure):
            if size <= 1:
                raise PgxevalError(
                    f"model {self.name}: not enough memory for a single sequence of "
                    f"{jobs[rest[0][0]].haplotypes.length} bp; use a shorter context_length, fewer tracks, a lower "
                    "precision or another device"
                ) from failure
            self.batch_size = size // 2
            yield from self._run(jobs, rest, tracks, self.batch_size)
        elif len(rest) > 1:
            for single in rest:
                yield from self._run(jobs, [single], tracks, 1)
        else:
            with self._lock:
                self._failed += 1
                self._failure = failure
            if self._failed >= _MAX_FAILURES:
                self.check()
            nothing = np.full(len(tracks), np.nan)
            reason = f"model {self.name} failed with {type(failure).__name__}"
            for job, targets in rest:
                for target in targets:
                    yield PassOutcome(job=job, target=target, values=nothing, reason=reason)

    def _ask(
        self, jobs: Sequence[Job], waiting: list[tuple[int, tuple[int, ...]]], tracks: Sequence[int], size: int
    ) -> Iterator[PassOutcome]:
        places = [(row, job, target) for row, (job, targets) in enumerate(waiting) for target in targets]
        targets = [attrs.evolve(jobs[job].targets[target], row=row) for row, job, target in places]
        batches = self._batches([jobs[job] for job, _ in waiting], size)
        answers = (
            self.model.predict_targets(batches, targets, tracks)
            if isinstance(self.model, PredictsTargets)
            else predict_targets(self.model, batches, targets, tracks)
        )
        seen = np.zeros(len(targets), dtype=bool)
        for position, numbers, given in answers:
            values = np.asarray(numbers, dtype=np.float64)
            if not 0 <= position < len(targets) or seen[position] or values.shape != (len(tracks),):
                raise PgxevalError(
                    f"model {self.name}: predict_targets returned position {position} with shape {values.shape}; "
                    f"expected each of the {len(targets)} targets once, with {len(tracks)} numbers"
                )
            seen[position] = True
            reason = given
            if reason is None and not np.isfinite(values).all():
                reason = f"model {self.name} returned NaN or infinity"
            self._answered |= reason is None
            _, job, target = places[position]
            yield PassOutcome(job=job, target=target, values=values, reason=reason, final=reason is not None)
        for position in np.flatnonzero(~seen).tolist():
            _, job, target = places[position]
            reason = f"model {self.name} returned nothing for a sequence"
            yield PassOutcome(job=job, target=target, values=np.full(len(tracks), np.nan), reason=reason)

    def _batches(self, jobs: Sequence[Job], size: int) -> Iterator[npt.NDArray[np.uint8]]:
        for first in range(0, len(jobs), size):
            batch = jobs[first : first + size]
            with self._lock:
                self.count += len(batch)
            yield build(batch)


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    message = str(error).lower() if isinstance(error, RuntimeError) else ""
    return any(words in message for words in _NO_MEMORY)
