"""run_study: its tables agree with the functions that make them one by one, and it continues where it was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TypeAlias

import attrs
import numpy as np
import pandas as pd
import pytest

from pgxeval.attribution import AttributionSettings, attribute
from pgxeval.cohort import Cohort
from pgxeval.errors import InputFileError, PgxevalError, SettingError, UnknownNameError
from pgxeval.evaluation import (
    EvaluationSettings,
    compare_effects,
    compare_genes,
    direction_curve,
    evaluate_tissues,
    heritability,
)
from pgxeval.prediction import predict_cohort
from pgxeval.predictors import ModelInfo, SequencePredictor, TssBins
from pgxeval.study import SplitSettings, Study, StudySettings, run_study, split_strata
from pgxeval.study.results import TABLES
from pgxeval.testing.tiny_world import TinyWorld

ROOT = Path(__file__).resolve().parents[2]


Cohorts: TypeAlias = dict[str, Cohort]
Run: TypeAlias = Callable[..., Study]


@pytest.fixture
def cheap(small: ModuleType) -> StudySettings:
    """Settings of a study without heritability, non-additivity and effects."""
    return attrs.evolve(small.SETTINGS, analyses=())


@pytest.fixture
def run_cheap(tmp_path: Path, cheap: StudySettings) -> Run:
    """Return a function that runs a study with these settings."""

    def run(cohorts: Cohorts | Cohort, predictors: object) -> Study:
        return run_study(cohorts, predictors, tmp_path, settings=cheap, workers=1)  # type: ignore[arg-type]

    return run


def _same(one: Study, other: Study) -> None:
    for name in TABLES:
        pd.testing.assert_frame_equal(one.table(name), other.table(name), obj=name)
    for name in ("summary", "per_gene", "concordance", "comparison", "strata", "exclusions"):
        pd.testing.assert_frame_equal(getattr(one.evaluation, name), getattr(other.evaluation, name), obj=name)
    assert one.settings == other.settings


class TestTables:
    def test_evaluation_is_that_of_evaluate_tissues(self, study: Study, cohorts: Cohorts, small: ModuleType) -> None:
        stored = {
            name: predict_cohort(one, small.predictors(), folds=3, replicates=2, workers=1)
            for name, one in cohorts.items()
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = evaluate_tissues(cohorts, stored, settings=EvaluationSettings(margin=0.02))
        pd.testing.assert_frame_equal(study.evaluation.per_gene, expected.per_gene)
        pd.testing.assert_frame_equal(study.evaluation.concordance, expected.concordance)

    def test_heritability_of_one_pair(self, study: Study, cohorts: Cohorts, small: ModuleType) -> None:
        row = study.heritability[study.heritability["tissue"] == "brain"].iloc[1]
        cohort = cohorts["brain"]
        gene = cohort.gene(row["gene_id"])
        selected = small.VARIANTS.select(gene, cohort.genome, cohort.individuals)
        expected = heritability(
            cohort.expression_of(gene.gene_id).to_numpy(), selected.dosages(cohort.genome, cohort.individuals)
        )
        assert row["h2"] == pytest.approx(expected["h2"][0], abs=1e-9)
        assert row["n"] == 45
        assert len(study.heritability) == 8 + 6

    def test_effects_and_mechanism_of_one_pair(self, study: Study, cohorts: Cohorts, small: ModuleType) -> None:
        tissue, gene_id = study.effects[["tissue", "gene_id"]].iloc[0]
        cohort = cohorts[tissue]
        settings = AttributionSettings(folds=3)
        sides = [
            attribute(one, gene_id, cohort, settings=settings) for one in (small.predictors()[1], small.predictors()[2])
        ]
        rows = study.effects[(study.effects["tissue"] == tissue) & (study.effects["gene_id"] == gene_id)]
        for side in sides:
            own = rows[rows["predictor"] == side["predictor"].iloc[0]]
            np.testing.assert_allclose(own["effect"], side["effect"])
        shared = [v for v in sides[0]["variant"] if v in set(sides[1]["variant"])]
        effects = [side.set_index("variant").loc[shared, "effect"].to_numpy() for side in sides]
        dosages = cohort.genome.dosages(cohort.gene(gene_id).cis_window(20_000, "tss"), cohort.individuals)
        names = [f"{row.contig}:{row.position}:{row.ref}:{row.alt}" for row in dosages.variants.itertuples()]
        matrix = dosages.values[:, [names.index(variant) for variant in shared]].astype(float)
        expected = compare_effects(*effects, matrix)
        table = study.mechanism
        found = table[
            (table["tissue"] == tissue)
            & (table["gene_id"] == gene_id)
            & (table["predictor_a"] == "random_forest")
            & (table["predictor_b"] == "alpha")
        ]
        assert found["prediction_correlation"].iloc[0] == pytest.approx(expected.prediction_correlation)
        assert found["overlap"].iloc[0] == pytest.approx(expected.overlap)

    def test_pairs_and_flips_count_the_same(self, study: Study) -> None:
        pairs = study.evaluation.pairs
        part = pairs[(pairs["predictor_a"] == "alpha") & (pairs["predictor_b"] == "beta")]
        assert len(part) == 14
        flips = study.evaluation.flips
        row = flips[(flips["predictor_a"] == "alpha") & (flips["predictor_b"] == "beta") & (flips["right"] == "a")]
        assert row["genes"].iloc[0] == ((part["correlation_a"] > 0) & (part["correlation_b"] < 0)).sum()

    def test_values_of_individuals_are_at_hand(self, study: Study) -> None:
        pairs = study.evaluation.pairs
        stored = pairs[(pairs["predictor_a"] == "alpha") & (pairs["predictor_b"] == "beta")]
        again = compare_genes(study.evaluation, "alpha", "beta")
        np.testing.assert_allclose(again["difference"], stored["difference"])
        curve = direction_curve(study.evaluation, "predicted_effect", bins=2)
        assert (curve.groupby("predictor")["unknown"].sum() == 0).all()
        assert curve.groupby("predictor")["n_directed"].sum()["alpha"] == 14

    def test_q_values_are_over_all_tissues(self, study: Study) -> None:
        from scipy.stats import false_discovery_control

        pairs = study.evaluation.pairs
        part = pairs[(pairs["predictor_a"] == "random_forest") & (pairs["predictor_b"] == "beta")]
        p = part["p_value"].to_numpy()
        defined = np.isfinite(p)
        np.testing.assert_allclose(part["q_value"].to_numpy()[defined], false_discovery_control(p[defined]))

    def test_counts(self, study: Study) -> None:
        counts = study.counts.set_index(["step", "tissue", "predictor"])["count"]
        assert counts["individuals", "brain", ""] == 45
        assert counts["pairs evaluated", "blood", "alpha"] == 8
        assert counts["pairs with effects of variants", "", ""] == 3
        assert study.failures.empty

    def test_sharing_counts_tissues(self, study: Study) -> None:
        per_gene = study.evaluation.per_gene
        own = per_gene[(per_gene["predictor"] == "alpha") & per_gene["direction"].notna()]
        both_right = own[own["direction"] > 0].groupby("gene_id").size().eq(2).sum()
        table = study.tissue_sharing
        row = table[(table["predictor"] == "alpha") & (table["tissues"] == 2) & (table["right"] == 2)]
        assert row["genes"].sum() == both_right


class TestResume:
    def test_a_second_run_computes_nothing_and_is_equal(
        self,
        study: Study,
        cohorts: Cohorts,
        study_folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        small: ModuleType,
    ) -> None:
        from pgxeval.study import cis_tests, effects, evaluation, mechanism

        def refuse(*arguments: object, **options: object) -> None:
            raise AssertionError("computed again")

        for module, name in (
            (cis_tests, "heritability"),
            (cis_tests, "nonadditivity"),
            (effects, "attribute"),
            (mechanism, "compare_effects"),
            (evaluation, "evaluate_tissues"),
            (evaluation, "compare_in_tissues"),
            (evaluation, "across_genes"),
        ):
            monkeypatch.setattr(module, name, refuse)
        _same(run_study(cohorts, small.predictors(), study_folder, settings=small.SETTINGS, workers=1), study)

    def test_read(self, study: Study, study_folder: Path) -> None:
        again = Study.read(study_folder)
        _same(again, study)
        pd.testing.assert_frame_equal(again.findings, study.findings)
        assert (study_folder / "methods.md").read_text() == study.methods == again.methods

    def test_a_killed_run_is_continued(
        self,
        study: Study,
        cohorts: Cohorts,
        small: ModuleType,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """What a killed process left behind is used, and the tables are those of a run without interruption."""
        program = (
            "import sys; from small_study import *; from pgxeval.study import run_study; "
            "run_study(make_cohorts(), predictors(), sys.argv[1], settings=SETTINGS, workers=1)"
        )
        paths = [str(Path(__file__).parent), str(ROOT / "src")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        folder = tmp_path / "study"
        process = subprocess.Popen([sys.executable, "-c", program, str(folder)], env=environment)
        deadline = time.monotonic() + 120
        while (
            process.poll() is None
            and time.monotonic() < deadline
            and not any(folder.glob("parts/heritability/*.parquet"))
        ):
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert not (folder / "study.json").exists()
        with pytest.raises(InputFileError, match="complete study"):
            Study.read(folder)

        def refuse(*arguments: object, **options: object) -> None:
            raise AssertionError("predicted again")

        monkeypatch.setattr(type(small.predictors()[0]), "fit", refuse)
        again = run_study(
            cohorts, small.predictors(), folder, settings=attrs.evolve(small.SETTINGS, analyses=()), workers=1
        )
        pd.testing.assert_frame_equal(again.evaluation.per_gene, study.evaluation.per_gene)
        monkeypatch.undo()
        _same(run_study(cohorts, small.predictors(), folder, settings=small.SETTINGS, workers=1), study)


class TestArguments:
    def test_one_cohort_is_one_tissue(self, cohorts: Cohorts, small: ModuleType, run_cheap: Run) -> None:
        study = run_cheap(cohorts["brain"], [small.RandomWeights("alpha")])
        assert list(study.settings["tissues"]) == ["cohort"]
        assert [one.answer for one in study.answers] == ["not asked"] * 5
        assert all(one.reason for one in study.answers)
        assert study.evaluation.pairs.empty

    def test_predictors_by_tissue(self, cohorts: Cohorts, small: ModuleType, run_cheap: Run) -> None:
        """A predictor that answers in one tissue only has no pair in the other, and says so."""
        alpha, beta = small.RandomWeights("alpha"), small.RandomWeights("beta")
        study = run_cheap(cohorts, {"blood": [alpha, beta], "brain": [alpha]})
        rows = study.evaluation.per_gene[study.evaluation.per_gene["predictor"] == "beta"]
        assert rows.loc[rows["tissue"] == "brain", "correlation"].isna().all()
        assert rows.loc[rows["tissue"] == "brain", "reason"].notna().all()
        assert set(study.evaluation.pairs["tissue"]) == {"blood"}
        assert len(study.evaluation.pairs) == 8

    def test_unknown_tissues(self, cohorts: Cohorts, small: ModuleType, run_cheap: Run) -> None:
        with pytest.raises(SettingError, match="same tissues"):
            run_cheap(cohorts, {"blood": [small.RandomWeights("alpha")]})

    @pytest.mark.parametrize("bad", [{}, {"": 1}, [1]])
    def test_no_cohorts(self, bad: object, small: ModuleType, run_cheap: Run) -> None:
        with pytest.raises(SettingError, match="cohorts"):
            run_cheap(bad, [small.RandomWeights("alpha")])

    def test_names_must_differ(self, cohorts: Cohorts, small: ModuleType, run_cheap: Run) -> None:
        with pytest.raises(SettingError, match="different names; alpha occurs"):
            run_cheap(cohorts, [small.RandomWeights("alpha"), small.RandomWeights("alpha")])

    def test_predictors_by_name(self, cohorts: Cohorts, run_cheap: Run) -> None:
        assert run_cheap(cohorts, ["elastic_net"]).evaluation.summary["predictor"].unique().tolist() == ["elastic_net"]
        with pytest.raises(UnknownNameError, match="elastic_met"):
            run_cheap(cohorts, ["elastic_met"])

    def test_unknown_model(self, cohorts: Cohorts, small: ModuleType, tmp_path: Path) -> None:
        with pytest.raises(UnknownNameError, match="gamma"):
            run_study(cohorts, [small.RandomWeights("alpha")], tmp_path, settings=StudySettings(model="gamma"))
        assert not any(tmp_path.iterdir())


class TestFailures:
    def test_a_predictor_that_fails_everywhere(self, cohorts: Cohorts, small: ModuleType, run_cheap: Run) -> None:
        study = run_cheap(cohorts, [small.RandomWeights("alpha"), small.Failing("broken")])
        places = study.failures[["tissue", "predictor"]].drop_duplicates()
        assert places.to_numpy().tolist() == [["blood", "broken"], ["brain", "broken"]]
        assert study.failures["reason"].str.startswith("failed at all genes: ").all()
        assert set(study.evaluation.per_gene["predictor"]) == {"alpha"}
        direction = study.answers[0]
        assert (direction.answer, direction.reason) == ("undecided", "no pair has a direction under both models")

    def test_one_gene_that_fails_concerns_no_other(self, cohorts: Cohorts, small: ModuleType, run_cheap: Run) -> None:
        gene = cohorts["blood"].gene_ids[0]
        study = run_cheap(cohorts["blood"], [small.RandomWeights("alpha"), small.Failing("partly", (gene,))])
        assert study.failures[["predictor", "gene_id"]].to_numpy().tolist() == [["partly", gene]]
        counts = study.counts.set_index(["step", "predictor"])["count"]
        assert counts["pairs with a direction", "partly"] == 7

    def test_nothing_works(self, cohorts: Cohorts, small: ModuleType, run_cheap: Run) -> None:
        with pytest.raises(PgxevalError, match="broken"):
            run_cheap(cohorts["blood"], [small.Failing("broken")])

    def test_ten_individuals(self, cohorts: Cohorts, small: ModuleType, tmp_path: Path) -> None:
        """Everything is undefined or undecided with a reason, and nothing warns."""
        few = cohorts["blood"].subset(individuals=cohorts["blood"].individuals[:10])
        settings = attrs.evolve(small.SETTINGS, replicates=1)
        tissues = {"blood": cohorts["blood"], "few": few}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            study = run_study(tissues, small.predictors(), tmp_path, settings=settings, workers=1)
        rows = study.heritability[study.heritability["tissue"] == "few"]
        assert rows["h2"].isna().all()
        assert rows["reason"].str.len().gt(0).all()
        assert all(one.reason for one in study.answers if one.answer in ("undecided", "not asked"))


def test_strata_from_halves(cohorts: Cohorts, small: ModuleType, tmp_path: Path, cheap: StudySettings) -> None:
    """A study with `split` holds the tables of `split_strata`, tissue by tissue, and leaves out a small tissue."""
    split = SplitSettings(splits=1, folds=2, replicates=1)
    few = cohorts["brain"].subset(individuals=cohorts["brain"].individuals[:30])
    settings = attrs.evolve(cheap, split=split, replicates=1)
    study = run_study(
        {"blood": cohorts["blood"], "few": few}, small.predictors(), tmp_path, settings=settings, workers=1
    )
    expected = split_strata(cohorts["blood"], small.predictors(), split=split, settings=settings.evaluation, workers=1)
    found = study.split_comparison
    assert set(found["tissue"]) == {"blood"}
    pd.testing.assert_frame_equal(found.drop(columns="tissue"), expected.comparison)


def test_worker_processes(study: Study, cohorts: Cohorts, small: ModuleType, tmp_path: Path) -> None:
    """Predictions and the other analyses share worker processes, and their number changes nothing."""
    settings = attrs.evolve(small.SETTINGS, analyses=("heritability",))
    brain = run_study({"brain": cohorts["brain"]}, small.predictors()[:2], tmp_path, settings=settings, workers=2)
    expected = study.heritability[study.heritability["tissue"] == "brain"].reset_index(drop=True)
    pd.testing.assert_frame_equal(brain.heritability.drop(columns="h2_q"), expected.drop(columns="h2_q"))


class CountingModel:
    """A sequence model that remembers what passed through it: the number of G in each bin of 64 bp."""

    def __init__(self) -> None:
        tracks = pd.DataFrame({"name": ["g"], "strand": ["."], "bin_width_bp": [64]})
        self.info = ModelInfo(name="counting", version="1", context_lengths=8_192, tracks=tracks, remote=False)
        self.seen: list[bytes] = []

    def predict_tracks(self, sequences: np.ndarray, tracks: Sequence[int]) -> np.ndarray:
        self.seen += [sequence.tobytes() for sequence in sequences]
        bins = (sequences == ord("G")).reshape(len(sequences), -1, 64).sum(axis=2)
        return np.repeat(bins[:, :, None], len(tracks), axis=2).astype(np.float32)


def test_each_haplotype_passes_once_for_all_tissues(tmp_path: Path, cheap: StudySettings) -> None:
    world = TinyWorld.make(tmp_path)
    blood = Cohort(
        genome=world.genome,
        genes=[world.gene, world.minus_gene],
        expression=np.array([world.expression, world.expression + np.arange(40)]),
        individuals=world.individuals,
    )
    brain = blood.subset(individuals=world.individuals[5:35])
    model = CountingModel()
    predictor = SequencePredictor(model, TssBins(n=3), tracks="g")
    run_study({"blood": blood, "brain": brain}, [predictor], tmp_path / "study", settings=cheap, workers=1)
    assert model.seen
    assert len(model.seen) == len(set(model.seen))
    assert predictor.score_cache is None  # the caller's predictor is not changed
