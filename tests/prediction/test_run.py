"""predict_cohort: no leak, the same bytes for the same seed, clear refusals."""

from __future__ import annotations

import attrs
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from tests.prediction.cheap import Cheap, cheap_cohort

from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import (
    GenotypeError,
    PgxevalError,
    SettingError,
    TableError,
    UnknownNameError,
)
from pgxeval.prediction.run import predict_cohort
from pgxeval.predictors.protocol import Prediction
from pgxeval.predictors.trained.cis_variants import CisVariants
from pgxeval.predictors.trained.elastic_net import ElasticNetPredictor
from pgxeval.predictors.trained.random_forest import RandomForestPredictor
from pgxeval.tables.predictions import Predictions

Planted = tuple[Cohort, pd.DataFrame]
QUICK = [ElasticNetPredictor(n_alphas=30), RandomForestPredictor(n_estimators=8)]


def _run(cohort: Cohort, predictors: list | None = None, **settings: object) -> Predictions:
    asked = {"folds": 4, "seed": 1, "replicates": 0, "workers": 1, "progress": False, **settings}
    return predict_cohort(cohort, QUICK if predictors is None else predictors, **asked)


class Echo:
    """Remembers what it was given; its prediction is the number of training individuals."""

    def __init__(self, name: str = "echo") -> None:
        self.name = name
        self.seen: list[tuple[str, pd.Series, list[str], int]] = []

    def fit(self, gene, genome, expression, *, seed=0):
        outer = self

        class Fitted:
            name = outer.name

            def predict(self, gene, genome, individuals):
                outer.seen.append((gene.gene_id, expression, list(individuals), seed))
                return Prediction(values=np.full(len(individuals), float(len(expression))))

        return Fitted()


def test_same_seed_same_bytes_whatever_order_workers_and_company(planted: Planted) -> None:
    cohort, _ = planted
    first = _run(cohort, replicates=1)
    assert first.table.equals(_run(cohort, replicates=1, workers=2).table)
    shuffled = cohort.subset(genes=list(cohort.gene_ids[::-1]), individuals=list(cohort.individuals[::-1]))
    other = _run(shuffled, QUICK[::-1], replicates=1)
    keys = ["predictor", "gene_id", "individual", "replicate"]
    one, two = (
        p.table.astype(dict.fromkeys(keys[:3], str)).sort_values(keys, ignore_index=True) for p in (first, other)
    )
    assert one["prediction"].to_numpy().tobytes() == two["prediction"].to_numpy().tobytes()
    assert one["training_mean"].to_numpy().tobytes() == two["training_mean"].to_numpy().tobytes()
    fewer = _run(cohort.subset(genes=[cohort.gene_ids[2]]), replicates=1)
    kept = first.table[first.table["gene_id"] == cohort.gene_ids[2]]
    assert kept["prediction"].to_numpy().tobytes() == fewer.table["prediction"].to_numpy().tobytes()
    assert (
        _run(cohort, seed=2).table["prediction"].to_numpy().tobytes() != first.table["prediction"].to_numpy().tobytes()
    )


def test_a_zero_shot_predictor_has_no_fold_and_no_replicate(planted: Planted) -> None:
    cohort, _ = planted

    class Dosage:
        name = "dosage"

        def predict(self, gene, genome, individuals) -> Prediction:
            window = CisVariants().select(gene, genome, individuals)
            values: NDArray[np.float64] = window.dosages(genome, individuals).sum(axis=1)
            values[0] = np.nan
            return Prediction(values=values, reasons={0: "too shy"}, used={"variants": window.columns.size})

    predictions = _run(cohort, [Dosage(), Echo()], replicates=2)
    mine = predictions.table[predictions.table["predictor"] == "dosage"]
    assert len(mine) == 4 * 80
    assert mine["fold"].isna().all()
    assert (mine["replicate"] == 0).all()
    assert mine.loc[mine["prediction"].isna(), "reason"].tolist() == ["too shy"] * 4
    assert predictions.settings["dosage"]["cross_fitting"] is None


