"""Time the evaluator on 20,000 genes x 953 individuals x 4 predictors, and a loop over SciPy.

Run ``python benchmarks/evaluator.py``; it writes ``benchmarks/evaluator.md`` next to itself. The clock starts
with a checked predictions table and stops with the evaluation; intervals are analytic. SciPy's loop is timed on
some of the genes and scaled.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import scipy
from scipy import stats

from pgxeval.evaluation import Evaluator
from pgxeval.seeding import assign_folds
from pgxeval.tables.predictions import Predictions


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def expression_of(genes: int, individuals: int, random: np.random.Generator) -> pd.DataFrame:
    values = pd.DataFrame(random.normal(size=(genes, individuals)), columns=[f"S{i:04d}" for i in range(individuals)])
    place = pd.DataFrame(
        {
            "#chr": [f"chr{1 + g % 22}" for g in range(genes)],
            "start": [g // 22 * 120_000 for g in range(genes)],
            "end": [g // 22 * 120_000 + 1 for g in range(genes)],
            "gene_id": [f"G{g:05d}" for g in range(genes)],
        }
    )
    return pd.concat([place, values], axis=1)


def predictions_of(
    expression: pd.DataFrame, predictors: int, cross_fitted: int, random: np.random.Generator
) -> Predictions:
    """Return a table as `check_predictions` leaves it; the first `cross_fitted` predictors have folds."""
    values = expression.iloc[:, 4:].to_numpy()
    genes, individuals = values.shape
    people = expression.columns[4:].astype(str)
    cells = genes * individuals
    rows = predictors * cells

    def category(codes: np.ndarray, names: list[str] | pd.Index) -> pd.Categorical:
        return pd.Categorical.from_codes(codes, pd.Index(names))

    prediction = np.empty(rows)
    training_mean = np.full(rows, np.nan)
    fold, no_fold = np.zeros(rows, dtype=np.int16), np.ones(rows, dtype=bool)
    of_person = assign_folds(list(people), 5, 0)
    for k in range(predictors):
        part = slice(k * cells, (k + 1) * cells)
        prediction[part] = (0.1 * values + random.normal(size=values.shape)).ravel()
        if k < cross_fitted:
            fold[part], no_fold[part] = np.tile(of_person, genes), False
            training_mean[part] = 0.01
    table = pd.DataFrame(
        {
            "predictor": category(
                np.repeat(np.arange(predictors, dtype=np.int8), cells), [f"predictor {k}" for k in range(predictors)]
            ),
            "gene_id": category(
                np.tile(np.repeat(np.arange(genes, dtype=np.int16), individuals), predictors),
                expression["gene_id"].tolist(),
            ),
            "individual": category(np.tile(np.arange(individuals, dtype=np.int16), predictors * genes), people),
            "replicate": np.zeros(rows, dtype=np.int16),
            "fold": pd.arrays.IntegerArray(fold, no_fold),
            "prediction": prediction,
            "training_mean": training_mean,
            "reason": pd.Categorical.from_codes(np.full(rows, -1, dtype=np.int8), pd.Index([], dtype="str")),
        },
        copy=False,
    )
    return Predictions(table=table, settings={})


def scipy_loop(expression: np.ndarray, prediction: np.ndarray, genes: int) -> tuple[float, float]:
    """Return seconds, and processor seconds, a gene of the obvious loop: Spearman, p-value and interval."""
    start, cpu_start = time.perf_counter(), time.process_time()
    for gene in range(genes):
        found = stats.spearmanr(prediction[gene], expression[gene])
        half = 1.96 * np.sqrt((1 + found.statistic**2 / 2) / (expression.shape[1] - 3))
        np.tanh([np.arctanh(found.statistic) - half, np.arctanh(found.statistic) + half])
    return (time.perf_counter() - start) / genes, (time.process_time() - cpu_start) / genes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--individuals", type=int, default=953)
    parser.add_argument("--predictors", type=int, default=4)
    parser.add_argument("--loop-genes", type=int, default=500)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    random = np.random.default_rng(0)
    expression = expression_of(asked.genes, asked.individuals, random)
    lines = [
        f"# Evaluator: {asked.genes:,} genes x {asked.individuals} individuals x {asked.predictors} predictors",
        "",
        f"{asked.threads} threads on {os.cpu_count()} cores ({platform.processor() or platform.machine()}), Python "
        f"{platform.python_version()}, numpy {np.__version__}, pandas {pd.__version__}, scipy {scipy.__version__}.",
        "From a checked table to the evaluation tables, analytic intervals, block jackknife, 20 label",
        f"permutations; the loop over `scipy.stats.spearmanr` was timed on {asked.loop_genes} genes and scaled.",
        "Peak memory is that of the whole process, the tables included.",
        "",
        f"Load average at the start: {os.getloadavg()[0]:.1f}. Processor seconds, added up over threads, are what a",
        "busy machine cannot lengthen much.",
        "",
        "| table | rows | evaluator [s] | SciPy loop [s] | ratio | processor, evaluator [s] | processor, loop [s] "
        "| peak memory [GB] |",
        "|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines))
    for cross_fitted in (0, 2):
        predictions = predictions_of(expression, asked.predictors, cross_fitted, random)
        evaluator = Evaluator(expression, threads=asked.threads)
        start, cpu_start = time.perf_counter(), time.process_time()
        evaluation = evaluator.evaluate(predictions)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
        assert len(evaluation.per_gene) == asked.genes * asked.predictors
        measured = expression.iloc[:, 4:].to_numpy()
        cells = measured.size
        first = predictions.table["prediction"].to_numpy()[-cells:].reshape(measured.shape)
        times = asked.genes * asked.predictors
        loop, loop_cpu = (times * each for each in scipy_loop(measured, first, min(asked.loop_genes, asked.genes)))
        kind = "zero-shot" if not cross_fitted else f"{cross_fitted} of them cross-fitted"
        line = (
            f"| {kind} | {len(predictions.table):,} | {seconds:.1f} | {loop:.1f} | {loop / seconds:.1f} "
            f"| {cpu:.1f} | {loop_cpu:.1f} | {peak_gb():.2f} |"
        )
        print(line)
        lines.append(line)
        del predictions, evaluator, evaluation, first, measured
    Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
