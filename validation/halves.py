"""Do strata from one half of the individuals owe nothing to the other? Gains on null genes, two ways.

Writes `halves.md` next to this file. A gain is Spearman's r of the random forest less that of the elastic net. On null
genes the gains of two halves must not correlate, or a stratum defined in the one favours the forest in the other.
Shared: cross-fitted once over everybody, judged in each half. Rerun: cross-fitted inside each half
(`Cohort.halves`).
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import pearsonr

import pgxeval
from pgxeval.evaluation.strata import gain_of
from pgxeval.simulation.simulate import simulate_cohort_in_memory

warnings.simplefilter("ignore", pgxeval.PgxevalWarning)

PREDICTORS = [pgxeval.ElasticNetPredictor(), pgxeval.RandomForestPredictor()]


def predict(cohort: pgxeval.Cohort, asked: argparse.Namespace) -> pgxeval.Predictions:
    return pgxeval.predict_cohort(
        cohort, PREDICTORS, replicates=0, seed=asked.seed, store=asked.store, workers=asked.workers
    )


def gains(cohort: pgxeval.Cohort, predictions: pgxeval.Predictions) -> np.ndarray:
    genes = pgxeval.Evaluator(cohort).evaluate(predictions).per_gene
    r = genes.pivot(index="gene_id", columns="predictor", values="spearman")
    return gain_of(r["random_forest"], r["elastic_net"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genes", type=int, default=250)
    parser.add_argument("--individuals", type=int, default=180)
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--workers", type=int)
    asked = parser.parse_args()
    cohort, _ = simulate_cohort_in_memory(individuals=asked.individuals, kinds={"null": asked.genes}, seed=asked.seed)
    halves = cohort.halves(asked.seed)
    together = predict(cohort, asked)
    ways = {
        "shared": [gains(half, together) for half in halves],
        "rerun": [gains(half, predict(half, asked)) for half in halves],
    }
    rows = []
    for way, (one, two) in ways.items():
        found = pearsonr(one, two)
        low, high = found.confidence_interval()
        row = {"folds": way, "genes": one.size, "correlation of gains": found.statistic, "low": low, "high": high}
        rows.append(row)
    table = pd.DataFrame(rows)
    text = table.to_markdown(index=False, floatfmt=".3f")
    sizes = " and ".join(str(len(half.individuals)) for half in halves)
    report = f"# Halves\n\n{__doc__}\nSeed {asked.seed}, halves of {sizes} individuals.\n\n{text}\n"
    Path(__file__).with_suffix(".md").write_text(report)
    print(report)
    rerun = table.set_index("folds").loc["rerun"]
    assert rerun["low"] <= 0 <= rerun["high"]


if __name__ == "__main__":
    main()
