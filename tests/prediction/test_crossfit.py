"""Cross-fitting: no prediction depends on what its individual's model must not see."""

from __future__ import annotations

import attrs
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import (
    TableError,
)
from pgxeval.genome.dosages import Dosages
from pgxeval.genome.personal import PersonalGenome
from pgxeval.prediction.run import predict_cohort
from pgxeval.predictors.protocol import Prediction
from pgxeval.predictors.trained.blup import BlupPredictor
from pgxeval.predictors.trained.elastic_net import ElasticNetPredictor
from pgxeval.predictors.trained.random_forest import RandomForestPredictor
from pgxeval.predictors.trained.sklearn import SklearnPredictor
from pgxeval.predictors.trained.top_variant import TopVariantPredictor
from pgxeval.seeding import assign_folds
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


def test_a_prediction_of_the_wrong_length_is_refused(planted: Planted) -> None:
    class Short:
        name = "short"

        def predict(self, gene, genome, individuals):
            return Prediction(values=np.zeros(3))

    with pytest.raises(TableError, match=r"'short' failed at gene .* one value per individual: expected 80, got 3"):
        _run(planted[0], [Short()])


@pytest.mark.parametrize("exponent", [-1000, -500, 500, 1000])
def test_units_of_expression_change_no_prediction(planted: Planted, exponent: int) -> None:
    cohort = planted[0].subset(genes=planted[0].gene_ids[:2])
    predictors = [*QUICK, BlupPredictor(), TopVariantPredictor(), SklearnPredictor(Ridge(1.0))]
    within = attrs.evolve(cohort, expression=cohort.expression / 16)  # below 1, as the scaled values are
    other = attrs.evolve(cohort, expression=np.ldexp(cohort.expression, exponent))
    base, scaled = (_run(one, predictors) for one in (within, other))
    assert len(scaled.failures) == 0
    for name in ("prediction", "training_mean"):
        found, expected = np.ldexp(scaled.table[name], -exponent), base.table[name] * 16
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
