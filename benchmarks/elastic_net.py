"""Time the elastic net and glmnet, in one run on one core.

Run ``python benchmarks/elastic_net.py --before CHECKOUT``; it writes ``elastic_net.md`` next to this file, and with
``--numbers`` the comparison of numbers and the memory, ``elastic_net_numbers.md``. R with glmnet must be installed.
CHECKOUT is a checkout of this repository at the commit before the compiled solver (70ef1e2); without it, that
comparison is omitted.

Genotypes are simulated with msprime. Genes have no, 1, 3 or 10 causal variants that explain 20 % of the variance.
All programs get the same dosages and the same ten inner folds, and run in turn, gene by gene. Times are processor
seconds of one thread: a busy machine lengthens them less than wall time. Ours start from the dosages and
include the search for identical variants; cv.glmnet's start from a numeric matrix.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType

import attrs
import numpy as np
import pandas as pd
from measuring import machine, peak_memory
from threadpoolctl import threadpool_limits

from pgxeval.predictors.trained.distinct_columns import find_distinct
from pgxeval.predictors.trained.penalty import Penalty, choose_penalty
from pgxeval.predictors.trained.penalty_gram import GramColumns
from pgxeval.simulation.linkage import simulate_window

CAUSAL = (0, 1, 3, 10)
FOLDS = 10
COMPARED = (  # individuals, window [bp], number of windows, number of genes
    (90, 60_000, 1, 12),
    (90, 60_000, 7, 7),
    (150, 100_000, 1, 12),
    (150, 100_000, 7, 7),
    (300, 40_000, 1, 12),
    (953, 30_000, 1, 12),
)
HERITABILITY = 0.2
MUTATION_RATE = 2.8e-8  # about 5,400 variants of MAF >= 0.01 in 2 Mb among 953 individuals

_R = """
suppressMessages(library(glmnet))
read <- function(name, what, size) readBin(name, what, file.info(name)$size / size, size=size)
y <- read('y', 'double', 8); fold <- read('fold', 'integer', 1); n <- length(y)
X <- matrix(as.double(read('X', 'integer', 1)), nrow=n)
tight <- {tight}
if (tight) glmnet.control(fdev=0, devmax=1)
thresh <- if (tight) 1e-12 else 1e-7
# without given penalties cv.glmnet interpolates between those of each fold
given <- if (tight) glmnet(X, y, alpha=0.5, lambda.min.ratio={eps}, thresh=thresh, maxit=1e7)$lambda else NULL
started <- proc.time()
fit <- cv.glmnet(X, y, alpha=0.5, foldid=fold, lambda=given, lambda.min.ratio={eps}, thresh=thresh, maxit=1e7)
spent <- sum((proc.time() - started)[c(1, 2)])
best <- which.min(fit$cvm)
cat(spent, fit$lambda[best], fit$cvm[best], length(fit$lambda), as.vector(coef(fit$glmnet.fit)[-1, best]), fill=FALSE)
"""


@attrs.frozen(kw_only=True, eq=False)
class Problem:
    """One gene: int8 dosages, standardised expression and inner folds."""

    dosages: np.ndarray
    expression: np.ndarray
    folds: np.ndarray


@attrs.frozen(kw_only=True, eq=False)
class GlmnetFit:
    """What cv.glmnet found, and its processor seconds."""

    seconds: float
    penalty: float
    error: float
    n_penalties: int
    coefficients: np.ndarray


def make_problem(individuals: int, window_bp: int, gene: int, *, windows: int = 1) -> Problem:
    blocks = []
    for part in range(windows):
        window = simulate_window(
            individuals, window_bp, seed=11, names=(individuals, gene, part), mutation_rate=MUTATION_RATE
        )
        blocks.append(window.dosages[:, window.minor_allele_frequency >= 0.01])
    dosages = np.concatenate(blocks, axis=1)
    rng = np.random.default_rng(gene)
    causal = rng.choice(dosages.shape[1], CAUSAL[gene % len(CAUSAL)], replace=False)
    noise = rng.standard_normal(individuals)
    expression = noise / noise.std()
    if causal.size:
        chosen = dosages[:, causal].astype(float)
        signal = (chosen - chosen.mean(axis=0)) / chosen.std(axis=0) @ rng.standard_normal(causal.size)
        expression = np.sqrt(HERITABILITY) * signal / signal.std() + np.sqrt(1 - HERITABILITY) * expression
    folds = rng.permutation(np.arange(individuals) % FOLDS) + 1
    return Problem(
        dosages=dosages,
        expression=(expression - expression.mean()) / expression.std(),
        folds=folds.astype(np.int16),
    )


def ours(problem: Problem, patience: int, eps: float = 0.01) -> Penalty:
    columns = GramColumns(problem.dosages.astype(np.float64), find_distinct(problem.dosages))
    return choose_penalty(columns, problem.expression, problem.folds, patience=patience, eps=eps)


def earlier(module: ModuleType, problem: Problem) -> object:
    dosages = problem.dosages.astype(np.float64)
    scaled = np.asfortranarray((dosages - dosages.mean(axis=0)) / dosages.std(axis=0))
    return module.choose_penalty(scaled, problem.expression, problem.folds, solver={"max_iter": 10_000})


def glmnet(problem: Problem, *, tight: bool = False, eps: float = 0.01) -> GlmnetFit:
    with tempfile.TemporaryDirectory() as folder:
        problem.dosages.T.astype(np.int8).tofile(Path(folder, "X"))
        problem.expression.tofile(Path(folder, "y"))
        problem.folds.astype(np.int8).tofile(Path(folder, "fold"))
        script = _R.replace("{tight}", "TRUE" if tight else "FALSE").replace("{eps}", str(eps))
        printed = subprocess.run(["Rscript", "-e", script], cwd=folder, capture_output=True, text=True, check=True)
    numbers = np.array(printed.stdout.split(), dtype=float)
    return GlmnetFit(
        seconds=numbers[0],
        penalty=numbers[1],
        error=numbers[2],
        n_penalties=int(numbers[3]),
        coefficients=numbers[4:],
    )


def processor_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def time_whole_window(individuals: int, window_bp: int, genes: int, before: ModuleType | None) -> pd.DataFrame:
    rows = []
    for gene in range(genes):
        problem = make_problem(individuals, window_bp, gene)
        rival = glmnet(problem)
        row = {
            "variants": problem.dosages.shape[1],
            "causal": CAUSAL[gene % len(CAUSAL)],
            "cv.glmnet": rival.seconds,
            "ours": processor_seconds(lambda problem=problem: ours(problem, 10)),
            "ours, 100 penalties": processor_seconds(lambda problem=problem: ours(problem, 100)),
        }
        row["cv.glmnet / ours"] = row["cv.glmnet"] / row["ours"]
        row["cv.glmnet / ours, 100 penalties"] = row["cv.glmnet"] / row["ours, 100 penalties"]
        if before is not None:
            row["before"] = processor_seconds(lambda problem=problem: earlier(before, problem))
            row["before / ours"] = row["before"] / row["ours"]
        print(row, flush=True)
        rows.append(row)
    return pd.DataFrame(rows)


def time_small_window(genes: int, before: ModuleType | None) -> pd.DataFrame:
    rows = []
    for gene in range(genes):
        problem = make_problem(240, 53_000, 100 + gene)
        work: dict[str, Callable[[], object]] = {"ours": lambda problem=problem: ours(problem, 10)}
        if before is not None:
            work["before"] = lambda problem=problem: earlier(before, problem)
        spent = {name: [processor_seconds(run) for _ in range(3)] for name, run in work.items()}
        rows.append(
            {"variants": problem.dosages.shape[1], **{name: float(np.median(times)) for name, times in spent.items()}}
        )
    table = pd.DataFrame(rows)
    if before is not None:
        table["before / ours"] = table["before"] / table["ours"]
    return table


def compare_numbers() -> pd.DataFrame:
    """Compare with glmnet at ``thresh=1e-12``, where its own solutions are exact enough to judge by.

    The path ends at a tenth of the largest penalty: below, this tolerance takes glmnet minutes per gene. Both
    follow it to the end.
    """
    rows = []
    for individuals, window_bp, windows, genes in COMPARED:
        for gene in range(genes):
            problem = make_problem(individuals, window_bp, 200 + gene, windows=windows)
            fit, exact = ours(problem, 100, 0.1), glmnet(problem, tight=True, eps=0.1)
            scale = problem.dosages.std(axis=0)
            rows.append(
                {
                    "individuals": individuals,
                    "variants": problem.dosages.shape[1],
                    "causal": CAUSAL[gene % len(CAUSAL)],
                    "coefficients": int(np.count_nonzero(exact.coefficients)),
                    "same penalty": bool(np.isclose(fit.alpha, exact.penalty, rtol=1e-6)),
                    "error": abs(fit.inner_errors.min() / exact.error - 1),
                    "difference": np.abs(fit.coefficients - exact.coefficients * scale).max(),
                }
            )
            print(rows[-1], flush=True)
    return pd.DataFrame(rows)


def summarise_numbers(numbers: pd.DataFrame) -> pd.DataFrame:
    """Return one row per size, for genes without and with causal variants, and one for all."""
    groups = [
        ((f"{individuals:,}", "no" if null else "yes"), block)
        for (individuals, null), block in numbers.groupby(["individuals", numbers["causal"] == 0])
    ]
    return pd.DataFrame(
        {
            "individuals": individuals,
            "causal variants": causal,
            "genes": len(block),
            "variants": f"{block['variants'].min()} to {block['variants'].max()}",
            "coefficients": f"{block['coefficients'].min()} to {block['coefficients'].max()}",
            "same penalty": int(block["same penalty"].sum()),
            "CV minimum: largest relative difference": f"{block['error'].max():.1e}",
            "largest difference of a coefficient": f"{block['difference'].max():.1e}",
        }
        for (individuals, causal), block in [*groups, (("all", ""), numbers)]
    )


def measure_memory(individuals: int, windows: int, patience: int) -> None:
    # simulated in another process, whose memory does not count
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        problem = executor.submit(make_problem, individuals, 1_000_000, 3, windows=windows).result()
    resident = peak_memory() / 1024
    start = time.process_time()
    fit = ours(problem, patience)
    print(
        f"| {individuals:,} | {problem.dosages.shape[1]:,} | {fit.inner_errors.size} | "
        f"{time.process_time() - start:.0f} | {problem.dosages.size * 8 / 2**30:.2f} | {resident:.2f} | "
        f"{peak_memory() / 1024:.2f} |"
    )


def load_before(checkout: Path) -> ModuleType:
    source = checkout / "src/pgxeval/predictors/penalty.py"
    specification = importlib.util.spec_from_file_location("penalty_before", source)
    if specification is None or specification.loader is None:
        raise SystemExit(f"{source} cannot be imported")
    module = importlib.util.module_from_spec(specification)
    sys.modules["penalty_before"] = module
    specification.loader.exec_module(module)
    return module


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, help="checkout of the commit before the compiled solver")
    parser.add_argument("--genes", type=int, default=8, help="genes of 953 individuals")
    parser.add_argument("--small-genes", type=int, default=20, help="genes of 240 individuals")
    parser.add_argument("--numbers", action="store_true", help="compare numbers, measure memory, time nothing")
    parser.add_argument("--memory", nargs=3, type=int, metavar=("INDIVIDUALS", "MB", "PATIENCE"), help="memory alone")
    settings = parser.parse_args()
    if settings.memory:
        with threadpool_limits(1):
            measure_memory(*settings.memory)
        return
    if settings.numbers:
        with threadpool_limits(1):
            write_numbers(compare_numbers(), memory_rows())
        return
    before = load_before(settings.before) if settings.before else None
    with threadpool_limits(1):
        ours(make_problem(100, 20_000, 1), 100)  # compile
        large = time_whole_window(953, 2_000_000, settings.genes, before)
        small = time_small_window(settings.small_genes, before)
    write(large, small)


def memory_rows() -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--memory"]
    return "".join(
        subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True, check=True).stdout
        for arguments in (("953", "2", "10"), ("5000", "8", "10"))
    )


def write_numbers(numbers: pd.DataFrame, memory: str) -> None:
    """Write the comparison of numbers and the memory."""
    report = f"""# Numbers and memory of the elastic net

