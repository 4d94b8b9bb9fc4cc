"""Is planted truth found? Additive genes (1, 3 and 10 causal variants), overdominant, recessive and epistatic ones.

Writes `planted_truth.md` next to this file. Heritability 20 %, 300 individuals. Each study has 24 additive genes and
6 to 8 of each other kind, and four permuted replicates; studies are kept in the folder, so that a run can be
continued. The oracle knows the causal variants: least squares on their dosages, on the same folds. Its correlation is
computed within folds by the function that the library uses for predictors.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest

import pgxeval
from pgxeval.cohort.cohort import Cohort
from pgxeval.evaluation.correlation import RankedExpression
from pgxeval.seeding import assign_folds
from pgxeval.simulation.simulate import simulate_cohort_in_memory

warnings.simplefilter("ignore", pgxeval.PgxevalWarning)


KINDS = {"additive": 24, "overdominant": 8, "recessive": 6, "epistatic": 6}
REPLICATES = 4


def oracle(cohort: Cohort, truth: pd.DataFrame, folds: int, seed: int) -> np.ndarray:
    """Return the correlations of least squares on the planted causal variants, cross-fitted on the same folds."""
    fold = assign_folds(cohort.individuals, folds, seed)
    predicted = np.zeros((len(truth), len(cohort.individuals)))
    for row, (gene_id, causal) in enumerate(zip(truth.index, truth["causal_variants"], strict=True)):
        dosages = cohort.genome.dosages(cohort.gene(gene_id).cis_window(), cohort.individuals)
        variants = dosages.variants
        keys = list(zip(variants["position"].astype(str), variants["ref"], variants["alt"], strict=True))
        chosen = [keys.index(tuple(variant.split(":")[1:])) for variant in causal.split(",")]
        x, y = dosages.values[:, chosen].astype(float), cohort.expression_of(gene_id).to_numpy()
        for k in np.unique(fold):
            train, test = fold != k, fold == k
            design = np.column_stack([np.ones(train.sum()), x[train]])
            fitted = np.linalg.lstsq(design, y[train], rcond=None)[0]
            predicted[row, test] = x[test] @ fitted[1:]
    measured = np.array([cohort.expression_of(gene).to_numpy() for gene in truth.index])
    return RankedExpression(measured, threads=1).correlate(predicted, folds=fold.astype(int), tie_noise=True).spearman


def study(n: int, seed: int) -> pd.DataFrame:
    """Return one row per gene."""
    cohort, truth = simulate_cohort_in_memory(individuals=n, kinds=KINDS, heritability=0.2, seed=seed)
    predictors = [pgxeval.ElasticNetPredictor(), pgxeval.RandomForestPredictor()]
    predictions = pgxeval.predict_cohort(
        cohort, predictors, seed=seed, replicates=REPLICATES, workers=1, progress=False
    )
    evaluation = pgxeval.Evaluator(cohort).evaluate(predictions)
    truth = truth.set_index("gene_id")[["kind", "n_causal", "causal_variants"]]
    truth["stratum"] = evaluation.strata.set_index("gene_id")["stratum"]
    for name, part in evaluation.per_gene.set_index("gene_id").groupby("predictor"):
        truth[f"r_{name}"], truth[f"q_{name}"] = part["spearman"], part["q_value"]
    truth["oracle"] = oracle(cohort, truth, 5, seed)
    return truth.drop(columns="causal_variants").assign(seed=seed)


def summarise(genes: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the strata by kind, and elastic net next to the oracle."""
    rows = []
    for kind in KINDS:
        block = genes[genes["kind"] == kind]
        called = int((block["stratum"] == "nonlinear").sum())
        low, high = binomtest(called, len(block)).proportion_ci()
        rows.append(
            {
                "kind": kind,
                "genes": len(block),
                "called nonlinear": called / len(block),
                "low": low,
                "high": high,
                "called linear": (block["stratum"] == "linear").mean(),
                "mean r, elastic net": block["r_elastic_net"].fillna(0).mean(),
                "mean r, random forest": block["r_random_forest"].fillna(0).mean(),
                "q < 0.05, elastic net": (block["q_elastic_net"] < 0.05).mean(),
                "q < 0.05, random forest": (block["q_random_forest"] < 0.05).mean(),
            }
        )
    additive = genes[genes["kind"] == "additive"]
    compared = [
        {
            "causal variants": causal,
            "genes": len(block),
            "oracle": block["oracle"].mean(),
            "elastic net (undefined as 0)": block["r_elastic_net"].fillna(0).mean(),
            "ratio": block["r_elastic_net"].fillna(0).mean() / block["oracle"].mean(),
        }
        for causal, block in [*additive.groupby("n_causal"), ("all", additive)]
    ]
    return pd.DataFrame(rows), pd.DataFrame(compared)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[12, 13, 14, 15])
    parser.add_argument("--minutes", type=float, default=60.0)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    for seed in options.seeds:
        path = options.folder / f"planted_{seed}.csv"
        if not path.exists() and time.monotonic() - start < 60 * options.minutes:
            study(300, seed).to_csv(path)
            print(path.name, round(time.monotonic() - start), flush=True)
    files = sorted(options.folder.glob("planted_*.csv"))
    strata, compared = summarise(pd.concat([pd.read_csv(file) for file in files]))
    report = (
        f"# Planted truth\n\n{__doc__}\n{len(files)} studies, 5 folds, level 0.05.\n\n"
        f"## Strata\n\n{strata.to_markdown(index=False, floatfmt='.3f')}\n\n"
        f"## Elastic net and the oracle\n\n{compared.to_markdown(index=False, floatfmt='.3f')}\n"
    )
    Path(__file__).with_suffix(".md").write_text(report)
    print(report)
    assert compared["ratio"].iloc[-1] >= 0.8
    called = strata.set_index("kind")["called nonlinear"]
    assert called["overdominant"] >= 0.6
    assert called["additive"] <= 0.05


if __name__ == "__main__":
    main()
