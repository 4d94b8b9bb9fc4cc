"""Attenuation of shares of right directions and of odds ratios by sampling noise.

Writes `attenuation.md` next to this file and `docs/explanation/attenuation.svg`. One predictor has the right sign at
80 % of the genes that have an effect, the other at 55 %, independently; the odds ratio of the true directions is 3.27.
True correlations have the stated size, 0 at genes without effect. Observed correlations of n individuals are drawn on
Fisher's z scale; p, q, shares and odds ratios come from the functions of the library. "Expected" is
pq + (1 - p)(1 - q), p the true share and q the probability that an observed correlation has the sign of the true one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from pgxeval.evaluation.concordance import PairedTable, Share
from pgxeval.evaluation.inference import textbook_p
from pgxeval.evaluation.resampling import benjamini_hochberg

SHARES = (0.80, 0.55)
TRUE_ODDS_RATIO = SHARES[0] / (1 - SHARES[0]) / (SHARES[1] / (1 - SHARES[1]))
SIZES = (90, 300, 953)
FIGURE = Path(__file__).parents[1] / "docs" / "explanation" / "attenuation.svg"


def observed(
    random: np.random.Generator, genes: int, *, n: int, rho: float, without_effect: float, share: float
) -> np.ndarray:
    """Return observed correlations of one predictor."""
    sign = np.where(random.random(genes) < share, 1, -1)
    truth = rho * sign * (random.random(genes) >= without_effect)
    return np.tanh(random.normal(np.arctanh(truth), 1 / np.sqrt(n - 3)))


def expected_share(n: int | np.ndarray, rho: float, without_effect: float, share: float) -> np.ndarray:
    """Return the expected share of right directions among observed correlations."""
    correct = stats.norm.cdf(np.arctanh(rho) * np.sqrt(np.asarray(n) - 3))
    return np.asarray(without_effect / 2 + (1 - without_effect) * (share * correct + (1 - share) * (1 - correct)))


def odds(share: np.ndarray) -> np.ndarray:
    return share / (1 - share)


def row(random: np.random.Generator, genes: int, n: int, rho: float, without_effect: float) -> dict[str, object]:
    """Return observed and expected numbers of one setting."""
    r = [observed(random, genes, n=n, rho=rho, without_effect=without_effect, share=share) for share in SHARES]
    a, b = (float(expected_share(n, rho, without_effect, share)) for share in SHARES)
    q = [benjamini_hochberg(textbook_p(one, n - 2)) for one in r]
    significant = [Share.of(one[level < 0.05]) for one, level in zip(r, q, strict=True)]
    return {
        "n": n,
        "|r|": rho,
        "genes without effect": without_effect,
        "share A": Share.of(r[0]).share,
        "expected A": a,
        "share B": Share.of(r[1]).share,
        "expected B": b,
        "odds ratio": PairedTable.of(*r).marginal().value,
        "expected odds ratio": float(odds(np.array(a)) / odds(np.array(b))),
        "q < 0.05 (A)": significant[0].defined,
        "share A, q < 0.05": significant[0].share,
        "q < 0.05 (B)": significant[1].defined,
        "share B, q < 0.05": significant[1].share,
    }


def draw(path: Path) -> None:
    """Draw the expected odds ratio against the number of individuals."""
    figure = Figure(figsize=(8.6, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    n = np.geomspace(30, 3000, 200)
    for rho, color in ((0.05, "#56B4E9"), (0.1, "#0072B2"), (0.2, "#009E73"), (0.4, "#D55E00")):
        a, b = (expected_share(n, rho, 0, share) for share in SHARES)
        left.plot(n, odds(a) / odds(b), color=color, label=f"|r| = {rho:g}")
    left.set_title("all genes have an effect", fontsize="medium", loc="left")
    for without, color in ((0, "#0072B2"), (0.5, "#E69F00"), (0.8, "#CC79A7")):
        a, b = (expected_share(n, 0.1, without, share) for share in SHARES)
        right.plot(n, odds(a) / odds(b), color=color, label=f"{100 * without:.0f} % without effect")
    right.set_title("|r| = 0.1 at genes with an effect", fontsize="medium", loc="left")
    for ax in (left, right):
        ax.axhline(TRUE_ODDS_RATIO, color="#5F5F5F", linestyle="--", linewidth=0.9)
        ax.axhline(1, color="#5F5F5F", linewidth=0.6)
        ax.set_xscale("log")
        ax.set_xticks(SIZES, [str(size) for size in SIZES])
        ax.set_xticks([], minor=True)
        ax.set_xlabel("individuals")
        ax.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(0, 0.9))
        ax.spines[["top", "right"]].set_visible(False)
    left.text(31, TRUE_ODDS_RATIO + 0.04, "odds ratio of the true directions", fontsize="small", color="#5F5F5F")
    left.set_ylabel("expected odds ratio, A to B")
    figure.savefig(path, metadata={"Date": None, "Creator": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genes", type=int, default=400_000)
    parser.add_argument("--seed", type=int, default=31)
    settings = parser.parse_args()
    random = np.random.default_rng(settings.seed)
    rows = [
        row(random, settings.genes, n, rho, without) for without in (0.0, 0.5, 0.8) for rho in (0.1, 0.2) for n in SIZES
    ]
    table = pd.DataFrame(rows)
    lines = [
        "# Attenuation",
        "",
        (__doc__ or "").strip(),
        "",
        f"Seed {settings.seed}, {settings.genes:,} genes per row. Planted shares 0.80 and 0.55.",
        "",
        table.round(3).to_markdown(index=False),
    ]
    Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n")
    draw(FIGURE)
    print(table.round(3).to_string())


if __name__ == "__main__":
    main()
