"""The front door: pinned names, quick to import, nothing heavy behind it."""

from __future__ import annotations

import subprocess
import sys

import pytest

import pgxeval

PUBLIC = [
    "AlphaGenomePredictor",
    "AttributionSettings",
    "CisVariants",
    "Cohort",
    "ElasticNetPredictor",
    "EnformerPredictor",
    "Evaluation",
    "EvaluationSettings",
    "Evaluator",
    "ExonMask",
    "Gene",
    "GeneBody",
    "GenotypeError",
    "InputFileError",
    "InputFileNotFoundError",
    "Interval",
    "IntervalReadout",
    "ModelInfo",
    "PersonalGenome",
    "PgxevalError",
    "PgxevalWarning",
    "PowerSettings",
    "Prediction",
    "Predictions",
    "Predictor",
    "RandomForestPredictor",
    "ReferenceGenome",
    "RemoteServiceError",
    "SequenceModel",
    "SequencePredictor",
    "SettingError",
    "SklearnPredictor",
    "Study",
    "StudySettings",
    "TableError",
    "TrainablePredictor",
    "TssBins",
    "UnknownNameError",
    "VariantFilter",
    "__version__",
    "attribute",
    "available_predictors",
    "make_predictor",
    "plan",
    "power",
    "predict_cohort",
    "run_study",
    "simulate_cohort",
]


def test_public_names_are_pinned() -> None:
    assert sorted(pgxeval.__all__) == PUBLIC
    assert dir(pgxeval) == sorted([*PUBLIC, "datasets", "plots", "report"])
    assert all(hasattr(pgxeval, name) for name in PUBLIC)


@pytest.mark.parametrize("room", ["datasets", "plots", "report"])
def test_rooms_that_the_front_door_opens_when_asked(room: str) -> None:
    code = f"import sys, pgxeval; assert 'pgxeval.{room}' not in sys.modules; print(pgxeval.{room}.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"pgxeval.{room}"
    with pytest.raises(AttributeError, match="no attribute 'reprot'"):
        pgxeval.reprot  # noqa: B018


def test_errors_share_one_base_and_keep_old_habits() -> None:
    assert issubclass(pgxeval.InputFileNotFoundError, FileNotFoundError)
    assert issubclass(pgxeval.UnknownNameError, KeyError)
    for error in (pgxeval.TableError, pgxeval.SettingError, pgxeval.GenotypeError, pgxeval.InputFileError):
        assert issubclass(error, pgxeval.PgxevalError)
        assert issubclass(error, ValueError)
    assert str(pgxeval.UnknownNameError("no gene 'A'")) == "no gene 'A'"


def test_import_loads_nothing_heavy() -> None:
    heavy = ["torch", "matplotlib", "numba", "msprime", "alphagenome", "grpc", "statsmodels"]
    heavy += ["sklearn", "scipy.stats", "scipy.optimize"]  # 70 MB of each worker
    code = (
        "import sys, pgxeval; pgxeval.RandomForestPredictor(parameters={'max_depth': 3}); "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_import_adds_little_to_pandas_and_scikit_learn() -> None:
    # counted in modules of other packages, not in seconds, because machines are noisy (benchmarks/import_time.py)
    code = (
        "import sys, pandas, sklearn; before = set(sys.modules); import pgxeval; "
        "print(sum(not name.startswith('pgxeval') for name in set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 330
