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
    RemoteServiceError,
    SettingError,
    TableError,
    UnknownNameError,
)
from pgxeval.genome.dosages import Dosages
from pgxeval.genome.personal import PersonalGenome
from pgxeval.prediction.run import predict_cohort
from pgxeval.predictors.protocol import Prediction
from pgxeval.predictors.trained.cis_variants import CisVariants
from pgxeval.predictors.trained.elastic_net import ElasticNetPredictor
from pgxeval.predictors.trained.random_forest import RandomForestPredictor
from pgxeval.seeding import assign_folds, permute_individuals
from pgxeval.tables.predictions import Predictions

Planted = tuple[Cohort, pd.DataFrame]
QUICK = [ElasticNetPredictor(n_alphas=30), RandomForestPredictor(n_estimators=8)]


def _run(cohort: Cohort, predictors: list | None = None, **settings: object) -> Predictions:
    asked = {"folds": 4, "seed": 1, "replicates": 0, "workers": 1, "progress": False, **settings}
    return predict_cohort(cohort, QUICK if predictors is None else predictors, **asked)


def _rows(predictions: Predictions, **keys: object) -> pd.DataFrame:
    table = predictions.table
    for name, value in keys.items():
        table = table[table[name] == value]
    return table.set_index(pd.Index(table["individual"].astype(str), name="who")).sort_index()


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


def test_every_individual_is_predicted_once_by_a_model_that_did_not_see_it(planted: Planted) -> None:
    cohort, _ = planted
    echo = Echo()
    predictions = _run(cohort, [echo], replicates=1)
    assert len(echo.seen) == len(cohort.genes) * 4 * 2
    for _, expression, individuals, _ in echo.seen:
        assert not set(individuals) & set(expression.index)
        assert len(individuals) + len(expression) == 80
    assert len(predictions.table) == 4 * 80 * 2
    assert len({seed for *_, seed in echo.seen}) == len(echo.seen)
    folds = dict(zip(cohort.individuals, assign_folds(cohort.individuals, 4, 1), strict=True))
    observed = _rows(predictions, replicate=0, gene_id=cohort.genes[0].gene_id)
    assert [folds[name] for name in observed.index] == observed["fold"].tolist()


def test_training_mean_is_the_mean_over_the_training_individuals(planted: Planted) -> None:
    cohort, _ = planted
    gene = cohort.genes[1].gene_id
    rows = _rows(_run(cohort, [Echo()]), gene_id=gene)
    expression = cohort.expression_of(gene)
    for fold, block in rows.groupby("fold"):
        others = expression.drop(block.index)
        assert block["training_mean"].to_numpy() == pytest.approx(others.mean(), abs=1e-15)
        assert int(fold) in (1, 2, 3, 4)


def test_replicates_pair_expression_with_the_genotypes_of_the_permuted_partner(planted: Planted) -> None:
    cohort, _ = planted
    gene = cohort.genes[0]
    echo = Echo()
    rows = _rows(_run(cohort, [echo], replicates=2), gene_id=gene.gene_id, replicate=2)
    partner = permute_individuals(cohort.individuals, 2, 1)
    assert sorted(partner) == list(range(80))
    of = {name: cohort.individuals[partner[i]] for i, name in enumerate(cohort.individuals)}
    owner = {genotypes: name for name, genotypes in of.items()}
    folds = dict(zip(cohort.individuals, assign_folds(cohort.individuals, 4, 1), strict=True))
    assert all(rows.loc[name, "fold"] == folds[of[name]] for name in cohort.individuals)
    expression = cohort.expression_of(gene.gene_id)
    # fits come by gene, fold and replicate
    for gene_id, trained, _, _ in echo.seen[2:12:3]:
        assert gene_id == gene.gene_id
        np.testing.assert_array_equal(trained, [expression[owner[name]] for name in trained.index])


def test_expression_of_the_test_individuals_changes_no_bit_of_their_predictions(planted: Planted) -> None:
    cohort, _ = planted
    before = _run(cohort)
    fold = assign_folds(cohort.individuals, 4, 1)
    for k in (1, 3):
        test = np.flatnonzero(fold == k)
        expression = cohort.expression.copy()
        expression[:, test] = expression[:, np.roll(test, 1)] + 3.0
        after = _run(attrs.evolve(cohort, expression=expression))
        one, two = (p.table[p.table["fold"] == k] for p in (before, after))
        assert one["prediction"].to_numpy().tobytes() == two["prediction"].to_numpy().tobytes()
        others = [p.table.loc[p.table["fold"] != k, "prediction"].to_numpy().tobytes() for p in (before, after)]
        assert others[0] != others[1]


class Altered:
    """A genome in which one individual carries other dosages."""

    def __init__(self, genome: PersonalGenome, name: str) -> None:
        self.genome, self.name = genome, name
        self.individuals, self.contigs = genome.individuals, genome.contigs
        self.source, self.notes = genome.source, genome.notes

    def dosages(self, interval: object, individuals: list[str]) -> Dosages:
        given = self.genome.dosages(interval, individuals)
        values = given.values.copy()
        rows = [row for row, name in enumerate(individuals) if name == self.name]
        values[rows] = np.random.default_rng(3).integers(0, 3, values.shape[1])
        return attrs.evolve(given, values=values)