## The same numbers as glmnet

Written by ``python benchmarks/elastic_net.py --numbers``. Against ``cv.glmnet(thresh=1e-12, lambda.min.ratio=0.1)`` on
simulated genes of no, 1, 3 or 10 causal variants, with the same inner folds. glmnet is given the penalties of pgxeval's
path: without them it interpolates between those of each fold. Coefficients are those of columns of unit variance, for
an outcome of unit variance, at the chosen penalty.

{machine("numpy", "numba", "scikit-learn")}

{summarise_numbers(numbers).to_markdown(index=False)}

## Memory

Peak of the whole process [GB], after the import and the simulated dosages (`start`) and after the fit; `dosages`
is the size of the float64 matrix alone.

| individuals | variants | penalties followed | seconds | dosages | start | peak |
|---|---|---|---|---|---|---|
{memory}"""
    print(report)
    Path(__file__).with_name("elastic_net_numbers.md").write_text(report)


def write(large: pd.DataFrame, small: pd.DataFrame) -> None:
    """Write the report."""
    report = f"""# Elastic net

{__doc__}
{machine("numpy", "numba", "scikit-learn")}

## 953 individuals, windows of 2 Mb

{large.to_markdown(index=False, floatfmt=".2f")}

Medians over genes: cv.glmnet takes {large["cv.glmnet / ours"].median():.1f} times as long as the default, which ends
the path where it no longer pays (bar: 8), and {large["cv.glmnet / ours, 100 penalties"].median():.1f} times as long as
the full path (bar: 3).

Where the full path spends its time, profiled on the gene without causal variants (570 coefficients on average, 900 at
the end): 60 % in the linear systems (half of it where columns enter or change their sign), 6 % in the products for
the checks of all columns, 12 % in Gram matrices of the inner folds, 4 % in the fitted values. One Cholesky
factorisation now serves 4.6 penalties; the difference of the ridge terms is made up for by substitution, 5 rounds per
penalty. One factorisation per fold and penalty, as before, took half of 1.4 and 1.8 times the present time (two
genes, one run each, busy). Not better: factors in single precision with refinement, other sweeps of coordinate
descent, other block layouts, and smaller sets of columns, which need more repetitions.

## 240 individuals, about 127 variants

{small.median().to_frame(f"median over {len(small)} genes").T.to_markdown(floatfmt=".3f")}
"""
    print(report)
    Path(__file__).with_suffix(".md").write_text(report)


if __name__ == "__main__":
    main()
