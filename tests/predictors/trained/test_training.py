"""What is shared by predictors and replicates is made once, and sharing changes no number."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

import pgxeval
from pgxeval.cohort.cohort import Cohort
from pgxeval.prediction.crossfit import CrossFitter
from pgxeval.predictors.protocol import Prediction, Predictor
from pgxeval.predictors.trained import training as module
from pgxeval.predictors.trained.cis_variants import CisVariants
from pgxeval.predictors.trained.elastic_net import ElasticNetPredictor
from pgxeval.predictors.trained.random_forest import RandomForestPredictor
from pgxeval.predictors.trained.training import FitsTrainingSet, FittedOnWindow, TrainingSet

Planted = tuple[Cohort, pd.DataFrame]

NET = ElasticNetPredictor(inner_folds=3, n_alphas=10)
FOREST = RandomForestPredictor(n_estimators=5)


class Alone:
    """Hides the ability to share: only `fit`, and only `predict` of what it returns."""

    def __init__(self, predictor: ElasticNetPredictor | RandomForestPredictor) -> None:
        self.name, self._predictor = predictor.name, predictor

    def fit(self, gene, genome, expression, *, seed=0) -> Predictor:
        fitted = self._predictor.fit(gene, genome, expression, seed=seed)

        class Fitted:
            name = self.name

            def predict(self, gene, genome, individuals) -> Prediction:
                return fitted.predict(gene, genome, individuals)

        return Fitted()


def fitter(cohort: Cohort, *predictors: object, **settings: object) -> CrossFitter:
    return CrossFitter(
        genome=cohort.genome,
        individuals=cohort.individuals,
        covariates=None,
        predictors=tuple(predictors),
        **{"folds": 3, "seed": 1, **settings},
    )


@pytest.mark.parametrize("missing", [0, 7])
@pytest.mark.parametrize("method", ["crossfit", "prequential"])
def test_a_shared_training_set_changes_no_bit(planted: Planted, missing: int, method: str) -> None:
    cohort, _ = planted
    gene = cohort.genes[1]
    expression = cohort.expression[1].copy()
    expression[:missing] = np.nan
    shared = fitter(cohort, NET, FOREST, method=method).run(gene, expression, 1)
    alone = fitter(cohort, Alone(NET), Alone(FOREST), method=method).run(gene, expression, 1)
    assert [(fit.predictor, fit.replicate) for fit in shared] == [(fit.predictor, fit.replicate) for fit in alone]
    for one, other in zip(shared, alone, strict=True):
        for name in ("prediction", "training_mean", "fold"):
            assert getattr(one, name).tobytes() == getattr(other, name).tobytes()
        assert one.reason == other.reason
        assert one.used == other.used


def test_the_window_is_read_once_and_genotypes_are_made_once_per_fold(
    planted: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort, _ = planted
    reads, takes = [], []
    read, take = CisVariants.read, module.TrainingGenotypes.take.__func__
    monkeypatch.setattr(CisVariants, "read", lambda *args: reads.append(1) or read(*args))
    monkeypatch.setattr(
        module.TrainingGenotypes, "take", classmethod(lambda cls, *args: takes.append(1) or take(cls, *args))
    )
    fitter(cohort, NET, FOREST).run(cohort.genes[0], cohort.expression[0], 2)
    assert (len(reads), len(takes)) == (1, 3)
    other = RandomForestPredictor(name="strict", n_estimators=5, cis_variants=CisVariants(min_maf=0.1))
    fitter(cohort, NET, FOREST, other).run(cohort.genes[0], cohort.expression[0], 2)
    assert (len(reads), len(takes)) == (3, 9)
    expression = cohort.expression[0].copy()
    expression[0] = np.nan  # replicates lack other genotypes then, except in the fold of the missing individual
    fitter(cohort, NET).run(cohort.genes[0], expression, 1)
    assert len(reads) == 4
    assert 9 + 3 < len(takes) <= 9 + 6


def test_inner_folds_of_the_elastic_net_see_the_groups(planted: Planted) -> None:
    cohort, _ = planted
    gene, expression = cohort.genes[1], cohort.expression_of(cohort.genes[1].gene_id)
    groups = [f"family {i // 4}" for i in range(len(expression))]
    shuffled = np.random.default_rng(0).permutation(len(expression))
    training = TrainingSet.prepare(
        CisVariants(), gene, cohort.genome, expression.iloc[shuffled], [groups[row] for row in shuffled]
    )
    of = dict(zip(expression.index, groups, strict=True))
    assert training.groups == tuple(of[name] for name in training.individuals)
    assert training.individuals == tuple(sorted(expression.index))
    with_groups = NET.fit_training(training, seed=2)
    without = NET.fit(gene, cohort.genome, expression, seed=2)
    again = NET.fit_groups(gene, cohort.genome, expression, groups, seed=2)
    assert with_groups.used == again.used != without.used
    grouped = fitter(cohort, NET, groups=tuple(groups)).run(gene, cohort.expression[1], 0)[0]
    plain = fitter(cohort, NET).run(gene, cohort.expression[1], 0)[0]
    assert not np.array_equal(grouped.fold, plain.fold)
    assert all(len({grouped.fold[row] for row in range(80) if groups[row] == name}) == 1 for name in set(groups))


def test_what_is_shared_cannot_be_changed(planted: Planted) -> None:
    cohort, _ = planted
    gene, expression = cohort.genes[0], cohort.expression_of(cohort.genes[0].gene_id)
    training = TrainingSet.prepare(CisVariants(), gene, cohort.genome, expression)
    for shared in (training.dosages, training.genotypes.calls):
        with pytest.raises(ValueError, match="read-only"):
            shared[0, 0] = 1
    assert training.dosages is training.dosages
    assert training.genotypes.memo("key", lambda: 1) == training.genotypes.memo("key", lambda: 2) == 1


def test_the_predictors_of_the_room_have_the_ability(planted: Planted) -> None:
    cohort, _ = planted
    gene, expression = cohort.genes[0], cohort.expression_of(cohort.genes[0].gene_id)
    for predictor in (NET, FOREST, pgxeval.SklearnPredictor(Ridge())):
        assert isinstance(predictor, FitsTrainingSet)
        assert isinstance(predictor.fit(gene, cohort.genome, expression), FittedOnWindow)
