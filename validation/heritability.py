"""Cis heritability by REML: bias, standard error and type I error at the boundary.

Writes `heritability.md` next to this file. Genotypes of a window are drawn with linkage (an autoregressive process
along 200 variants, frequencies from 0.05 to 0.5). Expression is the sum of the stated share of additive variance,
from all variants (infinitesimal) or one, and normal noise; some traits are ranked and normalised, have ties or
covariates. Reported are the mean of the REML estimate ``h2`` (bounded by 0) and of Haseman and Elston's
``h2_unbounded``, the standard deviation of ``h2`` and the mean of its standard error, and the share of p-values below
0.05, which at a heritability of 0 is the type I error.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from pgxeval.cohort import covariate_basis
from pgxeval.evaluation import heritability

VARIANTS, TRAITS = 200, 100


def draw_dosages(random: np.random.Generator, n: int) -> np.ndarray:
    """Return dosages of linked variants that all vary."""
    latent = np.empty((2, n, VARIANTS))
    latent[..., 0] = random.normal(size=(2, n))
    for k in range(1, VARIANTS):
        latent[..., k] = 0.9 * latent[..., k - 1] + math.sqrt(1 - 0.81) * random.normal(size=(2, n))
    cut = stats.norm.isf(random.uniform(0.05, 0.5, size=VARIANTS))
    dosages = (latent > cut).sum(axis=0).astype(float)
    return dosages[:, dosages.std(axis=0) > 0]


def traits_of(
    random: np.random.Generator, dosages: np.ndarray, h2: float, kind: str, covariates: np.ndarray | None
) -> np.ndarray:
    """Return traits, float64 (traits, individuals)."""
    n, m = dosages.shape
    scaled = (dosages - dosages.mean(axis=0)) / dosages.std(axis=0)
    if kind == "one variant":
        genetic = scaled[:, random.integers(m, size=TRAITS)].T
    else:
        genetic = (scaled @ random.normal(size=(m, TRAITS))).T / math.sqrt(m)
    y = math.sqrt(h2) * genetic + math.sqrt(1 - h2) * random.normal(size=(TRAITS, n))
    if covariates is not None:
        y += random.normal(size=(TRAITS, covariates.shape[1])) @ covariates.T
    if kind == "ties, normalised":
        y = np.round(y * 2)
        ranks = stats.rankdata(y, axis=1)
        y = stats.norm.ppf((ranks - 0.5) / n)
    return y


def row(seed: int, n: int, h2: float, kind: str, windows: int) -> dict[str, object]:
    """Return one line of the table."""
    random = np.random.default_rng([seed, n, int(1000 * h2), len(kind)])
    parts = []
    for _ in range(windows):
        dosages = draw_dosages(random, n)
        covariates = random.normal(size=(n, 10)) if kind == "10 covariates" else None
        basis = None if covariates is None else covariate_basis(pd.DataFrame(covariates), n)
        y = traits_of(random, dosages, h2, kind, covariates)
        parts.append(heritability(y, dosages, basis, draws=5000, seed=int(random.integers(2**31))))
    table = pd.concat(parts)
    count = len(table)
    share = float((table["h2_p"] < 0.05).mean())
    return {
        "n": n,
        "h2": h2,
        "expression": kind,
        "traits": count,
        "mean h2": table["h2"].mean(),
        "bias": table["h2"].mean() - h2,
        "error": table["h2"].std() / math.sqrt(count),
        "bias, unbounded": table["h2_unbounded"].mean() - h2,
        "sd": table["h2"].std(),
        "mean se": table["h2_se"].mean(),
        "p < 0.05": share,
        "error of p": math.sqrt(share * (1 - share) / count),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=40, help=f"windows per row; {TRAITS} traits each")
    parser.add_argument("--seed", type=int, default=81)
    settings = parser.parse_args()
    rows = [row(settings.seed, n, 0.0, "infinitesimal", settings.windows) for n in (90, 300, 500)]
    rows += [
        row(settings.seed, n, 0.0, kind, settings.windows)
        for n in (90, 300)
        for kind in ("10 covariates", "ties, normalised")
    ]
    rows += [
        row(settings.seed, 500, h2, kind, max(settings.windows // 2, 1))
        for kind in ("infinitesimal", "one variant")
        for h2 in (0.05, 0.1, 0.2, 0.5)
    ]
    rows += [
        row(settings.seed, 300, 0.2, kind, max(settings.windows // 2, 1)) for kind in ("infinitesimal", "one variant")
    ]
    lines = [
        "# Cis heritability",
        "",
        (__doc__ or "").strip(),
        "",
        f"Seed {settings.seed}. The error of a type I error of 5 % over {settings.windows * TRAITS:,} traits is "
        f"{math.sqrt(0.0475 / settings.windows / TRAITS):.4f}; traits of a window share its genotypes.",
        "",
        pd.DataFrame(rows).round(4).to_markdown(index=False),
    ]
    Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines[6:]))


if __name__ == "__main__":
    main()
