"""Tissues of a study: folders, cohorts, predictors by tissue and their kinds."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from pgxeval.cohort import Cohort
from pgxeval.errors import SettingError
from pgxeval.predictors.trained import ElasticNetPredictor
from pgxeval.study.tissues import (
    ONE_TISSUE,
    folder_name,
    kinds_of,
    predictors_by_tissue,
    tissue_cohorts,
)


def test_tissues_have_different_folders() -> None:
    """Names that differ only in characters that a folder cannot have, or beyond its length, do not collide."""
    names = ["Skin (leg)", "Skin [leg]", "Skin__leg_", "a" * 61, "a" * 62, "../up", "Haut/Bein"]
    folders = [folder_name(name) for name in names]
    assert len(set(folders)) == len(names)
    assert folders[2] == "Skin__leg_"
    assert all(Path(folder).name == folder and not folder.startswith(".") for folder in folders)


def test_cohorts_by_tissue(cohorts: dict[str, Cohort]) -> None:
    assert tissue_cohorts(cohorts["blood"]) == {ONE_TISSUE: cohorts["blood"]}
    assert list(tissue_cohorts(cohorts)) == ["blood", "brain"]
    with pytest.raises(SettingError, match="got an empty mapping"):
        tissue_cohorts({})


def test_predictors_by_tissue(cohorts: dict[str, Cohort], small: ModuleType) -> None:
    alpha, beta = small.RandomWeights("alpha"), small.RandomWeights("beta")
    assert predictors_by_tissue([alpha], cohorts) == {"blood": [alpha], "brain": [alpha]}
    own = predictors_by_tissue({"brain": [beta], "blood": ["elastic_net"]}, cohorts)
    assert {tissue: [one.name for one in given] for tissue, given in own.items()} == {
        "blood": ["elastic_net"],
        "brain": ["beta"],
    }
    with pytest.raises(SettingError, match="tissue brain has no predictor"):
        predictors_by_tissue({"blood": [alpha], "brain": []}, cohorts)


def test_a_name_has_one_kind(small: ModuleType) -> None:
    trained = ElasticNetPredictor()
    assert kinds_of({"blood": [small.RandomWeights("alpha"), trained], "brain": [trained]}) == {
        "alpha": "zero-shot",
        trained.name: "trained",
    }
    with pytest.raises(SettingError, match=f"predictor {trained.name} is trained in one tissue and zero-shot in"):
        kinds_of({"blood": [trained], "brain": [small.RandomWeights(trained.name)]})
