"""Random weights of the same variants: exchangeable models, planted ones, and weights that belong to variants."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pgxeval.errors import SettingError, UnknownNameError
from pgxeval.evaluation import Evaluation, EvaluationSettings, Evaluator, evaluate_tissues
from pgxeval.simulation import simulate_cohort_in_memory
from pgxeval.study import RandomWeightSettings, random_weights
from pgxeval.study.random_weights import variant_weights

pytestmark = pytest.mark.filterwarnings("ignore:fewer than 5 effective", "ignore:.*shares? more than kinship")
SETTINGS = RandomWeightSettings(flank_bp=10_000, draws=199, seed=2)


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort_in_memory(individuals=90, kinds={"additive": 6, "null": 6}, window_bp=20_000, seed=3)[0]


def evaluated(cohort, predictors: dict[str, np.ndarray]) -> Evaluation:
    genes, people = [gene.gene_id for gene in cohort.genes], list(cohort.individuals)
    tables = [
        pd.DataFrame(
            {
                "predictor": name,
                "gene_id": np.repeat(genes, len(people)),
                "individual": people * len(genes),
                "prediction": values.ravel(),
            }
        )
        for name, values in predictors.items()
    ]
    return Evaluator(cohort).evaluate(pd.concat(tables), settings=EvaluationSettings(permutations=0))


def drawn(cohort, draws: int, seed: int) -> np.ndarray:
    """Return predictions of random weights, float64 (draws, genes, individuals)."""
    out = []
    for gene in cohort.genes:
        dosages = cohort.genome.dosages(gene.cis_window(10_000, "tss"), list(cohort.individuals))
        values = dosages.values - dosages.values.mean(axis=0)
        out.append((values @ variant_weights(dosages.variants, draws, seed)).T)
    return np.array(out).transpose(1, 0, 2)


def test_a_model_with_random_weights_is_one_draw_among_others(cohort) -> None:
    models = drawn(cohort, 12, seed=77)
    evaluation = evaluated(cohort, {f"m{k:02d}": one for k, one in enumerate(models)})
    found = random_weights(cohort, evaluation, settings=SETTINGS)
    p = found.per_gene["p_value"].to_numpy()
    assert len(p) == 144
    assert (p <= 0.05).sum() <= 15  # 7 expected; validation/random_weights.md has the type I error
    assert 0.38 < (p <= 0.5).mean() < 0.62
    assert found.summary["share_p"].min() > 0.004
    assert found.summary["null_share"].iloc[0] == pytest.approx(0.5, abs=0.05)


def test_the_null_is_the_loop_over_draws_and_a_good_model_exceeds_it(cohort) -> None:
    truth = cohort.expression + 0.5 * np.random.default_rng(0).normal(size=cohort.expression.shape)
    evaluation = evaluated(cohort, {"good": truth})
    found = random_weights(cohort, evaluation, settings=SETTINGS)
    assert (found.per_gene["p_value"] == 1 / 200).all()
    assert found.summary["share_p"].iloc[0] < 0.02
    models = drawn(cohort, 199, seed=2)
    null = [stats.spearmanr(one, cohort.expression[4]).statistic for one in models[:, 4]]
    assert found.per_gene["null_sd"][4] == pytest.approx(np.sqrt(np.mean(np.square(null))))


def test_weights_belong_to_variants(cohort) -> None:
    gene = cohort.genes[0]
    variants = cohort.genome.dosages(gene.cis_window(10_000, "tss")).variants
    weights = variant_weights(variants, 500, 1)
    np.testing.assert_array_equal(variant_weights(variants.iloc[::-1], 500, 1)[::-1], weights)
    np.testing.assert_array_equal(variant_weights(variants.iloc[3:5], 20, 1), weights[3:5, :20])
    assert not np.array_equal(variant_weights(variants, 500, 2), weights)
    assert stats.kstest(weights.ravel(), "norm").pvalue > 1e-3
    between = np.corrcoef(weights) - np.eye(len(weights))
    assert np.abs(between).max() < 0.25


def test_wrong_predictors_are_refused(cohort, tmp_path) -> None:
    evaluation = evaluated(cohort, {"one": cohort.expression})
    with pytest.raises(UnknownNameError, match="predictor two is not in the evaluation; it has one"):
        random_weights(cohort, evaluation, ["two"])
    again = Evaluation.read(evaluation.write(tmp_path / "kept"))
    with pytest.raises(SettingError, match="read from a folder"):
        random_weights(cohort, again)
    fitted = evaluation.settings["predictors"]["one"] | {"kind": "crossfit"}
    evaluation.settings["predictors"]["one"] = fitted
    with pytest.raises(SettingError, match="one is cross-fitted"):
        random_weights(cohort, evaluation, ["one"])


def test_a_gene_without_variants_has_a_reason(cohort) -> None:
    evaluation = evaluated(cohort, {"one": cohort.expression})
    found = random_weights(cohort, evaluation, settings=RandomWeightSettings(flank_bp=1, draws=20))
    assert set(found.per_gene["reason"]) <= {"no variant varies around the gene", ""}
    assert found.per_gene.loc[found.per_gene["variants"] == 0, "p_value"].isna().all()
    assert found.summary["genes"].iloc[0] == (found.per_gene["variants"] > 0).sum()


def test_two_tissues_are_those_of_each_alone_with_the_same_weights(cohort) -> None:
    models = drawn(cohort, 2, seed=77)
    brain = cohort.subset(individuals=cohort.individuals[20:80], genes=cohort.gene_ids[:8])
    blood_table = evaluated(cohort, {"a": models[0], "b": models[1]})
    of_brain = [one[:8, 20:80] for one in models]
    brain_table = evaluated(brain, {"a": of_brain[0], "b": of_brain[1]})
    cohorts = {"blood": cohort, "brain": brain}
    predictions = {"blood": blood_table.predictions, "brain": brain_table.predictions}
    together = random_weights(
        cohorts,
        evaluate_tissues(cohorts, predictions, settings=EvaluationSettings(permutations=0)),
        settings=SETTINGS,
    )
    assert together.per_gene.columns[:3].tolist() == ["predictor", "tissue", "gene_id"]
    for tissue, alone in (("blood", blood_table), ("brain", brain_table)):
        expected = random_weights(cohorts[tissue], alone, settings=SETTINGS).per_gene
        part = together.per_gene[together.per_gene["tissue"] == tissue].drop(columns="tissue")
        pd.testing.assert_frame_equal(part.reset_index(drop=True), expected)
    assert together.summary["genes"].tolist() == [20, 20]
    with pytest.raises(SettingError, match="mapping from tissue to Cohort"):
        random_weights(cohort, evaluate_tissues(cohorts, predictions), settings=SETTINGS)
    with pytest.raises(SettingError, match="no cohort of brain; got blood"):
        random_weights({"blood": cohort}, evaluate_tissues(cohorts, predictions), settings=SETTINGS)
