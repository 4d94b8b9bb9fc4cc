"""Strata from the other half of the individuals: bias of a third predictor, and coverage of the averaged limits.

Writes `split_halves.md` next to this file. Each study simulates 24 genes in 1,360 individuals: a third additive in one
variant, a third overdominant in one variant (the planted nonlinear stratum), a third without effect. The first 160 are
the cohort. A zero-shot predictor is the common variant, as dosage or as indicator of heterozygotes, that fits best in
600 others, and its true correlation of each gene is its Spearman correlation in the last 600. The elastic net and the
random forest (30 trees) define the strata, with cross-fitting. Bias is the mean correlation of the zero-shot predictor
in a stratum less its true mean over the same genes: in `pgxeval.study.split_strata`, averaged over halves, and in
strata that all 160 individuals define. Coverage is that of the averaged limits, for the average of the true means.
The second table shows how often each kind of gene is in each stratum, over halves.

    python validation/split_halves.py collect FOLDER --minutes 6
    python validation/split_halves.py summarise FOLDER
"""

from __future__ import annotations

import argparse
import json
import math
import time
import warnings
from pathlib import Path

import attrs
import numpy as np
import pandas as pd
from scipy import stats

import pgxeval
from pgxeval.evaluation import EvaluationSettings
from pgxeval.predictors import CisVariants, ElasticNetPredictor, Prediction, RandomForestPredictor
from pgxeval.simulation import simulate_cohort_in_memory
from pgxeval.study import SplitSettings, split_strata

warnings.simplefilter("ignore", pgxeval.PgxevalWarning)
COHORT, OTHERS, FLANK_BP, SPLITS = 160, 600, 10_000, 1
KINDS = {"additive": 8, "overdominant": 8, "null": 8}
VARIANTS = CisVariants(flank_bp=FLANK_BP, around="tss")
SETTINGS = EvaluationSettings(permutations=20, level=0.1)


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
        dosages = dosages[:, np.minimum(frequency, 1 - frequency) > 0.05]
        dosages = np.hstack([dosages, dosages == 1])
        y = cohort.expression[row]
        centred = dosages[fit] - dosages[fit].mean(axis=0)
        r = centred.T @ (y[fit] - y[fit].mean()) / np.sqrt((centred**2).sum(axis=0))
        best = int(np.abs(r).argmax())
        prediction = np.sign(r[best]) * dosages[:, best]
        values[gene.gene_id] = pd.Series(prediction, index=list(cohort.individuals))
        truth[gene.gene_id] = float(stats.spearmanr(prediction[test], y[test]).statistic)
    return Known(values), truth


def study(seed: int) -> dict[str, list[dict[str, object]]]:
    """Return the results of one study, and the strata of each kind of gene."""
    whole, planted = simulate_cohort_in_memory(
        individuals=COHORT + 2 * OTHERS,
        kinds=KINDS,
        additive_causal=(1,),
        heritability=0.4,
        window_bp=2 * FLANK_BP,
        seed=seed,
    )
    shot, truth = known_of(whole)
    cohort = whole.subset(individuals=whole.individuals[:COHORT])
    predictors = [
        ElasticNetPredictor(cis_variants=VARIANTS, inner_folds=3),
        RandomForestPredictor(cis_variants=VARIANTS, n_estimators=30),
        shot,
    ]
    split = SplitSettings(splits=SPLITS, folds=3, replicates=3)
    found = split_strata(cohort, predictors, split=split, settings=SETTINGS, workers=1)
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
    kinds = planted.set_index("gene_id")["kind"]
    called = found.strata.assign(kind=found.strata["gene_id"].astype(str).map(kinds))
    return {"rows": rows, "called": called[["kind", "stratum"]].to_dict("records")}


def compared(row: dict[str, float], truth: float) -> dict[str, object]:
    """Compare a row of a summary with the true mean."""
    known = not math.isnan(row["mean_low"])
    return {
        "genes": row["n_genes"],
        "bias": row["mean_correlation"] - truth,
        "covers": float(row["mean_low"] <= truth <= row["mean_high"]) if known else math.nan,
    }


def summarise(folder: Path) -> None:
    records = [json.loads(path.read_text()) for path in sorted(folder.glob("study_*.json"))]
    grouped = pd.DataFrame([row for one in records for row in one["rows"]]).groupby(["design", "stratum"], sort=False)
    table = pd.DataFrame(
        {
            "studies with such genes": grouped.size(),
            "mean number of genes": grouped["genes"].mean().round(1),
            "bias": grouped["bias"].mean().round(4),
            "error": (grouped["bias"].std() / np.sqrt(grouped.size())).round(4),
            "limits given": grouped["covers"].count(),
            "coverage": grouped["covers"].mean().round(3),
        }
    ).reset_index()
    called = pd.DataFrame([row for one in records for row in one["called"]])
    shares = pd.crosstab(called["kind"], called["stratum"], normalize="index").round(3).reset_index()
    lines = [
        "# Strata from the other half",
        "",
        (__doc__ or "").partition("\n\n")[2].strip(),
        "",
        f"{len(records)} studies, {SPLITS} division. Error of a coverage of 95 %: "
        f"{math.sqrt(0.0475 / len(records)):.3f}.",
        "",
        table.to_markdown(index=False),
        "",
        "## Strata of each kind of gene",
        "",
        shares.to_markdown(index=False),
    ]
    Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines[4:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["collect", "summarise"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--studies", type=int, default=60)
    parser.add_argument("--minutes", type=float, default=6.0)
    options = parser.parse_args()
    if options.step == "summarise":
        summarise(options.folder)
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    for seed in range(101, 101 + options.studies):
        path = options.folder / f"study_{seed}.json"
        if not path.exists():
            if time.monotonic() - start > 60 * options.minutes:
                return
            path.write_text(json.dumps(study(seed)))


if __name__ == "__main__":
    main()
