"""Time the evaluator on 20,000 genes x 953 individuals x 4 predictors, and a loop over SciPy.

Run ``python benchmarks/evaluator.py``; it writes ``benchmarks/evaluator.md`` next to itself. The clock starts
with a checked predictions table and stops with the evaluation; intervals are analytic. SciPy's loop is timed on
some of the genes and scaled.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import platform
import pstats
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import scipy
from measuring import peak_memory, verdict
from scipy import stats

from pgxeval.evaluation import Evaluator
from pgxeval.evaluation.settings import EvaluationSettings
from pgxeval.seeding import assign_folds
from pgxeval.tables.predictions import Predictions


def peak_gb() -> float:
    """Return the peak resident memory of this process since `forget_peak` [GB]; Linux."""
    return peak_memory() / 1024


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


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


def small_study(genes: int = 40) -> tuple[float, float]:
    """Return the seconds of a first and of a second evaluation of a few genes, in this process."""
    random = np.random.default_rng(1)
    expression = expression_of(genes, 953, random)
    predictions, evaluator = predictions_of(expression, 4, 2, random), Evaluator(expression, threads=1)
    spent = []
    for _ in range(2):
        start = time.perf_counter()
        evaluator.evaluate(predictions)
        spent.append(time.perf_counter() - start)
    return spent[0], spent[1]


def small_studies() -> tuple[float, float, float]:
    """Return seconds of 40 genes: compiling everything, in a new process with compiled code on disk, and again."""
    here = Path(__file__)
    with tempfile.TemporaryDirectory() as folder:
        spent: list[list[float]] = []
        for _ in range(2):
            command = [sys.executable, str(here), "--small"]
            environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
            answer = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
            spent.append([float(word) for word in answer.split()])
    return spent[0][0], spent[1][0], spent[1][1]


def profile(genes: int = 1_000, shown: int = 12) -> list[str]:
    """Return lines of the functions that an evaluation on one thread spends most seconds in, itself."""
    random = np.random.default_rng(2)
    expression = expression_of(genes, 953, random)
    predictions, evaluator = predictions_of(expression, 4, 2, random), Evaluator(expression, threads=1)
    settings = EvaluationSettings(permutations=20)
    recorder = cProfile.Profile()
    recorder.runcall(evaluator.evaluate, predictions, settings=settings)
    stats_of = pstats.Stats(recorder)
    total = sum(row[2] for row in stats_of.stats.values())
    first = sorted(stats_of.stats.items(), key=lambda item: -item[1][2])[:shown]
    return [f"| `{name}` ({Path(file).stem}) | {100 * row[2] / total:.0f} |" for (file, _, name), row in first]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--individuals", type=int, default=953)
    parser.add_argument("--predictors", type=int, default=4)
    parser.add_argument("--loop-genes", type=int, default=500)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--small", action="store_true", help="time 40 genes in this process, and nothing else")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.small:
        print(*small_study())
        return
    compiling, first, again = small_studies()
    small_study()
    random = np.random.default_rng(0)
    expression = expression_of(options.genes, options.individuals, random)
    lines = [
        f"# Evaluator: {options.genes:,} genes x {options.individuals} individuals x {options.predictors} predictors",
        "",
        f"{options.threads} threads on {os.cpu_count()} cores ({platform.processor() or platform.machine()}), Python "
        f"{platform.python_version()}, numpy {np.__version__}, pandas {pd.__version__}, scipy {scipy.__version__}.",
        "From a checked table to the evaluation tables, analytic intervals, block jackknife, 20 label",
        "permutations; the loop over `scipy.stats.spearmanr` on one thread was",
        f"timed on {options.loop_genes} genes, half before the evaluation and half after it, and scaled. The ratio of",
        f"seconds compares {options.threads} threads with one, that of processor seconds, summed over threads,",
        "compares work with work. Memory is that of the whole process: when the evaluation starts (interpreter,",
        "libraries, predictions table, the expression table as a DataFrame and as a matrix), and its peak until the",
        "evaluation ends.",
        "Compiled code was on disk and loaded.",
        "",
        f"Load average at the start: {os.getloadavg()[0]:.1f}.",
        "",
        "| table | rows | evaluator [s] | SciPy loop [s] | ratio | processor, evaluator [s] | processor, loop [s] "
        "| ratio | memory before [GB] | peak memory [GB] |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    ratios, peaks = [], []
    for cross_fitted in (0, 2):
        predictions = predictions_of(expression, options.predictors, cross_fitted, random)
        evaluator = Evaluator(expression, threads=options.threads)
        half = min(options.loop_genes, options.genes) // 2
        measured = expression.iloc[: 2 * half, 4:].to_numpy()
        first_row = (options.predictors - 1) * options.genes * options.individuals
        column = predictions.table["prediction"].to_numpy()
        some = column[first_row : first_row + measured.size].reshape(measured.shape)
        loops = [scipy_loop(measured[:half], some[:half], half)]
        forget_peak()
        before = peak_gb()
        start, cpu_start = time.perf_counter(), time.process_time()
        evaluation = evaluator.evaluate(predictions)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
        peak = peak_gb()
        assert len(evaluation.per_gene) == options.genes * options.predictors
        loops.append(scipy_loop(measured[half:], some[half:], half))
        loop, loop_cpu = options.genes * options.predictors * np.mean(loops, axis=0)
        kind = "zero-shot" if not cross_fitted else f"{cross_fitted} of them cross-fitted"
        line = (
            f"| {kind} | {len(predictions.table):,} | {seconds:.1f} | {loop:.1f} | {loop / seconds:.1f} "
            f"| {cpu:.1f} | {loop_cpu:.1f} | {loop_cpu / cpu:.1f} | {before:.2f} | {peak:.2f} |"
        )
        print(line, flush=True)
        lines.append(line)
        ratios.append(loop / seconds)
        peaks.append(peak)
        del predictions, evaluator, evaluation, measured, some, column
    lines += [
        "",
        "40 genes x 953 individuals x 4 predictors (2 cross-fitted) on one thread: "
        f"{compiling:.1f} s when everything is compiled for the first time, {first:.2f} s in a new process that loads "
        f"compiled code, {again:.2f} s after that.",
        "",
        f"Bars: 8 times the loop ({verdict(min(ratios), 8)}: {min(ratios):.1f}), "
        f"2.9 GB ({verdict(2.9, max(peaks))}: {max(peaks):.2f}). The loop computes one correlation with a p-value;",
        "the evaluator computes two with robust standard errors, 20 permuted ones, within folds where there are folds,",
        "and all tables.",
        "Shares of the time of an evaluation of 1,000 genes, 2 of 4 predictors cross-fitted, on one thread [%]:",
        "",
        "| function | share |",
        "|---|---|",
        *profile(),
    ]
    print("\n".join(lines[-23:]), flush=True)
    Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
