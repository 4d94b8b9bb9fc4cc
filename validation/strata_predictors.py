"""Bias of third predictors in strata that elastic net and random forest define on the same individuals.

Writes `strata_predictors.md` next to this file. Genes are additive (45 %, heritability 10 %), overdominant (20 %),
recessive (10 %) or epistatic (10 %; heritability 20 % each), or have no effect (15 %). Elastic net and random forest
are cross-fitted in 300 individuals with permuted replicates and define the strata, as in any evaluation. Third
predictors are zero-shot. Those "with signal" know the planted effects, mixed with as much variance of other variants;
those "without signal" are weighted sums of random variants of the window. Of each kind there are eight with other
variants, and the mean over the eight is taken per gene. The bias in a stratum is the mean Spearman correlation there
less the mean in 1,000 new individuals, over the same genes. An unbiased analysis has 0.

"Same individuals": strata and results from the 300 individuals. "Split halves": strata from one half
(`Cohort.halves`), with the cross-fitting inside it, results from the other half, and the halves exchanged. "Top 20 %":
the fifth of the genes with the largest gain of the forest over the elastic net. Standard errors are over genes.

    python validation/strata_predictors.py collect FOLDER --seeds 1 2 3 --minutes 5
    python validation/strata_predictors.py summarise FOLDER
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

INDIVIDUALS, NEW, REPLICATES, PREDICTORS = 300, 1000, 3, 8
SHARES = {"additive": 0.45, "overdominant": 0.2, "recessive": 0.1, "epistatic": 0.1, "null": 0.15}
HERITABILITY = {"additive": 0.1, "overdominant": 0.2, "recessive": 0.2, "epistatic": 0.2, "null": 0.0}
STRATA = ("linear", "nonlinear", "unpredictable")


def genetic_value(effects: str, dosages: np.ndarray) -> np.ndarray:
    """Return the genetic value from the terms of the truth table and the dosages of v1, v2 ..."""
    value = np.zeros(len(dosages))
    for term, coefficient in (one.split("=") for one in effects.split(",") if one):
        columns = [dosages[:, int(name.strip("hetomalrf_()")[1:]) - 1] for name in term.split("*") if "v" in name]
        if term == "constant":
            column = np.ones(len(dosages))
        elif term.startswith("het("):
            column = (columns[0] == 1).astype(float)
        elif term.startswith("hom_alt("):
            column = (columns[0] == 2).astype(float)
        elif term.startswith("hom_ref("):
            column = (columns[0] == 0).astype(float)
        else:
            column = np.prod(columns, axis=0)
        value += float(coefficient) * column
    return value


def third_predictors(cohort: pgxeval.Cohort, truth: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return predictions that know the effects, plus the same variance of random variants, and random ones alone."""
    random = np.random.default_rng([seed, 3])
    rows = []
    for record in truth.itertuples():
        gene = cohort.gene(record.gene_id)
        dosages = cohort.genome.dosages(gene.cis_window(), cohort.individuals)
        values = dosages.values.astype(float)
        variants = dosages.variants
        keys = list(zip(variants["position"].astype(str), variants["ref"], variants["alt"], strict=True))
        causal = [keys.index(tuple(name.split(":")[1:])) for name in record.causal_variants.split(",") if name]
        known = genetic_value(record.effects, values[:, causal]) if causal else np.zeros(len(values))
        common = values[:, values.std(axis=0) > 0.2]
        for number in range(PREDICTORS):
            other = common @ random.normal(size=common.shape[1])
            other = (other - other.mean()) / other.std()
            kinds = {"with signal": known + (known.std() if known.std() > 0 else 1.0) * other, "without signal": other}
            for kind, prediction in kinds.items():
                rows.append(
                    pd.DataFrame(
                        {
                            "predictor": f"{kind} {number}",
                            "gene_id": record.gene_id,
                            "individual": cohort.individuals,
                            "prediction": prediction,
                        }
                    )
                )
    return pd.concat(rows, ignore_index=True)


def strata_and_gain(cohort: pgxeval.Cohort, seed: int) -> pd.DataFrame:
    predictors = [pgxeval.ElasticNetPredictor(), pgxeval.RandomForestPredictor()]
    predictions = pgxeval.predict_cohort(
        cohort, predictors, seed=seed, replicates=REPLICATES, workers=1, progress=False
    )
    return pgxeval.Evaluator(cohort).evaluate(predictions).strata.set_index("gene_id")


