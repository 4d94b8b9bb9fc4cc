"""Seconds a fit of both trained predictors, beside scikit-learn's defaults, in one run on one core.

Writes `predictors.md` beside this file. One fit is one outer fold of one gene (240 or 760 training
individuals), a gene in five folds takes five; both sides get the same dosages, standardised for the elastic nets.
`held-out r` is the correlation with the expression of individuals that neither saw, over all genes of the
row: speed must not cost accuracy.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNetCV
from threadpoolctl import threadpool_limits

import pgxeval
from pgxeval.predictors.protocol import TrainablePredictor
from pgxeval.predictors.trained.training import TrainingSet
from pgxeval.simulation.simulate import simulate_cohort_in_memory

warnings.simplefilter("ignore", ConvergenceWarning)

Fit = Callable[[], Callable[[np.ndarray], np.ndarray]]


def timed(fit: Fit, test: np.ndarray) -> tuple[float, np.ndarray]:
    start = time.perf_counter()
    predict = fit()
    seconds = time.perf_counter() - start
    return seconds, predict(test)


def ours(
    predictor: TrainablePredictor, gene: pgxeval.Gene, cohort: pgxeval.Cohort, train: pd.Series, test: pd.Series
) -> Fit:
    def fit() -> Callable[[np.ndarray], np.ndarray]:
        fitted = predictor.fit(gene, cohort.genome, train)
        return lambda _: fitted.predict(gene, cohort.genome, list(test.index)).values

    return fit


def compare(training: int, window_bp: int, genes: int, *, default_net: bool) -> list[dict[str, object]]:
    cohort, _ = simulate_cohort_in_memory(
        individuals=training + 60,
        kinds={"additive": genes},
        window_bp=window_bp,
        spacing_bp=window_bp + 2_200_000,
        seed=5,
    )
    rule = pgxeval.CisVariants()
    seconds: dict[str, list[float]] = {}
    r: dict[str, list[float]] = {}
    variants = []
    for gene in cohort.genes:
        expression = cohort.expression_of(gene.gene_id)
        train, test = expression.iloc[:training], expression.iloc[training:]
        prepared = TrainingSet.prepare(rule, gene, cohort.genome, train)
        variants.append(prepared.dosages.shape[1])
        X, y = prepared.dosages, prepared.expression
        held_out = prepared.selected.dosages(cohort.genome, list(test.index))
        center, scale = X.mean(axis=0), X.std(axis=0)
        Z = np.asfortranarray((X - center) / scale)

        rivals: dict[str, tuple[Fit, np.ndarray]] = {
            "ElasticNetPredictor (10 inner folds)": (
                ours(pgxeval.ElasticNetPredictor(), gene, cohort, train, test),
                held_out,
            ),
            "RandomForestPredictor": (ours(pgxeval.RandomForestPredictor(), gene, cohort, train, test), held_out),
            "RandomForestRegressor, defaults": (
                lambda X=X, y=y: RandomForestRegressor(random_state=0).fit(X, y).predict,
                held_out,
            ),
        }
        if default_net:
            rivals["ElasticNetCV, defaults (5 inner folds)"] = (
                lambda Z=Z, y=y: ElasticNetCV(l1_ratio=0.5).fit(Z, y).predict,
                (held_out - center) / scale,
            )
        for name, (fit, wanted) in rivals.items():
            spent, predicted = timed(fit, wanted)
            seconds.setdefault(name, []).append(spent)
            spread = np.ptp(predicted) > 1e-12
            r.setdefault(name, []).append(np.corrcoef(predicted, test)[0, 1] if spread else 0.0)
    base = {
        "ElasticNetPredictor (10 inner folds)": "ElasticNetCV, defaults (5 inner folds)",
        "RandomForestPredictor": "RandomForestRegressor, defaults",
    }
    return [
        {
            "training individuals": training,
            "variants": int(np.median(variants)),
            "genes": genes,
            "fit": name,
            "seconds a fit": np.mean(spent),
            "times faster": np.mean(seconds[base[name]]) / np.mean(spent) if base.get(name) in seconds else np.nan,
            "held-out r": np.mean(r[name]),
        }
        for name, spent in seconds.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small windows only")
    asked = parser.parse_args()
    with threadpool_limits(1):
        rows = compare(240, 100_000, 10, default_net=True)
        if not asked.quick:
            rows += compare(240, 1_900_000, 2, default_net=True)
            rows += compare(760, 1_900_000, 1, default_net=False)
    table = pd.DataFrame(rows)
    text = table.to_markdown(index=False, floatfmt=(".0f", ".0f", ".0f", "", ".3f", ".1f", ".2f"), missingval="")
    report = f"# Trained predictors\n\n{__doc__}\n{text}\n"
    print(report)
    if not asked.quick:
        Path(__file__).with_suffix(".md").write_text(report)


if __name__ == "__main__":
    main()
