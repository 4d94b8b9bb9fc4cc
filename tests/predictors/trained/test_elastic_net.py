"""Elastic net: what it learns, what it may not see, what it says when it cannot."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

from pgxeval.cohort.cohort import Cohort
from pgxeval.errors import SettingError, TableError
from pgxeval.predictors.trained.cis_variants import CisVariants
from pgxeval.predictors.trained.elastic_net import ElasticNetPredictor
from pgxeval.predictors.trained.random_forest import RandomForestPredictor

Planted = tuple[Cohort, pd.DataFrame]
BOTH = [ElasticNetPredictor(), RandomForestPredictor(n_estimators=20)]


def _additive(planted: Planted) -> tuple[Cohort, str]:
    cohort, truth = planted
    return cohort, str(truth.loc[truth["kind"] == "additive", "gene_id"].iloc[0])


@pytest.mark.parametrize("predictor", BOTH, ids=lambda p: p.name)
def test_learns_a_planted_effect(planted: Planted, predictor: ElasticNetPredictor) -> None:
    cohort, gene_id = _additive(planted)
    expression = cohort.expression_of(gene_id)
    fitted = predictor.fit(cohort.gene(gene_id), cohort.genome, expression.iloc[:60])
    prediction = fitted.predict(cohort.gene(gene_id), cohort.genome, cohort.individuals[60:])
    assert np.corrcoef(prediction.values, expression.iloc[60:])[0, 1] > 0.3
    assert prediction.used["variants"] > 10


@pytest.mark.parametrize("predictor", BOTH, ids=lambda p: p.name)
def test_the_order_of_individuals_changes_no_bit(planted: Planted, predictor: ElasticNetPredictor) -> None:
    cohort, gene_id = _additive(planted)
    gene, expression = cohort.gene(gene_id), cohort.expression_of(gene_id).iloc[:60]
    asked = list(cohort.individuals[60:])
    forward = predictor.fit(gene, cohort.genome, expression, seed=5).predict(gene, cohort.genome, asked)
    backward = predictor.fit(gene, cohort.genome, expression.iloc[::-1], seed=5).predict(
        gene, cohort.genome, asked[::-1]
    )
    assert forward.values.tobytes() == backward.values[::-1].tobytes()
    alone = predictor.fit(gene, cohort.genome, expression, seed=5).predict(gene, cohort.genome, asked[3:4])
    assert alone.values[0] == forward.values[3]


@pytest.mark.parametrize("predictor", BOTH, ids=lambda p: p.name)
def test_a_fitted_predictor_holds_no_individual_values_and_pickles(
    planted: Planted, predictor: ElasticNetPredictor
) -> None:
    cohort, gene_id = _additive(planted)
    gene, expression = cohort.gene(gene_id), cohort.expression_of(gene_id)
    fitted = predictor.fit(gene, cohort.genome, expression)
    pickled = pickle.dumps(fitted)
    assert not any(name.encode() in pickled for name in cohort.individuals)
    assert not any(value.tobytes() in pickled for value in expression.to_numpy())
    again = pickle.loads(pickled).predict(gene, cohort.genome, cohort.individuals)
    np.testing.assert_array_equal(again.values, fitted.predict(gene, cohort.genome, cohort.individuals).values)


@pytest.mark.parametrize("predictor", BOTH, ids=lambda p: p.name)
def test_says_why_it_cannot(planted: Planted, predictor: ElasticNetPredictor) -> None:
    cohort, gene_id = _additive(planted)
    gene, expression = cohort.gene(gene_id), cohort.expression_of(gene_id)
    flat = predictor.fit(gene, cohort.genome, expression * 0 + 3.5)
    answer = flat.predict(gene, cohort.genome, cohort.individuals[:2])
    assert np.isnan(answer.values).all()
    assert answer.reason(1) == "constant expression in the 80 training individuals"
    strict = type(predictor)(cis_variants=CisVariants(min_minor_alleles=1_000))
    answer = strict.fit(gene, cohort.genome, expression).predict(gene, cohort.genome, cohort.individuals[:2])
    assert "passed MAF >= 0.01 and >= 1000 minor alleles" in str(answer.reason(0))


def test_without_effect_the_prediction_is_the_training_mean_to_the_bit(planted: Planted) -> None:
    cohort, truth = planted
    gene = cohort.gene(truth.loc[truth["kind"] == "null", "gene_id"].iloc[0])
    rng = np.random.default_rng(0)
    for seed in range(12):
        noise = pd.Series(rng.standard_normal(80) + 0.1, index=list(cohort.individuals))
        fitted = ElasticNetPredictor().fit(gene, cohort.genome, noise, seed=seed)
        if fitted.active.size == 0:
            answer = fitted.predict(gene, cohort.genome, cohort.individuals)
            assert (answer.values == noise.sort_index().to_numpy().mean()).all()
            return
    pytest.fail("no null fit without coefficient in 12 draws")


def test_the_unit_of_expression_does_not_matter(planted: Planted) -> None:
    cohort, gene_id = _additive(planted)
    gene, expression = cohort.gene(gene_id), cohort.expression_of(gene_id)
    one = ElasticNetPredictor().fit(gene, cohort.genome, expression)
    two = ElasticNetPredictor().fit(gene, cohort.genome, expression * 1_000 + 7)
    np.testing.assert_array_equal(one.active, two.active)
    np.testing.assert_allclose(two.weights, one.weights * 1_000, rtol=1e-6)


def test_refuses_another_gene_nan_and_twins(planted: Planted) -> None:
    cohort, gene_id = _additive(planted)
    gene, expression = cohort.gene(gene_id), cohort.expression_of(gene_id)
    fitted = ElasticNetPredictor().fit(gene, cohort.genome, expression)
    other = next(g for g in cohort.genes if g.gene_id != gene_id)
    with pytest.raises(TableError, match=f"fitted to gene {gene_id} and cannot predict {other.gene_id}"):
        fitted.predict(other, cohort.genome, cohort.individuals)
    with pytest.raises(TableError, match="1 of 80 training values are NaN"):
        ElasticNetPredictor().fit(gene, cohort.genome, expression.where(expression < expression.max()))
    with pytest.raises(TableError, match="one value per individual; more than one for"):
        ElasticNetPredictor().fit(gene, cohort.genome, pd.concat([expression, expression.iloc[:1]]))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"l1_ratio": 0}, "l1_ratio must be a number above 0 and at most 1, got 0"),
        ({"inner_folds": 1}, "inner_folds must be a whole number, at least 2, got 1"),
        ({"cis_variants": "all"}, "cis_variants must be a CisVariants, got 'all'"),
        ({"parameters": {"alpha": 1}}, "unknown solver parameter.*alpha; allowed are tol, max_iter"),
        ({"parameters": {"tol": 0}}, "tol must be a number above 0 and at most 1, got 0"),
        ({"name": ""}, "name must be a text"),
    ],
)
def test_settings_are_checked(bad: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        ElasticNetPredictor(**bad)
