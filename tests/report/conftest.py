"""Evaluations made by the real classes, from made-up predictions of three kinds of predictor."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from pgxeval.errors import PgxevalWarning
from pgxeval.evaluation import Evaluation, Evaluator
from pgxeval.seeding import assign_folds, permute_individuals
from pgxeval.tables.predictions import Predictions

GENES, PEOPLE, REPLICATES = 40, 60, 2
NASTY = "<script>alert('gene')</script>"


def _evaluation(genes: int, people: int, replicates: int, seed: int = 0) -> Evaluation:
    random = np.random.default_rng(seed)
    names = [f"PERSON{i:04d}" for i in range(people)]
    gene_ids = [NASTY, *(f"GENE{g:05d}" for g in range(1, genes))]
    signal = random.normal(size=(genes, people))
    strength = np.linspace(0.8, 0.0, genes)[:, None]
    expression = strength * signal + random.normal(size=(genes, people))
    fold = assign_folds(names, 5, 0)
    tables = []
    for replicate in range(replicates + 1):
        partner = permute_individuals(names, replicate, 0)
        for predictor, noise in (("elastic_net", 1.2), ("random_forest", 0.6)):
            values = signal[:, partner] + noise * random.normal(size=(genes, people))
            if predictor == "elastic_net":
                values[genes // 2] = 0.0  # a constant prediction: undefined
            tables.append(_rows(predictor, gene_ids, names, values, replicate, fold))
    zero_shot = 0.3 * signal + random.normal(size=(genes, people))
    tables.append(_rows('zero "shot" & <b>', gene_ids, names, zero_shot, 0, None))
    settings = {
        name: {
            "cross_fitting": "crossfit",
            "seed": 0,
            "folds": 5,
            "replicates": replicates,
            "individuals": people,
            "asked": {"class": name, "variants": {"flank_bp": 50_000, "around": "tss"}},
            "used": {"variants": {"min": 20.0, "median": 44.0, "max": 90.0}},
            "versions": {"pgxeval": "0.1.0"},
        }
        for name in ("elastic_net", "random_forest")
    }
    bed = pd.DataFrame(expression, columns=names)
    place = pd.DataFrame({"#chr": "chr1", "start": np.arange(genes) * 5_000_000, "gene_id": gene_ids})
    place.insert(2, "end", place["start"] + 1)
    lonely = pd.DataFrame({"LONELY001": random.normal(size=genes)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PgxevalWarning)
        return Evaluator(pd.concat([place, bed, lonely], axis=1), threads=1).evaluate(
            Predictions.from_table(pd.concat(tables, ignore_index=True), settings)
        )


def _rows(
    name: str, gene_ids: list[str], people: list[str], values: np.ndarray, replicate: int, fold: np.ndarray | None
) -> pd.DataFrame:
    genes, n = values.shape
    return pd.DataFrame(
        {
            "predictor": name,
            "gene_id": np.repeat(gene_ids, n),
            "individual": np.tile(people, genes),
            "replicate": replicate,
            "prediction": values.ravel(),
            "fold": pd.array(np.tile(fold, genes) if fold is not None else [pd.NA] * genes * n, dtype="Int16"),
            "training_mean": 0.0 if fold is not None else np.nan,
        }
    )


@pytest.fixture(scope="session")
def evaluation() -> Evaluation:
    """Return an evaluation of two cross-fitted predictors and a zero-shot one on 40 genes; do not change it."""
    return _evaluation(GENES, PEOPLE, REPLICATES)


@pytest.fixture(scope="session")
def make_evaluation() -> Callable[..., Evaluation]:
    """Return the maker of evaluations: genes, people, replicates, seed."""
    return _evaluation
