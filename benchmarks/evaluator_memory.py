"""Peak memory of evaluating a store, against the number of genes.

Run ``python benchmarks/evaluator_memory.py``; it writes ``benchmarks/evaluator_memory.md`` next to itself. For each
number of genes two separate processes are measured: one evaluates predictions that come in batches of 256 genes,
as a `PredictionStore` yields them, the other the same predictions as one table in memory. The predictions are cheap:
random numbers from a generator seeded by the batch. Both must give the same bytes in `per_gene`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pgxeval.evaluation import Evaluator
from pgxeval.seeding import assign_folds
from pgxeval.tables.predictions import Predictions, failures_table

BATCH = 256
REPLICATES = 2
PREDICTORS = {"zero-shot": False, "cross-fitted": True}


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


class CheapPredictions:
    """Predictions that are made when they are read, batch by batch."""

    def __init__(self, gene_ids: list[str], individuals: list[str]) -> None:
        self.gene_ids, self.individuals = gene_ids, individuals
        self.predictors, self.replicates = tuple(PREDICTORS), REPLICATES
        shared = {"seed": 0, "individuals": len(individuals)}
        self.settings: Mapping[str, Mapping[str, Any]] = {"cross-fitted": {"cross_fitting": "crossfit", **shared}}
        self.failures = failures_table(())
        self._folds = np.asarray(assign_folds(individuals, 5, 0))

    def batches(self, predictor: str) -> Iterator[pd.DataFrame]:
        """Make some genes at a time."""
        for start in range(0, len(self.gene_ids), BATCH):
            yield self._batch(predictor, range(start, min(start + BATCH, len(self.gene_ids))))

    def rows_of(self, gene_id: str) -> pd.DataFrame:
        """Part of the protocol, and not needed here."""
        raise NotImplementedError(gene_id)

    def table(self) -> Predictions:
        """Return all of them as one table."""
        parts = [batch for name in self.predictors for batch in self.batches(name)]
        return Predictions(table=pd.concat(parts, ignore_index=True), settings=self.settings)

    def _batch(self, predictor: str, genes: range) -> pd.DataFrame:
        folded = PREDICTORS[predictor]
        replicates, n = (REPLICATES + 1 if folded else 1), len(self.individuals)
        random = np.random.default_rng([genes.start, folded])
        cells = replicates * len(genes) * n
        fold = np.tile(self._folds, replicates * len(genes)).astype(np.int16)
        return pd.DataFrame(
            {
                "predictor": pd.Categorical.from_codes(
                    np.full(cells, self.predictors.index(predictor)), pd.Index(self.predictors)
                ),
                "gene_id": pd.Categorical.from_codes(
                    np.tile(np.repeat(np.arange(genes.start, genes.stop), n), replicates), pd.Index(self.gene_ids)
                ),
                "individual": pd.Categorical.from_codes(
                    np.tile(np.arange(n), replicates * len(genes)), pd.Index(self.individuals)
                ),
                "replicate": np.repeat(np.arange(replicates, dtype=np.int16), len(genes) * n),
                "fold": pd.arrays.IntegerArray(fold, np.full(cells, not folded)),
                "prediction": random.normal(size=cells),
                "training_mean": np.full(cells, 0.01 if folded else np.nan),
                "reason": pd.Categorical.from_codes(np.full(cells, -1), pd.Index(["no reason"])),
            },
            copy=False,
        )


def measure(genes: int, individuals: int, way: str) -> dict[str, Any]:
    """Evaluate in this process, and return what it took."""
    names = [f"S{i:04d}" for i in range(individuals)]
    gene_ids = [f"G{g:05d}" for g in range(genes)]
    start = np.arange(genes) // 22 * 120_000
    place = pd.DataFrame(
        {
            "#chr": [f"chr{1 + g % 22}" for g in range(genes)],
            "start": start,
            "end": start + 1,
            "gene_id": gene_ids,
        }
    )
    values = np.random.default_rng(1).normal(size=(genes, individuals))
    evaluator = Evaluator(pd.concat([place, pd.DataFrame(values, columns=names)], axis=1), threads=2)
    del values
    cheap = CheapPredictions(gene_ids, names)
    source = cheap.table() if way == "table" else cheap
    before, clock = peak_mb(), time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        per_gene = evaluator.evaluate(source).per_gene
    digest = hashlib.blake2b(per_gene.to_csv(index=False).encode(), digest_size=8).hexdigest()
    return {
        "before": before,
        "peak": peak_mb(),
        "seconds": time.perf_counter() - clock,
        "expression": evaluator.target.expression.nbytes / 2**20,
        "digest": digest,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genes", type=int, nargs="+", default=[200, 2_000, 20_000])
    parser.add_argument("--individuals", type=int, default=953)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        genes, way = arguments.one
        print(json.dumps(measure(int(genes), arguments.individuals, way)))
        return
    lines = [
        f"# Memory of the evaluator: {arguments.individuals} individuals, one zero-shot and one cross-fitted predictor "
        f"with {REPLICATES} replicates",
        "",
        f"Load average at the start: {os.getloadavg()[0]:.1f}. Peak memory of the whole process [MB]; before: the peak",
        "when the evaluation starts (interpreter, libraries, the expression table as a DataFrame and as a matrix and,",
        "for the table in memory, the predictions). The expression matrix has 8 bytes per value and is always held.",
        "",
        "| genes | predictions | expression matrix | before | peak | added by the evaluation | seconds | same bytes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for genes in arguments.genes:
        found = {}
        for way in ("store", "table"):
            command = [sys.executable, __file__, "--individuals", str(arguments.individuals), "--one", str(genes), way]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[way] = json.loads(done.stdout.splitlines()[-1])
        same = "yes" if found["store"]["digest"] == found["table"]["digest"] else "NO"
        for way, one in found.items():
            lines.append(
                f"| {genes:,} | {'in batches' if way == 'store' else 'one table'} | {one['expression']:.0f} "
                f"| {one['before']:.0f} | {one['peak']:.0f} | {one['peak'] - one['before']:.0f} "
                f"| {one['seconds']:.1f} | {same} |"
            )
            print(lines[-1], flush=True)
    Path(__file__).with_suffix(".md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
