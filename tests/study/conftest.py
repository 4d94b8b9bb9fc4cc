"""Fixtures of the study room: a small study, run once."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import attrs
import pytest

from pgxeval.cohort import Cohort
from pgxeval.study import Study, run_study


@pytest.fixture(scope="session")
def small() -> ModuleType:
    """Return `small_study.py`: cohorts, predictors and settings of a small study."""
    pytest.importorskip("msprime", reason="the simulated cohort needs the extra `demo`")
    if "small_study" not in sys.modules:
        spec = importlib.util.spec_from_file_location("small_study", Path(__file__).with_name("small_study.py"))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["small_study"] = module
        spec.loader.exec_module(module)
    return sys.modules["small_study"]


@pytest.fixture(scope="session")
def cohorts(small: ModuleType) -> dict[str, Cohort]:
    made: dict[str, Cohort] = small.make_cohorts()
    return made


@pytest.fixture(scope="session")
def study_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study") / "folder"


@pytest.fixture(scope="session")
def study(small: ModuleType, cohorts: dict[str, Cohort], study_folder: Path) -> Study:
    return run_study(cohorts, small.predictors(), study_folder, settings=small.SETTINGS, workers=1)


@pytest.fixture
def changed(study: Study) -> Callable[..., Study]:
    """Return a function that returns the study with tables of its own and of its evaluation replaced."""

    def change(*, evaluation: dict[str, object] | None = None, **own: object) -> Study:
        return attrs.evolve(study, evaluation=attrs.evolve(study.evaluation, **(evaluation or {})), **own)

    return change
