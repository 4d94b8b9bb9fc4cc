"""Strata from the other half of the individuals: bias of a third predictor, and coverage of the averaged limits.

Writes `split_halves.md` next to this file. Each study simulates genes with one causal variant or none in 1,300
individuals. The first 100 are the cohort. A zero-shot predictor is the dosage of the common variant that fits best in
600 others, and its true correlation of each gene is its Spearman correlation in the last 600. BLUP and the top
variant define the strata (as the linear and the other predictor), with cross-fitting. Bias is the mean correlation of
the zero-shot predictor in a stratum less its true mean over the same genes: in `pgxeval.study.split_strata`, averaged
over halves, and in strata that all 100 individuals define. Coverage is that of the averaged limits, for the average
of the true means.
"""

from __future__ import annotations

import argparse
import math
import warnings
from pathlib import Path

import attrs
import numpy as np
import pandas as pd
from scipy import stats

import pgxeval
from pgxeval.evaluation import EvaluationSettings
from pgxeval.predictors import Prediction
from pgxeval.predictors.trained import BlupPredictor, TopVariantPredictor
from pgxeval.simulation import simulate_cohort_in_memory
from pgxeval.study import SplitSettings, split_strata

warnings.simplefilter("ignore", pgxeval.PgxevalWarning)
COHORT, OTHERS, FLANK_BP = 100, 600, 20_000
SETTINGS = EvaluationSettings(elastic_net="blup", random_forest="top_variant", permutations=20)


@attrs.frozen(eq=False)
class Known:
    """A zero-shot predictor with fixed values."""

    values: dict[str, pd.Series]
    name: str = "shot"
    settings: tuple[()] = ()

    def predict(self, gene, genome, individuals) -> Prediction:
        """Return the values of these individuals."""
        return Prediction.of(self.values[gene.gene_id].loc[list(individuals)].to_numpy(), individuals)


def known_of(cohort: pgxeval.Cohort) -> tuple[Known, dict[str, float]]:
    """Return the zero-shot predictor and its true correlation of each gene."""
    fit, test = slice(COHORT, COHORT + OTHERS), slice(COHORT + OTHERS, None)
    values, truth = {}, {}
    for row, gene in enumerate(cohort.genes):
        dosages = cohort.genome.dosages(gene.cis_window(FLANK_BP), list(cohort.individuals)).values.astype(float)
        frequency = dosages.mean(axis=0) / 2
        dosages = dosages[:, np.minimum(frequency, 1 - frequency) > 0.1]
        y = cohort.expression[row]
        centred = dosages[fit] - dosages[fit].mean(axis=0)
        r = centred.T @ (y[fit] - y[fit].mean()) / np.sqrt((centred**2).sum(axis=0))
        best = int(np.abs(r).argmax())
        prediction = np.sign(r[best]) * dosages[:, best]
        values[gene.gene_id] = pd.Series(prediction, index=list(cohort.individuals))
        truth[gene.gene_id] = float(stats.spearmanr(prediction[test], y[test]).statistic)
    return Known(values), truth


def study(seed: int, genes: int, splits: int) -> list[dict[str, object]]:
    """Return the results of one study."""
    whole, _ = simulate_cohort_in_memory(
        individuals=COHORT + 2 * OTHERS,
        kinds={"additive": genes // 2, "null": genes - genes // 2},
        additive_causal=(1,),
        heritability=0.3,
        window_bp=FLANK_BP,
        seed=seed,
    )
    shot, truth = known_of(whole)
    cohort = whole.subset(individuals=whole.individuals[:COHORT])
    predictors = [BlupPredictor(), TopVariantPredictor(), shot]
    found = split_strata(
        cohort, predictors, split=SplitSettings(splits=splits, folds=3, replicates=3), settings=SETTINGS, workers=1
    )
    one = pgxeval.predict_cohort(cohort, predictors, folds=3, replicates=3, workers=1, progress=False)
    naive = pgxeval.Evaluator(cohort).evaluate(one, settings=SETTINGS)
    rows: list[dict[str, object]] = []
    true = found.strata.assign(truth=found.strata["gene_id"].astype(str).map(truth))
    for name in ("linear", "nonlinear", "unpredictable"):
        halves = true[true["stratum"] == name].groupby(["division", "half"])["truth"].mean()
        averages = found.summary.query("predictor == 'shot' and stratum == @name").to_dict("records")
        rows += [{"design": "split halves", "stratum": name, **compared(row, float(halves.mean()))} for row in averages]
        members = naive.strata.loc[naive.strata["stratum"] == name, "gene_id"].astype(str)
        for row in naive.summary.query("predictor == 'shot' and stratum == @name and n_genes > 0").to_dict("records"):
            mean = float(np.mean([truth[gene] for gene in members]))
            rows.append({"design": "same individuals", "stratum": name, **compared(row, mean)})
    return rows


def compared(row: dict[str, float], truth: float) -> dict[str, object]:
    """Compare a row of a summary with the true mean."""
    known = not math.isnan(row["mean_low"])
    return {
        "genes": row["n_genes"],
        "bias": row["mean_correlation"] - truth,
        "covers": float(row["mean_low"] <= truth <= row["mean_high"]) if known else math.nan,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=12)
    parser.add_argument("--genes", type=int, default=40)
    parser.add_argument("--splits", type=int, default=2)
    parser.add_argument("--seed", type=int, default=101)
    settings = parser.parse_args()
    rows = [
        row
        for number in range(settings.studies)
        for row in study(settings.seed + number, settings.genes, settings.splits)
    ]
    grouped = pd.DataFrame(rows).groupby(["design", "stratum"], sort=False)
    table = pd.DataFrame(
        {
            "studies": grouped.size(),
            "mean number of genes": grouped["genes"].mean().round(1),
            "bias": grouped["bias"].mean().round(4),
            "error": (grouped["bias"].std() / np.sqrt(grouped.size())).round(4),
            "coverage": grouped["covers"].mean().round(3),
        }
    ).reset_index()
    lines = [
        "# Strata from the other half",
        "",
        (__doc__ or "").strip(),
        "",
        f"Seeds {settings.seed} to {settings.seed + settings.studies - 1}, {settings.genes} genes, {settings.splits} "
        f"divisions. Error of a coverage of 95 %: {math.sqrt(0.0475 / settings.studies):.3f}.",
        "",
        table.to_markdown(index=False),
    ]
    Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines[6:]))


if __name__ == "__main__":
    main()
