"""Passes: sequences through a model, in batches, each answer on its own and every failure by name."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.errors import PgxevalError
from pgxeval.genome.haplotypes import Haplotypes
from pgxeval.predictors.sequence.model import SequenceModel
from pgxeval.predictors.sequence.target import Target

Answer = tuple[int, npt.NDArray[np.float64], str | None]
# position of the job, of its target, float64 (n_tracks,), why they are NaN, and whether asking again is of no use
Outcome = tuple[int, int, npt.NDArray[np.float64], str | None, bool]

_FAILURES = 8  # so many sequences may fail before the first answer; then the model itself is at fault


def _letters(kept: bytes, become: bytes) -> bytes:
    letters = bytearray(b"N" * 256)
    for letter, other in zip(kept, become, strict=True):
        letters[letter] = other
    return bytes(letters)


_FORWARD = _letters(b"ACGT", b"ACGT")
_MIRRORED = _letters(b"ACGT", b"TGCA")


def clean(sequence: npt.NDArray[np.uint8]) -> bytes:
    """Return a sequence, uint8 ASCII ``(length,)``, in which every letter but A, C, G and T is N."""
    return sequence.tobytes().translate(_FORWARD)


def mirror(sequence: npt.NDArray[np.uint8]) -> bytes:
    """Return the reverse complement of a sequence, uint8 ASCII ``(length,)``; other letters become N."""
    return sequence.tobytes().translate(_MIRRORED)[::-1]


@attrs.frozen(kw_only=True, eq=False)
class Job:
    """A sequence that must pass, and what is read of it.

    Parameters
    ----------
    haplotypes, row
        Where it is made.
    mirrored
        Whether its reverse complement passes.
    targets
        On the sequence that passes; their `row` is of no account.
    """

    haplotypes: Haplotypes = attrs.field(repr=False)
    row: int
    mirrored: bool
    targets: tuple[Target, ...]


def build(jobs: Sequence[Job]) -> npt.NDArray[np.uint8]:
    """Write the sequences of some jobs: uint8 ASCII of ACGTN, ``(n_jobs, length)``, read-only."""
    sequences = np.empty((len(jobs), jobs[0].haplotypes.length), np.uint8)
    for at, job in enumerate(jobs):
        made = job.haplotypes.edits.build(np.array([job.row]), job.haplotypes.length)[0]
        sequences[at] = np.frombuffer(mirror(made) if job.mirrored else clean(made), np.uint8)
    sequences.flags.writeable = False
    return sequences


def predict_tracks(
    model: SequenceModel, sequences: npt.NDArray[np.uint8], tracks: Sequence[int]
) -> npt.NDArray[np.floating]:
    """Call ``model.predict_tracks`` and refuse an answer of another shape or kind than promised.

    Raises
    ------
    PgxevalError
        Naming the shape that came and the one that was promised.
    """
    info = model.info
    values = np.asarray(model.predict_tracks(sequences, tracks))
    wanted = (len(sequences), info.n_bins(sequences.shape[1], tracks), len(tracks))
    if values.shape != wanted or values.dtype.kind != "f":
        raise PgxevalError(
            f"model {info.name}: predict_tracks answered {values.dtype} {values.shape}; its info promises float32 "
            f"{wanted} (sequences, bins, tracks) for {len(sequences)} sequences of {sequences.shape[1]} bp. "
            "pgxeval.testing.check_sequence_model shows what else is amiss"
        )
    return values


def predict_targets(
    model: SequenceModel, batches: Iterable[npt.NDArray[np.uint8]], targets: Sequence[Target], tracks: Sequence[int]
) -> Iterator[Answer]:
    """Do for any `SequenceModel` what `PredictsTargets` describes, by ``model.predict_tracks``.

    The tracks of one batch are in memory at a time.

    Raises
    ------
    PgxevalError
        If the model answers in another shape than it promised.
    """
    info = model.info
    width, offset = info.bin_width_bp(tracks), info.output_offset_bp
    first, at = 0, 0
    for batch in batches:
        values = predict_tracks(model, batch, tracks)
        while at < len(targets) and targets[at].row < first + len(batch):
            bins, _ = targets[at].bins(width, offset)
            read = values[targets[at].row - first][bins]
            yield (at, *_reduce(targets[at], read, width, offset, info.name))
            at += 1
        first += len(batch)


def _reduce(
    target: Target, read: npt.NDArray[np.floating], width: int, offset: int, name: str
) -> tuple[npt.NDArray[np.float64], str | None]:
    n_tracks = read.shape[1]
    wrong = int((~np.isfinite(read)).sum())
    if wrong:
        return np.full(
            n_tracks, np.nan
        ), f"model {name} gave NaN or infinity at {wrong} of {read.size} bins that are read"
    values = target.reduce(read, width, offset)
    if not np.isfinite(values).all():
        return np.full(n_tracks, np.nan), f"model {name} gave values of -1 or less, of which ln(x + 1) is not defined"
    return values, None


class Passes:
    """Runs jobs through a model: fills batches, counts passes, halves batches when memory is short.

    A job that fails costs itself alone: the others of its batch are tried one by one.

    Parameters
    ----------
    model
        What is run.
    batch_size
        Sequences a call at most.
    """

    def __init__(self, model: SequenceModel, batch_size: int) -> None:
        self.model = model
        self.name = model.info.name
        self.batch_size = batch_size
        self.count = 0
        self._answered = False
        self._failed = 0
        self._failure: Exception | None = None
        self._lock = threading.Lock()

    def run(self, jobs: Sequence[Job], tracks: Sequence[int]) -> Iterator[Outcome]:
        """Run jobs, which share length and tracks; several threads may do so at a time.

        Yields
        ------
        tuple
            Position in `jobs`, position in ``job.targets``, float64 ``(n_tracks,)``, why they are NaN or None, and
            whether that is the model's last word.

        Raises
        ------
        PgxevalError
            If the model breaks its promise, fails at every sequence, or memory is too short for a single one.
        """
        waiting = [(at, tuple(range(len(job.targets)))) for at, job in enumerate(jobs)]
        yield from self._run(jobs, waiting, tracks, self.batch_size)

    def check(self) -> None:
        """Refuse a model that failed at some sequences and has answered none.

        Raises
        ------
        PgxevalError
            From the last failure.
        """
        if self._failure is not None and not self._answered:
            raise PgxevalError(
                f"model {self.name} failed at each of the first {self._failed} sequences, the last time with "
                f"{type(self._failure).__name__}; see the error above this one for its own words"
            ) from self._failure

    def _run(
        self, jobs: Sequence[Job], waiting: list[tuple[int, tuple[int, ...]]], tracks: Sequence[int], size: int
    ) -> Iterator[Outcome]:
        left = {(at, number) for at, numbers in waiting for number in numbers}
        try:
            for outcome in self._ask(jobs, waiting, tracks, size):
                left.discard(outcome[:2])
                yield outcome
        except PgxevalError:
            raise
        except Exception as error:
            # without its traceback, which would keep the tensors of the failed call in memory
            failure = error.with_traceback(None)
        else:
            return
        rest = [(at, kept) for at, numbers in waiting if (kept := tuple(n for n in numbers if (at, n) in left))]
        if not rest:
            return
        size = min(size, len(rest))
        if _out_of_memory(failure):
            if size <= 1:
                raise PgxevalError(
                    f"model {self.name}: memory is too short for a single sequence of "
                    f"{jobs[rest[0][0]].haplotypes.length} bp; use a shorter context_length, fewer tracks, a lower "
                    "precision or another device"
                ) from failure
            self.batch_size = size // 2
            yield from self._run(jobs, rest, tracks, self.batch_size)
        elif len(rest) > 1:
            for one in rest:
                yield from self._run(jobs, [one], tracks, 1)
        else:
            with self._lock:
                self._failed += 1
                self._failure = failure
            if self._failed >= _FAILURES:
                self.check()
            nothing = np.full(len(tracks), np.nan)
            for at, numbers in rest:
                for number in numbers:
                    yield at, number, nothing, f"model {self.name} failed with {type(failure).__name__}", False

    def _ask(
        self, jobs: Sequence[Job], waiting: list[tuple[int, tuple[int, ...]]], tracks: Sequence[int], size: int
    ) -> Iterator[Outcome]:
        asked = [(row, at, number) for row, (at, numbers) in enumerate(waiting) for number in numbers]
        targets = [attrs.evolve(jobs[at].targets[number], row=row) for row, at, number in asked]
        ability = getattr(self.model, "predict_targets", None)
        batches = self._batches([jobs[at] for at, _ in waiting], size)
        answers: Iterable[Answer] = (
            ability(batches, targets, tracks) if ability else predict_targets(self.model, batches, targets, tracks)
        )
        seen = np.zeros(len(targets), dtype=bool)
        for position, values, given in answers:
            numbers = np.asarray(values, dtype=np.float64)
            if not 0 <= position < len(targets) or seen[position] or numbers.shape != (len(tracks),):
                raise PgxevalError(
                    f"model {self.name}: predict_targets answered position {position} with shape {numbers.shape}; each "
                    f"of the {len(targets)} targets is wanted once, with {len(tracks)} numbers"
                )
            seen[position] = True
            reason = given
            if reason is None and not np.isfinite(numbers).all():
                reason = f"model {self.name} gave NaN or infinity"
            self._answered |= reason is None
            yield asked[position][1], asked[position][2], numbers, reason, reason is not None
        for position in np.flatnonzero(~seen).tolist():
            nothing = np.full(len(tracks), np.nan)
            reason = f"model {self.name} gave no answer for a sequence"
            yield asked[position][1], asked[position][2], nothing, reason, False

    def _batches(self, jobs: Sequence[Job], size: int) -> Iterator[npt.NDArray[np.uint8]]:
        for first in range(0, len(jobs), size):
            batch = jobs[first : first + size]
            with self._lock:
                self.count += len(batch)
            yield build(batch)


def _out_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    words = str(error).lower() if isinstance(error, RuntimeError) else ""
    return "out of memory" in words or "can't allocate memory" in words
