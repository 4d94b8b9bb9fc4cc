"""Rare carriers, rarely expressed genes: p-values that hold in the tail and still find something.

Writes `sparse_genes.md` next to this file. A study has 1,000 genes and 90 individuals; a gene is predicted by a
variant of frequency 0.02 to 0.08 and expressed by 10 to 40 % of the individuals. In the studies with signal, 5 % of
the genes are expressed three times as often by carriers, and higher. "Student's t" and the pool of 50 label
permutations over genes were the older choices; "automatic" is what the library does now.

The second table compares tails that are fitted to 10,000 permutations with the p-value from 3 million.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special, stats

from pgxeval.evaluation.correlation import RankedExpression
from pgxeval.evaluation.gene_permutation import permute_genes
from pgxeval.evaluation.inference import SPARSE_SUPPORT, student_p, studentised, tail_p, textbook_p
from pgxeval.evaluation.resampling import benjamini_hochberg

INDIVIDUALS, GENES = 90, 1000


def study(random: np.random.Generator, signal: float) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return p-values of one study by each method, and which genes have a signal."""
    frequency = random.uniform(0.02, 0.08, size=(GENES, 1))
    x = random.binomial(2, frequency, size=(GENES, INDIVIDUALS)).astype(float)
    true = random.random(GENES) < signal
    expressed = random.uniform(0.1, 0.4, size=(GENES, 1))
    odds = np.where(true[:, None] & (x > 0), 3.0, 1.0)
    y = np.exp(random.normal(size=x.shape) + np.where(true[:, None], 1.5 * x, 0.0))
    y = np.where(random.random(x.shape) < np.minimum(expressed * odds, 0.95), y, 0.0)
    expression = RankedExpression(y, threads=1)
    partners = np.array([random.permutation(INDIVIDUALS) for _ in range(50)])
    found = expression.correlate(x, permutations=partners)
    automatic, _ = student_p(studentised(found.spearman, found.spearman_errors), found.spearman_errors.df)
    sparse = np.flatnonzero((found.reason == 0) & (found.support < SPARSE_SUPPORT))
    automatic[sparse] = permute_genes(expression.align(x[sparse], sparse), seed=1).two_sided
    return {
        "Student's t": textbook_p(found.spearman, found.df),
        "pooled labels": tail_p(np.abs(found.spearman), np.abs(found.null)),
        "automatic": automatic,
    }, true


NAMES = ("studies with a false discovery", "FDR", "true discoveries", "at 5 %", "at 1 %", "at 0.1 %")


def outcomes(seed: list[int], signal: float) -> list[dict[str, object]]:
    """Return what each method finds in one study."""
    p_values, true = study(np.random.default_rng(seed), signal)
    rows = []
    for method, p in p_values.items():
        found = benjamini_hochberg(p) < 0.05
        null = ~true & ~np.isnan(p)
        values = (
            float((found & ~true).any()),
            float((found & ~true).sum() / max(found.sum(), 1)),
            float((found & true).sum()),
            *(float(np.mean(p[null] < level) / level) for level in (0.05, 0.01, 0.001)),
        )
        rows.append({"signal": signal, "method": method} | dict(zip(NAMES, values, strict=True)))
    return rows


def summarised(folder: Path) -> list[dict[str, object]]:
    every = pd.concat([pd.read_csv(file) for file in sorted(folder.glob("sparse_*.csv"))])
    rows = []
    for (signal, method), part in every.groupby(["signal", "method"], sort=False):
        means = part[list(NAMES)].mean().to_dict()
        error = part["FDR"].std() / np.sqrt(len(part))
        rows.append({"signal": signal, "method": method, "studies": len(part)} | means | {"error of the FDR": error})
    return sorted(rows, key=lambda row: row["signal"])


def beta_p(draws: np.ndarray, observed: float) -> float:
    """Fit a beta distribution to nominal p-values of the draws by maximum likelihood, as FastQTL does."""
    centre, width = draws.mean(), draws.std()
    p = np.clip(stats.norm.sf((draws - centre) / width), 1e-300, 1 - 1e-15)
    logs = np.array([np.log(p).mean(), np.log1p(-p).mean()])
    total = max(p.mean() * (1 - p.mean()) / p.var() - 1, 0.1)
    shape = np.array([p.mean() * total, (1 - p.mean()) * total])
    for _ in range(50):
        gradient = logs - special.digamma(shape) + special.digamma(shape.sum())
        curvature = special.polygamma(1, shape.sum()) - np.diag(special.polygamma(1, shape))
        shape = np.maximum(shape - np.linalg.solve(curvature, gradient), shape / 10)
    return float(special.betainc(*shape, stats.norm.sf((observed - centre) / width)))


def tails(seed: int) -> list[dict[str, object]]:
    random = np.random.default_rng(seed)
    rows = []
    for n, carriers, share in ((90, 4, 1.0), (90, 4, 0.3), (90, 9, 0.3), (300, 10, 0.2)):
        y = np.where(np.arange(n) < share * n, random.permutation(n) + 1.0, 0.0)
        ranks = stats.rankdata(y)
        unit = (ranks - ranks.mean()) / np.sqrt(((ranks - ranks.mean()) ** 2).sum())
        sums = np.empty(3_000_000)
        for start in range(0, len(sums), 100_000):
            chosen = np.argpartition(random.random((100_000, n), dtype=np.float32), carriers, axis=1)[:, :carriers]
            sums[start : start + 100_000] = unit[chosen].sum(axis=1)
        statistic = np.abs(sums) / np.sqrt(carriers * (1 - carriers / n))
        ordered = np.sort(statistic)
        for level in (1e-3, 1e-4, 2e-5):
            observed = ordered[int(len(ordered) * (1 - level))]
            fits = []
            for _ in range(5):
                draws = random.choice(statistic, 10_000)
                z = np.arctanh(np.minimum(draws, 1 - 1e-9))
                fits.append((beta_p(draws, observed), float(tail_p(np.arctanh(min(observed, 1 - 1e-9)), z))))
            beta, exponential = np.median(fits, axis=0)
            rows.append(
                {
                    "individuals": n,
                    "carriers": carriers,
                    "expressed by": share,
                    "p": f"{np.mean(statistic >= observed - 1e-12):.1e}",
                    "beta": f"{beta:.1e}",
                    "exponential": f"{exponential:.1e}",
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
    parser.add_argument("folder", type=Path, help="complete studies are kept here, so that a run can be continued")
    parser.add_argument("--studies", type=int, default=40)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    for k in range(options.studies):
        for signal in (0.0, 0.05):
            path = options.folder / f"sparse_{int(100 * signal)}_{k}.csv"
            if path.exists():
                continue
            if time.monotonic() - start > 60 * options.minutes:
                return
            pd.DataFrame(outcomes([options.seed, int(100 * signal), k], signal)).to_csv(path, index=False)
    rows = summarised(options.folder)
    text = (
        f"# Sparse genes\n\n{__doc__}\nSeed {options.seed}, {options.studies} studies of each kind. Levels: type I "
        f"error over its nominal value.\n\n{table(rows)}\n\n## Tails\n\n{table(tails(options.seed))}\n"
    )
    Path(__file__).with_suffix(".md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
