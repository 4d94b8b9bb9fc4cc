"""PredictionStore: a killed run goes on, and nothing stale is ever taken."""

from __future__ import annotations

import os
from pathlib import Path

import attrs
import pandas as pd
import pytest

from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import InputFileError, SettingError
from pgxeval.prediction import store as store_module
from pgxeval.prediction.run import predict_cohort
from pgxeval.predictors.trained.random_forest import RandomForestPredictor
from pgxeval.simulation.simulate import simulate_cohort

Planted = tuple[Cohort, pd.DataFrame]


@attrs.frozen
class Counting:
    """A forest that counts its fits, and stops the run after some."""

    forest: RandomForestPredictor = attrs.field(factory=lambda: RandomForestPredictor(n_estimators=4))
    fits: list = attrs.field(factory=list, repr=False, eq=False)
    stop_after: int = 10_000
    name: str = "random_forest"

    @property
    def settings(self) -> dict[str, object]:
        return {"trees": self.forest.n_estimators}

    def fit(self, gene, genome, expression, *, seed=0):
        if len(self.fits) >= self.stop_after:
            raise KeyboardInterrupt
        self.fits.append(gene.gene_id)
        return self.forest.fit(gene, genome, expression, seed=seed)


@pytest.fixture(autouse=True)
def _describe_by_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the counters stay out of the digest."""
    whole = store_module.describe
    monkeypatch.setattr(
        store_module, "describe", lambda value: value.settings if isinstance(value, Counting) else whole(value)
    )


def _run(cohort: Cohort, predictor: Counting, folder: Path, **settings: object):
    return predict_cohort(
        cohort, [predictor], folds=3, workers=1, progress=False, store=folder, **{"replicates": 1, **settings}
    )


def test_a_stopped_run_goes_on_where_it_was(planted: Planted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "FLUSH_SECONDS", 0.0)
    cohort, _ = planted
    stopped = Counting(stop_after=15)
    with pytest.raises(KeyboardInterrupt):
        _run(cohort, stopped, tmp_path)
    second = Counting()
    resumed = _run(cohort, second, tmp_path)
    assert len(second.fits) == 4 * 6 - 2 * 6
    fresh = _run(cohort, Counting(), tmp_path / "fresh")
    assert resumed.table.equals(fresh.table)
    third = Counting()
    assert _run(cohort, third, tmp_path).table.equals(fresh.table)
    assert third.fits == []


@pytest.mark.parametrize("settings", [{"seed": 5}, {"replicates": 2}, {"method": "prequential"}])
def test_other_settings_take_nothing(planted: Planted, tmp_path: Path, settings: dict) -> None:
    cohort, _ = planted
    _run(cohort, Counting(), tmp_path)
    again = Counting()
    _run(cohort, again, tmp_path, **settings)
    assert len(again.fits) >= 8


def test_other_expression_trees_or_people_take_nothing(planted: Planted, tmp_path: Path) -> None:
    cohort, _ = planted
    _run(cohort, Counting(), tmp_path)
    expression = cohort.expression.copy()
    expression[2, 4] += 0.5
    one_gene = Counting()
    _run(attrs.evolve(cohort, expression=expression), one_gene, tmp_path)
    assert set(one_gene.fits) == {cohort.gene_ids[2]}
    for changed, people in [
        (Counting(forest=RandomForestPredictor(n_estimators=5)), cohort),
        (Counting(), cohort.subset(individuals=list(cohort.individuals[:-1]))),
    ]:
        _run(people, changed, tmp_path)
        assert len(changed.fits) == 4 * 6


def test_a_changed_file_of_genotypes_takes_nothing(tmp_path: Path) -> None:
    made = simulate_cohort(tmp_path / "cohort", individuals=30, kinds={"null": 2}, window_bp=10_000)
    _run(Cohort.from_files(**made.files), Counting(), tmp_path / "store")
    same, touched = Counting(), Counting()
    _run(Cohort.from_files(**made.files), same, tmp_path / "store")
    os.utime(made.genotypes, ns=(1, 2))
    os.utime(f"{made.genotypes}.tbi", ns=(3, 4))
    _run(Cohort.from_files(**made.files), touched, tmp_path / "store")
    assert (len(same.fits), len(touched.fits)) == (0, 2 * 6)


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    (tmp_path / "part-1.parquet").write_bytes(b"not parquet")
    with pytest.raises(InputFileError, match=r"part-1\.parquet is damaged .*delete this part"):
        store_module.PredictionStore(tmp_path)


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingError, match="cannot be made a folder"):
        store_module.PredictionStore(tmp_path / "file")


def test_nothing_half_written_is_read(planted: Planted, tmp_path: Path) -> None:
    _run(planted[0], Counting(), tmp_path)
    (tmp_path / ".part-x.parquet.partial").write_bytes(b"half")
    assert len(store_module.PredictionStore(tmp_path)) == 4
