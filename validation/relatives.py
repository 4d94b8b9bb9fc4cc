"""Do relatives leak? Null genes in families and repeated samples, with and without `groups=`.

Writes `relatives.md` next to this file. No variant has an effect, but the expression of relatives is correlated, as it
is through variants elsewhere in the genome and a shared environment: 0.8 between two samples of one donor, and half of
the variance times the relationship in families. A ridge regression, the elastic net and the random forest are
cross-fitted with permuted replicates, once with individuals as units and once with `groups=`: a family stays in one
fold, outer and inner, and families are permuted as wholes. Ridge runs in five studies of 60 genes, the others in
two.

With individuals as units, the models recognise a relative in the training folds by the genotype, and the permuted
reference does not show it, because permutations separate relatives. A sound analysis has a share of right directions at
its permuted reference and a type I error of 0.05.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import numpy as np
import pandas as pd

import pgxeval
from pgxeval.cohort import Expression
from pgxeval.cohort.pedigree import Pedigree
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


def study(design: str, predictors: list[object], genes: int, replicates: int, seed: int) -> list[dict[str, object]]:
    """Run both analyses of one design, one row per predictor."""
    rng = np.random.default_rng([seed, len(design)])
    haplotypes, correlation, groups = DESIGNS[design](rng)
    genome, every = genome_of(haplotypes)
    every = every[:genes]
    root = np.linalg.cholesky(correlation)
    values = rng.normal(size=(len(every), len(correlation))) @ root.T
    expression = Expression(values=values, genes=every, individuals=names(len(correlation)))
    rows = []
    for unit, labels in (("individual", None), ("family", groups)):
        cohort = pgxeval.Cohort.from_parts(genome=genome, expression=expression, groups=labels, screen_genotypes=False)
        predictions = pgxeval.predict_cohort(
            cohort, predictors, seed=seed, replicates=replicates, workers=1, progress=False
        )
        evaluation = pgxeval.Evaluator(cohort).evaluate(predictions, settings=pgxeval.EvaluationSettings(seed=seed))
        for predictor in predictions.predictors:
            summary = evaluation.summary.query("predictor == @predictor and stratum == 'all'").iloc[0]
            judged = evaluation.per_gene.query("predictor == @predictor")
            rows.append(
                {
                    "design": design,
                    "predictor": predictor,
                    "unit": unit,
                    "genes": int(summary["defined"]),
                    "share right": summary["share_right"],
                    "permuted reference": summary["reference_share"],
                    "type I error at 5 %": float((judged["p_value"].dropna() < 0.05).mean()),
                    "genes with q < 0.05": int((judged["q_value"] < 0.05).sum()),
                }
            )
    return rows


def kept(folder: Path, name: str, work: Callable[[], list[dict[str, object]]]) -> pd.DataFrame:
    """Return the rows of one study, from the folder where it is complete."""
    path = folder / f"{name.replace(' ', '_')}.csv"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(work()).to_csv(path, index=False)
        print(path.name, flush=True)
    return pd.read_csv(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="complete studies are kept here, so that a run can be continued")
    parser.add_argument("--designs", nargs="+", default=list(DESIGNS))
    parser.add_argument("--seeds", type=int, default=5, help="studies of 60 genes with ridge")
    parser.add_argument("--slow-seeds", type=int, default=2, help="studies with elastic net and random forest")
    parser.add_argument("--replicates", type=int, default=8, help="of these")
    asked = parser.parse_args()
    runs = []
    slow = [pgxeval.ElasticNetPredictor(), pgxeval.RandomForestPredictor(n_estimators=50)]
    for design in asked.designs:
        runs += [
            kept(asked.folder, f"{design} ridge {seed}", lambda d=design, s=seed: study(d, [Ridge()], 60, 10, s))
            for seed in range(asked.seeds)
        ]
        runs += [
            kept(asked.folder, f"{design} {seed}", lambda d=design, s=seed: study(d, slow, 60, asked.replicates, s))
            for seed in range(asked.slow_seeds)
        ]
    table = pd.concat(runs).groupby(["design", "predictor", "unit"], sort=False)
    result = table.agg(
        {
            "genes": "sum",
            "share right": "mean",
            "permuted reference": "mean",
            "type I error at 5 %": "mean",
            "genes with q < 0.05": "sum",
        }
    ).reset_index()
    text = result.to_markdown(index=False, floatfmt=".3f")
    report = f"# Relatives and repeated samples\n\n{__doc__}\n{text}\n"
    Path(__file__).with_suffix(".md").write_text(report)
    print(report)
    ridge = result[result["predictor"] == "ridge"].set_index(["design", "unit"])
    for design in asked.designs:
        before, after = ridge.loc[design, "individual"], ridge.loc[design, "family"]
        assert before["share right"] - before["permuted reference"] > 0.15, design
        assert abs(after["share right"] - after["permuted reference"]) < 0.08, design
        assert after["type I error at 5 %"] < 0.08, design


if __name__ == "__main__":
    main()
