"""Do intervals over genes hold where neighbouring genes share variants? Blocks and ways to use them, compared.

Writes `blocks.md` next to this file. Variants are standard normal and independent every 100 kb. Expression is driven by
5 % of them within the window of a gene (15 % heritability, 60 individuals). Two predictors weigh every variant by a
random effect, which neighbouring genes share, so the directions of neighbouring genes agree. The null
predictors have nothing to do with expression: both shares are 50 % and every odds ratio is 1. In the scenario with
signal the effects of both are correlated with the true ones. Genes are clustered as on real chromosomes
(gamma-distributed density per megabase).

Ways to make an interval: percentile bootstrap of blocks (2,000 draws in the library before, 300 here); jackknife with
Student's t on the number of blocks less one, on the effective number less one (Kish: the sum of sizes squared over the
sum of squared sizes; this is what the library does), and on Carter's conservative effective number, which assumes that
genes of one block are perfectly correlated.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special

from pgxeval.evaluation.blocks import assign_blocks, block_sums, default_block_bp
from pgxeval.evaluation.comparison import mean_difference
from pgxeval.evaluation.concordance import PairedTable, log_odds_ratio, paired_indicators
from pgxeval.evaluation.jackknife import BlockEstimate

CLUMP_BP, INDIVIDUALS, HERITABILITY, BOOTSTRAPS = 100_000, 60, 0.15, 300
STATISTICS = ("share", "marginal odds ratio", "McNemar odds ratio", "mean difference")

SCENARIOS: dict[str, dict[str, object]] = {
    "250 Mb, 400 genes, windows of 2 Mb": {"contigs": (250,), "genes": 400, "flank_bp": 1_000_000},
    "50 Mb, 150 genes, windows of 2 Mb": {"contigs": (50,), "genes": 150, "flank_bp": 1_000_000},
    "contigs of 60, 30 and 10 Mb, 200 genes, windows of 2 Mb": {
        "contigs": (60, 30, 10), "genes": 200, "flank_bp": 1_000_000,
    },
    "250 Mb, 400 genes, windows of 2 Mb, with signal": {
        "contigs": (250,), "genes": 400, "flank_bp": 1_000_000, "signal": 1.0,
    },
    "15 Mb, 60 genes, windows of 2 Mb": {"contigs": (15,), "genes": 60, "flank_bp": 1_000_000},
    "250 Mb, 400 genes, windows of 1 Mb": {"contigs": (250,), "genes": 400, "flank_bp": 500_000},
    "250 Mb, 400 genes, windows of 0.2 Mb": {"contigs": (250,), "genes": 400, "flank_bp": 100_000},
}  # fmt: skip


def place_genes(contigs: Sequence[int], genes: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return contig number and position of each gene, in order."""
    density = random.gamma(0.7, size=sum(contigs))
    contig = np.repeat(np.arange(len(contigs)), contigs)
    megabase = np.concatenate([np.arange(length) for length in contigs])
    chosen = random.choice(len(density), genes, p=density / density.sum())
    position = megabase[chosen] * 1_000_000 + random.integers(0, 1_000_000, genes)
    order = np.lexsort((position, contig[chosen]))
    return contig[chosen][order], position[order]


