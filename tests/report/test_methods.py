"""The methods as text: only what is recorded, with references, versions and digests of files."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from pgxeval.cohort.cohort import Cohort
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.report.methods import methods_text
from pgxeval.simulation.simulate import simulate_cohort


def test_states_sizes_folds_statistics_versions_and_references(evaluation: Evaluation) -> None:
    text = methods_text(evaluation)
    for words in (
        "across 60 individuals at 40 genes, without covariates",
        "elastic_net was trained on these individuals, cross-fitted in 5 folds",
        'zero "shot" & <b> was applied without training on these individuals',
        "Spearman's rho",
        "their 95 % intervals",
        "Software: pgxeval 0.1.0.",
        "Benjamini and Hochberg",
        "McNemar",
    ):
        assert words in text, words
    assert "Breiman" not in text  # the class of the forest is not recorded in these settings
    assert "Digests" not in text


def test_references_follow_the_predictors_and_the_covariates(evaluation: Evaluation) -> None:
    predictors = {
        "rf": {
            "kind": "crossfit",
            "folds": 5,
            "reference": "3 replicates",
            "asked": {"class": "RandomForestPredictor"},
        },
        "deep": {"kind": "zero-shot", "asked": {"citation": "Someone et al. 2024."}},
    }
    settings = {**evaluation.settings, "covariates": ["age", "sex"], "measure": "pearson", "predictors": predictors}
    text = methods_text(attrs.evolve(evaluation, settings=settings))
    assert "given the covariates age and sex" in text
    assert "partial Pearson's r" in text
    assert "rf (a random forest) was trained" in text
    assert text.count("Breiman") == 1
    assert "- Someone et al. 2024." in text
    assert "Frisch and Waugh" in text
    assert "Software" not in text


@pytest.mark.filterwarnings("ignore::pgxeval.errors.PgxevalWarning")
def test_digests_of_the_files_of_a_cohort(evaluation: Evaluation, tmp_path: Path) -> None:
    pytest.importorskip("msprime", reason="needs msprime")
    made = simulate_cohort(tmp_path / "cohort", individuals=20, genes=2, window_bp=20_000, seed=0)
    cohort = Cohort.from_files(**made.files)
    text = methods_text(evaluation, cohort)
    assert "Digests of files: genotypes file size " in text
    assert "genotypes file content " in text
    assert "reference file content " in text
    assert str(tmp_path) not in text
    assert methods_text(evaluation, Cohort.from_files(**made.files)) == text
