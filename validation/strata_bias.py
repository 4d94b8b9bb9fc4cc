"""Bias of predictors in strata that other predictors define on the same individuals.

Writes `strata_bias.md` next to this file. Each gene has ten independent variants. Expression is additive (half of the
genes, 10 % heritability), driven by the product of two variants (30 %, 30 % heritability) or noise. Two cross-fitted
predictors define the strata with the functions of the library, against one permuted replicate: ridge regression on the
variants stands for the elastic net, ridge regression on the variants, their squares and products for the random forest.
A zero-shot predictor knows part of the effects and had no part in the strata. Its bias in a stratum is its mean
Spearman correlation there less its mean in 1,000 new individuals, over the same genes.

"Same individuals": strata and results from all individuals. "Split halves": strata from one half, with the
cross-fitting inside it, results from the other half.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from pgxeval.evaluation.inference import fisher_z, pooled_p
from pgxeval.evaluation.resampling import benjamini_hochberg
from pgxeval.evaluation.strata import STRATA, assign_strata, gain_test

VARIANTS, FOLDS, NEW = 10, 5, 1000
TOP = "20 largest gains"
PAIRS = np.triu_indices(VARIANTS)


def spearman(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    a, b = rankdata(x, axis=1), rankdata(y, axis=1)
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    return (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))


def features(variants: np.ndarray, flexible: bool) -> np.ndarray:
    """Return (genes, individuals, features)."""
    if not flexible:
        return variants
    return np.concatenate([variants, variants[..., PAIRS[0]] * variants[..., PAIRS[1]]], axis=2)


def cross_fit(x: np.ndarray, y: np.ndarray, fold: np.ndarray, penalty: float) -> np.ndarray:
    """Return out-of-fold predictions of ridge regression, centred on the mean of the training folds."""
    prediction = np.empty_like(y)
    for k in range(FOLDS):
        train, test = fold != k, fold == k
        centre = x[:, train].mean(axis=1, keepdims=True)
        a, b = x[:, train] - centre, y[:, train] - y[:, train].mean(axis=1, keepdims=True)
        turned = np.swapaxes(a, 1, 2)
        weights = np.linalg.solve(turned @ a + penalty * np.eye(x.shape[2]), turned @ b[..., None])
        prediction[:, test] = ((x[:, test] - centre) @ weights)[..., 0]
    return prediction


def strata_from(variants: np.ndarray, y: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the stratum of each gene from these individuals, and the gain of the flexible predictor."""
    n = y.shape[1]
    fold, shuffled = random.permutation(n) % FOLDS, random.permutation(n)
    r = {}
    for flexible in (False, True):
        x = features(variants, flexible)
        penalty = n / 10 if not flexible else n / 2
        r[flexible] = spearman(cross_fit(x, y, fold, penalty), y)
        permuted = y[:, shuffled]
        r[flexible, "null"] = spearman(cross_fit(x, permuted, fold, penalty), permuted)
    df = np.full(len(y), n - 2)
    q = {}
    for flexible in (False, True):
        p, _ = pooled_p(fisher_z(r[flexible]), df, fisher_z(r[flexible, "null"]), df)
        q[flexible] = np.where(r[flexible] > 0, benjamini_hochberg(p), np.nan)
    test = gain_test(
        r[True], r[False], df, null_better=r[True, "null"][None], null_base=r[False, "null"][None], null_df=df[None]
    )
    return assign_strata(test.q, q[False], q[True])[0].astype(str), r[True] - r[False]


def genetic(variants: np.ndarray, weights: np.ndarray, product: np.ndarray) -> np.ndarray:
    return (variants @ weights[..., None])[..., 0] + product[:, None] * variants[..., 0] * variants[..., 1]


def draw(
    random: np.random.Generator, weights: np.ndarray, product: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return variants and expression of n individuals; the variance of expression is 1."""
    variants = random.normal(size=(len(weights), n, VARIANTS))
    noise = np.sqrt(1 - (weights**2).sum(axis=1) - product**2)[:, None]
    return variants, genetic(variants, weights, product) + noise * random.normal(size=(len(weights), n))


def study(random: np.random.Generator, genes: int, n: int) -> list[dict[str, object]]:
    kind = random.choice(3, genes, p=[0.5, 0.3, 0.2])  # additive, interacting, noise
    weights = random.normal(size=(genes, VARIANTS)) * (random.random((genes, VARIANTS)) < 0.4)
    weights /= np.maximum(np.sqrt((weights**2).sum(axis=1, keepdims=True)), 1e-9)
    weights *= np.where(kind == 0, np.sqrt(0.1), 0.0)[:, None]
    product = np.where(kind == 1, np.sqrt(0.3), 0.0)
    known = weights + 0.1 * random.normal(size=weights.shape), 0.7 * product
    variants, y = draw(random, weights, product, n)
    prediction = genetic(variants, *known)
    truth = np.concatenate(
        [
            spearman(genetic(x, known[0][part], known[1][part]), z)
            for part in np.array_split(np.arange(genes), max(1, genes // 100))
            for x, z in [draw(random, weights[part], product[part], NEW)]
        ]
    )
    half = random.permutation(n) < n // 2
    designs = {
        "same individuals": (strata_from(variants, y, random), spearman(prediction, y)),
        "split halves": (
            strata_from(variants[:, half], y[:, half], random),
            spearman(prediction[:, ~half], y[:, ~half]),
        ),
    }
    rows = []
    for design, ((strata, gain), r) in designs.items():
        chosen = {name: strata == name for name in STRATA}
        chosen[TOP] = np.isin(np.arange(genes), np.argsort(-gain)[:20])
        for name, genes_in in chosen.items():
            bias = (r - truth)[genes_in]
            rows.append(
                {
                    "design": design,
                    "stratum": name,
                    "genes": len(bias),
                    "bias": float(bias.sum()),
                    "square": float((bias**2).sum()),
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=6)
    parser.add_argument("--genes", type=int, default=500)
    parser.add_argument("--individuals", type=int, default=300)
    parser.add_argument("--seed", type=int, default=51)
    settings = parser.parse_args()
    random = np.random.default_rng(settings.seed)
    rows = [row for _ in range(settings.studies) for row in study(random, settings.genes, settings.individuals)]
    total = pd.DataFrame(rows).groupby(["design", "stratum"], sort=False).sum().reset_index()
    mean = total["bias"] / total["genes"]
    error = np.sqrt(total["square"] / total["genes"] - mean**2) / np.sqrt(total["genes"])
    table = pd.DataFrame(
        {
            "strata and results": total["design"],
            "stratum": total["stratum"],
            "genes": total["genes"],
            "bias of a third predictor": mean.round(4),
            "standard error": error.round(4),
        }
    )
    lines = [
        "# Bias of third predictors in strata",
        "",
        (__doc__ or "").strip(),
        "",
        f"Seed {settings.seed}, {settings.studies} studies of {settings.genes} genes and {settings.individuals} "
        "individuals.",
        "",
        table.to_markdown(index=False),
    ]
    Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n")
    print(table.to_string())


if __name__ == "__main__":
    main()
