"""Type I error and power of the agreement of two predictors' effects, and what the margin of a study means.

Writes `mechanism.md` next to this file. Windows come from a coalescent, 300 individuals. First table: effects are those
of imaginary predictors. A forest spreads the effect of a causal variant over its neighbours, an elastic net puts it on
a few proxies and adds small effects elsewhere; each has 1 to 5 causal variants, and nulls have 199 draws. With
different causal variants the shares are type I errors; independent causal variants are linked by chance in some pairs.

Second table: the question of a study, whether a model uses other variants than the random forest. Expression has two
causal variants (effects of 0.8 and 0.6 standard deviations, r2 below 0.1) and a heritability of 30 %. Stand-ins for
trained predictors see this expression: the forest has effects proportional to the cube of the marginal correlations,
and the control is least squares on the two variants that forward selection finds. The model is zero-shot. The gap is
the agreement of the control with the forest less that of the model; 30 genes at which the model is right and
significant make a study, and the answer is the one that `run_study` gives at each margin.

    python validation/mechanism.py collect FOLDER --minutes 6
    python validation/mechanism.py summarise FOLDER
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import msprime
import numpy as np
import pandas as pd

from pgxeval.evaluation.mechanism import MechanismSettings, compare_effects
from pgxeval.study.questions.mechanism import answer_gap

STUDY, MARGINS = 30, (0.1, 0.2, 0.3)
MODELS = (
    "the causal variants",
    "proxies of the causal variants (r2 0.5 to 0.8)",
    "the causal variants, 20 % of the variance from others",
    "the causal variants, half of the variance from others",
    "the weaker causal variant only",
    "the weaker causal variant, half of the variance from others",
)


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


def agreements(dosages: np.ndarray, seed: int, pairs: int, same: bool) -> list[list[float]]:
    """Return p-values, overlap and absolute correlation of pairs of imaginary predictors in one window."""
    rows = []
    for pair in range(pairs):
        random = np.random.default_rng([seed, pair, int(same)])
        one = random.integers(dosages.shape[1], size=random.integers(1, 6))
        two = one if same else random.integers(dosages.shape[1], size=random.integers(1, 6))
        kinds = random.choice(["forest", "elastic net"], size=2)
        signs = np.random.default_rng(seed)  # the same signs where the causal variants are the same
        a = effects_of(kinds[0], one, dosages, np.random.default_rng([seed, pair]) if same else random)
        b = effects_of(kinds[1], two, dosages, np.random.default_rng([seed, pair]) if same else signs)
        found = compare_effects(a, b, dosages, settings=MechanismSettings(draws=199), seed=pair)
        correlation = abs(found.prediction_correlation)
        rows.append([found.rank_p, found.prediction_p, found.overlap_p, found.overlap, correlation])
    return rows


def unit(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean(axis=0)
    return centred / np.sqrt((centred**2).sum(axis=0))


def gaps(dosages: np.ndarray, seed: int, genes: int) -> dict[str, list[float]]:
    """Return the gap of each model at simulated genes of one window."""
    x = unit(dosages)
    found: dict[str, list[float]] = {name: [] for name in MODELS}
    for gene in range(genes):
        random = np.random.default_rng([seed, gene, 7])
        first = int(random.integers(x.shape[1]))
        r = x.T @ x[:, first]
        second = int(random.choice(np.flatnonzero(r**2 < 0.1)))
        value = unit(0.8 * x[:, first] + 0.6 * x[:, second])
        y = unit(np.sqrt(0.3) * value + np.sqrt(0.7) * unit(random.normal(size=len(x))))
        marginal = x.T @ y
        forest = unit(x @ marginal**3)
        lead = int(np.abs(marginal).argmax())
        rest = x - np.outer(x[:, lead], x.T @ x[:, lead])
        norm = np.sqrt((rest**2).sum(axis=0))
        partial = np.where(norm > 0.1, np.abs(rest.T @ y) / np.maximum(norm, 0.1), 0.0)
        columns = x[:, [lead, int(partial.argmax())]]
        control = unit(columns @ np.linalg.lstsq(columns, y, rcond=None)[0])
        proxies = []
        for causal in (first, second):
            linked = x.T @ x[:, causal]
            candidates = np.flatnonzero((linked**2 > 0.5) & (linked**2 < 0.8))
            proxy = int(random.choice(candidates)) if len(candidates) else causal
            proxies.append(np.sign(linked[proxy]) * x[:, proxy])
        noise = unit(x @ random.normal(size=x.shape[1]))
        models = {
            "the causal variants": value,
            "proxies of the causal variants (r2 0.5 to 0.8)": unit(0.8 * proxies[0] + 0.6 * proxies[1]),
            "the causal variants, 20 % of the variance from others": unit(np.sqrt(0.8) * value + np.sqrt(0.2) * noise),
            "the causal variants, half of the variance from others": unit(value + noise),
            "the weaker causal variant only": x[:, second],
            "the weaker causal variant, half of the variance from others": unit(x[:, second] + noise),
        }
        for name, model in models.items():
            significant = model @ y > 1.96 / np.sqrt(len(y))
            gap = float(forest @ control - forest @ model)
            found[name].append(gap if significant and forest @ y > 0 else np.nan)
    return found


def collect(folder: Path, options: argparse.Namespace) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    for seed in range(1, options.windows + 1):
        path = folder / f"window_{seed}.json"
        if path.exists():
            continue
        if time.monotonic() - start > 60 * options.minutes:
            return
        dosages = draw_dosages(seed, options.length)
        record = {
            "different": agreements(dosages, seed, options.pairs, same=False),
            "the same": agreements(dosages, seed, options.same_pairs, same=True),
            "gaps": gaps(dosages, seed, options.genes),
        }
        path.write_text(json.dumps(record))


def summarise(folder: Path, options: argparse.Namespace) -> None:
    records = [json.loads(path.read_text()) for path in sorted(folder.glob("window_*.json"))]
    rows = []
    for name in ("different", "the same"):
        values = np.array([row for one in records for row in one[name]])
        rows.append([name, len(values), *(values[:, :3] <= 0.05).mean(axis=0), *values[:, 3:].mean(axis=0)])
    columns = ["causal variants", "pairs", "rank p <= 0.05", "prediction p <= 0.05", "overlap p <= 0.05"]
    table = pd.DataFrame(rows, columns=[*columns, "mean overlap", "mean |correlation of predictions|"])
    answers = []
    for model in MODELS:
        values = np.array([gap for one in records for gap in one["gaps"][model]], dtype=float)
        values = values[np.isfinite(values)]
        np.random.default_rng(0).shuffle(values)
        studies = values[: len(values) // STUDY * STUDY].reshape(-1, STUDY)
        row = {"the model reads": model, "mean gap": values.mean(), "studies": len(studies)}
        for margin in MARGINS:
            said = [answer_gap(gap, np.arange(STUDY), margin, 0.95)[0] for gap in studies]
            row |= {f"{answer} at {margin}": np.mean([one == answer for one in said]) for answer in ("yes", "no")}
        answers.append(row)
    text = [
        "# Agreement of two predictors' effects",
        (__doc__ or "").partition("\n\n")[2].strip(),
        f"{len(records)} windows (seeds 1 to {len(records)}) of {options.length:,} bp. Error of a share of 5 %: "
        f"{np.sqrt(0.0475 / rows[0][1]):.4f}.",
        table.to_markdown(index=False, floatfmt=".3f"),
        "## Answers of a study",
        pd.DataFrame(answers).to_markdown(index=False, floatfmt=".3f"),
    ]
    Path(__file__).with_suffix(".md").write_text("\n\n".join(text) + "\n")
    print("\n\n".join(text[2:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["collect", "summarise"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--windows", type=int, default=125)
    parser.add_argument("--pairs", type=int, default=16, help="pairs of predictors per window")
    parser.add_argument("--same-pairs", type=int, default=3, help="pairs per window with the same causal variants")
    parser.add_argument("--genes", type=int, default=60, help="simulated genes per window")
    parser.add_argument("--length", type=int, default=200_000, help="length of a window [bp]")
    parser.add_argument("--minutes", type=float, default=6.0)
    options = parser.parse_args()
    (collect if options.step == "collect" else summarise)(options.folder, options)


if __name__ == "__main__":
    main()
