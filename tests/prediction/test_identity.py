"""What a run depends on: a change of it takes nothing from the store."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import ModuleType

import attrs
import numpy as np
import pandas as pd
import pytest

from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import SettingError
from pgxeval.prediction import PredictionStore, StoredPredictions, predict_cohort
from pgxeval.simulation.simulate import simulate_cohort

GENES, FITS = 12, 6  # three folds, observed and one replicate


@pytest.fixture(scope="session")
def cohort(cheap: ModuleType) -> Cohort:
    return cheap.cheap_cohort(GENES)


def _run(cohort: Cohort, predictors: object, store: Path | None = None, **settings: object) -> StoredPredictions:
    listed = predictors if isinstance(predictors, list) else [predictors]
    arguments = {"folds": 3, "workers": 1, "progress": False, "replicates": 1, **settings}
    return predict_cohort(cohort, listed, store=store, **arguments)


def _calls(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in sorted(folder.iterdir())}


@pytest.fixture
def counted(tmp_path: Path, cheap: ModuleType):
    """Return a maker of predictors that count their fits in a folder."""

    def make(label: str, **settings: object):
        folder = tmp_path / f"calls-{label}"
        folder.mkdir()
        return cheap.Cheap(calls=folder, **settings), folder

    return make


@pytest.mark.parametrize("settings", [{"seed": 5}, {"replicates": 2}, {"method": "prequential"}, {"folds": 4}])
def test_other_settings_take_nothing_and_the_difference_is_logged(
    cohort: Cohort, tmp_path: Path, counted, caplog: pytest.LogCaptureFixture, settings: dict
) -> None:
    _run(cohort, counted("first")[0], tmp_path / "store")
    predictor, calls = counted("second")
    with caplog.at_level("WARNING", logger="pgxeval"):
        fresh = _run(cohort, predictor, tmp_path / "store", **settings)
    assert len(_calls(calls)) == GENES
    name, value = next(iter(settings.items()))
    shown = json.dumps(value)
    assert f"{name}: {shown} instead of" in caplog.text
    assert fresh.table.equals(_run(cohort, counted("third")[0], **settings).table)
    with pytest.raises(SettingError, match=f"2 runs of predictor cheap; choose one.*{name}: "):
        PredictionStore(tmp_path / "store").run("cheap")


def test_another_predictor_of_the_same_class_and_name_takes_nothing(
    cohort: Cohort, cheap: ModuleType, tmp_path: Path
) -> None:
    one, other = cheap.Cheap(weight=1.0), cheap.Cheap(weight=2.0)
    _run(cohort, one, tmp_path / "store")
    assert _run(cohort, other, tmp_path / "store").table.equals(_run(cohort, other).table)
    renamed = attrs.evolve(other, name="renamed")
    assert _run(cohort, [other, renamed], tmp_path / "store").predictors == ("cheap", "renamed")


def test_changed_expression_of_one_gene_computes_that_gene(cohort: Cohort, tmp_path: Path, counted) -> None:
    _run(cohort, counted("first")[0], tmp_path / "store")
    expression = cohort.expression.copy()
    expression[2, 4] += 0.5
    predictor, calls = counted("second")
    changed = attrs.evolve(cohort, expression=expression)
    result = _run(changed, predictor, tmp_path / "store")
    assert [*_calls(calls)] == [cohort.gene_ids[2]]
    assert result.table.equals(_run(changed, counted("third")[0]).table)
    fewer, calls = counted("fewer")
    _run(cohort.subset(genes=cohort.gene_ids[:5]), fewer, tmp_path / "store")
    assert not _calls(calls)


@pytest.mark.parametrize("change", ["individuals", "covariates"])
def test_other_individuals_and_covariates_take_nothing(cohort: Cohort, tmp_path: Path, counted, change: str) -> None:
    _run(cohort, counted("first")[0], tmp_path / "store")
    table = pd.DataFrame({"age": np.arange(12.0)}, index=list(cohort.individuals))
    other = (
        cohort.subset(individuals=cohort.individuals[:-1])
        if change == "individuals"
        else attrs.evolve(cohort, covariates=table)
    )
    predictor, calls = counted("second")
    _run(other, predictor, tmp_path / "store")
    assert len(_calls(calls)) == GENES


def test_changed_genotypes_take_nothing(tmp_path: Path, counted) -> None:
    made = simulate_cohort(tmp_path / "cohort", individuals=30, kinds={"null": 2}, window_bp=10_000)
    _run(
        Cohort.from_files(
            expression=made.files["expression"], genotypes=made.files["genotypes"], screen_genotypes=False
        ),
        counted("first")[0],
        tmp_path / "store",
    )
    again, calls = counted("again")
    _run(
        Cohort.from_files(
            expression=made.files["expression"], genotypes=made.files["genotypes"], screen_genotypes=False
        ),
        again,
        tmp_path / "store",
    )
    assert not _calls(calls)
    # other genotypes with the time of the old file
    state = Path(made.genotypes).stat()
    other = simulate_cohort(tmp_path / "other", individuals=30, kinds={"null": 2}, window_bp=10_000, seed=5)
    Path(made.genotypes).write_bytes(Path(other.genotypes).read_bytes())
    Path(f"{made.genotypes}.tbi").write_bytes(Path(f"{other.genotypes}.tbi").read_bytes())
    os.utime(made.genotypes, ns=(state.st_atime_ns, state.st_mtime_ns))
    changed, calls = counted("changed")
    _run(
        Cohort.from_files(
            expression=made.files["expression"], genotypes=made.files["genotypes"], screen_genotypes=False
        ),
        changed,
        tmp_path / "store",
    )
    assert len(_calls(calls)) == 2
