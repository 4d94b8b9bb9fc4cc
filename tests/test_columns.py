"""The dictionaries of columns in the documentation are those of the tables that the library returns."""

from __future__ import annotations

import importlib
import re
import sys
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

import pgxeval
from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import PgxevalWarning
from pgxeval.evaluation import (
    Evaluation,
    EvaluationSettings,
    across_genes,
    compare_genes,
    compare_pairs,
    evaluate_tissues,
    flips,
    heritability,
    tissue_sharing,
)
from pgxeval.evaluation.tables import TABLES
from pgxeval.simulation import simulate_cohort
from pgxeval.study import ceiling, cis_tests, counts, mechanism, pairs, run
from pgxeval.study import predictions as study_predictions

DOCS = Path(__file__).resolve().parents[1] / "docs"
ONLY_WITH_TISSUES = {"tissue"}


@pytest.fixture(scope="module")
def dictionaries() -> ModuleType:
    sys.path.insert(0, str(DOCS / "_ext"))
    try:
        return importlib.import_module("dictionaries")
    finally:
        sys.path.remove(str(DOCS / "_ext"))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> tuple[Cohort, pd.DataFrame]:
    pytest.importorskip("msprime", reason="the simulated cohort needs the extra `demo`")
    made = simulate_cohort(tmp_path_factory.mktemp("cohort"), individuals=40, genes=4, window_bp=10_000)
    return Cohort.from_files(**made.files, screen_genotypes=False), made.truth


PREDICTORS = [
    pgxeval.ElasticNetPredictor(flank_bp=2_000, n_alphas=10),
    pgxeval.RandomForestPredictor(flank_bp=2_000, n_estimators=5),
]


@pytest.fixture(scope="module")
def made(cohort: tuple[Cohort, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return a table of each kind."""
    simulated, truth = cohort
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PgxevalWarning)
        predictions = pgxeval.predict_cohort(simulated, PREDICTORS, replicates=2, workers=1, progress=False)
        settings = EvaluationSettings(block_bp=20_000)
        evaluation: Evaluation = pgxeval.Evaluator(simulated).evaluate(predictions, settings=settings)
        both = {"a": simulated, "b": simulated}
        tissues = evaluate_tissues(both, dict.fromkeys(both, predictions), settings=settings)
    a, b = (predictor.name for predictor in PREDICTORS)
    assert evaluation.target is not None
    dosages = np.random.default_rng(0).binomial(2, 0.3, size=(40, 5)).astype(float)
    return {
        **{name: getattr(evaluation, name) for name in TABLES},
        **{f"{name} of tissues": getattr(tissues, name) for name in TABLES},
        "predictions": predictions.table,
        "failures": predictions.failures,
        "effects": pgxeval.attribute(PREDICTORS[0], simulated.genes[0], simulated),
        "compare_genes": compare_genes(evaluation, a, b),
        "study pairs": compare_pairs(evaluation).assign(tissue="a"),
        "flips": flips(evaluation, a, b),
        "across_genes": across_genes(predictions, evaluation.target),
        "tissue_sharing": tissue_sharing(tissues.per_gene),
        "power": pgxeval.power([50], [20], settings=pgxeval.PowerSettings(simulations=100)),
        "heritability": heritability(dosages[:, 0] + dosages[:, 1], dosages, draws=100),
        "check": simulated.check(),
        "plan": pgxeval.plan(simulated, PREDICTORS, timed_genes=0).predictors,
        "truth": truth,
    }


def test_every_dictionary_is_that_of_a_real_table(made: dict[str, pd.DataFrame], dictionaries: ModuleType) -> None:
    for name, table in made.items():
        columns = dictionaries.TABLES[name.removesuffix(" of tissues")].columns
        optional = ONLY_WITH_TISSUES - set(table.columns)
        assert set(table.columns) == set(columns) - optional, name


def test_dictionaries_of_a_study_are_those_of_its_tables(dictionaries: ModuleType) -> None:
    columns = {
        "study flips": pairs.FLIPS,
        "study heritability": cis_tests.HERITABILITY,
        "nonadditivity": cis_tests.NONADDITIVITY,
        "mechanism": mechanism.MECHANISM,
        "ceiling": ceiling.CEILING,
        "genes": run._genes_table([]).columns,
        "counts": counts.COUNTS,
        "study failures": study_predictions.FAILURES,
    }
    for name, expected in columns.items():
        assert list(dictionaries.TABLES[name].columns) == list(expected), name


def test_every_table_of_an_evaluation_has_a_dictionary_on_the_page(dictionaries: ModuleType) -> None:
    page = (DOCS / "reference" / "columns.md").read_text(encoding="utf-8")
    shown = re.findall(r"^```\{columns\} (.+)$", page, re.MULTILINE)
    assert sorted(shown) == sorted(dictionaries.TABLES)
    assert set(TABLES) <= set(shown)


def test_units_are_of_columns_that_exist(dictionaries: ModuleType) -> None:
    for name, table in dictionaries.TABLES.items():
        assert set(table.units) <= set(table.columns), name
        assert all(meaning and not meaning.endswith(".") for meaning in table.columns.values()), name
