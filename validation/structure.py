"""Does population structure stay out of the results? Null genes in two populations, with and without components.

Writes `structure.md` next to this file. Individuals come from two populations (Fst 0.1) that differ by half a
standard deviation in the expression of every gene. No variant has an effect. Two zero-shot predictors are judged: one
with random weights of the gene's variants, and one whose weights follow the difference of allele frequency, as a
model does that has learned ancestry. A ridge regression is cross-fitted with permuted replicates.

Three analyses of the same data: without covariates, with two principal components of the cohort's own genotypes
(`genotype_pcs=2`), and with the population label, which no real study knows exactly. A sound analysis has a type I
error of 0.05, and its share of right directions is 0.5 (zero-shot) or the permuted reference (ridge, in
three of the studies with up to 300 individuals).
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from relatives import Ridge

import pgxeval
from pgxeval.cohort import Expression
from pgxeval.simulation.families import draw_haplotypes, genome_of, names

warnings.simplefilter("ignore", pgxeval.PgxevalWarning)

VARIANTS = 2_400
FST, SHIFT = 0.1, 0.5


def zero_shot(genome: pgxeval.PersonalGenome, genes: list[pgxeval.Gene], seed: int) -> pd.DataFrame:
    """Return predictions of a model with random weights and of one whose weights follow ancestry."""
    rng = np.random.default_rng([seed, 1])
    individuals = genome.individuals
    population = np.arange(len(individuals)) % 2
    rows = []
    for gene in genes:
        window = pgxeval.Interval(gene.contig, gene.start - 10_000, gene.start + 10_000)
        dosages = genome.dosages(window).values.astype(float)
        weights = rng.normal(size=dosages.shape[1])
        difference = dosages[population == 1].mean(axis=0) - dosages[population == 0].mean(axis=0)
        for name, effects in (("random", weights), ("ancestry", np.abs(weights) * np.sign(difference))):
            rows.append(
                pd.DataFrame(
                    {
                        "predictor": name,
                        "gene_id": gene.gene_id,
                        "individual": individuals,
                        "prediction": dosages @ effects,
                    }
                )
            )
    return pd.concat(rows)


def study(n: int, seed: int, *, trained: bool) -> list[dict[str, object]]:
    """Run the three analyses of one simulated study."""
    rng = np.random.default_rng([seed, n])
    genome, genes = genome_of(draw_haplotypes(n, VARIANTS, rng, fst=FST))
    population = np.arange(n) % 2
    values = rng.normal(size=(len(genes), n)) + SHIFT * population
    expression = Expression(values=values, genes=genes, individuals=names(n))
    label = pd.DataFrame({"population": population.astype(float)}, index=names(n))
    predictions = zero_shot(genome, genes, seed)
    rows = []
    for analysis, arguments in (
        ("none", {}),
        ("genotype_pcs=2", {"genotype_pcs": 2}),
        ("population label", {"covariates": label}),
    ):
        cohort = pgxeval.Cohort.from_parts(genome=genome, expression=expression, **arguments)
        structure = cohort.structure()
        assert structure is not None
        found = pgxeval.Evaluator(cohort).evaluate(predictions, settings=pgxeval.EvaluationSettings(seed=seed))
        row: dict[str, object] = {
            "n": n,
            "covariates": analysis,
            "components without adjustment": len(structure.unadjusted),
            "random": found.per_gene.query("predictor == 'random'")["p_value"].to_numpy() < 0.05,
            "ancestry": found.per_gene.query("predictor == 'ancestry'")["p_value"].to_numpy() < 0.05,
            "right": found.per_gene.query("predictor == 'ancestry'")["direction"].to_numpy() > 0,
        }
        if trained and analysis != "population label":
            fitted = pgxeval.predict_cohort(cohort, [Ridge()], seed=seed, replicates=4, workers=1, progress=False)
            judged = pgxeval.Evaluator(cohort).evaluate(fitted, settings=pgxeval.EvaluationSettings(seed=seed))
            summary = judged.summary.query("stratum == 'all'").iloc[0]
            row |= {"share": summary["share_right"], "reference": summary["reference_share"]}
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--sizes", type=int, nargs="+", default=[90, 300, 953])
    parser.add_argument("--trained-up-to", type=int, default=300, help="largest n at which ridge is fitted")
    arguments = parser.parse_args()
    rows = [
        row
        for n in arguments.sizes
        for seed in range(arguments.seeds)
        for row in study(n, seed, trained=n <= arguments.trained_up_to and seed < 3)
    ]
    table = pd.DataFrame(rows)
    shown = []
    for (n, analysis), part in table.groupby(["n", "covariates"], sort=False):
        rejected = np.concatenate(part["random"].tolist())
        followed = np.concatenate(part["ancestry"].tolist())
        right = np.concatenate(part["right"].tolist())
        shown.append(
            {
                "n": n,
                "covariates": analysis,
                "genes": len(rejected),
                "components not adjusted for": part["components without adjustment"].mean(),
                "type I error, random weights": rejected.mean(),
                "type I error, follows ancestry": followed.mean(),
                "share right, follows ancestry": right.mean(),
                "share right, ridge": part["share"].mean() if "share" in part else float("nan"),
                "its permuted reference": part["reference"].mean() if "reference" in part else float("nan"),
            }
        )
    result = pd.DataFrame(shown)
    text = result.dropna(axis=1, how="all").to_markdown(index=False, floatfmt=".3f")
    report = f"# Population structure\n\n{__doc__}\n{text}\n"
    Path(__file__).with_suffix(".md").write_text(report)
    print(report)
    tolerance = 3 * np.sqrt(0.05 * 0.95 / result["genes"].min())
    plain, adjusted = result[result["covariates"] == "none"], result[result["covariates"] != "none"]
    for column in ("type I error, random weights", "type I error, follows ancestry"):
        assert (abs(adjusted[column] - 0.05) < tolerance).all(), column
    assert (plain["type I error, follows ancestry"] > 0.15).all()


if __name__ == "__main__":
    main()
