"""Coverage of the difference to the permuted reference where all genes of a replicate share noise.

Writes `reference_noise.md` next to this file. All genes of a replicate go through one permutation of the individuals.
If predictions and expression of all genes share a component (a batch, ancestry), the directions of all genes shift
together in each replicate, and in the observed data. Directions are drawn as the sign of mean + shared noise +
independent noise; the truth is the difference of the two expected shares. "Blocks only" is the interval without the
variance between replicates, "Welch" adds it with the degrees of freedom of Welch and Satterthwaite (both as in earlier
versions), and "library" is the interval that is reported. Shared noise of 0.05 is a standard deviation of the share of
0.02 between replicates, 0.2 one of 0.08.

The second table states what the reference of a zero-shot predictor is in expectation. If expression has no ties, the
correlation of permuted ranks is symmetric about 0, so exactly half of the directed genes are right. Zero-inflated
expression with predictions that differ in few carriers is not symmetric: there the permutations are needed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from pgxeval.evaluation.blocks import block_sums
from pgxeval.evaluation.jackknife import BlockEstimate, replicate_variance

WITHIN = 20


def covers(
    random: np.random.Generator, genes: int, replicates: int, shared: float, mean: float = 0.3
) -> tuple[list[bool], list[float]]:
    """Return whether the intervals (blocks only, Welch, library) cover the truth, and their widths."""
    spread = np.sqrt(1 + shared**2)
    truth = float(stats.norm.cdf(mean / spread) - 0.5)
    right = mean + shared * random.normal() + random.normal(size=genes) > 0
    null = shared * random.normal(size=(replicates, 1)) + random.normal(size=(replicates, genes)) > 0
    blocks = np.arange(genes) // 4
    ones = np.ones(genes)
    sums = block_sums(np.column_stack([right, ones, null.sum(axis=0), ones * replicates]), blocks)
    difference = BlockEstimate.ratio(sums[:, 0], sums[:, 1]).minus(BlockEstimate.ratio(sums[:, 2], sums[:, 3]))
    within = []
    for one in null[:WITHIN]:
        pair = block_sums(np.column_stack([one, ones]), blocks)
        within.append(BlockEstimate.ratio(pair[:, 0], pair[:, 1]).block_variance)
    shares = null.mean(axis=1)
    carried = difference.with_extra_variance(replicate_variance(shares, within))
    excess = max(0.0, float(shares.var(ddof=1) - np.mean(within))) * (1 + 1 / replicates)
    total = difference.block_variance + excess
    df = total**2 / (difference.block_variance**2 / (difference.effective_blocks - 1) + excess**2 / (replicates - 1))
    halves = [difference.half_width(0.95), float(stats.t.isf(0.025, df)) * np.sqrt(total), carried.half_width(0.95)]
    return [abs(difference.value - truth) <= half for half in halves], halves


def symmetry(random: np.random.Generator, zeros: float, carriers: int, n: int, permutations: int) -> float:
    """Return the share of positive correlations among permuted ones with a direction."""
    expression = np.where(random.random(n) < zeros, 0.0, random.exponential(size=n))
    prediction = np.zeros(n)
    prediction[:carriers] = random.normal(size=carriers) + 1
    if carriers == n:
        prediction = random.normal(size=n)
    x, y = stats.rankdata(expression), stats.rankdata(prediction)
    r = np.array([np.dot(x - x.mean(), random.permutation(y)) for _ in range(permutations)])
    directed = np.abs(r) > 1e-9
    return float((r[directed] > 0).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=41)
    settings = parser.parse_args()
    random = np.random.default_rng(settings.seed)
    rows = []
    for shared in (0.0, 0.05, 0.2):
        for genes in (400, 5000):
            for replicates in (2, 3, 5, 10, 20, 200):
                studies = settings.studies if genes * replicates < 200_000 else settings.studies // 5
                results = [covers(random, genes, replicates, shared) for _ in range(studies)]
                answers = np.mean([one for one, _ in results], axis=0)
                widths = np.median([one for _, one in results], axis=0)
                rows.append(
                    {
                        "shared noise": shared,
                        "genes": genes,
                        "replicates": replicates,
                        "studies": studies,
                        "blocks only": answers[0],
                        "Welch": answers[1],
                        "library": answers[2],
                        "median width, library over Welch": widths[2] / widths[1],
                    }
                )
    expected = pd.DataFrame(
        [
            {
                "zeros in expression": zeros,
                "individuals with another prediction": carriers,
                "share right": symmetry(random, zeros, carriers, 90, 20_000),
            }
            for zeros in (0.0, 0.6)
            for carriers in (90, 5, 1)
        ]
    )
    lines = [
        "# Noise of the permuted reference",
        "",
        (__doc__ or "").strip(),
        "",
        f"Seed {settings.seed}. Coverage of 95 % intervals of the difference; its standard error is "
        f"{(0.95 * 0.05 / settings.studies) ** 0.5:.3f}, and {(0.95 * 0.25 / settings.studies) ** 0.5:.3f} with 5,000 "
        "genes and 200 replicates. By default there are 5 to 20 replicates.",
        "",
        pd.DataFrame(rows).round(3).to_markdown(index=False),
        "",
        "## Zero-shot predictors: expected share under label permutation",
        "",
        "90 individuals, 20,000 permutations of one data set per row (standard error 0.0035).",
        "",
        expected.round(3).to_markdown(index=False),
    ]
    Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
