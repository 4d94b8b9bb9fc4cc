"""Does the cheap alternative hold? Prequential p-values on null genes, n = 90 and n = 300, no replicates.

Writes `prequential.md` next to this file. Each study has 200 null genes; seeds are independent studies, whose results
are kept in the folder, so that a run can be continued.

Models of early folds are trained on few individuals, so an elastic net often has no coefficient there, and a
correlation rests on the individuals of one or two folds. "Defined" is the share of genes at which at least one model
has coefficients.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import pgxeval
from pgxeval.simulation.simulate import simulate_cohort_in_memory

warnings.simplefilter("ignore", pgxeval.PgxevalWarning)

GENES = 200


def study(n: int, seed: int) -> pd.DataFrame:
    """Return the per_gene table of one study."""
    cohort, _ = simulate_cohort_in_memory(individuals=n, kinds={"null": GENES}, seed=100 + seed)
    predictors = [pgxeval.ElasticNetPredictor(), pgxeval.RandomForestPredictor()]
    predictions = pgxeval.predict_cohort(cohort, predictors, method="prequential", seed=seed, workers=1, progress=False)
    table = pgxeval.Evaluator(cohort).evaluate(predictions).per_gene
    columns = ["predictor", "gene_id", "spearman", "ci_low", "ci_high", "p_value", "p_predicts", "inference"]
    return table[columns].assign(n=n, seed=seed)


def row(n: int, predictor: str, genes: pd.DataFrame) -> dict[str, object]:
    p, given = genes["p_value"].dropna(), genes["ci_low"].notna()
    level = np.mean(p < 0.05)
    return {
        "n": n,
        "predictor": predictor,
        "studies": genes["seed"].nunique(),
        "defined": len(p) / len(genes),
        "genes": len(p),
        "share right": np.mean(genes["spearman"].dropna() > 0),
        "type I at 5 %": level,
        "its error": np.sqrt(level * (1 - level) / len(p)),
        "type I at 1 %": np.mean(p < 0.01),
        "p_predicts at 5 %": np.mean(genes["p_predicts"].dropna() < 0.05),
        "interval covers 0": ((genes["ci_low"] <= 0) & (genes["ci_high"] >= 0))[given].mean(),
        "interval withheld": 1 - given.sum() / len(p),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--studies", type=int, nargs=2, default=[6, 3], help="with 90 and with 300 individuals")
    parser.add_argument("--minutes", type=float, default=60.0)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    for n, studies in zip((90, 300), options.studies, strict=True):
        for seed in range(1, studies + 1):
            path = options.folder / f"prequential_{n}_{seed}.csv"
            if path.exists():
                continue
            if time.monotonic() - start > 60 * options.minutes:
                break
            study(n, seed).to_csv(path, index=False)
            print(path.name, round(time.monotonic() - start), flush=True)
    genes = pd.concat([pd.read_csv(file) for file in sorted(options.folder.glob("prequential_*.csv"))])
    table = pd.DataFrame([row(n, name, part) for (n, name), part in genes.groupby(["n", "predictor"])])
    text = table.to_markdown(index=False, floatfmt=".3f")
    report = f"# Prequential p-values\n\n{__doc__}\n5 folds.\n\n{text}\n"
    Path(__file__).with_suffix(".md").write_text(report)
    print(report)
    assert ((table["type I at 5 %"] - 0.05).abs() < 0.01 + 2 * table["its error"]).all()


if __name__ == "__main__":
    main()
