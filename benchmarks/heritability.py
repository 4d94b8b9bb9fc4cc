"""Time REML of the cis heritability for 1,000 genes and 953 individuals, with standard errors and exact p-values.

Run ``python benchmarks/heritability.py``; it writes ``benchmarks/heritability.md`` next to itself. Each gene has its
own dosages, simulated with linkage before the clock starts (a few different windows in turn), and one trait. Genes are
shared by two processes of one thread each. A plain loop (eigendecomposition, likelihood maximised by SciPy, and the
likelihood-ratio p from the 50:50 mixture, without the exact null) is timed on some genes of the same windows and
scaled; its seconds are processor seconds.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from measuring import machine
from scipy import optimize, stats

from pgxeval.evaluation import heritability
from pgxeval.simulation.linkage import simulate_window

WINDOWS = 2
MUTATION_RATE = 2.8e-8  # about 5,400 variants of MAF >= 0.01 in 2 Mb among 953 individuals


def make_window(individuals: int, variants: int, number: int) -> np.ndarray:
    """Return float64 dosages of neighbouring variants with a MAF of at least 0.01."""
    window_bp = int(2_000_000 * variants / 4_500)
    window = simulate_window(individuals, window_bp, seed=12, names=(variants, number), mutation_rate=MUTATION_RATE)
    return window.dosages[:, window.minor_allele_frequency >= 0.01][:, :variants].astype(float)


def timed(traits: np.ndarray, window: np.ndarray) -> tuple[list[float], float]:
    """Return the estimates of the traits, one gene each, and the processor seconds spent."""
    heritability(traits[0], window)
    start = time.process_time()
    estimates = [heritability(trait, window)["h2"][0] for trait in traits]
    return estimates, time.process_time() - start


def plain(y: np.ndarray, dosages: np.ndarray) -> tuple[float, float]:
    """Return the REML estimate and the p-value of the mixture."""
    n = len(y)
    scaled = (dosages - dosages.mean(axis=0)) / dosages.std(axis=0)
    values, vectors = np.linalg.eigh(scaled @ scaled.T / dosages.shape[1])
    ones = vectors.T @ np.ones(n)
    turned = vectors.T @ y

    def deviance(h: float) -> float:
        variance = h * np.maximum(values, 0) + 1 - h
        information = float(ones @ (ones / variance))
        residual = turned - ones * float(ones @ (turned / variance)) / information
        quadratic = float(residual @ (residual / variance))
        return (n - 1) * np.log(quadratic) + float(np.log(variance).sum()) + np.log(information)

    found = optimize.minimize_scalar(deviance, bounds=(0, 0.999), method="bounded")
    return float(found.x), float(stats.chi2.sf(max(deviance(0.0) - found.fun, 0), 1) / 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genes", type=int, default=1000)
    parser.add_argument("--timed", type=int, default=60, help="genes that are timed; times are scaled to --genes")
    parser.add_argument("--variants", type=int, nargs="+", default=[500, 2000, 5400])
    parser.add_argument("--individuals", type=int, default=953)
    parser.add_argument("--processes", type=int, default=2)
    settings = parser.parse_args()
    rows = []
    for variants in settings.variants:
        windows = [make_window(settings.individuals, variants, number) for number in range(WINDOWS)]
        each = settings.timed // settings.processes
        random = np.random.default_rng(variants)
        traits = random.normal(size=(settings.processes, each, settings.individuals))
        loop = time.process_time()
        answers = [plain(trait, windows[0])[0] for trait in traits[0, :3]]
        loop = (time.process_time() - loop) / 3
        with ProcessPoolExecutor(settings.processes, mp_context=get_context("spawn")) as pool:
            list(pool.map(timed, traits[:, :1], windows * settings.processes))  # start the processes
            start = time.perf_counter()
            results = list(pool.map(timed, traits, windows * settings.processes))
            wall = time.perf_counter() - start
        found = results[0][0][:3]
        work = sum(seconds for _, seconds in results)
        timed_genes = settings.processes * each
        rows.append(
            {
                "variants": windows[0].shape[1],
                "wall seconds": round(wall * settings.genes / timed_genes, 1),
                "processor seconds": round(work * settings.genes / timed_genes, 1),
                "plain loop (scaled)": round(loop * settings.genes, 0),
                "largest difference of h2": round(float(np.max(np.abs(np.array(found) - answers))), 5),
            }
        )
        print(rows[-1], flush=True)
    text = [
        "# REML of the cis heritability",
        "",
        (__doc__ or "").strip(),
        "",
        machine("numpy", "scipy"),
        "",
        f"{settings.genes:,} genes (scaled from {settings.timed}), {settings.individuals} individuals, "
        f"{settings.processes} processes.",
        "",
        pd.DataFrame(rows).to_markdown(index=False),
    ]
    Path(__file__).with_suffix(".md").write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
