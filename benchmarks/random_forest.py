"""The random forest against scikit-learn's with the same settings: processor time, held-out accuracy and memory.

Writes the Markdown file of the same name next to this script. A fit takes 100 trees, a third of the variants per
split and at least five individuals per leaf, from dosages of the training individuals to predictions of others.
Times are processor seconds of one thread, alternating between both programs on each gene, so that a busy machine
disturbs both equally. `r` is the correlation with the expression of 300 individuals that neither has seen.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from measuring import machine
from sklearn.ensemble import RandomForestRegressor
from threadpoolctl import threadpool_limits

import pgxeval
from pgxeval.predictors.trained import CisVariants, TrainingSet
from pgxeval.predictors.trained.forest import ForestSettings, grow_forest
from pgxeval.predictors.trained.forest_codes import ForestCodes
from pgxeval.simulation.linkage import simulate_window
from pgxeval.simulation.simulate import simulate_cohort_in_memory

TREES, SHARE, LEAF = 100, 1 / 3, 5
MUTATION_RATE = 2.45e-8  # about 5,200 variants of MAF >= 0.01 in 2 Mb
SIZES = ((240, 127), (240, 2_300), (762, 5_400))
HELD_OUT = 300

Calls = npt.NDArray[np.int8]
Vector = npt.NDArray[np.float64]


def kernel(calls: Calls, y: Vector, others: Calls, seed: int) -> Vector:
    means = calls.mean(axis=0, dtype=np.float64)
    settings = ForestSettings(n_estimators=TREES, max_features=SHARE, min_samples_leaf=LEAF)
    return grow_forest(ForestCodes.make(calls, means), y, settings, seed).predict(others.astype(np.float64))


def scikit_learn(calls: Calls, y: Vector, others: Calls, seed: int) -> Vector:
    forest = RandomForestRegressor(
        n_estimators=TREES, max_features=SHARE, min_samples_leaf=LEAF, random_state=seed, n_jobs=1
    )
    return forest.fit(calls.astype(np.float32), y).predict(others.astype(np.float32))


def common_variants(individuals: int, n_variants: int, seed: int) -> Calls:
    """Return dosages of neighbouring variants of MAF >= 0.01 in a simulated window."""
    window_bp = 2_200_000 if n_variants > 1_000 else 300_000
    window = simulate_window(individuals, window_bp, seed=seed, mutation_rate=MUTATION_RATE)
    chosen = np.flatnonzero(window.minor_allele_frequency >= 0.01)[:n_variants]
    return np.ascontiguousarray(window.dosages[:, chosen])


def expression(calls: Calls, rng: np.random.Generator) -> Vector:
    """Return expression with a heritability of 20 % from three variants."""
    causal = calls[:, rng.choice(calls.shape[1], 3, replace=False)].astype(np.float64)
    genetic = (causal - causal.mean(axis=0)).sum(axis=1)
    return genetic / max(genetic.std(), 1e-9) * 0.2**0.5 + rng.standard_normal(len(calls)) * 0.8**0.5


def spent(fit: Callable[[Calls, Vector, Calls, int], Vector], *arguments: object) -> float:
    start = time.process_time()
    fit(*arguments)
    return time.process_time() - start


def speed(genes: int) -> pd.DataFrame:
    rows = []
    for training, n_variants in SIZES:
        seconds: dict[str, list[float]] = {"kernel": [], "scikit-learn": []}
        for gene in range(genes):
            rng = np.random.default_rng(gene)
            calls = common_variants(training + 191, n_variants, seed=gene)
            y = expression(calls, rng)
            train = np.flatnonzero(np.ptp(calls[:training], axis=0) > 0)
            arguments = calls[:training, train], y[:training], calls[training:, train], gene
            if gene == 0:
                kernel(*arguments)  # compiled here, not in the measurement
            seconds["kernel"].append(spent(kernel, *arguments))
            seconds["scikit-learn"].append(spent(scikit_learn, *arguments))
        ours, theirs = np.array(seconds["kernel"]), np.array(seconds["scikit-learn"])
        ratio = np.median(theirs / ours)
        bar = 10 if training > 500 else 5
        rows.append(
            {
                "training individuals": training,
                "variants": n_variants,
                "genes": genes,
                "kernel [s]": np.median(ours),
                "scikit-learn [s]": np.median(theirs),
                "times faster": ratio,
                "bar": f"{bar}x: {'met' if ratio >= bar else 'missed'}",
            }
        )
    return pd.DataFrame(rows)


def accuracy(genes: int, seeds: int) -> pd.DataFrame:
    """Return one row per gene: mean r over `seeds` forests of each program."""
    rows = []
    for n in (90, 300, 953):
        cohort, truth = simulate_cohort_in_memory(
            individuals=n + HELD_OUT,
            kinds={"null": genes, "additive": 3 * genes, "overdominant": genes, "epistatic": genes},
            window_bp=60_000,
            seed=n,
        )
        kinds = truth.set_index("gene_id")
        for gene in cohort.genes:
            y = cohort.expression_of(gene.gene_id)
            train, test = y.iloc[:n], y.iloc[n:]
            training = TrainingSet.prepare(CisVariants(), gene, cohort.genome, train)
            window = CisVariants().read(gene, cohort.genome, list(test.index))
            calls, others = training.genotypes.calls, window.calls[:, training.selected.columns]
            r = {
                name: np.mean(
                    [np.corrcoef(fit(calls, training.expression, others, seed), test)[0, 1] for seed in range(seeds)]
                )
                for name, fit in (("kernel", kernel), ("scikit-learn", scikit_learn))
            }
            kind = str(kinds.loc[gene.gene_id, "kind"])
            if kind == "additive":
                kind += f", {len(str(kinds.loc[gene.gene_id, 'causal_variants']).split(','))} causal"
            rows.append({"kind": kind, "n": n, **r})
    return pd.DataFrame(rows)


def summarise(genes: pd.DataFrame) -> pd.DataFrame:
    """Return mean r by kind and by n, and the mean difference with its 95 % interval."""
    groups = [("all", genes)]
    groups += [(str(kind), block) for kind, block in genes.groupby("kind", sort=False)]
    groups += [(f"n = {n}", block) for n, block in genes.groupby("n")]
    rows = []
    for name, block in groups:
        difference = block["kernel"] - block["scikit-learn"]
        half = 1.96 * difference.std(ddof=1) / np.sqrt(len(block))
        rows.append(
            {
                "genes": name,
                "number": len(block),
                "r, kernel": block["kernel"].mean(),
                "r, scikit-learn": block["scikit-learn"].mean(),
                "difference": difference.mean(),
                "low": difference.mean() - half,
                "high": difference.mean() + half,
            }
        )
    return pd.DataFrame(rows)


_MEMORY = """
import sys; sys.path.insert(0, "{here}")
import numpy as np, pgxeval
from measuring import peak_memory as peak
from pgxeval.predictors.trained.forest import ForestSettings, grow_forest
from pgxeval.predictors.trained.forest_codes import ForestCodes