def study(
    random: np.random.Generator, *, contigs: Sequence[int], genes: int, flank_bp: int, signal: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return contigs and positions of genes and the correlations of two predictors, (2, genes)."""
    contig, position = place_genes(contigs, genes, random)
    r = np.empty((2, genes))
    for number, length in enumerate(contigs):
        here = np.flatnonzero(contig == number)
        clumps = length * 1_000_000 // CLUMP_BP + 2
        variants = random.standard_normal((INDIVIDUALS, clumps), dtype=np.float32)
        effects = random.standard_normal(clumps) * (random.random(clumps) < 0.05)
        low = np.clip((position[here] - flank_bp) // CLUMP_BP, 0, clumps - 1)
        high = np.clip((position[here] + flank_bp) // CLUMP_BP + 1, 1, clumps)

        def in_window(
            weights: np.ndarray, variants: np.ndarray = variants, low: np.ndarray = low, high: np.ndarray = high
        ) -> np.ndarray:
            total = np.zeros((INDIVIDUALS, variants.shape[1] + 1))
            np.cumsum(variants * weights.astype(np.float32), axis=1, out=total[:, 1:], dtype=np.float64)
            values = total[:, high] - total[:, low]
            return values - values.mean(axis=0)

        genetic = in_window(effects)
        spread = genetic.std(axis=0)
        genetic /= np.where(spread > 0, spread, 1)
        noise = random.standard_normal(genetic.shape)
        measured = np.sqrt(HERITABILITY) * genetic + np.sqrt(1 - HERITABILITY) * noise
        measured -= measured.mean(axis=0)
        for k in range(2):
            predicted = in_window(random.standard_normal(clumps) + 4 * signal * effects)
            lengths = np.sqrt((predicted**2).sum(axis=0) * (measured**2).sum(axis=0))
            r[k, here] = (predicted * measured).sum(axis=0) / np.where(lengths > 0, lengths, 1)
    return contig, position, r


def estimates(r: np.ndarray, blocks: np.ndarray) -> list[BlockEstimate]:
    """Return the four statistics as the library makes them."""
    right = r > 0
    ones = np.ones(r.shape[1])
    sums = block_sums(np.column_stack([right[0], r[0] - r[1], ones]), blocks)
    cells = block_sums(paired_indicators(*np.sign(r).astype(np.int8)), blocks)
    return [
        BlockEstimate.ratio(sums[:, 0], sums[:, 2]).log_odds(),
        log_odds_ratio(cells, "marginal"),
        log_odds_ratio(cells, "mcnemar"),
        BlockEstimate.ratio(sums[:, 1], sums[:, 2]),
    ]


def bootstrap(r: np.ndarray, blocks: np.ndarray, random: np.random.Generator) -> list[tuple[float, float]]:
    """Return percentile intervals of the four statistics."""
    a, b = r > 0
    sums = block_sums(np.column_stack([a, b, a & ~b, a ^ b, r[0] - r[1], np.ones(len(a))]), blocks)
    drawn = random.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=BOOTSTRAPS) @ sums
    share_a, share_b = drawn[:, 0] / drawn[:, 5], drawn[:, 1] / drawn[:, 5]
    with np.errstate(divide="ignore", invalid="ignore"):
        logit_a, logit_b = np.log(share_a / (1 - share_a)), np.log(share_b / (1 - share_b))
        discordant = np.log(drawn[:, 2] / (drawn[:, 3] - drawn[:, 2]))
        values = [logit_a, logit_a - logit_b, discordant, drawn[:, 4] / drawn[:, 5]]
        return [tuple(np.nanquantile(one, [0.025, 0.975])) for one in values]


def carter_conservative(blocks: np.ndarray) -> float:
    sizes = np.unique(blocks, return_counts=True)[1].astype(float)
    return float((sizes**2).sum() ** 2 / (sizes**4).sum())


def run(name: str, studies: int, seed: int) -> list[dict[str, object]]:
    """Return coverage of each way in one scenario."""
    settings = SCENARIOS[name]
    random = np.random.default_rng(seed)
    values, ways, exact, sizes = [], {}, [], {}
    for _ in range(studies):
        contig, position, r = study(random, **settings)  # type: ignore[arg-type] # the scenarios are literals above
        exact.append(PairedTable.of(r[0], r[1]).mcnemar().p_value < 0.05)
        default = default_block_bp([settings])
        for block_bp in sorted({1_000_000, default}):
            blocks = assign_blocks([f"{k:02d}" for k in contig], position, block_bp)
            found = estimates(r, blocks)
            if block_bp == default:
                values.append([one.value for one in found])
                assert np.isclose(mean_difference(*r, blocks).low, found[3].interval()[0], equal_nan=True)
            label = f"{block_bp / 1_000_000:g} Mb"
            sizes.setdefault(label, []).append(found[0].effective_blocks)
            ways.setdefault((label, "bootstrap"), []).append(bootstrap(r, blocks, random))
            n_blocks, carter = len(np.unique(blocks)), carter_conservative(blocks)
            for way, df in (("jackknife, blocks", n_blocks), ("jackknife, Carter", carter)):
                half = [special.stdtrit(max(df - 1, 1), 0.975) * one.standard_error for one in found]
                limits = [(one.value - h, one.value + h) for one, h in zip(found, half, strict=True)]
                ways.setdefault((label, way), []).append(limits)
            ways.setdefault((label, "jackknife, Kish (library)"), []).append([one.interval() for one in found])
    truth = np.zeros(4)
    if settings.get("signal"):
        truth[0] = np.mean(values, axis=0)[0]
    rows = []
    for (label, way), limits in ways.items():
        low, high = np.moveaxis(np.array(limits), 2, 0)
        covered = np.where(np.isnan(low), np.nan, (low <= truth) & (truth <= high))
        withheld = np.isnan(covered).mean()
        covered = np.nanmean(covered, axis=0)
        rows.append(
            {
                "scenario": name,
                "blocks": label,
                "effective": round(float(np.mean(sizes[label])), 1),
                "interval": way,
                **dict(zip(STATISTICS, covered.round(3), strict=True)),
                "withheld": round(float(withheld), 3),
            }
        )
    inflation = np.var([one[0] for one in values]) / (4 / settings["genes"])  # type: ignore[operator] # an integer
    print(f"{name}: variance of the share {inflation:.1f} x binomial, exact McNemar p < 0.05: {np.mean(exact):.3f}")
    for row in rows:
        row["exact McNemar p < 0.05"] = round(float(np.mean(exact)), 3)
        row["variance / binomial"] = round(float(inflation), 1)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=500)
    parser.add_argument("--seed", type=int, default=21)
    settings = parser.parse_args()
    rows = [row for k, name in enumerate(SCENARIOS) for row in run(name, settings.studies, settings.seed + k)]
    table = pd.DataFrame(rows)
    parts = [
        "# Blocks",
        "",
        (__doc__ or "").strip(),
        "",
        f"Seed {settings.seed}, {settings.studies} studies per scenario (standard error of a coverage of 95 %: "
        f"{np.sqrt(0.95 * 0.05 / settings.studies):.3f}). Coverage of 95 % intervals; type I error is 1 less coverage "
        "in the scenarios without signal.",
        "Before: bootstrap of 1 Mb blocks, and the exact McNemar p, which assumes independent genes. After: jackknife "
        "with Kish's number over the default blocks, the longer ones of each table.",
    ]
    for name, part in table.groupby("scenario", sort=False):
        inflation, exact = part["variance / binomial"].iloc[0], part["exact McNemar p < 0.05"].iloc[0]
        shown = part.drop(columns=["scenario", "exact McNemar p < 0.05", "variance / binomial"])
        parts += [
            "",
            f"## {name}",
            "",
            f"Variance of a share: {inflation} times the binomial one. Exact McNemar p below 0.05: {exact:.3f} of "
            "studies.",
            "",
            shown.to_markdown(index=False) if hasattr(shown, "to_markdown") else shown.to_string(index=False),
        ]
    Path(__file__).with_suffix(".md").write_text("\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
