"""True directions behind observed ones: bias and coverage of the model's answer.

Writes `true_directions.md` next to this file. Two predictors have the right sign at 80 % and at 55 % of the genes
that have an effect: the odds ratio of the true directions is 3.27. Observed correlations are drawn on Fisher's z
scale with the standard error of n individuals; the errors of the two predictors correlate with 0.3 at each gene.
"Share" and "odds ratio" are those of `pgxeval.evaluation.true_share` and `true_odds_ratio`.

The second table breaks assumptions: sizes of true correlations that are half-normal instead of constant; 300 genes;
genes in blocks of five whose errors correlate with 0.5 (and the estimate is given the blocks); standard errors that
differ between genes by a factor of up to two; and, against the model, right directions that are twice as large as
wrong ones.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import pandas as pd

from pgxeval.evaluation.concordance import PairedTable
from pgxeval.evaluation.true_directions import true_odds_ratio, true_share

SHARES = (0.80, 0.55)
ODDS_RATIO = SHARES[0] / (1 - SHARES[0]) / (SHARES[1] / (1 - SHARES[1]))


def study(random: np.random.Generator, kind: str, *, n: int, without: float, genes: int) -> dict[str, object]:
    """Draw one study, and return what was observed and what was estimated."""
    effect = random.random(genes) >= without
    error = np.full(genes, 1 / math.sqrt(n - 3))
    if kind == "unequal errors":
        error = error * np.exp(random.uniform(-np.log(2) / 2, np.log(2) / 2, size=genes))
    blocks = np.arange(genes) // 5 if kind == "blocks" else np.arange(genes)
    within = 0.5 if kind == "blocks" else 0.0

    def noise() -> np.ndarray:
        shared = random.normal(size=blocks.max() + 1)[blocks]
        return np.asarray(math.sqrt(within) * shared + math.sqrt(1 - within) * random.normal(size=genes))

    common = noise()
    observed, shares = [], []
    for share in SHARES:
        sign = np.where(random.random(genes) < share, 1, -1)
        size = np.full(genes, 0.1)
        if kind == "half-normal":
            size = np.minimum(np.abs(random.normal(size=genes)) * 0.125, 0.9)
        if kind == "right is larger":
            size = np.where(sign > 0, 0.12, 0.06)
        z = np.arctanh(size) * sign * effect + error * (math.sqrt(0.3) * common + math.sqrt(0.7) * noise())
        observed.append(np.tanh(z))
        shares.append(true_share(observed[-1], error, blocks))
    odds = true_odds_ratio(*shares)
    a, b = shares
    return {
        "observed odds ratio": PairedTable.of(*observed).marginal().value,
        "share A": a.share,
        "share B": b.share,
        "covers A": a.low <= SHARES[0] <= a.high,
        "covers B": b.low <= SHARES[1] <= b.high,
        "width A": a.high - a.low,
        "log odds ratio": math.log(odds.value) if odds.value > 0 else math.nan,
        "covers odds ratio": odds.low <= ODDS_RATIO <= odds.high,
        "low": odds.low,
        "high": odds.high,
    }


def row(seed: int, kind: str, studies: int, *, n: int, without: float, genes: int = 1000) -> dict[str, object]:
    """Return bias and coverage of one setting."""
    random = np.random.default_rng([seed, n, int(100 * without), genes, len(kind)])
    table = pd.DataFrame([study(random, kind, n=n, without=without, genes=genes) for _ in range(studies)])
    return {
        "true correlations": kind,
        "genes": genes,
        "n": n,
        "genes without effect": without,
        "observed odds ratio": table["observed odds ratio"].median(),
        "no value": table["log odds ratio"].isna().mean(),
        "median odds ratio": math.exp(table["log odds ratio"].median()),
        "mean share A": table["share A"].mean(),
        "mean share B": table["share B"].mean(),
        "cover A": table["covers A"].mean(),
        "cover B": table["covers B"].mean(),
        "cover odds ratio": table["covers odds ratio"].mean(),
        "width A": table["width A"].mean(),
        "median low": table["low"].median(),
        "median high": table["high"].median(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=300)
    parser.add_argument("--seed", type=int, default=71)
    settings = parser.parse_args()
    first = [
        row(settings.seed, "0.1", settings.studies, n=n, without=without)
        for n in (90, 300)
        for without in (0.0, 0.5, 0.8)
    ]
    second = [
        row(settings.seed, kind, settings.studies // 2, n=n, without=0.5, genes=genes)
        for n in (90, 300)
        for kind, genes in (
            ("0.1", 300),
            ("half-normal", 1000),
            ("blocks", 1000),
            ("unequal errors", 1000),
            ("right is larger", 1000),
        )
    ]
    tables = [pd.DataFrame(rows).round(3).to_markdown(index=False) for rows in (first, second)]
    lines = [
        "# True directions",
        "",
        (__doc__ or "").strip(),
        "",
        f"Seed {settings.seed}, {settings.studies} studies per row of the first table (standard error of a coverage of "
        f"95 %: {math.sqrt(0.0475 / settings.studies):.3f}), half as many in the second. Medians and means of shares "
        "and odds ratios are over the studies that have a value; coverage is over all studies, whose limits are always "
        "given.",
        "",
        tables[0],
        "",
        tables[1],
    ]
    Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n")
    print("\n\n".join(tables))


if __name__ == "__main__":
    main()
