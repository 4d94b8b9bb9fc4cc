"""Cost of a fit against individuals and variants, and of a run against genes, with fitted exponents.

Writes the Markdown file of the same name next to this script and the figure of the docs. A fit goes from a training
set to predictions of 200 others; the predictors have their default settings. Times are processor
seconds of one thread, the median over genes. The exponent is the slope of the logarithm of the time.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from measuring import machine
from threadpoolctl import threadpool_limits

import pgxeval
from pgxeval.genome.intervals import Interval
from pgxeval.predictors.trained import CisVariants, CisWindow, TrainingGenotypes, TrainingSet
from pgxeval.simulation.linkage import simulate_window
from pgxeval.simulation.simulate import simulate_cohort_in_memory

MUTATION_RATE = 2.45e-8
INDIVIDUALS = (300, 953, 3_000, 10_000)
VARIANTS = (625, 1_250, 2_500, 5_000, 10_000, 20_000)
GENES = (20, 40, 80, 160, 320)
STUDY = {"genes": 20_000, "tissues": 49, "individuals": 953, "variants": 5_300, "folds": 5, "replicates": 1}
HELD_OUT = 200
MARK = "<!-- measured -->"  # docs/explanation/cost.md shows what follows
TRAINING = 762
FIGURE = Path(__file__).resolve().parents[1] / "docs" / "explanation" / "cost.svg"

PREDICTORS = {
    "elastic_net": pgxeval.ElasticNetPredictor(),
    "random_forest": pgxeval.RandomForestPredictor(),
}


def window_of(individuals: int, variants: int, seed: int) -> CisWindow:
    """Return the dosages of neighbouring variants of MAF >= 0.01."""
    window_bp = int(variants / 5_200 * 2_400_000)
    window = simulate_window(individuals, window_bp, seed=seed, mutation_rate=MUTATION_RATE)
    chosen = np.flatnonzero(window.minor_allele_frequency >= 0.01)[:variants]
    return CisWindow(
        interval=Interval("chr1", 0, window_bp),
        individuals=tuple(f"I{i:05d}" for i in range(individuals)),
        calls=np.ascontiguousarray(window.dosages[:, chosen]),
    )


def fits(names: list[str], individuals: int, variants: int, seed: int) -> dict[str, float]:
    """Return the seconds of one fit of each predictor, with what they share counted for both."""
    window = window_of(individuals + HELD_OUT, variants, seed)
    rng = np.random.default_rng(seed)
    causal = window.calls[:, rng.choice(window.calls.shape[1], 3, replace=False)].astype(np.float64)
    genetic = (causal - causal.mean(axis=0)).sum(axis=1)
    y = genetic / genetic.std() * 0.2**0.5 + rng.standard_normal(genetic.size) * 0.8**0.5
    rows, others = np.arange(individuals), np.arange(individuals, individuals + HELD_OUT)
    seconds = {}
    for predictor in map(PREDICTORS.__getitem__, names):
        start = time.process_time()
        genotypes = TrainingGenotypes.take(CisVariants(), "G", window, rows)
        fitted = predictor.fit_training(TrainingSet(genotypes=genotypes, expression=y[rows]), seed=seed)
        fitted.predict_window(window, others)
        seconds[predictor.name] = time.process_time() - start
    return seconds


def whole_runs(names: list[str], sizes: Sequence[int]) -> pd.DataFrame:
    """Return the seconds of whole runs of 90 individuals and small windows."""
    cohort, _ = simulate_cohort_in_memory(individuals=90, kinds={"additive": max(sizes)}, window_bp=30_000, seed=1)
    rows = []
    for genes in sizes:
        part = cohort.subset(genes=[gene.gene_id for gene in cohort.genes[:genes]])
        start = time.process_time()
        pgxeval.predict_cohort(
            part,
            [PREDICTORS[name] for name in names],
            replicates=0,
            workers=1,
            progress=False,
        )
        rows.append({"genes": genes, "whole run": time.process_time() - start})
    return pd.DataFrame(rows).set_index("genes")


def exponents(table: pd.DataFrame) -> dict[str, float]:
    x = np.log(table.index.to_numpy(dtype=np.float64))
    return {str(name): float(np.polyfit(x, np.log(table[name]), 1)[0]) for name in table}


def on_paper(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return core-hours of a study from the seconds of one fit, with all fits counted as if nothing was shared."""
    fits_per_gene = STUDY["folds"] * (1 + STUDY["replicates"])
    individuals = STUDY["individuals"] * (1 - 1 / STUDY["folds"])
    table = tables["variants"]
    rows = []
    for name in table:
        size = min(table.index, key=lambda p: abs(np.log(p / STUDY["variants"])))
        slopes = {what: exponents(tables[what])[str(name)] for what in ("individuals", "variants")}
        seconds = float(table.loc[size, name])
        seconds *= (STUDY["variants"] / size) ** slopes["variants"]
        seconds *= (individuals / TRAINING) ** slopes["individuals"]
        hours = seconds * fits_per_gene * STUDY["genes"] / 3_600
        rows.append(
            {
                "predictor": str(name).replace("_", " "),
                "one fit [s]": seconds,
                "one gene [s]": seconds * fits_per_gene,
                "one tissue [core-hours]": hours,
                "49 tissues [core-hours]": hours * STUDY["tissues"],
                "one tissue on 64 cores [hours]": hours / 64,
            }
        )
    total = pd.DataFrame(rows)
    return pd.concat([total, total.sum(numeric_only=True).to_frame().T.assign(predictor="both")], ignore_index=True)


