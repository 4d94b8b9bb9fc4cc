"""check_predictor: does a predictor fulfil its contract? One named check per promise."""

from __future__ import annotations

import json
import pickle
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, cast

import attrs
import numpy as np
import numpy.typing as npt
import pandas as pd

from pgxeval.errors import SettingError
from pgxeval.genome.intervals import Gene
from pgxeval.genome.personal import PersonalGenome
from pgxeval.predictors.protocol import Prediction, Predictor, TrainablePredictor
from pgxeval.testing.checks import global_state
from pgxeval.testing.checks.checking import Check, NotApplicableError, OnFailure, demand, run_checks
from pgxeval.testing.tiny_world import TinyWorld

_SEED = 7


@attrs.define(kw_only=True, eq=False)
class PredictorUnderTest:
    """A predictor and the small cohort it is tested on.

    Parameters
    ----------
    predictor
        The predictor.
    world
        See `TinyWorld`.
    tolerance
        Maximum relative difference between answers to the same question.
    golden
        Individual -> known correct value for ``world.gene``; None without.
    """

    predictor: Predictor | TrainablePredictor
    world: TinyWorld
    tolerance: float = 1e-6
    golden: Mapping[str, float] | None = None
    _ready: dict[str, Any] = attrs.field(factory=dict, init=False)

    @property
    def trainable(self) -> TrainablePredictor:
        """The predictor, if it must be fitted; else the check does not apply."""
        if not hasattr(self.predictor, "fit"):
            raise NotApplicableError("the predictor is not trainable")
        return cast("TrainablePredictor", self.predictor)

    def ready(self, gene: Gene | None = None) -> Predictor:
        """Return a predictor for a gene: the predictor itself, or its copy fitted to the training individuals."""
        gene = self.world.gene if gene is None else gene
        if not hasattr(self.predictor, "fit"):
            return self.predictor
        if gene.gene_id not in self._ready:
            self._ready[gene.gene_id] = self.fit(gene=gene)
        fitted: Predictor = self._ready[gene.gene_id]
        return fitted

    def fit(
        self, *, gene: Gene | None = None, genome: PersonalGenome | None = None, expression: pd.Series | None = None
    ) -> Predictor:
        """Fit to the training individuals."""
        world = self.world
        if expression is None:
            expression = world.expression.loc[list(world.training)]
        return self.trainable.fit(
            world.gene if gene is None else gene, world.genome if genome is None else genome, expression, seed=_SEED
        )

    def ask(self, individuals: Sequence[str] | None = None, gene: Gene | None = None) -> Prediction:
        """Return the prediction for a gene, by default ``world.gene`` in all individuals."""
        gene = self.world.gene if gene is None else gene
        names = list(self.world.individuals) if individuals is None else individuals
        prediction = self.ready(gene).predict(gene, self.world.genome, names)
        demand(isinstance(prediction, Prediction), f"predict must return a Prediction, got {type(prediction).__name__}")
        return prediction

    def values(self, individuals: Sequence[str] | None = None) -> npt.NDArray[np.float64]:
        """Return the values of ``world.gene``."""
        return self.ask(individuals).values

    def same(self, one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> bool:
        """Return whether two answers agree within the tolerance."""
        return one.shape == other.shape and bool(
            np.allclose(one, other, rtol=self.tolerance, atol=1e-12, equal_nan=True)
        )


def _name(subject: PredictorUnderTest) -> None:
    first: Any = subject.predictor.name
    second: Any = subject.predictor.name
    demand(isinstance(first, str) and first.strip(), f"name must be a text that is not empty, got {first!r}")
    demand(first == second, f"name must stay the same, got {first!r} and then {second!r}")
    fitted = subject.ready().name
    demand(fitted == first, f"the fitted copy must keep the name {first!r}, got {fitted!r}")


def _shape(subject: PredictorUnderTest) -> None:
    n = len(subject.world.individuals)
    values = subject.values()
    demand(values.shape == (n,), f"{n} individuals must get {n} values, got shape {values.shape}")


def _order(subject: PredictorUnderTest) -> None:
    names = list(subject.world.individuals)
    turned = subject.values(names[::-1])[::-1]
    demand(subject.same(subject.values(), turned), "values must be in the order of the individuals")


def _nobody(subject: PredictorUnderTest) -> None:
    values = subject.values([])
    demand(values.shape == (0,), f"no individuals must give shape (0,), got {values.shape}")


def _one_by_one(subject: PredictorUnderTest) -> None:
    names = list(subject.world.individuals)
    whole = subject.values()
    for row in (0, 3, len(names) - 1):
        alone = subject.values([names[row]])
        demand(
            subject.same(whole[row : row + 1], alone),
            "an individual must get the same value alone as in a group",
        )


def _repeatable(subject: PredictorUnderTest) -> None:
    demand(subject.same(subject.values(), subject.values()), "the same question must get the same answer")
    if hasattr(subject.predictor, "fit"):
        again = subject.fit().predict(subject.world.gene, subject.world.genome, list(subject.world.individuals))
        demand(subject.same(subject.values(), again.values), "the same seed must give the same fit")


def _reasons(subject: PredictorUnderTest) -> None:
    prediction = subject.ask()
    missing = [
        row for row in np.flatnonzero(np.isnan(prediction.values)).tolist() if not _reason_given(prediction, row)
    ]
    demand(not missing, f"{len(missing)} values are NaN without a reason in Prediction.reasons")
    demand(np.isfinite(prediction.values).any(), f"no individual got a number: {prediction.reason(0)}")


def _reason_given(prediction: Prediction, row: int) -> bool:
    return bool(prediction.reasons if isinstance(prediction.reasons, str) else prediction.reasons.get(row))


def _settings(subject: PredictorUnderTest) -> None:
    used = subject.ask().used
    try:
        json.dumps(dict(used), allow_nan=True)
    except TypeError as error:
        demand(False, f"Prediction.used must be JSON-able: {error}")


def _input_unchanged(subject: PredictorUnderTest) -> None:
    names = list(subject.world.individuals)
    subject.values(names)
    demand(names == list(subject.world.individuals), "the list of individuals that was passed in was changed")
    if hasattr(subject.predictor, "fit"):
        expression = subject.world.expression.loc[list(subject.world.training)].copy()
        before = expression.copy()
        subject.fit(expression=expression)
        demand(expression.equals(before), "the expression that was passed in was changed")


def _global_state(subject: PredictorUnderTest) -> None:
    subject.values()  # what is set once when a library is loaded is allowed
    before = global_state.look()
    subject.values()
    if hasattr(subject.predictor, "fit"):
        subject.fit()
    changed = global_state.changes(before, global_state.look())
    demand(not changed, f"{' and '.join(changed)} must be as before the call")


def _unknown_individual(subject: PredictorUnderTest) -> None:
    try:
        subject.values([subject.world.individuals[0], "an unknown individual"])
    except (KeyError, ValueError):
        return
    demand(False, "an individual that is not in the genome must be refused with UnknownNameError, but got a value")


def _genotype_alone(subject: PredictorUnderTest) -> None:
    one, other = subject.values(["twin_a", "twin_b"])
    demand(
        subject.same(np.array([one]), np.array([other])),
        "two individuals with the same genome must get the same value, because only the genome may matter",
    )


def _central_snv(subject: PredictorUnderTest) -> None:
    none, two = subject.values(["variant_0", "variant_2"])
    demand(
        not np.isnan([none, two]).any() and none != two,
        "two individuals with no copy and two copies of a variant 5 bp downstream of the TSS get the same value",
    )


def _minus_strand(subject: PredictorUnderTest) -> None:
    prediction = subject.ask(gene=subject.world.minus_gene)
    bad = [row for row in np.flatnonzero(np.isnan(prediction.values)).tolist() if not _reason_given(prediction, row)]
    demand(not bad, "a gene on the minus strand must get values, or NaN with a reason")


def _pickling(subject: PredictorUnderTest) -> None:
    world = subject.world
    again = pickle.loads(pickle.dumps(subject.ready()))
    values = again.predict(world.gene, world.genome, list(world.individuals)).values
    demand(subject.same(subject.values(), values), "a predictor that was pickled must answer the same")
    pickle.loads(pickle.dumps(subject.predictor))


def _predict_genes(subject: PredictorUnderTest) -> None:
    ready = subject.ready()
    ability = getattr(ready, "predict_genes", None)
    if ability is None:
        raise NotApplicableError("the predictor has no predict_genes")
    world = subject.world
    genes = [world.gene] if hasattr(subject.predictor, "fit") else [world.minus_gene, world.gene]
    answers = list(ability(genes, world.genome, list(world.individuals)))
    demand([gene.gene_id for gene, _ in answers] == [gene.gene_id for gene in genes], "predict_genes: wrong order")
    demand(subject.same(subject.values(), answers[-1][1].values), "predict_genes and predict must agree")


def _fit_leaves_self(subject: PredictorUnderTest) -> None:
    before = pickle.dumps(subject.trainable)
    expression = subject.world.expression.loc[list(subject.world.training)]
    fitted = subject.fit(expression=2 * expression + 1)  # a change left by an earlier fit would not show again
    demand(fitted is not subject.predictor, "fit must return a fitted copy, not the predictor itself")
    demand(callable(getattr(fitted, "predict", None)), "what fit returns must have predict")
    demand(pickle.dumps(subject.predictor) == before, "fit must leave the predictor as it was")


def _learns_from_training_only(subject: PredictorUnderTest) -> None:
    world = subject.world
    names = list(world.training)
    here = subject.fit().predict(world.gene, world.genome, names).values
    there = subject.fit(genome=world.strangers).predict(world.gene, world.strangers, names).values
    demand(
        subject.same(here, there),
        "genotypes of individuals that are not in the training expression must not change the fit",
    )


def _order_of_training(subject: PredictorUnderTest) -> None:
    world = subject.world
    expression = world.expression.loc[list(world.training)]
    turned = subject.fit(expression=expression.iloc[::-1]).predict(world.gene, world.genome, list(world.individuals))
    demand(subject.same(subject.values(), turned.values), "the order of training individuals must not change the fit")


def _golden(subject: PredictorUnderTest) -> None:
    if subject.golden is None:
        raise NotApplicableError("no golden values were given")
    names = list(subject.golden)
    expected = np.array([subject.golden[name] for name in names], dtype=np.float64)
    demand(subject.same(expected, subject.values(names)), "not the golden values")


PREDICTOR_CHECKS: Mapping[str, Check] = {
    "name": _name,
    "shape": _shape,
    "order": _order,
    "nobody": _nobody,
    "one_by_one": _one_by_one,
    "repeatable": _repeatable,
    "reasons": _reasons,
    "settings": _settings,
    "input_unchanged": _input_unchanged,
    "global_state": _global_state,
    "unknown_individual": _unknown_individual,
    "genotype_alone": _genotype_alone,
    "central_snv": _central_snv,
    "minus_strand": _minus_strand,
    "pickling": _pickling,
    "predict_genes": _predict_genes,
    "fit_leaves_self": _fit_leaves_self,
    "learns_from_training_only": _learns_from_training_only,
    "order_of_training": _order_of_training,
    "golden": _golden,
}


def check_predictor(
    predictor: Predictor | TrainablePredictor,
    *,
    expected_failures: Mapping[str, str] | None = None,
    world: TinyWorld | None = None,
    tolerance: float = 1e-6,
    golden: Mapping[str, float] | None = None,
    on_failure: OnFailure = "report",
) -> pd.DataFrame:
    """Check that a predictor fulfils the contract of `Predictor` or `TrainablePredictor`.

    Parameters
    ----------
    predictor
        The predictor; a trainable one is fitted about ten times.
    expected_failures
        Name of a check -> why it may fail. An expected failure that passes is reported.
    world
        Small cohort to test on. Default: a new `TinyWorld`.
    tolerance
        Maximum relative difference between answers to the same question.
    golden
        Individual -> known correct value for ``world.gene``.
    on_failure
        ``"report"`` or ``"raise"``.

    Returns
    -------
    pandas.DataFrame
        One row per check: check, outcome, detail; see `check_sequence_model`.

    Raises
    ------
    CheckFailedError
        With ``on_failure="raise"``, if a check failed or passed unexpectedly.
    UnknownNameError, SettingError
        If an expected failure names no check or has no reason.
    """
    if isinstance(predictor, type):
        raise SettingError(f"{predictor.__name__} is a class; give an instance")
    if world is not None:
        subject = PredictorUnderTest(predictor=predictor, world=world, tolerance=tolerance, golden=golden)
        return run_checks(PREDICTOR_CHECKS, subject, expected_failures, on_failure)
    with tempfile.TemporaryDirectory() as folder:
        tiny_world = TinyWorld.make(folder)
        subject = PredictorUnderTest(predictor=predictor, world=tiny_world, tolerance=tolerance, golden=golden)
        return run_checks(PREDICTOR_CHECKS, subject, expected_failures, on_failure)
