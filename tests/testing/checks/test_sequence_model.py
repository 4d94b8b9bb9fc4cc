"""Mutants prove the kit: a model that keeps the contract passes, and each check catches the one that breaks it."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pandas as pd
import pytest

from pgxeval.errors import InputFileError, SettingError, TableError, UnknownNameError
from pgxeval.genome.encoding import reverse_complement
from pgxeval.predictors.sequence.input import check_input
from pgxeval.predictors.sequence.model import ModelInfo
from pgxeval.predictors.sequence.passes import predict_targets
from pgxeval.testing import SEQUENCE_MODEL_CHECKS, CheckFailedError, Golden, SequenceModelTests, check_sequence_model

TRACKS = pd.DataFrame(
    {"name": ["rna +", "rna -", "dnase"], "strand": ["+", "-", "."], "pair": [1, 0, 2], "bin_width_bp": 8}
)


class Model:
    """Counts letters in bins; keeps the contract, and is equivariant."""

    info = ModelInfo(
        name="counts", version="1", context_lengths=(96, 192), tracks=TRACKS, output_offset_bp=16, remote=False
    )

    def predict_tracks(self, sequences: Any, tracks: Sequence[int]) -> Any:
        check_input(self.info, sequences, tracks)
        return self.compute(sequences, tracks)

    def compute(self, sequences: Any, tracks: Sequence[int]) -> Any:
        n, length = sequences.shape
        letters = {0: b"A", 1: b"T", 2: b"CG"}
        inside = sequences[:, 16 : length - 16].reshape(n, (length - 32) // 8, 8)
        counts = [np.isin(inside, list(letters[track])).sum(axis=2) for track in tracks]
        return np.stack(counts, axis=2).astype(np.float32)


class FewerBins(Model):
    def compute(self, sequences: Any, tracks: Sequence[int]) -> Any:
        return super().compute(sequences, tracks)[:, 1:]


class DoubleNumbers(Model):
    def compute(self, sequences: Any, tracks: Sequence[int]) -> Any:
        return super().compute(sequences, tracks).astype(np.float64)


class AList(Model):
    def compute(self, sequences: Any, tracks: Sequence[int]) -> Any:
        return super().compute(sequences, tracks).tolist()


class NotFinite(Model):
    def compute(self, sequences: Any, tracks: Sequence[int]) -> Any:
        with np.errstate(divide="ignore"):
            return np.log(super().compute(sequences, tracks))


class SortsSequences(Model):
    def compute(self, sequences: Any, tracks: Sequence[int]) -> Any:
        return super().compute(sequences[np.lexsort(sequences.T[::-1])], tracks)


class SortsTracks(Model):
    def compute(self, sequences: Any, tracks: Sequence[int]) -> Any:
        return super().compute(sequences, sorted(tracks))


class NoEmptyBatch(Model):
    def compute(self, sequences: Any, tracks: Sequence[int]) -> Any:
        return np.stack([super(NoEmptyBatch, self).compute(row[None], tracks)[0] for row in sequences])


class LooksAtTheBatch(Model):
    def compute(self, sequences: Any, tracks: Sequence[int]) -> Any:
        made = super().compute(sequences, tracks)
        return made - made.mean(axis=0) if len(made) else made


class Dropout(Model):
    def __init__(self) -> None:
        self.generator = np.random.default_rng(0)

    def compute(self, sequences: Any, tracks: Sequence[int]) -> Any:
        made = super().compute(sequences, tracks)
        return made * (self.generator.random(made.shape) > 0.1)


class OneBuffer(Model):
    def __init__(self) -> None:
        self.buffer = np.zeros((8, 8, 3), np.float32)

    def compute(self, sequences: Any, tracks: Sequence[int]) -> Any:
        made = self.buffer[: len(sequences), :, : len(tracks)]
        made[...] = super().compute(sequences, tracks)
        return made


class WritesIntoTheInput(Model):
    def compute(self, sequences: Any, tracks: Sequence[int]) -> Any:
        if sequences.flags.writeable:
            sequences[:] = ord("A")
        return super().compute(sequences, tracks)


class SortsTheListInPlace(Model):
    def compute(self, sequences: Any, tracks: Sequence[int]) -> Any:
        made = super().compute(sequences, tracks)
        if isinstance(tracks, list):
            tracks.append(0)
        return made


class SeedsNumpy(Model):
    def compute(self, sequences: Any, tracks: Sequence[int]) -> Any:
        np.random.seed(len(sequences))  # noqa: NPY002 (the fault)
        return super().compute(sequences, tracks)


class SilencesNumpy(Model):
    def compute(self, sequences: Any, tracks: Sequence[int]) -> Any:
        np.seterr(invalid="ignore" if np.geterr()["invalid"] != "ignore" else "warn")
        return super().compute(sequences, tracks)


class SilencesWarnings(Model):
    def compute(self, sequences: Any, tracks: Sequence[int]) -> Any:
        warnings.filterwarnings("ignore", message=f"never {np.random.default_rng().integers(10**9)}")
        return super().compute(sequences, tracks)


class SwitchesGradientsOff(Model):
    def compute(self, sequences: Any, tracks: Sequence[int]) -> Any:
        import torch

        torch.set_grad_enabled(not torch.is_grad_enabled())
        return super().compute(sequences, tracks)


class AllowsTF32(Model):
    def compute(self, sequences: Any, tracks: Sequence[int]) -> Any:
        import torch

        high = torch.get_float32_matmul_precision() == "high"
        torch.set_float32_matmul_precision("highest" if high else "high")
        return super().compute(sequences, tracks)


class AnyLength(Model):
    def predict_tracks(self, sequences: Any, tracks: Sequence[int]) -> Any:
        n, length = sequences.shape
        fitted = np.full((n, max(self.info.context_lengths)), ord("A"), np.uint8)
        fitted[:, :length] = sequences
        size = length if length in self.info.context_lengths else 96
        check_input(self.info, fitted[:, :size], tracks)
        return self.compute(fitted[:, :size], tracks)


class AnyLetter(Model):
    def predict_tracks(self, sequences: Any, tracks: Sequence[int]) -> Any:
        self.info.check_length(sequences.shape[1])
        return self.compute(sequences, tracks)


class FailsAtLettersByAccident(Model):
    def predict_tracks(self, sequences: Any, tracks: Sequence[int]) -> Any:
        self.info.check_length(sequences.shape[1])
        codes = {65: 0, 67: 1, 71: 2, 84: 3, 78: 4}
        _ = [codes[letter] for letter in sequences.ravel().tolist()]  # KeyError
        return self.compute(sequences, tracks)


class NanForN(Model):
    def compute(self, sequences: Any, tracks: Sequence[int]) -> Any:
        made = super().compute(sequences, tracks)
        made[(sequences == ord("N")).any(axis=1)] = np.nan
        return made


class TakesNDespiteItsWord(AnyLetter):
    info = attrs.evolve(Model.info, n_policy="refuse")

    def predict_tracks(self, sequences: Any, tracks: Sequence[int]) -> Any:
        check_input(Model.info, sequences, tracks)
        return self.compute(sequences, tracks)


class NamesNoPair(Model):
    info = attrs.evolve(Model.info, tracks=TRACKS.assign(pair=[-1, -1, 2]))


class OneStrandTwice(Model):
    def compute(self, sequences: Any, tracks: Sequence[int]) -> Any:
        return super().compute(sequences, [0 if track == 1 else track for track in tracks])


class ForgetsToMirror(Model):
    def compute(self, sequences: Any, tracks: Sequence[int]) -> Any:
        made = super().compute(sequences, tracks)
        return made + np.arange(made.shape[1], dtype=np.float32)[None, :, None]


class DoesNotPickle(Model):
    def __init__(self) -> None:
        self.handle = lambda: None


class PicklesWithoutItsWeights(Model):
    def __init__(self) -> None:
        self.weight = 3.0

    def __getstate__(self) -> dict[str, Any]:
        return {"weight": 1.0}

    def compute(self, sequences: Any, tracks: Sequence[int]) -> Any:
        return super().compute(sequences, tracks) * np.float32(self.weight)


class Blind(Model):
    def compute(self, sequences: Any, tracks: Sequence[int]) -> Any:
        middle = sequences.shape[1] // 2
        masked = sequences.copy()
        masked[:, middle - 1 : middle + 1] = ord("N")
        return super().compute(masked, tracks)


class ChangingInfo(Model):
    def __init__(self) -> None:
        self.looks = 0

    @property
    def info(self) -> ModelInfo:  # type: ignore[override]  # the fault
        self.looks += 1
        return attrs.evolve(Model.info, version=f"{self.looks}")


class NoInfo(Model):
    info = {"name": "counts"}  # type: ignore[assignment]  # noqa: RUF012 (the fault)


class ReducesWrongly(Model):
    def predict_targets(self, batches: Any, targets: Any, tracks: Any) -> Any:
        for position, values, reason in predict_targets(self, batches, targets, tracks):
            yield position, values + (position == 1), reason


class ForgetsATarget(Model):
    def predict_targets(self, batches: Any, targets: Any, tracks: Any) -> Any:
        yield from list(predict_targets(self, batches, targets, tracks))[:-1]


class Reduces(Model):
    def predict_targets(self, batches: Any, targets: Any, tracks: Any) -> Any:
        yield from reversed(list(predict_targets(self, batches, targets, tracks)))


def _golden() -> Golden:
    sequences = np.random.default_rng(5).choice(np.frombuffer(b"ACGT", np.uint8), size=(2, 96))
    return Golden.of(Model(), sequences, [2, 0])


class Drifted(Model):
    def compute(self, sequences: Any, tracks: Sequence[int]) -> Any:
        return super().compute(sequences, tracks) * np.float32(1.001)


MUTANTS: list[tuple[type[Model], str]] = [
    (ChangingInfo, "info"),
    (FewerBins, "shape"),
    (DoubleNumbers, "dtype"),
    (AList, "dtype"),
    (NotFinite, "finite"),
    (SortsSequences, "order_of_sequences"),
    (SortsTracks, "order_of_tracks"),
    (NoEmptyBatch, "empty_batch"),
    (LooksAtTheBatch, "one_by_one"),
    (Dropout, "repeatable"),
    (OneBuffer, "answers_stay"),
    (WritesIntoTheInput, "input_unchanged"),
    (SortsTheListInPlace, "input_unchanged"),
    (SeedsNumpy, "global_state"),
    (SilencesNumpy, "global_state"),
    (SilencesWarnings, "global_state"),
    (AnyLength, "wrong_length"),
    (AnyLetter, "foreign_letters"),
    (FailsAtLettersByAccident, "foreign_letters"),
    (NanForN, "n_policy"),
    (TakesNDespiteItsWord, "n_policy"),
    (NamesNoPair, "strand"),
    (OneStrandTwice, "strand"),
    (ForgetsToMirror, "strand"),
    (DoesNotPickle, "pickling"),
    (PicklesWithoutItsWeights, "pickling"),
    (Blind, "central_snv"),
    (ReducesWrongly, "targets"),
    (ForgetsATarget, "targets"),
    (Drifted, "golden"),
]


def _outcomes(model: Any, **settings: Any) -> dict[str, str]:
    table = check_sequence_model(model, golden=_golden(), equivariant=True, **settings)
    assert list(table["check"]) == list(SEQUENCE_MODEL_CHECKS)
    return dict(zip(table["check"], table["outcome"], strict=True))


@pytest.fixture(autouse=True)
def _numpy_as_before() -> Any:
    before, filters = np.geterr(), warnings.filters[:]
    yield
    np.seterr(**before)
    warnings.filters[:] = filters  # type: ignore[index]  # a list where tests run


@pytest.mark.parametrize("model", [Model(), Reduces()])
def test_a_model_that_keeps_the_contract_passes(model: Model) -> None:
    outcomes = _outcomes(model)
    assert outcomes.pop("targets") == ("passed" if isinstance(model, Reduces) else "not applicable")
    assert set(outcomes.values()) == {"passed"}


@pytest.mark.parametrize(("mutant", "check"), MUTANTS, ids=lambda value: getattr(value, "__name__", value))
def test_each_check_catches_its_mutant(mutant: type[Model], check: str) -> None:
    assert _outcomes(mutant())[check] == "failed"


@pytest.mark.parametrize(
    ("mutant", "check"),
    [pair for pair in MUTANTS if pair[0] in (DoubleNumbers, SortsTracks, NoEmptyBatch, AnyLetter, Blind)],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_other_checks_let_a_mutant_pass(mutant: type[Model], check: str) -> None:
    outcomes = _outcomes(mutant())
    caught = {name for name, outcome in outcomes.items() if outcome == "failed"}
    assert caught <= {check, "golden", "strand"}, "a check should speak of one promise"


@pytest.mark.parametrize("mutant", [SwitchesGradientsOff, AllowsTF32])
def test_the_state_of_torch_is_watched_too(mutant: type[Model]) -> None:
    torch = pytest.importorskip("torch", reason="torch comes with the extra `enformer`")
    try:
        table = check_sequence_model(mutant()).set_index("check")
        assert table.loc["global_state", "outcome"] == "failed"
        assert "torch's" in table.loc["global_state", "detail"]
    finally:
        torch.set_grad_enabled(True)
        torch.set_float32_matmul_precision("highest")


def test_every_check_has_a_mutant() -> None:
    assert {check for _, check in MUTANTS} == set(SEQUENCE_MODEL_CHECKS)


def test_a_model_without_info_fails_by_name() -> None:
    table = check_sequence_model(NoInfo()).set_index("check")
    assert table.loc["info", "detail"] == "info must be a ModelInfo, got dict"
    assert set(table["outcome"]) <= {"failed", "not applicable"}


def test_equivariance_is_asked_of_those_who_promise_it() -> None:
    table = check_sequence_model(ForgetsToMirror()).set_index("check")
    assert table.loc["strand", "outcome"] == "passed"
    sequences = np.frombuffer(b"AACGT" * 20, np.uint8)[None, :96]
    assert Model().predict_tracks(sequences, [0]).sum() == (
        Model().predict_tracks(np.ascontiguousarray(reverse_complement(sequences)), [1]).sum()
    )


def test_expected_failures_need_a_name_and_a_reason() -> None:
    excused = check_sequence_model(DoubleNumbers(), expected_failures={"dtype": "the library answers so"})
    row = excused.set_index("check").loc["dtype"]
    assert row["outcome"] == "expected failure"
    assert row["detail"] == "the library answers so (the answer must be float32, got float64)"
    with pytest.raises(UnknownNameError, match=r"unknown check 'dtypes'.*near: dtype"):
        check_sequence_model(Model(), expected_failures={"dtypes": "x"})
    with pytest.raises(SettingError, match="dtype needs a reason"):
        check_sequence_model(Model(), expected_failures={"dtype": " "})


def test_an_excuse_that_is_no_longer_needed_is_reported() -> None:
    table = check_sequence_model(Model(), expected_failures={"dtype": "was so once"}).set_index("check")
    assert table.loc["dtype", "outcome"] == "unexpected pass"
    with pytest.raises(CheckFailedError, match="dtype: unexpected pass"):
        check_sequence_model(Model(), expected_failures={"dtype": "was so once"}, on_failure="raise")


def test_raising_lists_all_failures() -> None:
    with pytest.raises(CheckFailedError, match=r"2 of 20 checks:\n  wrong_length: .*\n  foreign_letters: "):
        check_sequence_model(Careless(), on_failure="raise")
    assert len(check_sequence_model(Model(), on_failure="raise")) == 20
    with pytest.raises(SettingError, match="on_failure"):
        check_sequence_model(Model(), on_failure="ignore")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="Model is a class"):
        check_sequence_model(Model)  # type: ignore[arg-type]


class Careless(AnyLength):
    def predict_tracks(self, sequences: Any, tracks: Sequence[int]) -> Any:
        known = np.where(np.isin(sequences, list(b"ACGT")), sequences, ord("N")).astype(np.uint8)
        return super().predict_tracks(known, tracks)


def test_golden_values_are_kept_in_a_file_without_pickle(tmp_path: Path) -> None:
    golden = attrs.evolve(_golden(), relative=1e-3, absolute=0.5)
    golden.write(tmp_path / "golden.npz")
    again = Golden.read(tmp_path / "golden.npz")
    np.testing.assert_array_equal(again.values, golden.values)
    np.testing.assert_array_equal(again.sequences, golden.sequences)
    assert (again.tracks, again.relative, again.absolute) == (golden.tracks, 1e-3, 0.5)
    whole = (tmp_path / "golden.npz").read_bytes()
    (tmp_path / "golden.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputFileError, match=r"golden\.npz: cannot be read"):
        Golden.read(tmp_path / "golden.npz")
    np.savez(tmp_path / "hostile.npz", sequences=np.array([object()], dtype=object), tolerance=np.zeros(2))
    with pytest.raises(InputFileError, match="cannot be read"):
        Golden.read(tmp_path / "hostile.npz")
    with pytest.raises(TableError, match="do not match values of shape"):
        attrs.evolve(golden, tracks=(1,))


def test_the_tolerance_of_golden_values_is_theirs() -> None:
    wide = attrs.evolve(_golden(), relative=0.01)
    assert check_sequence_model(Drifted(), golden=wide).set_index("check").loc["golden", "outcome"] == "passed"


def test_checks_import_without_pytest() -> None:
    code = (
        "import sys; sys.modules['pytest'] = None\n"
        "import pgxeval.testing as t\n"
        "print(sorted(t.__all__) == dir(t), t.check_predictor.__name__, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "check_predictor", "False"]


class TestSuiteOfAGoodModel(SequenceModelTests):
    @pytest.fixture
    def model(self) -> Model:  # type: ignore[override]  # narrower
        return Model()

    @pytest.fixture
    def equivariant(self) -> bool:
        return True

    @pytest.fixture
    def golden(self) -> Golden:
        return _golden()


SUITE = """
import pytest
from pgxeval.testing import PredictorTests, SequenceModelTests
from mutants import DoubleNumbers, Model

class TestWrong(SequenceModelTests):
    @pytest.fixture
    def model(self):
        return DoubleNumbers()

class TestExcused(TestWrong):
    @pytest.fixture
    def expected_failures(self):
        return {"dtype": "the library answers so", "shape": "not true"}

class TestForgotten(PredictorTests):
    pass
"""


def test_the_suite_fails_skips_and_excuses_under_pytest(tmp_path: Path) -> None:
    (tmp_path / "mutants.py").write_text(Path(__file__).read_text())
    (tmp_path / "test_theirs.py").write_text(SUITE)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "test_theirs.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert [line.split(" - ")[0].split("::", 1)[1] for line in failed] == [
        "TestWrong::test_contract[dtype]",
        "TestExcused::test_contract[shape]",
    ]
    assert "2 failed, 33 passed, 4 skipped, 1 xfailed, 20 errors" in done.stdout
    assert "override the fixture `predictor`" in done.stdout
