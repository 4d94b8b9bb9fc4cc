"""The checks as pytest classes: inherit, override `model` or `predictor`, and each check becomes a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from pgxeval.predictors.protocol import Predictor, TrainablePredictor
from pgxeval.predictors.sequence.model import SequenceModel
from pgxeval.testing.checks.checking import EXCUSED, SKIPPED, Check, check_excuses, run_check
from pgxeval.testing.checks.golden import Golden
from pgxeval.testing.checks.model_under_test import ModelUnderTest
from pgxeval.testing.checks.predictor import PREDICTOR_CHECKS, PredictorUnderTest
from pgxeval.testing.checks.sequence_model import SEQUENCE_MODEL_CHECKS
from pgxeval.testing.tiny_world import TinyWorld

_WORLD = pytest.StashKey[TinyWorld]()


def _settle(checks: Mapping[str, Check], name: str, subject: object, excuses: Mapping[str, str]) -> None:
    outcome = run_check(name, checks[name], subject, check_excuses(checks, excuses).get(name))
    if outcome.outcome == SKIPPED:
        pytest.skip(outcome.detail)
    if outcome.outcome == EXCUSED:
        pytest.xfail(outcome.detail)
    if outcome.bad:
        pytest.fail(f"{outcome.check}: {outcome.outcome}: {outcome.detail}", pytrace=False)


class SequenceModelTests:
    """Tests of a `SequenceModel`. Override `model`, and other fixtures where their defaults do not fit.

    Examples
    --------
    ::

        class TestMyModel(SequenceModelTests):
            @pytest.fixture
            def model(self):
                return MyModel()
    """

    @pytest.fixture
    def model(self) -> SequenceModel:
        """Return the model; must be overridden."""
        raise NotImplementedError("override the fixture `model`")

    @pytest.fixture
    def expected_failures(self) -> Mapping[str, str]:
        """Return check -> why it may fail."""
        return {}

    @pytest.fixture
    def context_length(self) -> int | None:
        """Return the length of the sequences [bp]; None for the shortest context."""
        return None

    @pytest.fixture
    def tracks(self) -> Sequence[int] | None:
        """Return the tracks to request; None for up to four and their pairs."""
        return None

    @pytest.fixture
    def tolerance(self) -> float:
        """Return the maximum relative difference between answers to the same input."""
        return 1e-4

    @pytest.fixture
    def golden(self) -> Golden | None:
        """Return known correct answers, or None."""
        return None

    @pytest.fixture
    def equivariant(self) -> bool:
        """Return whether the reverse complement must give the same, mirrored values."""
        return False

    @pytest.fixture
    def model_under_test(  # noqa: PLR0917 (fixtures, by name)
        self,
        model: SequenceModel,
        context_length: int | None,
        tracks: Sequence[int] | None,
        tolerance: float,
        golden: Golden | None,
        equivariant: bool,
    ) -> ModelUnderTest:
        """Collect what the checks need; do not override."""
        return ModelUnderTest(
            model=model,
            context_length=context_length,
            tracks=tracks,
            tolerance=tolerance,
            golden=golden,
            equivariant=equivariant,
        )

    @pytest.mark.parametrize("check", list(SEQUENCE_MODEL_CHECKS))
    def test_contract(self, check: str, model_under_test: ModelUnderTest, expected_failures: Mapping[str, str]) -> None:
        """Run one check."""
        _settle(SEQUENCE_MODEL_CHECKS, check, model_under_test, expected_failures)


class PredictorTests:
    """Tests of a `Predictor` or `TrainablePredictor`. Override `predictor`, and others where they do not fit."""

    @pytest.fixture
    def predictor(self) -> Predictor | TrainablePredictor:
        """Return the predictor; must be overridden."""
        raise NotImplementedError("override the fixture `predictor`")

    @pytest.fixture
    def expected_failures(self) -> Mapping[str, str]:
        """Return check -> why it may fail."""
        return {}

    @pytest.fixture
    def world(self, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TinyWorld:
        """Return the small cohort to test on, the same one for the whole run."""
        stash = request.config.stash
        if _WORLD not in stash:
            stash[_WORLD] = TinyWorld.make(tmp_path_factory.mktemp("tiny_world"))
        return stash[_WORLD]

    @pytest.fixture
    def tolerance(self) -> float:
        """Return the maximum relative difference between answers to the same input."""
        return 1e-6

    @pytest.fixture
    def golden(self) -> Mapping[str, float] | None:
        """Return individual -> known correct value of ``world.gene``, or None."""
        return None

    @pytest.fixture
    def predictor_under_test(
        self,
        predictor: Predictor | TrainablePredictor,
        world: TinyWorld,
        tolerance: float,
        golden: Mapping[str, float] | None,
    ) -> PredictorUnderTest:
        """Collect what the checks need; do not override."""
        return PredictorUnderTest(predictor=predictor, world=world, tolerance=tolerance, golden=golden)

    @pytest.mark.parametrize("check", list(PREDICTOR_CHECKS))
    def test_contract(
        self, check: str, predictor_under_test: PredictorUnderTest, expected_failures: Mapping[str, str]
    ) -> None:
        """Run one check."""
        _settle(PREDICTOR_CHECKS, check, predictor_under_test, expected_failures)
