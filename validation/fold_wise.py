"""Are trained and zero-shot predictors on the same footing? Bias and coverage of correlations within folds.

Writes `fold_wise.md` next to this file. Each gene has 40 linked variants and one causal variant. Truth is the mean
over the five fitted models of Spearman's correlation in new individuals (six times n, at least 1,000), computed with
the conditional mean of the grade of expression given the genotype, so that it has little noise. "pooled" is the older
statistic (centred predictions of all folds ranked together, Fisher's interval widened by the root mean square of the
permuted null); "within folds" is what the library reports now.

The last table is about null genes: p-values of the older statistic (two-sided, by the absolute correlation) and
of the present one (one-sided, by normal scores of studentised correlations), in windows of different
width. All genes of a predictor share one pool, so a class of genes whose null is wider shows here.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import ndtr, ndtri
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import ElasticNetCV

from pgxeval.evaluation.correlation import RankedExpression
from pgxeval.evaluation.inference import NullDistribution, normal_score, student_interval, tail_p
from pgxeval.evaluation.row_correlations import RowCorrelations

Predict = Callable[[np.ndarray], np.ndarray]
FOLDS = 5


def genotypes(individuals: int, variants: int, random: np.random.Generator, low: bool = False) -> np.ndarray:
    """Return dosages of linked variants, neighbours correlated by 0.9 on the scale of liability."""
    frequency = random.uniform(0.02, 0.05, variants) if low else random.uniform(0.05, 0.5, variants)
    liability = random.normal(size=(variants, 2, individuals))
    for k in range(1, variants):
        liability[k] = 0.9 * liability[k - 1] + np.sqrt(0.19) * liability[k]
    return (liability < ndtri(frequency)[:, None, None]).sum(axis=1).T.astype(float)


def _marginal(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    centred, squares = x - x.mean(axis=0), x.var(axis=0) * len(x)
    slope = centred.T @ (y - y.mean()) / np.where(squares > 0, squares, 1.0)
    return slope, np.abs(slope) * np.sqrt(squares / max((y - y.mean()) @ (y - y.mean()), 1e-300))


def one_variant(x: np.ndarray, y: np.ndarray, at_least: float = 0.0) -> Predict:
    """Fit the variant with the largest marginal correlation, if that is at least `at_least`."""
    slope, r = _marginal(x, y)
    best = int(r.argmax())
    weight = slope[best] if r[best] >= at_least else 0.0
    return lambda z: y.mean() + (z[:, best] - x[:, best].mean()) * weight


def some_variants(x: np.ndarray, y: np.ndarray) -> Predict:
    """Add up all variants whose marginal correlation exceeds 0.25."""
    slope, r = _marginal(x, y)
    weights = np.where(r > 0.25, slope, 0.0)
    return lambda z: y.mean() + (z - x.mean(axis=0)) @ weights


def ridge(x: np.ndarray, y: np.ndarray) -> Predict:
    centred = x - x.mean(axis=0)
    penalty = 4 * centred.var(axis=0).sum()
    if x.shape[1] > len(x):
        dual = np.linalg.solve(centred @ centred.T + penalty * np.eye(len(x)), y - y.mean())
        weights = centred.T @ dual
    else:
        weights = np.linalg.solve(centred.T @ centred + penalty * np.eye(x.shape[1]), centred.T @ (y - y.mean()))
    return lambda z: y.mean() + (z - x.mean(axis=0)) @ weights


def elastic_net(x: np.ndarray, y: np.ndarray) -> Predict:
    return ElasticNetCV(l1_ratio=0.5, alphas=12, cv=5, tol=1e-3, precompute=True).fit(x, y).predict


def random_forest(x: np.ndarray, y: np.ndarray) -> Predict:
    return RandomForestRegressor(25, max_features=1 / 3, min_samples_leaf=5, random_state=0).fit(x, y).predict


FITS: dict[str, Callable[[np.ndarray, np.ndarray], Predict]] = {
    "one variant": one_variant,
    "ridge": ridge,
    "elastic net": elastic_net,
    "random forest": random_forest,
}


def cross_fit(
    x: np.ndarray, y: np.ndarray, folds: np.ndarray, fit: Callable[..., Predict]
) -> tuple[np.ndarray, list[Predict]]:
    """Return predictions less the training mean of their fold, and the models."""
    prediction, models = np.empty(len(y)), []
    for fold in range(FOLDS):
        train = folds != fold
        model = fit(x[train], y[train])
        prediction[~train] = model(x[~train]) - y[train].mean()
        models.append(model)
    prediction[np.abs(prediction) < 1e-12] = 0.0
    return prediction, models


def spearman_with_grades(prediction: np.ndarray, grade: np.ndarray) -> float:
    """Return the correlation of ranks of the prediction with expression of the given conditional mean grade."""
    ranks = stats.rankdata(np.round(prediction, 10))
    ranks -= ranks.mean()
    length = np.sqrt(ranks @ ranks)
    return 0.0 if length == 0 else float(ranks @ (grade - 0.5) / length * np.sqrt(12 / len(ranks)))


def cell(n: int, h2: float, genes: int, predictors: list[str], seed: int) -> list[dict[str, object]]:
    random = np.random.default_rng([seed, n, int(100 * h2)])
    new = max(1000, 6 * n)
    folds = random.integers(FOLDS, size=n)
    names = [*predictors, "zero-shot, 3 values", "zero-shot, many values"]
    expression, permuted = np.empty((genes, n)), np.empty((genes, n))
    prediction = {name: np.empty((genes, n)) for name in names}
    null = {name: np.empty((genes, n)) for name in predictors}
    truth = {name: np.empty(genes) for name in names}
    for gene in range(genes):
        x = genotypes(n + new, 40, random)
        causal = x[:, random.integers(40)]
        value = (causal - causal.mean()) / causal.std() * np.sqrt(h2)
        noise = np.sqrt(1 - h2)
        y = value + noise * random.normal(size=len(value))
        levels, counts = np.unique(value, return_counts=True)
        grade = ndtr((value[n:, None] - levels) / (np.sqrt(2) * noise)) @ (counts / counts.sum())
        expression[gene], permuted[gene] = y[:n], random.permutation(y[:n])
        for name in predictors:
            prediction[name][gene], models = cross_fit(x[:n], y[:n], folds, FITS[name])
            null[name][gene] = cross_fit(x[:n], permuted[gene], folds, FITS[name])[0]
            truth[name][gene] = np.mean([spearman_with_grades(model(x[n:]), grade) for model in models])
        for name, zero_shot in (
            ("zero-shot, 3 values", causal),
            ("zero-shot, many values", causal / causal.std() + random.normal(size=len(causal))),
        ):
            prediction[name][gene] = zero_shot[:n]
            truth[name][gene] = spearman_with_grades(zero_shot[n:], grade)
    measured, shuffled = RankedExpression(expression, threads=1), RankedExpression(permuted, threads=1)
    rows = []
    for name in names:
        within = measured.correlate(prediction[name], folds=folds, tie_noise=True)
        pooled = measured.correlate(prediction[name], tie_noise=True)
        low, high = student_interval(within.spearman, within.df, within.spearman_errors)
        widen = 1.0
        if name in null:
            replicate = shuffled.correlate(null[name], folds=folds, tie_noise=True)
            distribution = NullDistribution.of(replicate.spearman, replicate.spearman_errors)
            low, high = distribution.interval(within.spearman, within.spearman_errors)
            old = shuffled.correlate(null[name], tie_noise=True).spearman
            widen = max(1.0, float(np.sqrt(np.nanmean(np.arctanh(old) ** 2) * (n - 3))))
        defined = ~np.isnan(within.spearman)
        t = truth[name]
        half = 1.96 * widen * np.sqrt((1 + pooled.spearman**2 / 2) / (n - 3))
        error = (within.spearman - t)[defined]
        rows.append(
            {
                "n": n,
                "h2": h2,
                "predictor": name,
                "genes": int(defined.sum()),
                "truth": t[defined].mean(),
                "pooled: bias": (pooled.spearman - t)[defined].mean(),
                "pooled: coverage": np.mean((np.abs(np.arctanh(pooled.spearman) - np.arctanh(t)) < half)[defined]),
                "within folds: bias": error.mean(),
                "its error": error.std() / np.sqrt(len(error)),
                "within folds: coverage": np.mean(((low < t) & (t < high))[defined]),
                "truth below": np.mean((t <= low)[defined]),
                "truth above": np.mean((t >= high)[defined]),
            }
        )
    return rows


WINDOWS = {
    "20 variants": (20, False),
    "200 variants": (200, False),
    "2,000 variants": (2000, False),
    "200, rare": (200, True),
}
NULL_FITS: dict[str, Callable[[np.ndarray, np.ndarray], Predict]] = {
    "one variant": one_variant,
    "one variant above 0.3": lambda x, y: one_variant(x, y, 0.3),
    "some variants": some_variants,
    "ridge": ridge,
}


def null_windows(n: int, genes: int, seed: int) -> list[dict[str, object]]:
    random = np.random.default_rng([seed, n])
    folds = random.integers(FOLDS, size=n)
    expression = random.normal(size=(2, len(WINDOWS) * genes, n))
    prediction = {name: np.empty_like(expression) for name in NULL_FITS}
    window = np.repeat(np.arange(len(WINDOWS)), genes)
    for gene, kind in enumerate(window):
        variants, low = list(WINDOWS.values())[kind]
        x = genotypes(n, variants, random, low)
        for name, fit in NULL_FITS.items():
            for half in (0, 1):
                prediction[name][half, gene] = cross_fit(x, expression[half, gene], folds, fit)[0]
    rows = []
    for name in NULL_FITS:
        results: list[RowCorrelations] = []
        older = []
        for half in (0, 1):
            ranked = RankedExpression(expression[half], threads=1)
            results.append(ranked.correlate(prediction[name][half], folds=folds, tie_noise=True))
            older.append(ranked.correlate(prediction[name][half], tie_noise=True).spearman)
        scores = [normal_score(one.spearman, one.spearman_errors) for one in results]
        p = tail_p(scores[0], scores[1])
        null = NullDistribution.of(results[1].spearman, results[1].spearman_errors)
        low, high = null.interval(results[0].spearman, results[0].spearman_errors)
        old = tail_p(np.abs(older[0]), np.abs(older[1]))
        wrong = older[0] < 0
        for kind, label in enumerate(WINDOWS):
            chosen = (window == kind) & ~np.isnan(scores[0])
            rows.append(
                {
                    "predictor": name,
                    "window": label,
                    "genes": int(chosen.sum()),
                    "pooled: spread of r": np.sqrt(np.mean(older[0][chosen] ** 2) * (n - 2)),
                    "pooled: type I": np.mean(old[chosen] < 0.05),
                    "of them below zero": np.mean((old[chosen] < 0.05) & wrong[chosen]),
                    "within folds: spread of score": np.sqrt(np.mean(scores[0][chosen] ** 2)),
                    "within folds: mean of score": np.mean(scores[0][chosen]),
                    "within folds: type I": np.mean(p[chosen] < 0.05),
                    "at 1 %": np.mean(p[chosen] < 0.01),
                    "interval covers 0": np.mean(((low <= 0) & (high >= 0))[chosen]),
                }
            )
    return rows


def table(rows: list[dict[str, object]]) -> str:
    return (
        pd.DataFrame(rows)
        .map(lambda value: f"{value:.3f}" if isinstance(value, float) else value)
        .to_markdown(index=False, disable_numparse=True)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the numbers of genes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only-windows", action="store_true", help="make the last table again and keep the others")
    options = parser.parse_args()
    path, heading = Path(__file__).with_suffix(".md"), "Null genes in windows of different width, n = 90"
    if options.only_windows:
        windows = table(null_windows(90, max(50, int(options.scale * 1000)), options.seed))
        text = path.read_text().split(f"\n## {heading}")[0]
        path.write_text(f"{text}\n## {heading}\n\nSeed {options.seed}, scale {options.scale}.\n\n{windows}\n")
        print(windows)
        return
    rows: list[dict[str, object]] = []
    for n, genes in ((90, 600), (300, 400), (953, 200)):
        for h2 in (0.0, 0.05, 0.2, 0.5):
            rows += cell(n, h2, max(20, int(options.scale * genes)), ["one variant", "ridge"], options.seed)
            print(pd.DataFrame(rows[-4:]).round(3).to_string(), flush=True)
    trained: list[dict[str, object]] = []
    for n, genes in ((90, 150), (300, 80)):
        for h2 in (0.05, 0.2):
            trained += cell(
                n, h2, max(10, int(options.scale * genes)), ["elastic net", "random forest"], options.seed + 1
            )
            print(pd.DataFrame(trained[-4:]).round(3).to_string(), flush=True)
    null = null_windows(90, max(50, int(options.scale * 1000)), options.seed)
    every = pd.DataFrame(rows)
    every["weight"] = every["its error"] ** 2
    means = every.groupby(["n", "predictor"]).agg(
        **{
            "pooled: bias": ("pooled: bias", "mean"),
            "within folds: bias": ("within folds: bias", "mean"),
            "its error": ("weight", lambda squares: np.sqrt(squares.sum()) / len(squares)),
            "pooled: coverage": ("pooled: coverage", "mean"),
            "within folds: coverage": ("within folds: coverage", "mean"),
        }
    )
    parts = {
        "Bias and coverage at 95 %, mean over heritabilities": table(means.reset_index().to_dict("records")),
        "Bias and coverage at 95 %": table(rows),
        f"The same with scikit-learn's elastic net and random forest (seed {options.seed + 1})": table(trained),
        heading: table(null),
    }
    text = f"# Correlations within folds\n\n{__doc__}\nSeed {options.seed}, scale {options.scale}.\n"
    text += "".join(f"\n## {title}\n\n{part}\n" for title, part in parts.items())
    path.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
