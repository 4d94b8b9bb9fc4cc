"""Effects per variant: planted effects come back, folds are those of a run, and undefined things are refused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

import pgxeval
from pgxeval.attribution import EFFECT_COLUMNS, attribute
from pgxeval.attribution.attribute import AttributionSettings
from pgxeval.cohort.cohort import Cohort
from pgxeval.genome.intervals import Gene
from pgxeval.genome.personal import PersonalGenome
from pgxeval.seeding import assign_folds, model_seed

VARIANTS = pgxeval.CisVariants(flank_bp=10_000, around="tss")


class PlantedWeights:
    """A zero-shot predictor that is linear in the dosages: the weight of a variant is a function of its position."""

    name = "planted"

    def weights(self, variants: pd.DataFrame) -> np.ndarray:
        return np.sin(variants["position"].to_numpy() % 97) + variants["alt"].str.len().to_numpy()

    def predict(self, gene: Gene, genome: PersonalGenome, individuals: Sequence[str]) -> pgxeval.Prediction:
        dosages = genome.dosages(gene.cis_window(8_000, "tss"), individuals)
        return pgxeval.Prediction(values=3 + dosages.values.clip(min=0) @ self.weights(dosages.variants))


@pytest.fixture(scope="module")
def cohort(planted: tuple[Cohort, pd.DataFrame]) -> Cohort:
    return planted[0]


@pytest.mark.parametrize("method", ["auto", "reference", "carriers"])
def test_planted_effects_come_back_exactly(cohort: Cohort, method: str) -> None:
    settings = AttributionSettings(method=method, flank_bp=6_000, min_maf=0.02)
    gene = cohort.genes[2]
    effects = attribute(PlantedWeights(), gene, cohort, settings=settings)
    assert tuple(effects.columns) == EFFECT_COLUMNS
    assert len(effects) > 5
    assert effects["position"].between(gene.tss - 6_000, gene.tss + 6_001).all()
    assert (effects["maf"] >= 0.02).all()
    np.testing.assert_allclose(effects["effect"], PlantedWeights().weights(effects), atol=1e-9)
    assert set(effects["method"]) == {"carriers" if method == "carriers" else "reference"}
    if method != "carriers":
        np.testing.assert_allclose(effects["at_0"], 3)


def test_elastic_net_has_the_weights_of_its_folds(cohort: Cohort) -> None:
    predictor = pgxeval.ElasticNetPredictor(cis_variants=VARIANTS)
    gene = cohort.genes[3]
    effects = attribute(predictor, gene, cohort)
    expression = cohort.expression_of(gene.gene_id)
    fold = assign_folds(cohort.individuals, 5, 0)
    window = gene.cis_window(10_000, "tss")
    dosages = cohort.genome.dosages(window, cohort.individuals)
    total = np.zeros(dosages.values.shape[1])
    for k in range(1, 6):
        fitted = predictor.fit(gene, cohort.genome, expression[fold != k], seed=model_seed(0, gene.gene_id, k, 0))
        total[fitted.selected.columns[fitted.active]] += fitted.weights / 5
    by_position = effects.set_index(["position", "ref", "alt"])["effect"]
    expected = pd.Series(total, index=pd.MultiIndex.from_frame(dosages.variants[["position", "ref", "alt"]]))
    assert (by_position != 0).any()
    np.testing.assert_allclose(by_position, expected.reindex(by_position.index), atol=1e-12)
    lost = expected[~expected.index.isin(by_position.index)]
    assert (lost == 0).all()
    assert effects["folds"].between(1, 5).all()
    np.testing.assert_allclose(effects["at_1"] - effects["at_0"], effects["at_2"] - effects["at_1"], atol=1e-9)


def test_a_trained_predictor_of_ones_own_is_attributed_by_substitution(cohort: Cohort) -> None:
    class Trained:
        name = "trained"

        def fit(self, gene: Gene, genome: PersonalGenome, expression: pd.Series, *, seed: int = 0) -> PlantedWeights:
            assert 0 < len(expression) < len(cohort.individuals)
            return PlantedWeights()

    settings = AttributionSettings(flank_bp=4_000)
    effects = attribute(Trained(), cohort.genes[2], cohort, settings=settings)
    np.testing.assert_allclose(effects["effect"], PlantedWeights().weights(effects), atol=1e-9)
    assert (effects["folds"] == 5).all()


def test_what_does_not_apply_is_refused(cohort: Cohort) -> None:
    with pytest.raises(pgxeval.SettingError, match="zero-shot"):
        attribute(PlantedWeights(), cohort.genes[0], cohort, settings=AttributionSettings(method="shap"))
    with pytest.raises(pgxeval.SettingError, match="does not apply"):
        attribute(
            pgxeval.ElasticNetPredictor(cis_variants=VARIANTS),
            cohort.genes[0],
            cohort,
            settings=AttributionSettings(method="shap"),
        )
    with pytest.raises(pgxeval.UnknownNameError, match="not in the cohort"):
        attribute(PlantedWeights(), "no such gene", cohort)
    with pytest.raises(pgxeval.GenotypeError, match="widen flank_bp"):
        attribute(PlantedWeights(), cohort.genes[0], cohort, settings=AttributionSettings(flank_bp=1, min_maf=0.49))


def test_no_name_of_an_individual_is_in_the_table(cohort: Cohort) -> None:
    effects = attribute(PlantedWeights(), cohort.genes[2], cohort, settings=AttributionSettings(flank_bp=2_000))
    text = effects.to_csv()
    assert not any(name in text for name in cohort.individuals)
