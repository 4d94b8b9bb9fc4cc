"""Does the cheap alternative hold? Prequential p-values on 500 null genes, n = 90 and n = 300, no replicates.

Writes `prequential.md` beside this file.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import pgxeval
from pgxeval.simulation.simulate import simulate_cohort_in_memory

warnings.simplefilter("ignore", pgxeval.PgxevalWarning)


def study(n: int, genes: int, seed: int, store: Path | None, workers: int | None) -> list[dict[str, object]]:
    cohort, _ = simulate_cohort_in_memory(individuals=n, kinds={"null": genes}, seed=seed)
    predictors = [pgxeval.ElasticNetPredictor(), pgxeval.RandomForestPredictor()]
    predictions = pgxeval.predict_cohort(
        cohort, predictors, method="prequential", seed=seed, store=store, workers=workers
    )
    evaluation = pgxeval.Evaluator(cohort).evaluate(predictions, settings=pgxeval.EvaluationSettings(seed=seed))
    rows = []
    for name in predictions.predictors:
        p = evaluation.per_gene.query("predictor == @name")["p_value"].dropna()
        summary = evaluation.summary.query("predictor == @name and stratum == 'all'").iloc[0]
        rows.append(
            {
                "n": n,
                "predictor": name,
                "defined": len(p),
                "share right": summary["share_right"],
                "type I at 5 %": np.mean(p < 0.05),
                "type I at 1 %": np.mean(p < 0.01),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genes", type=int, default=500)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--workers", type=int)
    asked = parser.parse_args()
    rows = [row for n in (90, 300) for row in study(n, asked.genes, asked.seed, asked.store, asked.workers)]
    table = pd.DataFrame(rows)
    text = table.to_markdown(index=False, floatfmt=".3f")
    report = f"# Prequential p-values\n\n{__doc__}\nSeed {asked.seed}, 5 folds.\n\n{text}\n"
    Path(__file__).with_suffix(".md").write_text(report)
    print(report)
    assert table["type I at 5 %"].between(0.02, 0.07).all()


if __name__ == "__main__":
    main()
