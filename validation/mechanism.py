"""Type I error and power of the agreement of two predictors' effects, on haplotypes from a coalescent.

Effects are those of imaginary predictors: a forest spreads the effect of a causal variant over its neighbours, an
elastic net puts it on a few proxies and adds small effects elsewhere. Writes the table next to this file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import msprime
import numpy as np
import pandas as pd

from pgxeval.evaluation.mechanism import MechanismSettings, compare_effects


def draw_dosages(seed: int, length: int, individuals: int = 300) -> np.ndarray:
    """Return dosages of variants with a frequency of at least 0.02."""
    trees = msprime.sim_ancestry(
        individuals, population_size=10_000, sequence_length=length, recombination_rate=1e-8, random_seed=seed
    )
    genotypes = msprime.sim_mutations(trees, rate=1.25e-8, random_seed=seed).genotype_matrix() > 0
    dosages = (genotypes[:, 0::2].astype(float) + genotypes[:, 1::2]).T
    frequency = dosages.mean(axis=0) / 2
    return dosages[:, np.minimum(frequency, 1 - frequency) > 0.02]


def effects_of(kind: str, causal: np.ndarray, dosages: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return the effects per allele that a predictor of this kind would give to causal variants."""
    spread = dosages.std(axis=0)
    standard = (dosages - dosages.mean(axis=0)) / spread
    total = np.zeros(spread.size)
    for variant in causal:
        r = standard.T @ standard[:, variant] / len(standard)
        if kind == "forest":
            effects = r**3 * (r**2 > 0.1)
        else:
            effects = np.zeros(r.size)
            proxies = random.permutation(np.flatnonzero(r**2 > 0.5))[:5]
            effects[proxies] = np.sign(r[proxies])
            effects[random.integers(0, r.size, 6)] += 0.3 * random.normal(size=6)
        total += effects * random.choice([-1, 1]) * random.exponential()
    return total / spread


def main() -> None:
    """Simulate and write ``mechanism.md``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=125)
    parser.add_argument("--pairs", type=int, default=16, help="pairs of predictors per window")
    parser.add_argument("--same-pairs", type=int, default=3, help="pairs per window with the same causal variants")
    parser.add_argument("--length", type=int, default=400_000, help="length of a window [bp]")
    arguments = parser.parse_args()
    settings = MechanismSettings(draws=199)
    rows = []
    for same in (False, True):
        results = []
        for seed in range(1, arguments.windows + 1):
            dosages = draw_dosages(seed, arguments.length)
            for pair in range(arguments.same_pairs if same else arguments.pairs):
                random = np.random.default_rng([seed, pair, int(same)])
                one = random.integers(dosages.shape[1], size=random.integers(1, 6))
                two = one if same else random.integers(dosages.shape[1], size=random.integers(1, 6))
                kinds = random.choice(["forest", "elastic net"], size=2)
                signs = np.random.default_rng(seed)  # the same signs where the causal variants are the same
                a = effects_of(kinds[0], one, dosages, np.random.default_rng([seed, pair]) if same else random)
                b = effects_of(kinds[1], two, dosages, np.random.default_rng([seed, pair]) if same else signs)
                agreement = compare_effects(a, b, dosages, settings=settings, seed=pair)
                results.append(
                    [
                        agreement.rank_p <= 0.05,
                        agreement.prediction_p <= 0.05,
                        agreement.overlap_p <= 0.05,
                        agreement.overlap,
                        abs(agreement.prediction_correlation),
                    ]
                )
        rows.append(["the same" if same else "different", len(results), *np.mean(results, axis=0)])
    columns = ["causal variants", "pairs", "rank p <= 0.05", "prediction p <= 0.05", "overlap p <= 0.05"]
    table = pd.DataFrame(rows, columns=[*columns, "mean overlap", "mean |correlation of predictions|"])
    Path(__file__).with_suffix(".md").write_text(
        "# Agreement of two predictors' effects\n\n"
        f"{arguments.windows} windows (seeds 1 to {arguments.windows}) of {arguments.length:,} bp, 300 individuals, "
        f"{arguments.pairs} pairs of imaginary predictors each with different causal variants, {arguments.same_pairs} "
        "with the same: "
        "a forest spreads effects over linked variants, an elastic net chooses proxies. 1 to 5 causal variants, 199 "
        "draws per null. With different causal variants the shares are type I errors; independent causal variants "
        "are linked by chance in some pairs.\n\n" + table.to_markdown(index=False, floatfmt=".3f") + "\n"
    )


if __name__ == "__main__":
    main()