def fit(calls):
    y = np.random.default_rng(1).standard_normal(len(calls))
    settings = ForestSettings(n_estimators=20, max_features=1 / 3, min_samples_leaf=5)
    grow_forest(ForestCodes.make(calls, calls.mean(axis=0, dtype=float)), y, settings, 0)

imported = peak()
fit(np.random.default_rng(0).integers(0, 3, (30, 9), dtype=np.int8))
compiled = peak()
fit(np.random.default_rng(0).integers(0, 3, ({n}, {p}), dtype=np.int8))
print(imported, compiled, peak())
"""


def memory() -> pd.DataFrame:
    """Return the peak memory of a fresh process after the import, with numba loaded, and after one fit."""
    rows = []
    for n, p in ((762, 5_400), (953, 20_000), (5_000, 5_400)):
        code = _MEMORY.replace("{n}", str(n)).replace("{p}", str(p)).replace("{here}", str(Path(__file__).parent))
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        imported, compiled, after = map(float, done.stdout.split()[-3:])
        rows.append(
            {
                "individuals": n,
                "variants": p,
                "import pgxeval [MB]": imported,
                "numba and its compiler [MB]": compiled - imported,
                "dosages and fit [MB]": after - compiled,
                "whole process [MB]": after,
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genes", type=int, default=5, help="genes per size in the table of times")
    parser.add_argument("--accuracy-genes", type=int, default=6, help="genes per kind and number of individuals")
    parser.add_argument("--seeds", type=int, default=4, help="forests per gene and program in the table of accuracy")
    asked = parser.parse_args()
    warnings.simplefilter("ignore", pgxeval.PgxevalWarning)
    with threadpool_limits(1):
        times = speed(asked.genes)
        r = summarise(accuracy(asked.accuracy_genes, asked.seeds))
    report = (
        f"# Random forest\n\n{__doc__}\n{machine('numpy', 'numba', 'scikit-learn')}\n\n"
        f"## Time\n\n{times.to_markdown(index=False, floatfmt=('.0f', '.0f', '.0f', '.3f', '.2f', '.1f', ''))}\n\n"
        f"## Accuracy on held-out individuals, mean over {asked.seeds} forest(s) per gene\n\n"
        f"{r.to_markdown(index=False, floatfmt=('', '.0f', '.3f', '.3f', '.4f', '.4f', '.4f'))}\n\n"
        f"## Peak memory of one fit\n\n{memory().to_markdown(index=False, floatfmt='.0f')}\n"
    )
    print(report)
    Path(__file__).with_suffix(".md").write_text(report)


if __name__ == "__main__":
    main()
