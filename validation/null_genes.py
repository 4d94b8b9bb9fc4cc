"""Does noise stay noise? 500 independent null genes with linked variants, n = 90 and n = 300.

Writes `null_genes.md` beside this file. On the same genes it shows that three popular readings fail: the
raw pooled share of positive correlations, the centred share against 50 % (of the elastic net; the forest's
is close to it), and the textbook p-value.

Observed and permuted runs of a null gene have the same distribution by construction, so a 95 % interval of their
difference leaves out 0 in one study of twenty. The studies are therefore judged together: each interval is shown
at 95 %, and all of them must cover 0 at the level that makes this 95 % for the table (Bonferroni).
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest, spearmanr

import pgxeval
from pgxeval.simulation.simulate import simulate_cohort_in_memory

warnings.simplefilter("ignore", pgxeval.PgxevalWarning)

SEEDS, SIZES = (11, 14), (90, 300)
STUDIES = len(SEEDS) * len(SIZES) * 2


def textbook(predictions: pd.DataFrame, expression: pd.DataFrame, *, centred: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return r and p of `scipy.stats.spearmanr` for each gene of one predictor, pooled over folds."""
    values = predictions["prediction"] - (predictions["training_mean"] if centred else 0)
    table = (
        values.groupby([predictions["gene_id"].astype(str), predictions["individual"].astype(str)]).first().unstack()
    )
    table = table.loc[expression.index, expression.columns]
    spread = np.ptp(table.to_numpy(), axis=1) > 1e-12
    answers = [spearmanr(table.loc[gene], expression.loc[gene]) for gene in table.index[spread]]
    return np.array([a.statistic for a in answers]), np.array([a.pvalue for a in answers])


def study(n: int, genes: int, seed: int, store: Path | None, workers: int | None) -> list[dict[str, object]]:
    """Run the whole procedure on null genes and tabulate, one row a predictor."""
    cohort, _ = simulate_cohort_in_memory(individuals=n, kinds={"null": genes}, seed=seed)
    predictors = [pgxeval.ElasticNetPredictor(), pgxeval.RandomForestPredictor()]
    predictions = pgxeval.predict_cohort(cohort, predictors, seed=seed, store=store, workers=workers)
    evaluator = pgxeval.Evaluator(cohort)
    evaluation = evaluator.evaluate(predictions, settings=pgxeval.EvaluationSettings(seed=seed))
    together = evaluator.evaluate(
        predictions, settings=pgxeval.EvaluationSettings(seed=seed, confidence=1 - 0.05 / STUDIES)
    ).summary
    expression = pd.DataFrame(cohort.expression, index=list(cohort.gene_ids), columns=list(cohort.individuals))
    rows = []
    for name in predictions.predictors:
        observed = predictions.table.query("predictor == @name and replicate == 0")
        raw, _ = textbook(observed, expression, centred=False)
        centred, p_textbook = textbook(observed, expression, centred=True)
        summary = evaluation.summary.query("predictor == @name and stratum == 'all'").iloc[0]
        wide = together.query("predictor == @name and stratum == 'all'").iloc[0]
        p = evaluation.per_gene.query("predictor == @name")["p_value"].dropna()
        rows.append(
            {
                "seed": seed,
                "n": n,
                "predictor": name,
                "genes": genes,
                "defined": int(summary["defined"]),
                "raw pooled share": np.mean(raw > 0),
                "centred share": summary["share_right"],
                "p against 50 %": binomtest(int((centred > 0).sum()), centred.size).pvalue,
                "permuted reference": summary["reference_share"],
                "difference": summary["difference"],
                "low": summary["difference_low"],
                "high": summary["difference_high"],
                "covers 0 at 95 %": bool(summary["difference_low"] <= 0 <= summary["difference_high"]),
                "covers 0, all rows together": bool(wide["difference_low"] <= 0 <= wide["difference_high"]),
                "textbook type I at 5 %": np.mean(p_textbook < 0.05),
                "type I at 5 %": np.mean(p < 0.05),
                "type I at 1 %": np.mean(p < 0.01),
                "genes with q < 0.05": int((evaluation.per_gene.query("predictor == @name")["q_value"] < 0.05).sum()),
            }
        )
    nonlinear = int((evaluation.strata["stratum"] == "nonlinear").sum())
    for row in rows:
        row["called nonlinear"] = nonlinear
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genes", type=int, default=500)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--workers", type=int)
    asked = parser.parse_args()
    rows = [row for seed in SEEDS for n in SIZES for row in study(n, asked.genes, seed, asked.store, asked.workers)]
    table = pd.DataFrame(rows)
    shown = table.astype({"covers 0 at 95 %": str, "covers 0, all rows together": str}).T
    shown = shown.map(lambda value: f"{value:.3f}" if isinstance(value, float) else value)
    text = shown.to_markdown(headers=["", *range(1, len(table) + 1)], disable_numparse=True)
    report = f"# Null genes\n\n{__doc__}\nReplicates by default (2), 5 folds.\n\n{text}\n"
    Path(__file__).with_suffix(".md").write_text(report)
    print(report)
    assert table["covers 0, all rows together"].all()
    assert table["type I at 5 %"].between(0.03, 0.07).all()


if __name__ == "__main__":
    main()
