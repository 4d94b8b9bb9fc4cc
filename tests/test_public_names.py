"""The front door: pinned names, quick to import, nothing heavy behind it; imports run downward only."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pgxeval

SOURCE = Path(pgxeval.__file__).parent

PUBLIC = [
    "AlphaGenomePredictor",
    "CisVariants",
    "Cohort",
    "ElasticNetPredictor",
    "EnformerPredictor",
    "Evaluation",
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
    "Prediction",
    "Predictions",
    "Predictor",
    "RandomForestPredictor",
    "ReferenceGenome",
    "RemoteServiceError",
    "SequenceModel",
    "SequencePredictor",
    "SettingError",
    "TableError",
    "TrainablePredictor",
    "TssBins",
    "UnknownNameError",
    "VariantFilter",
    "__version__",
    "available_predictors",
    "make_predictor",
    "predict_cohort",
    "simulate_cohort",
]


def test_public_names_are_pinned() -> None:
    assert sorted(pgxeval.__all__) == PUBLIC
    assert dir(pgxeval) == PUBLIC
    assert all(hasattr(pgxeval, name) for name in PUBLIC)


def test_errors_share_one_base_and_keep_old_habits() -> None:
    assert issubclass(pgxeval.InputFileNotFoundError, FileNotFoundError)
    assert issubclass(pgxeval.UnknownNameError, KeyError)
    for error in (pgxeval.TableError, pgxeval.SettingError, pgxeval.GenotypeError, pgxeval.InputFileError):
        assert issubclass(error, pgxeval.PgxevalError)
        assert issubclass(error, ValueError)
    assert str(pgxeval.UnknownNameError("no gene 'A'")) == "no gene 'A'"


def test_import_loads_nothing_heavy() -> None:
    heavy = ["torch", "matplotlib", "numba", "msprime", "alphagenome", "grpc", "statsmodels"]
    code = f"import sys, pgxeval; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_import_adds_little_to_pandas_and_scikit_learn() -> None:
    # counted in imported modules, not in seconds: machines are noisy (benchmarks/import_time.py measures seconds)
    code = "import sys, pandas, sklearn; n = len(sys.modules); import pgxeval; print(len(sys.modules) - n)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 450


def _imports(file: Path) -> set[str]:
    """Return the pgxeval modules that a file imports when it is imported itself."""
    names: set[str] = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
        elif isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
    return {name for name in names if name.startswith("pgxeval")}


def _files(room: str) -> list[Path]:
    return sorted((SOURCE / room).rglob("*.py"))


@pytest.mark.parametrize(
    ("room", "forbidden"),
    [
        ("genome", ("evaluation", "predictors", "cohort", "prediction", "plots", "report", "simulate", "testing")),
        ("evaluation", ("genome", "predictors", "prediction", "simulate", "testing")),
        ("predictors", ("evaluation", "cohort", "prediction", "plots", "report", "simulate", "testing")),
        ("report", ("genome", "predictors", "prediction", "simulate", "testing")),
    ],
)
def test_imports_run_downward_only(room: str, forbidden: tuple[str, ...]) -> None:
    files = _files(room)
    assert files
    for file in files:
        for name in _imports(file):
            top = name.split(".")[1] if "." in name else ""
            assert top not in forbidden, f"{file.name} imports {name}"


def test_nobody_imports_testing() -> None:
    for file in SOURCE.rglob("*.py"):
        if "testing" not in file.parts:
            assert not any(name.startswith("pgxeval.testing") for name in _imports(file)), file
