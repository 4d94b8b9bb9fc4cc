"""Do relatives leak? Null genes in families and repeated samples, with four ways to treat relatives.

Writes `relatives.md` next to this file. No variant has an effect, but the expression of relatives is correlated, as it
is through variants elsewhere in the genome and a shared environment: 0.8 between two samples of one donor, and half of
the variance times the relationship in families. A ridge regression, the elastic net and the random forest (50 trees)
are cross-fitted on the observed expression and on one permutation of it. Families are in one fold, or individuals are
assigned to folds on their own; the permutation exchanges whole families, or individuals. `groups=` does both. The
permuted genes of all studies of a design are the reference of each way. Standard errors are in parentheses.

With individuals in folds on their own, the models recognise a relative in the training folds by the genotype, and a
permutation of individuals does not show it, because it separates relatives. A sound analysis has a share of right
directions at its permuted reference and a type I error of 0.05.

    python validation/relatives.py collect FOLDER --predictors trained --seeds 0 1 2 --minutes 5
    python validation/relatives.py summarise FOLDER
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

import pgxeval
from pgxeval.cohort import Expression
from pgxeval.cohort.pedigree import Pedigree
from pgxeval.evaluation.correlation import RankedExpression
from pgxeval.evaluation.inference import NullDistribution, normal_score
from pgxeval.evaluation.resampling import benjamini_hochberg
from pgxeval.seeding import permute_individuals
from pgxeval.simulation.families import draw_haplotypes, genome_of, names

warnings.simplefilter("ignore", pgxeval.PgxevalWarning)

VARIANTS = 2_400
FLANK_BP = 10_000


@attrs.frozen(kw_only=True, eq=False)
class Ridge:
    """Ridge regression on all variants of a window, a trainable predictor of a few lines."""

    name: str = "ridge"
    penalty: float = 20.0

    def fit(
        self, gene: pgxeval.Gene, genome: pgxeval.PersonalGenome, expression: pd.Series, *, seed: int = 0
    ) -> FittedRidge:
        """Fit one gene."""
        dosages = _dosages(gene, genome, list(expression.index))
        mean = dosages.mean(axis=0)
        centred = dosages - mean
        values = expression.to_numpy()
        kernel = centred @ centred.T + self.penalty * np.eye(len(centred))
        weights = centred.T @ np.linalg.solve(kernel, values - values.mean())
        return FittedRidge(name=self.name, mean=mean, weights=weights, intercept=float(values.mean()))


@attrs.frozen(kw_only=True, eq=False)
class FittedRidge:
    """A fitted `Ridge`."""

    name: str
    mean: np.ndarray
    weights: np.ndarray
    intercept: float

    def predict(
        self, gene: pgxeval.Gene, genome: pgxeval.PersonalGenome, individuals: Sequence[str]
    ) -> pgxeval.Prediction:
        """Predict one gene."""
        centred = _dosages(gene, genome, list(individuals)) - self.mean
        return pgxeval.Prediction(values=self.intercept + centred @ self.weights)


def _dosages(gene: pgxeval.Gene, genome: pgxeval.PersonalGenome, individuals: list[str]) -> np.ndarray:
    window = pgxeval.Interval(gene.contig, gene.start - FLANK_BP, gene.start + FLANK_BP)
    return genome.dosages(window, individuals).values.astype(float)


def donors(n: int, samples: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, dict[str, str]]:
    """Return haplotypes, the correlation of expression, and the donor of each of `samples` samples of n donors."""
    copies = {i: i % n for i in range(n, samples * n)}
    haplotypes = draw_haplotypes(samples * n, VARIANTS, rng, copies=copies)
    donor = np.arange(samples * n) % n
    correlation = np.where(donor[:, None] == donor, 0.8, 0.0)
    np.fill_diagonal(correlation, 1.0)
    return haplotypes, correlation, {name: f"donor {i}" for name, i in zip(names(samples * n), donor, strict=True)}


def quads(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, dict[str, str]]:
    """Return haplotypes, the correlation of expression, and the family of n times two parents and two children."""
    children = {2 * n + i: (2 * (i // 2), 2 * (i // 2) + 1) for i in range(2 * n)}
    haplotypes = draw_haplotypes(4 * n, VARIANTS, rng, children=children)
    name = names(4 * n)
    pedigree = Pedigree(
        individuals=name,
        fathers={name[child]: name[pair[0]] for child, pair in children.items()},
        mothers={name[child]: name[pair[1]] for child, pair in children.items()},
    )
    correlation = 0.5 * pedigree.relationship(name).to_numpy()
    np.fill_diagonal(correlation, 1.0)
    return haplotypes, correlation, pedigree.groups(name)


DESIGNS = {
    "30 donors x 2 samples": lambda rng: donors(30, 2, rng),
    "50 donors x 2 samples": lambda rng: donors(50, 2, rng),
    "25 quads": lambda rng: quads(25, rng),
}


ARMS = {
    "neither": (False, False),
    "families in one fold": (True, False),
    "families permuted whole": (False, True),
    "both (`groups=`)": (True, True),
}
"""How relatives are treated -> whether families are in one fold, and whether they are permuted as wholes."""


def study(design: str, predictors: list[object], genes: int, replicates: int, seed: int) -> pd.DataFrame:
    """Return correlations of one study: one row per predictor, way of folding and gene.

    Replicate 0 is the observed expression; the others, from 1, are permuted by individual or by family.
    """
    rng = np.random.default_rng([seed, len(design)])
    haplotypes, correlation, groups = DESIGNS[design](rng)
    genome, every = genome_of(haplotypes)
    every, people = every[:genes], names(len(correlation))
    root = np.linalg.cholesky(correlation)
    values = rng.normal(size=(len(every), len(correlation))) @ root.T
    labels = [groups[name] for name in people]
    runs = [("observed", 0, np.arange(len(people)))]
    for number in range(1, replicates + 1):
        runs.append(("individual", number, permute_individuals(people, number, seed)))
        runs.append(("family", number, permute_individuals(people, number, seed, groups=labels)))
    rows = []
    for permuted, replicate, partner in runs:
        measured = values[:, partner]
        expression = Expression(values=measured, genes=every, individuals=people)
        for folded in (False, True):
            cohort = pgxeval.Cohort.from_parts(
                genome=genome, expression=expression, groups=groups if folded else None, screen_genotypes=False
            )
            table = pgxeval.predict_cohort(cohort, predictors, seed=seed, replicates=0, workers=1, progress=False).table
            ranked = RankedExpression(measured, threads=1)
            for name, part in table.groupby("predictor", observed=True):
                centred = (part["prediction"] - part["training_mean"]).to_numpy().reshape(measured.shape)
                folds = part["fold"].to_numpy().reshape(measured.shape)[0].astype(int)
                scale = np.abs(part["training_mean"].to_numpy().reshape(measured.shape)).max(axis=1)
                found = ranked.correlate(centred, folds=folds, tie_noise=True, scale=scale)
                rows.append(
                    pd.DataFrame(
                        {
                            "design": design,
                            "predictor": name,
                            "seed": seed,
                            "family folds": folded,
                            "permuted": permuted,
                            "replicate": replicate,
                            "r": found.spearman,
                            "score": normal_score(found.spearman, found.spearman_errors),
                        }
                    )
                )
    return pd.concat(rows)


def judge(found: pd.DataFrame) -> list[dict[str, object]]:
    """Judge one predictor of one design in four ways, with the permuted genes of all its studies as the reference."""
    rows = []
    for arm, (folded, whole) in ARMS.items():
        here = found[(found["family folds"] == folded) & found["r"].notna()]
        observed = here[here["permuted"] == "observed"]
        null = here[here["permuted"] == ("family" if whole else "individual")]
        p = NullDistribution(scores=null["score"].to_numpy()).greater(observed["score"].to_numpy())
        q = observed.assign(p=p).groupby("seed")["p"].transform(benjamini_hochberg)
        rows.append(
            {
                "relatives": arm,
                "genes": len(observed),
                "share right": _share(observed["r"] > 0),
                "permuted reference": _share(null["r"] > 0),
                "type I error at 5 %": _share(p < 0.05),
                "genes with q < 0.05": int((q < 0.05).sum()),
            }
        )
    return rows


def _share(hits: ArrayLike) -> str:
    """Return a share and its binomial standard error."""
    found = np.asarray(hits, dtype=float)
    p = np.clip(found.mean(), 0.5 / len(found), 1 - 0.5 / len(found))
    return f"{found.mean():.3f} ({np.sqrt(p * (1 - p) / len(found)):.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["collect", "summarise"])
    parser.add_argument("folder", type=Path, help="complete studies are kept here, so that a run can be continued")
    parser.add_argument("--predictors", choices=["ridge", "trained"], default="ridge")
    parser.add_argument("--designs", nargs="+", default=list(DESIGNS), choices=list(DESIGNS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--genes", type=int, default=60)
    parser.add_argument("--replicates", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=5.0)
    options = parser.parse_args()
    if options.step == "summarise":
        summarise(options.folder)
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    predictors: list[object] = [Ridge()]
    if options.predictors == "trained":
        predictors = [pgxeval.ElasticNetPredictor(), pgxeval.RandomForestPredictor(n_estimators=50)]
    start = time.monotonic()
    for seed in options.seeds:
        for design in options.designs:
            path = options.folder / f"{design.replace(' ', '_')}_{options.predictors}_{seed}.csv"
            if not path.exists() and time.monotonic() - start < 60 * options.minutes:
                study(design, predictors, options.genes, options.replicates, seed).to_csv(path, index=False)
                print(path.name, round(time.monotonic() - start), flush=True)


def summarise(folder: Path) -> None:
    runs = pd.concat([pd.read_csv(path) for path in sorted(folder.glob("*.csv"))])
    order = {name: k for k, name in enumerate([*DESIGNS, "ridge", "elastic_net", "random_forest"])}
    rows = []
    for (design, predictor), part in runs.groupby(["design", "predictor"]):
        rows += [{"design": design, "predictor": predictor} | row for row in judge(part)]
    rows.sort(key=lambda row: (order[row["design"]], order[row["predictor"]]))
    text = pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)
    report = f"# Relatives and repeated samples\n\n{(__doc__ or '').strip()}\n\n{text}\n"
    Path(__file__).with_suffix(".md").write_text(report)
    print(report)
    for row in rows:
        level, error = (float(part.strip("()")) for part in str(row["type I error at 5 %"]).split())
        if row["relatives"] == "both (`groups=`)":
            assert level < 0.06 + 2 * error, row
        if row["relatives"] == "neither" and row["predictor"] == "ridge":
            assert level > 0.1, row


if __name__ == "__main__":
    main()
