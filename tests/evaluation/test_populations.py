"""Results by population: a difference between populations does not count within them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pgxeval.errors import SettingError
from pgxeval.evaluation import evaluate_populations
from pgxeval.simulation import simulate_cohort_in_memory


@pytest.fixture(scope="module")
def cohort():
    import attrs

    made = simulate_cohort_in_memory(individuals=70, kinds={"null": 4}, window_bp=20_000, seed=3)[0]
    return attrs.evolve(made, strata=("A",) * 40 + ("B",) * 25 + ("C",) * 5)


def _table(cohort, values: np.ndarray) -> pd.DataFrame:
    genes, people = [gene.gene_id for gene in cohort.genes], list(cohort.individuals)
    return pd.DataFrame(
        {
            "predictor": "one",
            "gene_id": np.repeat(genes, len(people)),
            "individual": people * len(genes),
            "prediction": values.ravel(),
        }
    )


def test_a_prediction_of_the_population_alone_is_constant_within_it(cohort) -> None:
    labels = np.array([ord(label) for label in cohort.strata], dtype=float)
    table = evaluate_populations(cohort, _table(cohort, np.tile(labels, (4, 1)))).set_index("population")
    assert table.loc[["A", "B"], "undefined"].tolist() == [4, 4]
    assert table["n_individuals"].tolist() == [40, 25, 5]
    assert table.loc["C", "excluded"] == "fewer than 10 individuals"
    assert np.isnan(table.loc["C", "mean_correlation"])


def test_the_numbers_are_those_of_the_population_alone(cohort) -> None:
    from scipy import stats

    values = cohort.expression + np.random.default_rng(0).normal(size=cohort.expression.shape)
    table = evaluate_populations(cohort, _table(cohort, values)).set_index("population")
    expected = [stats.spearmanr(values[g, 40:65], cohort.expression[g, 40:65]).statistic for g in range(4)]
    assert table.loc["B", "mean_correlation"] == pytest.approx(np.mean(expected))


def test_a_cohort_without_strata_is_refused(cohort) -> None:
    import attrs

    with pytest.raises(SettingError, match="the cohort has no strata"):
        evaluate_populations(attrs.evolve(cohort, strata=None), _table(cohort, cohort.expression))