def test_predictors_by_name_are_those_with_default_settings(planted: Planted) -> None:
    cohort = planted[0].subset(genes=planted[0].gene_ids[:1])
    named = _run(cohort, ["elastic_net", Echo()])
    made = _run(cohort, [ElasticNetPredictor(), Echo()])
    pd.testing.assert_frame_equal(named.table, made.table)
    assert named.settings["elastic_net"]["asked"] == made.settings["elastic_net"]["asked"]
    with pytest.raises(UnknownNameError, match=r"unknown predictor 'elastic_nte'.*; near: elastic_net"):
        _run(cohort, ["elastic_nte"])
    with pytest.raises(SettingError, match=r"predictors must be a list: \['elastic_net'\]"):
        _run(cohort, "elastic_net")


def test_quick_makes_few_replicates() -> None:
    assert _run(cheap_cohort(n_genes=9), [Cheap()], replicates="quick").replicates == 5


class Broken:
    """Fails at some genes."""

    name = "broken"

    def __init__(self, at: set[str] | None = None, error: type[BaseException] = RuntimeError) -> None:
        self.at, self.error = at, error

    def fit(self, gene, genome, expression, *, seed=0):
        if self.at is None or gene.gene_id in self.at:
            raise self.error("GATTACA")
        return Echo("broken").fit(gene, genome, expression)


@pytest.mark.parametrize("kind", [list, np.array, pd.Series])
def test_plain_numbers_are_predictions(planted: Planted, kind) -> None:
    class Plain:
        name = "plain"

        def predict(self, gene, genome, individuals):
            return kind([float(len(name)) for name in individuals])

    assert _run(planted[0], [Plain()]).table["prediction"].notna().all()


def test_slices_of_genes_joined_are_one_run(planted: Planted, tmp_path) -> None:
    cohort, _ = planted
    predictors = [Broken({cohort.gene_ids[3]}), Echo()]
    whole = _run(cohort, predictors, replicates=1)
    slices: list = [slice(0, 1), [*cohort.gene_ids[1:3][::-1]], slice(3, None)]
    joined = Predictions.concat([_run(cohort, predictors, replicates=1, genes=part) for part in slices])
    for name, predictions in (("whole", whole), ("joined", joined)):
        predictions.write(tmp_path / f"{name}.parquet")
    assert (tmp_path / "whole.parquet").read_bytes() == (tmp_path / "joined.parquet").read_bytes()
    assert joined.failures.equals(whole.failures)
    assert {name: settings["genes"] for name, settings in joined.settings.items()} == {"broken": 4, "echo": 4}


def test_unequal_replicates_seeds_and_doubled_genes_are_not_joined(planted: Planted) -> None:
    cohort, _ = planted
    first = _run(cohort, [Echo()], replicates=1, genes=slice(0, 2))
    for settings, message in (
        ({"replicates": 2}, r"the list of replicates is \[0, 1\] in part 0 and \[0, 1, 2\] in part 1"),
        ({"replicates": 1, "seed": 2}, "seed is 1 in part 0 and 2 in part 1"),
        ({"replicates": 1, "folds": 3}, "folds is 4 in part 0 and 3 in part 1"),
    ):
        with pytest.raises(SettingError, match=message):
            Predictions.concat([first, _run(cohort, [Echo()], genes=slice(2, 4), **settings)])
    with pytest.raises(TableError, match="duplicate keys"):
        Predictions.concat([first, _run(cohort, [Echo()], replicates=1, genes=slice(1, 3))])


def test_without_any_usable_variant_there_is_one_clear_error(planted: Planted) -> None:
    hopeless = ElasticNetPredictor(cis_variants=CisVariants(min_minor_alleles=500))
    with pytest.raises(
        GenotypeError, match=r"could not predict anyone at any of 4 genes.*passed MAF.*same genome build"
    ):
        _run(planted[0], [hopeless])


def test_too_many_covariates_are_refused(planted: Planted) -> None:
    cohort, _ = planted
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.standard_normal((80, 60)), index=list(cohort.individuals))
    table.columns = [f"PC{i}" for i in range(60)]
    with pytest.raises(PgxevalError, match="degrees of freedom"):
        _run(attrs.evolve(cohort, covariates=table), [Echo()])
