"""Components of expression: scikit-learn as oracle, planted factors, folds, subsets and stores."""

from __future__ import annotations

import attrs
import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA

import pgxeval
from pgxeval.cohort.expression_pcs import expression_components
from pgxeval.errors import SettingError
from pgxeval.predictors import Prediction
from pgxeval.seeding import assign_folds
from pgxeval.simulation import simulate_cohort_in_memory


@pytest.fixture(scope="module")
def cohort():
    """Return a cohort with one hidden factor in all genes."""
    made = simulate_cohort_in_memory(individuals=60, kinds={"null": 55}, window_bp=5_000, seed=3)[0]
    random = np.random.default_rng(1)
    factor = random.normal(size=60)
    expression = made.expression + 2 * random.normal(size=(55, 1)) * factor
    return attrs.evolve(made, expression=expression), factor


def test_components_are_those_of_scikit_learn() -> None:
    values = np.random.default_rng(2).normal(size=(80, 40)) * np.arange(1, 81)[:, None]
    scaled = (values - values.mean(axis=1, keepdims=True)) / values.std(axis=1, keepdims=True)
    expected = PCA(4, svd_solver="full").fit_transform(scaled.T)
    found = expression_components(values, 4)
    np.testing.assert_allclose(np.abs(found), np.abs(expected / expected.std(axis=0)), atol=1e-3)
    np.testing.assert_allclose(found.T @ found / 40, np.eye(4), atol=1e-6)


def test_a_hidden_factor_is_found_and_known_covariates_are_not_found_again(cohort) -> None:
    made, factor = cohort
    table = made.expression_pcs(2)
    assert table.columns.tolist() == ["EPC1", "EPC2"]
    assert abs(np.corrcoef(table["EPC1"], factor)[0, 1]) > 0.95
    known = made.with_covariates(pd.DataFrame({"batch": factor}, index=list(made.individuals)))
    again = known.expression_pcs(2)
    assert np.abs(np.corrcoef(again.T, factor)[:2, 2]).max() < 1e-5


def test_missing_values_and_rows() -> None:
    random = np.random.default_rng(3)
    values = random.normal(size=(100, 30)) + random.normal(size=(100, 1)) * np.arange(30)
    missing = values.copy()
    missing[random.random(values.shape) < 0.05] = np.nan
    one, other = expression_components(values, 1), expression_components(missing, 1)
    assert abs(np.corrcoef(one[:, 0], other[:, 0])[0, 1]) > 0.99
    rows = np.arange(5, 25)
    np.testing.assert_array_equal(expression_components(values, 2, rows), expression_components(values[:, rows], 2))


def test_too_little_is_refused(cohort) -> None:
    made, _ = cohort
    with pytest.raises(SettingError, match="at least 50 genes that vary, got 20"):
        made.subset(genes=made.gene_ids[:20]).expression_pcs(1)
    with pytest.raises(SettingError, match="k must be from 1 to 55 with 60 individuals, got 56"):
        made.expression_pcs(56)


class Records:
    """Keeps what it was trained on."""

    name = "records"

    def __init__(self) -> None:
        self.seen: dict[str, pd.Series] = {}

    def fit(self, gene, genome, expression: pd.Series, *, seed: int):
        self.seen[gene.gene_id + "|" + ",".join(sorted(expression.index))] = expression
        return _Zero()


class _Zero:
    name = "records"

    def predict(self, gene, genome, individuals) -> Prediction:
        return Prediction.of(np.arange(len(individuals), dtype=float), individuals)


def test_training_expression_is_adjusted_for_components_of_the_training_individuals_alone(cohort) -> None:
    made, _ = cohort
    random = np.random.default_rng(4)
    adjusted = made.with_covariates(
        pd.DataFrame({"age": random.normal(size=60)}, index=list(made.individuals))
    ).with_pcs(expression=2)
    assert adjusted.covariates.columns.tolist() == ["age", "EPC1", "EPC2"]
    assert adjusted.expression_factors == 2
    records = Records()
    genes = [made.gene_ids[3]]
    pgxeval.predict_cohort(adjusted, [records], folds=3, replicates=0, genes=genes, workers=1, progress=False)
    fold = assign_folds(made.individuals, 3, 0)
    for k in (1, 2, 3):
        train = np.flatnonzero(fold != k)
        names = [made.individuals[row] for row in train]
        scores = expression_components(made.expression, 2, train, adjusted.covariates[["age"]].to_numpy())
        design = np.column_stack([np.ones(len(train)), adjusted.covariates["age"].to_numpy()[train], scores])
        y = made.expression[3, train]
        residual = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
        seen = records.seen[genes[0] + "|" + ",".join(sorted(names))]
        np.testing.assert_allclose(seen[names], residual, atol=1e-4)


def test_expression_of_held_out_individuals_changes_no_model(cohort) -> None:
    made, _ = cohort
    fold = assign_folds(made.individuals, 3, 0)
    changed = made.expression.copy()
    changed[:, fold == 1] = np.random.default_rng(5).normal(size=(55, (fold == 1).sum()))
    seen = []
    for expression in (made.expression, changed):
        records = Records()
        one = attrs.evolve(made, expression=expression).with_pcs(expression=3)
        pgxeval.predict_cohort(
            one, [records], folds=3, replicates=0, genes=[made.gene_ids[0]], workers=1, progress=False
        )
        key = made.gene_ids[0] + "|" + ",".join(sorted(np.array(made.individuals)[fold != 1]))
        seen.append(records.seen[key])
    pd.testing.assert_series_equal(*seen)


def test_subsets_learn_their_own_components_and_stores_are_kept_apart(cohort, tmp_path) -> None:
    made, _ = cohort
    adjusted = made.with_pcs(expression=2)
    half = adjusted.subset(individuals=made.individuals[:30])
    expected = made.subset(individuals=made.individuals[:30]).expression_pcs(2)
    np.testing.assert_allclose(half.covariates.to_numpy(), expected.to_numpy(), atol=1e-4)
    assert half.expression_factors == 2
    few = adjusted.subset(genes=made.gene_ids[:5])
    pd.testing.assert_frame_equal(few.covariates, adjusted.covariates)
    replaced = adjusted.with_pcs(expression=1)
    assert replaced.covariates.columns.tolist() == ["EPC1"]
    assert adjusted.with_pcs().covariates is None
    predictor = pgxeval.predictors.trained.TopVariantPredictor(flank_bp=20_000)
    arguments = {"replicates": 0, "workers": 1, "progress": False, "genes": made.gene_ids[:2], "store": tmp_path / "s"}
    fixed = attrs.evolve(adjusted, expression_factors=0)  # the same table of covariates, not learned in folds
    one, other = (pgxeval.predict_cohort(which, [predictor], **arguments).load() for which in (adjusted, fixed))
    assert not np.array_equal(one.table["prediction"], other.table["prediction"])
