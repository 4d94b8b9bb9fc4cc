"""Passes: batches that shrink with memory, failures that stay alone, promises that are checked."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pgxeval.errors import PgxevalError, SettingError
from pgxeval.genome.intervals import Interval
from pgxeval.predictors.sequence.passes import Job, Passes, build, clean, mirror, predict_targets
from pgxeval.predictors.sequence.target import Target

TARGETS = (Target(row=0, segments=[(200, 240)]), Target(row=0, segments=[(210, 300), (301, 340)], aggregate="mean"))


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory, toys: ModuleType) -> list[Job]:
    small = toys.random_genome(tmp_path_factory.mktemp("genome"), seed=2, n_individuals=8)
    haplotypes = small.genome.haplotypes(Interval.around("chr1", 1_500, 512), anchor=1_500)
    return [
        Job(haplotypes=haplotypes, row=row, mirrored=bool(row % 2), targets=TARGETS[: 1 + row % 2])
        for row in range(haplotypes.n_distinct)
    ]


def run(
    model: Any, jobs: list[Job], size: int = 4
) -> tuple[dict[tuple[int, int], Any], dict[tuple[int, int], str], Passes]:
    passes = Passes(model, size)
    values, reasons = {}, {}
    for outcome in passes.run(jobs, [0, 2]):
        key = outcome.job, outcome.target
        assert key not in values
        values[key] = outcome.values.tolist()
        if outcome.reason is not None:
            reasons[key] = outcome.reason
    return values, reasons, passes


def memory_errors() -> list[Exception]:
    class OutOfMemoryError(RuntimeError):  # as torch calls its own
        pass

    return [MemoryError(), OutOfMemoryError("CUDA"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]


@pytest.mark.parametrize("error", memory_errors(), ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("room", [1, 3])
def test_batches_are_halved_until_they_fit(toys: ModuleType, jobs: list[Job], error: Exception, room: int) -> None:
    plain, _, _ = run(toys.ToyModel(), jobs)

    class Small(toys.ToyModel):  # type: ignore[name-defined,misc]
        def predict_tracks(self, sequences: np.ndarray, tracks: Any) -> np.ndarray:
            if len(sequences) > room:
                raise error
            return super().predict_tracks(sequences, tracks)

    model = Small()
    values, reasons, passes = run(model, jobs, size=8)
    assert values == plain
    assert not reasons
    assert passes.batch_size == (1 if room == 1 else 2)
    assert sum(model.calls) == len(jobs)


def test_too_little_memory_for_one_sequence_is_one_clear_error(toys: ModuleType, jobs: list[Job]) -> None:
    class Never(toys.ToyModel):  # type: ignore[name-defined,misc]
        def predict_tracks(self, sequences: np.ndarray, tracks: Any) -> np.ndarray:
            raise MemoryError

    with pytest.raises(
        PgxevalError, match=r"not enough memory for a single sequence of 512 bp.*shorter context_length"
    ):
        run(Never(), jobs)


def test_model_that_always_fails_is_named_early(toys: ModuleType, jobs: list[Job]) -> None:
    class Broken(toys.ToyModel):  # type: ignore[name-defined,misc]
        def predict_tracks(self, sequences: np.ndarray, tracks: Any) -> np.ndarray:
            raise KeyError("ACGTACGT")

    with pytest.raises(
        PgxevalError, match="failed for each of the first 8 sequences, the last time with KeyError"
    ) as told:
        run(Broken(), jobs)
    assert "ACGT" not in str(told.value)


def test_errors_of_our_own_are_handed_on(toys: ModuleType, jobs: list[Job]) -> None:
    class Strict(toys.ToyModel):  # type: ignore[name-defined,misc]
        def predict_tracks(self, sequences: np.ndarray, tracks: Any) -> np.ndarray:
            self.info.check_length(7)
            return super().predict_tracks(sequences, tracks)

    with pytest.raises(SettingError, match="does not accept sequences of 7 bp"):
        run(Strict(), jobs)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda values: values[:, :, :1],
        lambda values: values[:-1],
        lambda values: values[0],
        lambda values: values.astype(np.int32),
        lambda values: values.astype(str),
        lambda values: None,
    ],
)
def test_answers_of_another_shape_or_kind_are_refused(toys: ModuleType, jobs: list[Job], spoil: Any) -> None:
    class Wrong(toys.ToyModel):  # type: ignore[name-defined,misc]
        def predict_tracks(self, sequences: np.ndarray, tracks: Any) -> np.ndarray:
            return spoil(super().predict_tracks(sequences, tracks))

    with pytest.raises(PgxevalError, match=r"model toy: predict_tracks returned .*check_sequence_model"):
        run(Wrong(), jobs)


def test_reducing_models_are_believed_but_checked(toys: ModuleType, jobs: list[Job]) -> None:
    plain, _, _ = run(toys.ToyModel(), jobs)
    values, _, _ = run(toys.ReducingModel(), jobs)
    assert values.keys() == plain.keys()
    for key, numbers in plain.items():
        np.testing.assert_allclose(values[key], numbers, rtol=1e-6)

    class Forgetful(toys.ReducingModel):  # type: ignore[name-defined,misc]
        def predict_targets(self, batches: Any, targets: Any, tracks: Any) -> Any:
            for position, numbers, _ in super().predict_targets(batches, targets, tracks):
                if position == 0:
                    yield position, np.full(2, np.nan), "the service was closed"
                elif position == 1:
                    yield position, np.array([1.0, np.inf]), None
                elif position > 2:
                    yield position, numbers, None

    _, reasons, _ = run(Forgetful(), jobs, size=100)
    assert sorted(reasons.values()) == [
        "model toy returned NaN or infinity",
        "model toy returned nothing for a sequence",
        "the service was closed",
    ]
    for wrong in ((0, np.zeros(3)), (99_999, np.zeros(2)), (-1, np.zeros(2))):

        class Wrong(toys.ReducingModel):  # type: ignore[name-defined,misc]
            answer = wrong

            def predict_targets(self, batches: Any, targets: Any, tracks: Any) -> Any:
                list(batches)
                yield (*self.answer, None)

        with pytest.raises(PgxevalError, match=r"expected each of the \d+ targets once"):
            run(Wrong(), jobs)


def test_failure_midway_keeps_what_was_answered(toys: ModuleType, jobs: list[Job]) -> None:
    class Stumbles(toys.ReducingModel):  # type: ignore[name-defined,misc]
        asked = 0

        def predict_targets(self, batches: Any, targets: Any, tracks: Any) -> Any:
            self.asked += 1
            for number, answer in enumerate(super().predict_targets(batches, targets, tracks)):
                if self.asked == 1 and number == 5:
                    raise ConnectionError
                yield answer

    plain, _, _ = run(toys.ReducingModel(), jobs)
    values, reasons, passes = run(Stumbles(), jobs, size=100)
    assert values == plain
    assert not reasons
    assert passes.count < 2 * len(jobs)


def test_default_reduces_batch_by_batch(toys: ModuleType, jobs: list[Job]) -> None:
    """Batches are taken one at a time: the next is made when the answers of the last are out."""
    made: list[int] = []

    def batches() -> Any:
        for first in range(0, 6, 2):
            made.append(first)
            yield build(jobs[first : first + 2])

    targets = [Target(row=row, segments=[(100, 130)]) for row in (0, 0, 1, 3, 4, 5, 5)]
    steps = [(position, len(made)) for position, _, _ in predict_targets(toys.ToyModel(), batches(), targets, [2])]
    assert steps == [(0, 1), (1, 1), (2, 1), (3, 2), (4, 3), (5, 3), (6, 3)]


def test_batches_of_unequal_size_give_the_same_numbers(toys: ModuleType, jobs: list[Job]) -> None:
    targets = [Target(row=row, segments=[(100 + row, 130)]) for row in range(7)]

    def answers(*cuts: int) -> list[list[float]]:
        batches = [build(jobs[first:last]) for first, last in zip((0, *cuts), (*cuts, 7), strict=True)]
        return [values.tolist() for _, values, _ in predict_targets(toys.ToyModel(), batches, targets, [0, 2])]

    assert answers() == answers(4) == answers(2, 3) == answers(5, 6)
    assert len({tuple(values) for values in answers()}) == 7


def test_letters() -> None:
    text = np.frombuffer(b"ACGTNacgtRYM.-", np.uint8)
    assert clean(text) == b"ACGTNNNNNNNNNN"
    assert mirror(text) == b"NNNNNNNNNNACGT"


def test_logarithm_of_negative_bins_is_a_reason(toys: ModuleType, jobs: list[Job]) -> None:
    class Negative(toys.ToyModel):  # type: ignore[name-defined,misc]
        def predict_tracks(self, sequences: np.ndarray, tracks: Any) -> np.ndarray:
            return super().predict_tracks(sequences, tracks) - 1_000

    targets = [Target(row=0, segments=[(100, 130)], log_bins=True)]
    ((_, values, reason),) = predict_targets(Negative(), [build(jobs[:1])], targets, [2])
    assert np.isnan(values).all()
    assert "for which ln(x + 1) is undefined" in str(reason)
