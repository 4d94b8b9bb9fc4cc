"""Type I error of the difference of two predictors' correlations, gene by gene.

Writes `gene_comparison.md` next to this file. Zero-shot: expression and two predictions are normal (or expression is
t with 3 degrees of freedom); both predictions have the same population correlation with expression, so each
difference is noise. Cross-fitted: the best of five variants of the training folds, on genes without signal, against a
zero-shot predictor without signal. Compared are the two methods of `pgxeval.evaluation.compare_genes` (the default,
``method="intervals"``, and ``method="bootstrap"``, the percentile bootstrap of individuals that Shen used) and
Williams's t for fixed predictions.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

import pgxeval
from pgxeval.evaluation.gene_comparison import compare_genes
from pgxeval.seeding import assign_folds, permute_individuals
from pgxeval.tables.predictions import Predictions

warnings.simplefilter("ignore", pgxeval.PgxevalWarning)
SAMPLES, VARIANTS, FOLDS = 1000, 5, 5


def spearman(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    a, b = stats.rankdata(x, axis=-1), stats.rankdata(y, axis=-1)
    a, b = a - a.mean(axis=-1, keepdims=True), b - b.mean(axis=-1, keepdims=True)
    return (a * b).sum(axis=-1) / np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))


def williams(r_a: np.ndarray, r_b: np.ndarray, between: np.ndarray, n: int) -> np.ndarray:
    determinant = 1 - r_a**2 - r_b**2 - between**2 + 2 * r_a * r_b * between
    mean = (r_a + r_b) / 2
    t = (r_a - r_b) * np.sqrt(
        (n - 1) * (1 + between) / (2 * (n - 1) / (n - 3) * determinant + mean**2 * (1 - between) ** 3)
    )
    return 2 * stats.t.sf(np.abs(t), n - 3)


def rows_of(name: str, values: np.ndarray, fold: np.ndarray | None, mean: np.ndarray | None) -> pd.DataFrame:
    """Return (replicates, genes, individuals) as rows."""
    replicates, genes, n = values.shape
    table = pd.DataFrame(
        {
            "predictor": name,
            "gene_id": np.tile(np.repeat([f"G{g:04d}" for g in range(genes)], n), replicates),
            "individual": np.tile([f"S{i:03d}" for i in range(n)], replicates * genes),
            "replicate": np.repeat(np.arange(replicates), genes * n),
            "prediction": values.ravel(),
        }
    )
    if fold is not None and mean is not None:
        table["fold"] = pd.array(np.tile(fold, replicates * genes), dtype="Int16")
        table["training_mean"] = mean.ravel()
    return table


def top_variant(y: np.ndarray, variants: np.ndarray, fold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return out-of-fold predictions of the best training variant, and the training means."""
    prediction, means = np.empty_like(y), np.empty_like(y)
    gene = np.arange(len(y))
    for k in range(1, FOLDS + 1):
        train, test = fold != k, fold == k
        centre = variants[:, train].mean(axis=1, keepdims=True)
        mean = y[:, train].mean(axis=1, keepdims=True)
        x, z = variants[:, train] - centre, y[:, train] - mean
        slope = np.einsum("gnp,gn->gp", x, z) / (x**2).sum(axis=1)
        best = (slope**2 * (x**2).sum(axis=1)).argmax(axis=1)
        prediction[:, test] = mean + (variants[:, test] - centre)[gene, :, best] * slope[gene, best][:, None]
        means[:, test] = mean
    return prediction, means


def judge(
    y: np.ndarray, tables: list[pd.DataFrame], settings: dict[str, dict[str, object]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare a and b by both methods."""
    genes, n = y.shape
    place = pd.DataFrame(
        {"#chr": "chr1", "start": np.arange(genes) * 100_000, "gene_id": [f"G{g:04d}" for g in range(genes)]}
    )
    place.insert(2, "end", place["start"] + 1)
    expression = pd.concat([place, pd.DataFrame(y, columns=[f"S{i:03d}" for i in range(n)])], axis=1)
    predictions = Predictions.from_table(pd.concat(tables, ignore_index=True), settings)
    evaluation = pgxeval.Evaluator(expression).evaluate(
        predictions, settings=pgxeval.evaluation.EvaluationSettings(permutations=0)
    )
    return compare_genes(evaluation, "a", "b"), compare_genes(evaluation, "a", "b", method="bootstrap", samples=SAMPLES)


def answer(tables: tuple[pd.DataFrame, pd.DataFrame], y: np.ndarray, a: np.ndarray, b: np.ndarray) -> dict[str, object]:
    between = spearman(a, b)
    fixed = williams(spearman(a, y), spearman(b, y), between, y.shape[1])
    return {
        "intervals": float((tables[0]["p_value"] < 0.05).mean()),
        "Williams": float((fixed < 0.05).mean()),
        "bootstrap": float((tables[1]["better"] != "").mean()),
    }


def zero_shot(
    random: np.random.Generator, genes: int, n: int, *, rho: float, between: float, heavy: bool
) -> dict[str, object]:
    covariance = np.array([[1, rho, rho], [rho, 1, between], [rho, between, 1]])
    y, a, b = np.moveaxis(random.multivariate_normal(np.zeros(3), covariance, size=(genes, n)), 2, 0)
    if heavy:
        y = y / np.sqrt(random.chisquare(3, size=y.shape) / 3)
    tables = judge(y, [rows_of("a", a[None], None, None), rows_of("b", b[None], None, None)], {})
    kind = "zero-shot, expression t3" if heavy else "zero-shot"
    return {"predictors": kind, "n": n, "r": rho, "between": between, **answer(tables, y, a, b)}


def cross_fitted(random: np.random.Generator, genes: int, n: int) -> dict[str, object]:
    names = [f"S{i:03d}" for i in range(n)]
    y, b = random.normal(size=(2, genes, n))
    variants, fold = random.normal(size=(genes, n, VARIANTS)), assign_folds(names, FOLDS, 0)
    made = [top_variant(y, variants[:, permute_individuals(names, k, 0)], fold) for k in range(3)]
    values, means = (np.array([one[k] for one in made]) for k in (0, 1))
    settings = {"a": {"cross_fitting": "crossfit", "seed": 0, "individuals": n}}
    tables = judge(y, [rows_of("a", values, fold, means), rows_of("b", b[None], None, None)], settings)
    centred = values[0] - means[0]
    return {
        "predictors": "cross-fitted and zero-shot, no signal",
        "n": n,
        "r": 0.0,
        "between": 0.0,
        **answer(tables, y, centred, b),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genes", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=61)
    settings = parser.parse_args()
    random = np.random.default_rng(settings.seed)
    rows = [
        zero_shot(random, settings.genes, n, rho=rho, between=between, heavy=heavy)
        for n in (30, 90, 300)
        for rho, between, heavy in ((0.0, 0.0, False), (0.3, 0.5, False), (0.3, 0.8, False), (0.3, 0.5, True))
    ]
    rows += [cross_fitted(random, settings.genes, n) for n in (90, 300)]
    lines = [
        "# Differences of correlations, gene by gene",
        "",
        (__doc__ or "").strip(),
        "",
        f"Seed {settings.seed}, {settings.genes} genes per row (standard error of 5 %: "
        f"{np.sqrt(0.0475 / settings.genes):.4f}), {SAMPLES:,} bootstrap samples. Share of genes with p below 0.05, or "
        "(bootstrap) with an interval that excludes 0.",
        "",
        pd.DataFrame(rows).round(3).to_markdown(index=False),
    ]
    Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n")
    print(pd.DataFrame(rows).round(3).to_string())


if __name__ == "__main__":
    main()
