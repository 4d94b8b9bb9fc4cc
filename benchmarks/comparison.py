"""Time the comparison of 4 predictors at 20,000 genes x 953 individuals by 1,000 bootstrap samples of individuals.

Run ``python benchmarks/comparison.py``; it writes ``benchmarks/comparison.md`` next to itself. Two predictors are
zero-shot, two cross-fitted, and all six pairs are compared in one pass (`pgxeval.evaluation.compare_pairs`), for
Spearman's rho. The predictions come in batches of genes, as from a store. The plain loop draws each sample, and
correlates (Pearson, of ranks) each of the four predictions with expression once per gene and sample, for some of the
genes; its time is scaled.
"""

from __future__ import annotations

import argparse
import resource
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from measuring import machine
from scipy import stats

from pgxeval.evaluation import EvaluationSettings, Evaluator, compare_pairs
from pgxeval.seeding import assign_folds

BATCH = 256
NAMES = ("fitted 1", "fitted 2", "shot 1", "shot 2")


class Source:
    """Predictions in batches of genes, drawn again at each reading from the seed of the batch."""

    def __init__(self, expression: pd.DataFrame) -> None:
        self.values = expression.iloc[:, 4:].to_numpy()
        self.genes, self.people = expression["gene_id"].to_numpy(), expression.columns[4:].astype(str)
        self.fold = assign_folds(list(self.people), 5, 0)
        self.predictors, self.replicates = NAMES, 0
        self.settings: Mapping[str, Mapping[str, Any]] = {}
        self.failures = pd.DataFrame(columns=["predictor", "gene_id", "reason"])

    def prediction(self, predictor: str, start: int) -> np.ndarray:
        """Return the predictions of one batch."""
        values = self.values[start : start + BATCH]
        random = np.random.default_rng([NAMES.index(predictor), start])
        return np.asarray(0.1 * values + random.normal(size=values.shape))

    def batches(self, predictor: str) -> Iterator[pd.DataFrame]:
        """Yield tables of the genes of each batch."""
        n = len(self.people)
        for start in range(0, len(self.genes), BATCH):
            values = self.prediction(predictor, start)
            cells = values.size
            fitted = predictor.startswith("fitted")
            codes = np.repeat(np.arange(start, start + len(values)), n)
            yield pd.DataFrame(
                {
                    "predictor": pd.Categorical.from_codes(np.full(cells, NAMES.index(predictor)), pd.Index(NAMES)),
                    "gene_id": pd.Categorical.from_codes(codes, pd.Index(self.genes)),
                    "individual": pd.Categorical.from_codes(np.tile(np.arange(n), len(values)), self.people),
                    "replicate": np.zeros(cells, dtype=np.int16),
                    "fold": pd.arrays.IntegerArray(
                        np.tile(self.fold, len(values)).astype(np.int16), np.full(cells, not fitted)
                    ),
                    "prediction": values.ravel(),
                    "training_mean": np.full(cells, 0.01 if fitted else np.nan),
                    "reason": pd.Categorical.from_codes(np.full(cells, -1), pd.Index([], dtype="str")),
                }
            )

    def rows_of(self, gene_id: str) -> pd.DataFrame:
        """Refuse: no single gene is read here."""
        raise KeyError(gene_id)


def expression_of(genes: int, individuals: int) -> pd.DataFrame:
    random = np.random.default_rng(0)
    values = pd.DataFrame(random.normal(size=(genes, individuals)), columns=[f"S{i:04d}" for i in range(individuals)])
    place = pd.DataFrame(
        {"#chr": [f"chr{1 + g % 22}" for g in range(genes)], "start": np.arange(genes) // 22 * 120_000}
    )
    place["end"], place["gene_id"] = place["start"] + 1, [f"G{g:05d}" for g in range(genes)]
    return pd.concat([place, values], axis=1)


def plain_loop(source: Source, genes: int, samples: int) -> float:
    """Return seconds per gene."""
    random = np.random.default_rng(1)
    n = len(source.people)
    start = time.perf_counter()
    for gene in range(genes):
        ranks = [stats.rankdata(source.values[gene])]
        ranks += [stats.rankdata(source.prediction(name, 0)[gene]) for name in NAMES]
        drawn = np.empty((samples, len(NAMES)))
        for k in range(samples):
            people = random.integers(n, size=n)
            y = ranks[0][people]
            for j, one in enumerate(ranks[1:]):
                drawn[k, j] = np.corrcoef(one[people], y)[0, 1]
        for a in range(len(NAMES)):
            for b in range(a):
                np.quantile(drawn[:, a] - drawn[:, b], [0.025, 0.975])
    return (time.perf_counter() - start) / genes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--individuals", type=int, default=953)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--loop-genes", type=int, default=8)
    settings = parser.parse_args()
    expression = expression_of(settings.genes, settings.individuals)
    source = Source(expression)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluation = Evaluator(expression, threads=2).evaluate(source, settings=EvaluationSettings(permutations=0))
    before = plain_loop(source, settings.loop_genes // 2, settings.samples)
    start, work = time.perf_counter(), time.process_time()
    table = compare_pairs(evaluation, method="bootstrap", samples=settings.samples, threads=2)
    wall, work = time.perf_counter() - start, time.process_time() - work
    after = plain_loop(source, settings.loop_genes // 2, settings.samples)
    loop = (before + after) / 2 * settings.genes
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    rows = pd.DataFrame(
        {
            "what": ["compare_pairs, 6 pairs", "plain loop (scaled)"],
            "wall seconds": [round(wall, 1), round(loop, 0)],
            "processor seconds": [round(work, 1), round(loop, 0)],
            "ratio": [1.0, round(loop / wall, 1)],
        }
    )
    text = [
        "# Bootstrap comparison of predictors",
        "",
        (__doc__ or "").strip(),
        "",
        machine("numpy", "pandas", "scipy"),
        "",
        f"{settings.genes:,} genes, {settings.individuals} individuals, {settings.samples:,} samples, 2 threads; the "
        f"loop ran on {settings.loop_genes // 2} genes before and as many after. Peak memory of the process, "
        f"evaluation included: {peak:.1f} GB. Intervals that exclude 0: {(table['better'] != '').mean():.1%} of "
        f"{len(table):,}.",
        "",
        rows.to_markdown(index=False),
    ]
    Path(__file__).with_suffix(".md").write_text("\n".join(text) + "\n")
    print("\n".join(text[6:]))


if __name__ == "__main__":
    main()
