"""Random variant weights as a null of zero-shot models: type I error, and how far shares vary between draws.

Writes `random_weights.md` next to this file. Models are themselves random weights of the same variants (other seeds),
so they know nothing: their p-values per gene, and those of their shares of right directions and mean correlations,
must be uniform. The genes of a cluster lie within one window and share variants, which makes shares vary more than
binomially.
"""

from __future__ import annotations

import argparse
import math
import warnings
from pathlib import Path

import attrs
import pandas as pd

import pgxeval
from pgxeval.evaluation import EvaluationSettings
from pgxeval.simulation import simulate_cohort_in_memory
from pgxeval.study import RandomWeightSettings, random_weights
from pgxeval.study.random_weights import variant_weights

warnings.simplefilter("ignore", pgxeval.PgxevalWarning)
FLANK_BP, MODELS = 60_000, 50


def tables_of(cohort: pgxeval.Cohort, seed: int) -> pd.DataFrame:
    """Return the predictions of models with random weights."""
    people, rows = list(cohort.individuals), []
    for gene in cohort.genes:
        dosages = cohort.genome.dosages(gene.cis_window(FLANK_BP, "tss"), people)
        values = dosages.values - dosages.values.mean(axis=0)
        predictions = (values @ variant_weights(dosages.variants, MODELS, seed)).T
        rows += [
            pd.DataFrame({"predictor": f"m{k}", "gene_id": gene.gene_id, "individual": people, "prediction": one})
            for k, one in enumerate(predictions)
        ]
    return pd.concat(rows, ignore_index=True)


def judged_alone(cohort: pgxeval.Cohort, tables: pd.DataFrame) -> pgxeval.Evaluation:
    """Judge each model by itself, because only the rows per gene are used and comparing every two models is slow."""
    evaluator, settings = pgxeval.Evaluator(cohort), EvaluationSettings(permutations=0)
    alone = [evaluator.evaluate(table, settings=settings) for _, table in tables.groupby("predictor", sort=False)]
    predictors = {name: one for part in alone for name, one in part.settings["predictors"].items()}
    return attrs.evolve(
        alone[0],
        per_gene=pd.concat([part.per_gene for part in alone], ignore_index=True),
        settings={**alone[0].settings, "predictors": predictors},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genes", type=int, default=60)
    parser.add_argument("--cohorts", type=int, default=10)
    parser.add_argument("--seed", type=int, default=91)
    settings = parser.parse_args()
    rows = []
    for n, spacing in ((90, 30_000), (90, 500_000), (300, 30_000)):
        genes, shares = [], []
        for number in range(settings.cohorts):
            kinds = {"additive": settings.genes // 2, "null": settings.genes - settings.genes // 2}
            cohort, _ = simulate_cohort_in_memory(
                individuals=n, kinds=kinds, window_bp=25_000, spacing_bp=spacing, seed=settings.seed + number
            )
            evaluation = judged_alone(cohort, tables_of(cohort, settings.seed + 1000 + number))
            weights = RandomWeightSettings(flank_bp=FLANK_BP, draws=199, seed=number)
            found = random_weights(cohort, evaluation, settings=weights)
            genes.append(found.per_gene)
            shares.append(found.summary)
        per_gene, summary = pd.concat(genes), pd.concat(shares)
        binomial = math.sqrt(0.25 / settings.genes)
        rows.append(
            {
                "n": n,
                "gene every": f"{spacing // 1000} kb",
                "p-values": len(per_gene),
                "p <= 0.05": (per_gene["p_value"] <= 0.05).mean(),
                "p <= 0.5": (per_gene["p_value"] <= 0.5).mean(),
                "shares": len(summary),
                "share: p <= 0.05": (summary["share_p"] <= 0.05).mean(),
                "its error": math.sqrt(0.0475 / len(summary)),
                "mean: p <= 0.05": (summary["mean_p"] <= 0.05).mean(),
                "sd of the null share over binomial": (summary["null_share_sd"] / binomial).mean(),
            }
        )
    lines = [
        "# Random variant weights",
        "",
        (__doc__ or "").strip(),
        "",
        f"Seed {settings.seed}, {settings.cohorts} cohorts of {settings.genes} genes, {MODELS} models each, 199 draws.",
        "",
        pd.DataFrame(rows).round(3).to_markdown(index=False),
    ]
    Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines[6:]))


if __name__ == "__main__":
    main()