def test_genotypes_of_one_test_individual_change_no_prediction_of_the_others_in_its_fold(planted: Planted) -> None:
    cohort, _ = planted
    name = cohort.individuals[7]
    k = int(assign_folds([name], 4, 1)[0])
    altered = attrs.evolve(cohort, genome=Altered(cohort.genome, name))
    before, after = (p.table[p.table["fold"] == k] for p in (_run(cohort), _run(altered)))
    others = before["individual"] != name
    assert others.sum() > 50
    assert before.loc[others, "prediction"].to_numpy().tobytes() == after.loc[others, "prediction"].to_numpy().tobytes()
    forest = (before["predictor"] == "random_forest") & ~others
    assert not np.array_equal(before.loc[forest, "prediction"], after.loc[forest, "prediction"])


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


def test_both_predictors_use_the_same_variants_and_folds(planted: Planted) -> None:
    predictions = _run(planted[0])
    used = [predictions.settings[name]["used"]["variants"] for name in predictions.predictors]
    assert used[0] == used[1]
    net, forest = (predictions.table[predictions.table["predictor"] == name] for name in predictions.predictors)
    np.testing.assert_array_equal(net["fold"], forest["fold"])
    np.testing.assert_array_equal(net["training_mean"], forest["training_mean"])


def test_prequential_learns_from_earlier_folds_only(planted: Planted) -> None:
    cohort, _ = planted
    echo = Echo()
    predictions = _run(cohort, [echo], method="prequential", replicates=None)
    fold = dict(zip(cohort.individuals, assign_folds(cohort.individuals, 4, 1), strict=True))
    assert predictions.replicates == 0
    for _, expression, individuals, _ in echo.seen:
        (k,) = {fold[name] for name in individuals}
        assert set(expression.index) == {name for name in cohort.individuals if fold[name] < k}
    first = predictions.table[predictions.table["fold"] == 1]
    assert first["prediction"].isna().all()
    assert set(first["reason"]) == {"prequential: the first fold is used for training only"}
    assert predictions.settings["echo"]["cross_fitting"] == "prequential"


def test_covariates_are_regressed_out_with_coefficients_of_the_training_individuals(planted: Planted) -> None:
    cohort, _ = planted
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.standard_normal((80, 2)), index=list(cohort.individuals), columns=["sex", "PC1"])
    echo = Echo()
    _run(attrs.evolve(cohort, covariates=table), [echo])
    gene_id, trained, _, _ = echo.seen[5]
    design = np.column_stack([np.ones(len(trained)), table.loc[list(trained.index)]])
    outcome = cohort.expression_of(gene_id)[list(trained.index)]
    fitted = design @ np.linalg.solve(design.T @ design, design.T @ outcome)
    np.testing.assert_allclose(trained, outcome - fitted, atol=1e-12)


