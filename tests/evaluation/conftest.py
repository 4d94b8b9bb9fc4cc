"""Made-up cohorts for the evaluator: expression tables and a fast cross-fitted predictor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pgxeval.seeding import assign_folds, permute_individuals
from pgxeval.tables.predictions import Predictions


def _bed(values: np.ndarray, people: list[str], spacing_bp: int = 1_000_000) -> pd.DataFrame:
    n = len(values)
    place = pd.DataFrame(
        {
            "#chr": "chr1",
            "start": np.arange(n) * spacing_bp,
            "end": np.arange(n) * spacing_bp + 1,
            "gene_id": [f"G{g:04d}" for g in range(n)],
        }
    )
    return pd.concat([place, pd.DataFrame(values, columns=people)], axis=1)


def _long(
    name: str, prediction: np.ndarray, people: list[str], fold: np.ndarray | None, mean: np.ndarray | None
) -> pd.DataFrame:
    """Turn (replicates, genes, individuals) into rows."""
    replicates, genes, n = prediction.shape
    table = pd.DataFrame(
        {
            "predictor": name,
            "gene_id": np.tile(np.repeat([f"G{g:04d}" for g in range(genes)], n), replicates),
            "individual": np.tile(people, replicates * genes),
            "replicate": np.repeat(np.arange(replicates), genes * n),
            "prediction": prediction.ravel(),
        }
    )
    if fold is not None and mean is not None:
        table["fold"] = pd.array(np.tile(fold, replicates * genes), dtype="Int16")
        table["training_mean"] = mean.ravel()
    return table


class TopVariant:
    """A cross-fitted predictor in twenty lines: the best variant of the training folds, or their mean."""

    def __init__(
        self,
        genes: int,
        individuals: int,
        *,
        replicates: int,
        seed: int,
        effect: float = 0.0,
        method: str = "crossfit",
    ) -> None:
        random = np.random.default_rng(seed)
        self.people = [f"S{i:03d}" for i in range(individuals)]
        self.variants = random.normal(size=(genes, individuals, 5))
        self.expression = random.normal(size=(genes, individuals)) + effect * self.variants[:, :, 0]
        self.fold = assign_folds(self.people, 5, 0)
        self.prediction = np.empty((replicates + 1, genes, individuals))
        self.mean = np.empty_like(self.prediction)
        self.effect = effect
        self.method = method
        self.models: dict[tuple[int, int], tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
        for replicate in range(replicates + 1):
            partner = permute_individuals(self.people, replicate, 0)
            for fold in range(1, 6):
                self._fit(replicate, self.variants[:, partner], fold)

    def _fit(self, replicate: int, variants: np.ndarray, fold: int, threshold: float = 0.22) -> None:
        gene, test = np.arange(len(variants)), self.fold == fold
        train = self.fold < fold if self.method == "prequential" else ~test
        if not train.any():
            self.prediction[replicate][:, test] = self.mean[replicate][:, test] = np.nan
            return
        mean = self.expression[:, train].mean(axis=1, keepdims=True)
        centre = variants[:, train].mean(axis=1, keepdims=True)
        x, y = variants[:, train] - centre, self.expression[:, train] - mean
        covariance, variance = np.einsum("gnp,gn->gp", x, y), (x**2).sum(axis=1)
        correlation = np.abs(covariance) / np.sqrt(variance * (y**2).sum(axis=1, keepdims=True))
        best = correlation.argmax(axis=1)
        slope = np.where(correlation[gene, best] > threshold, (covariance / variance)[gene, best], 0.0)
        self.prediction[replicate][:, test] = mean + (variants[:, test] - centre)[gene, :, best] * slope[:, None]
        self.mean[replicate][:, test] = mean
        self.models[replicate, fold] = best, slope, centre

    def correlations_in_new_individuals(self, individuals: int = 400) -> np.ndarray:
        """Return the mean over folds of what the fitted models reach in new individuals.

        A model that predicts the same value for everyone counts as 0; NaN where all do.
        """
        random = np.random.default_rng(99)
        gene = np.arange(len(self.expression))
        reached, weights = [], []
        for fold in range(1, 6):
            best, slope, centre = self.models[0, fold]
            variants = random.normal(size=(len(gene), individuals, 5))
            predicted = (variants - centre)[gene, :, best] * slope[:, None]
            measured = random.normal(size=variants.shape[:2]) + self.effect * variants[:, :, 0]
            x, y = stats.rankdata(predicted, axis=1), stats.rankdata(measured, axis=1)
            with np.errstate(invalid="ignore"):
                reached.append(np.nan_to_num([np.corrcoef(a, b)[0, 1] for a, b in zip(x, y, strict=True)]))
            weights.append((self.fold == fold).sum() - 1)
        flat = np.all([self.models[0, fold][1] == 0 for fold in range(1, 6)], axis=0)
        return np.where(flat, np.nan, np.average(reached, axis=0, weights=weights))

    def expression_table(self) -> pd.DataFrame:
        return _bed(self.expression, self.people)

    def predictions(self, name: str = "top") -> Predictions:
        settings = {"cross_fitting": self.method, "seed": 0, "individuals": len(self.people)}
        return Predictions.from_table(_long(name, self.prediction, self.people, self.fold, self.mean), {name: settings})


@pytest.fixture(scope="session")
def bed() -> Callable[..., pd.DataFrame]:
    """Return the maker of expression tables in BED layout, one gene per megabase."""
    return _bed


@pytest.fixture(scope="session")
def long() -> Callable[..., pd.DataFrame]:
    """Return the maker of long predictions tables."""
    return _long


@pytest.fixture(scope="session")
def top_variant() -> Callable[..., Any]:
    """Return the class of the fast cross-fitted predictor."""
    return TopVariant