def draw(tables: dict[str, pd.DataFrame]) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(tables), figsize=(10, 3.4), layout="constrained")
    for axis, (what, table) in zip(axes, tables.items(), strict=True):
        for name, slope in exponents(table).items():
            axis.loglog(table.index, table[name], "o-", label=f"{name.replace('_', ' ')}: exponent {slope:.2f}")
        axis.set(xlabel=what, ylabel="processor seconds")
        axis.set_xticks(list(table.index), [f"{value:,}" for value in table.index], rotation=45)
        axis.minorticks_off()
        axis.legend(fontsize=8)
    figure.savefig(FIGURE, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genes", type=int, default=1, help="genes per size")
    parser.add_argument("--predictors", nargs="+", choices=PREDICTORS, default=list(PREDICTORS))
    parser.add_argument("--quick", action="store_true", help="leave out the largest size of each")
    asked = parser.parse_args()
    warnings.simplefilter("ignore", pgxeval.PgxevalWarning)
    tables = {}
    with threadpool_limits(1):
        fits(asked.predictors, 100, 625, 0)  # compile
        for what, sizes in (("individuals", INDIVIDUALS), ("variants", VARIANTS)):
            rows = []
            for size in sizes[:-1] if asked.quick else sizes:
                n, p = (size, 5_000) if what == "individuals" else (TRAINING, size)
                found = pd.DataFrame([fits(asked.predictors, n, p, seed) for seed in range(asked.genes)]).median()
                rows.append({what: size, **found})
                print(rows[-1], flush=True)
            tables[what] = pd.DataFrame(rows).set_index(what)
        tables["genes"] = whole_runs(asked.predictors, GENES[:-1] if asked.quick else GENES)
    draw(tables)
    parts = []
    settings = {
        "individuals": "One fit, 5,000 variants",
        "variants": "One fit, 762 individuals",
        "genes": "Whole run of 90 individuals and windows of 30 kb, five folds",
    }
    for what, table in tables.items():
        slopes = ", ".join(f"{name.replace('_', ' ')} {slope:.2f}" for name, slope in exponents(table).items())
        parts.append(f"## {settings[what]}\n\n{table.to_markdown(floatfmt='.3f')}\n\nExponents: {slopes}.\n")
    paper = on_paper(tables).to_markdown(index=False, floatfmt=("", ".2f", ".1f", ".0f", ".0f", ".1f"))
    runs = STUDY["folds"] * (1 + STUDY["replicates"])
    parts.append(
        f"## A study of the size of GTEx, on paper\n\n{STUDY['genes']:,} genes, {STUDY['individuals']} individuals, "
        f"windows of 1 Mb on either side with about {STUDY['variants']:,} variants of MAF >= 0.01, {STUDY['folds']} "
        f"folds and {STUDY['replicates']} permuted replicate in addition to the observed run: {runs} fits "
        "of each predictor per gene, counted as if a replicate shared nothing with the observed run. "
        f"Tissues with fewer individuals cost less.\n\n{paper}\n"
    )
    report = f"# Scaling\n\n{__doc__}\n{machine('numpy', 'numba', 'scikit-learn')}\n\n{MARK}\n\n" + "\n".join(parts)
    print(report)
    Path(__file__).with_suffix(".md").write_text(report)


if __name__ == "__main__":
    main()