def correlations(cohort: pgxeval.Cohort, predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the mean correlation of the predictors of each kind: genes in rows, kinds in columns."""
    part = predictions[predictions["individual"].isin(cohort.individuals)]
    settings = pgxeval.EvaluationSettings(permutations=0)
    genes = pgxeval.Evaluator(cohort).evaluate(part, settings=settings).per_gene
    kind = genes["predictor"].astype(str).str.rsplit(" ", n=1).str[0]
    return genes.assign(kind=kind).pivot_table(index="gene_id", columns="kind", values="spearman", observed=True)


def study(seed: int, genes: int) -> pd.DataFrame:
    """Return one row per design and gene."""
    kinds = {kind: round(share * genes) for kind, share in SHARES.items()}
    everyone, truth = simulate_cohort_in_memory(
        individuals=INDIVIDUALS + NEW, kinds=kinds, heritability=HERITABILITY, window_bp=20_000, seed=seed
    )
    predictions = third_predictors(everyone, truth, seed)
    names = sorted(everyone.individuals)
    cohort = everyone.subset(individuals=names[:INDIVIDUALS])
    expected = correlations(everyone.subset(individuals=names[INDIVIDUALS:]), predictions)
    one, two = cohort.halves(seed)
    rows = []
    for design, defining, judging in (
        ("same individuals", cohort, cohort),
        ("split halves", one, two),
        ("split halves", two, one),
    ):
        strata = strata_and_gain(defining, seed)
        found = correlations(judging, predictions)
        part = pd.DataFrame({"stratum": strata["stratum"], "gain": strata["gain"]}).join(found - expected)
        part["top"] = part["gain"].rank(ascending=False) <= 0.2 * len(part)
        rows.append(part.assign(design=design, kind=truth.set_index("gene_id")["kind"], seed=seed))
    return pd.concat(rows).reset_index()


def summarise(folder: Path) -> None:
    files = sorted(folder.glob("strata_*.csv"))
    genes = pd.concat([pd.read_csv(file, keep_default_na=False, na_values=[""]) for file in files])
    rows = []
    for design, part in genes.groupby("design", sort=False):
        for name in (*STRATA, "top 20 % by gain", "all"):
            chosen = part if name == "all" else part[part["top"] if name.startswith("top") else part["stratum"] == name]
            row: dict[str, object] = {"strata and results": design, "stratum": name, "genes": len(chosen)}
            for kind in ("with signal", "without signal"):
                bias = chosen[kind].dropna()
                row[f"bias {kind}"] = f"{bias.mean():+.4f}"
                row[f"error, {kind}"] = f"{bias.std() / np.sqrt(len(bias)):.4f}"
            rows.append(row)
    found = genes[genes["design"] == "same individuals"]
    called = pd.crosstab(found["kind"], found["stratum"], normalize="index").round(3).reset_index()
    counts = found.groupby("kind").size()
    called.insert(1, "genes", called["kind"].map(counts))
    table = pd.DataFrame(rows)
    text = (
        f"# Bias of third predictors in strata\n\n{(__doc__ or '').strip()}\n\n{len(files)} studies, "
        f"{genes['seed'].nunique()} seeds, {REPLICATES} replicates.\n\n"
        f"{table.to_markdown(index=False, disable_numparse=True)}\n\n## Strata of the genes, all 300 individuals\n\n"
        f"{called.to_markdown(index=False)}\n"
    )
    Path(__file__).with_suffix(".md").write_text(text)
    print(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["collect", "summarise"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(1, 11)))
    parser.add_argument("--genes", type=int, default=60)
    parser.add_argument("--minutes", type=float, default=5.0)
    options = parser.parse_args()
    if options.step == "summarise":
        summarise(options.folder)
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    for seed in options.seeds:
        path = options.folder / f"strata_{seed}.csv"
        if not path.exists():
            if time.monotonic() - start > 60 * options.minutes:
                return
            study(seed, options.genes).to_csv(path, index=False)
            print(path.name, round(time.monotonic() - start), flush=True)


if __name__ == "__main__":
    main()