def test_missing_expression_is_left_out_of_training(planted: Planted) -> None:
    cohort, _ = planted
    expression = cohort.expression.copy()
    expression[0, :15] = np.nan
    echo = Echo()
    _run(attrs.evolve(cohort, expression=expression), [echo])
    missing = set(cohort.individuals[:15])
    for _, trained, _individuals, _ in echo.seen[:4]:
        assert not missing & set(trained.index)
        assert np.isfinite(trained).all()
    assert sum(len(individuals) for _, _, individuals, _ in echo.seen[:4]) == 80


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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"folds": 1}, "folds must be a whole number from 2 to 80"),
        ({"folds": 81}, "folds must be"),
        ({"folds": 2.5}, "folds must be"),
        ({"method": "leave-one-out"}, 'method must be "crossfit" or "prequential"'),
        ({"replicates": -1}, "replicates must be a whole number"),
        ({"workers": 0}, "workers must be a whole number, 1 or more, or -1"),
        ({"workers": -2}, "workers must be"),
        ({"on_error": "ignore"}, 'on_error must be "nan" or "raise"'),
        ({"executor": "dask"}, "executor must be a concurrent.futures.Executor, got str"),
        ({"genes": slice(7, 9)}, "holds none of the cohort's 4 genes"),
        ({"genes": "SIMG000001"}, "genes must be a slice or a list"),
        ({"genes": []}, "at least one gene"),
        ({"predictors": []}, "a list of at least one predictor"),
        ({"predictors": [ElasticNetPredictor]}, r"is a class; give an instance: ElasticNetPredictor\(\)"),
        ({"predictors": [Echo(), Echo()]}, "different names; echo occurs more than once"),
        ({"predictors": [3]}, "int is not a predictor"),
    ],
)
def test_bad_settings_are_named(planted: Planted, settings: dict, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        _run(planted[0], **settings)


class Broken:
    """Fails at some genes."""

    name = "broken"

    def __init__(self, at: set[str] | None = None, error: type[BaseException] = RuntimeError) -> None:
        self.at, self.error = at, error

    def fit(self, gene, genome, expression, *, seed=0):
        if self.at is None or gene.gene_id in self.at:
            raise self.error("GATTACA")
        return Echo("broken").fit(gene, genome, expression)


def test_a_failing_predictor_is_named_with_its_gene_and_without_its_words(planted: Planted) -> None:
    first = planted[0].gene_ids[0]
    with pytest.raises(PgxevalError, match=rf"'broken' failed at gene {first} with RuntimeError .*test_run") as error:
        _run(planted[0], [Broken()], on_error="raise")
    assert "GATTACA" not in str(error.value)


def test_a_predictor_that_fails_at_every_gene_ends_the_run(planted: Planted) -> None:
    with pytest.raises(PgxevalError, match=r"at 3 more, that is, at every gene.*on_error=\"raise\"") as error:
        _run(planted[0], [Broken(), Echo()])
    assert "GATTACA" not in str(error.value)


@pytest.mark.parametrize("error", [RuntimeError, SystemExit, MemoryError])
def test_a_gene_that_fails_is_nan_with_its_reason_and_all_else_goes_on(planted: Planted, error: type) -> None:
    cohort, _ = planted
    bad = cohort.gene_ids[2]
    predictions = _run(cohort, [Broken({bad}, error), Echo()], replicates=1)
    whole = _run(cohort, [Echo("broken"), Echo()], replicates=1)
    (row,) = predictions.failures.itertuples(index=False)
    assert (row.predictor, row.gene_id) == ("broken", bad)
    assert row.reason.startswith(f"{error.__name__} (test_run.py, line ")
    assert "GATTACA" not in row.reason
    table = predictions.table
    failed = (table["predictor"] == "broken") & (table["gene_id"] == bad)
    assert failed.sum() == 80 * 2
    assert table.loc[failed, "prediction"].isna().all()
    assert set(table.loc[failed, "reason"]) == {f"failed: {row.reason}"}
    pd.testing.assert_frame_equal(
        table[~failed].drop(columns="reason"), whole.table[~failed].drop(columns="reason"), check_exact=True
    )
    assert whole.failures.empty


def test_an_error_of_this_library_is_recorded_in_its_own_words(planted: Planted) -> None:
    class Fussy:
        name = "fussy"

        def predict(self, gene, genome, individuals):
            if gene.gene_id == planted[0].gene_ids[1]:
                raise GenotypeError("record chr1:12 has three copies")
            return [1.0] * 79 + [np.nan]

    predictions = _run(planted[0], [Fussy()])
    assert predictions.failures["reason"].tolist() == ["record chr1:12 has three copies"]
    with pytest.raises(GenotypeError, match=f"'fussy' failed at gene {planted[0].gene_ids[1]}: record chr1:12"):
        _run(planted[0], [Fussy()], on_error="raise")


class Together:
    """Predicts genes in one call, and stops at some of them."""

    name = "together"

    def __init__(self, stop_at: tuple[str, ...], error: Exception) -> None:
        self.stop_at, self.error, self.calls = stop_at, error, []

    def predict(self, gene, genome, individuals):
        raise NotImplementedError

    def predict_genes(self, genes, genome, individuals, *, progress=None):
        self.calls.append([gene.gene_id for gene in genes])
        for gene in genes:
            if gene.gene_id in self.stop_at:
                raise self.error
            yield gene, Prediction(values=np.arange(len(individuals), dtype=float))


def test_a_generator_that_stops_loses_only_the_gene_it_stopped_at(planted: Planted) -> None:
    cohort, _ = planted
    predictor = Together((cohort.gene_ids[1], cohort.gene_ids[2]), ValueError("GATTACA"))
    predictions = _run(cohort, [predictor])
    assert predictions.failures["gene_id"].tolist() == list(cohort.gene_ids[1:3])
    counts = predictions.table.groupby("gene_id", observed=True)["prediction"].count()
    assert counts.tolist() == [80, 0, 0, 80]
    with pytest.raises(PgxevalError, match=f"'together' failed at gene {cohort.gene_ids[1]} with ValueError"):
        _run(cohort, [predictor], on_error="raise")


def test_a_service_that_cannot_be_used_ends_the_run(planted: Planted) -> None:
    predictor = Together((planted[0].gene_ids[1],), RemoteServiceError("quota is used up"))
    with pytest.raises(RemoteServiceError, match="quota is used up"):
        _run(planted[0], [predictor])
    assert len(predictor.calls) == 1


def test_a_prediction_of_the_wrong_length_is_refused(planted: Planted) -> None:
    class Short:
        name = "short"

        def predict(self, gene, genome, individuals):
            return Prediction(values=np.zeros(3))

    with pytest.raises(TableError, match=r"'short' failed at gene .* one value per individual: expected 80, got 3"):
        _run(planted[0], [Short()])


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
