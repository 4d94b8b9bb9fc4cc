"""Time REML of the cis heritability for 1,000 genes and 953 individuals, with standard errors and exact p-values.

Run ``python benchmarks/heritability.py``; it writes ``benchmarks/heritability.md`` next to itself. Each gene has its
own dosages, which are drawn before the clock starts (a few different windows in turn), and one trait. Genes are
shared by two threads. A plain loop (eigendecomposition, likelihood maximised by SciPy, and the likelihood-ratio p
from the 50:50 mixture, without the exact null) is timed on some genes of the same windows and scaled.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from measuring import machine
from scipy import optimize, stats

from pgxeval.evaluation import heritability

WINDOWS = 4


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
    parser.add_argument("--timed", type=int, default=300, help="genes that are timed; times are scaled to --genes")
    parser.add_argument("--individuals", type=int, default=953)
    parser.add_argument("--threads", type=int, default=2)
    settings = parser.parse_args()
    rows = []
    for variants in (500, 2000, 5400):
        random = np.random.default_rng(variants)
        windows = [
            random.binomial(2, random.uniform(0.02, 0.5, size=variants), size=(settings.individuals, variants)).astype(
                float
            )
            for _ in range(WINDOWS)
        ]
        traits = random.normal(size=(settings.timed, settings.individuals))
        loop = time.perf_counter()
        answers = [plain(traits[k], windows[k % WINDOWS])[0] for k in range(8)]
        loop = (time.perf_counter() - loop) / 8
        start, work = time.perf_counter(), time.process_time()
        with ThreadPoolExecutor(settings.threads) as pool:
            found = list(
                pool.map(
                    lambda k, y=traits, w=windows: heritability(y[k], w[k % WINDOWS])["h2"][0], range(settings.timed)
                )
            )
        wall, work = time.perf_counter() - start, time.process_time() - work
        rows.append(
            {
                "variants": variants,
                "wall seconds": round(wall * settings.genes / settings.timed, 1),
                "processor seconds": round(work * settings.genes / settings.timed, 1),
                "plain loop (scaled)": round(loop * settings.genes, 0),
                "largest difference of h2": round(float(np.max(np.abs(np.array(found[:8]) - answers))), 5),
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
        f"{settings.threads} threads.",
        "",
        pd.DataFrame(rows).to_markdown(index=False),
    ]
    Path(__file__).with_suffix(".md").write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
