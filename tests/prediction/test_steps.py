"""Steps: many processes count, none is lost."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tests.prediction.cheap import Cheap, cheap_cohort

from pgxeval.prediction.crossfit import CrossFitter
from pgxeval.prediction.pairing import Method
from pgxeval.prediction.steps import Steps


def test_counts_of_threads_and_copies_add_up() -> None:
    steps = Steps.begin(per_gene=10)
    try:
        copy = pickle.loads(pickle.dumps(steps))
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: (copy if number % 2 else steps).add(), range(1_000)))
        assert steps.genes == copy.genes == 100
        steps.add(5)
        assert steps.genes == 100.5
    finally:
        steps.end()
    assert not steps.path.exists()


def test_a_worker_without_the_file_counts_nothing_and_makes_none() -> None:
    steps = Steps.begin(per_gene=1)
    steps.end()
    steps.add()
    assert steps.genes == 0
    assert not steps.path.exists()
    steps.end()


@pytest.mark.parametrize("method", ["crossfit", "prequential"])
def test_a_gene_has_one_step_per_fold_and_replicate(method: Method) -> None:
    cohort = cheap_cohort(n_individuals=30)
    fitter = CrossFitter(
        genome=cohort.genome,
        individuals=cohort.individuals,
        covariates=None,
        predictors=(Cheap(), Cheap(name="other")),
        folds=3,
        seed=0,
        method=method,
    )
    steps = Steps.begin(per_gene=3 * 5)
    try:
        fitter.run(cohort.genes[0], np.asarray(cohort.expression[0]), 4, steps)
        assert steps.genes == 1
    finally:
        steps.end()
