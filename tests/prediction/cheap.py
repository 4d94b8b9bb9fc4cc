"""A cohort without files and predictors without cost, for tests of how a run is organised."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import numpy as np

from pgxeval.cohort.cohort import Cohort
from pgxeval.cohort.expression import Expression
from pgxeval.genome.intervals import Gene
from pgxeval.predictors.protocol import Prediction
from pgxeval.seeding import hash64


def cheap_cohort(n_genes: int = 12, n_individuals: int = 12, region_genes: int = 4, seed: int = 0) -> Cohort:
    """Return a cohort whose genes lie in regions of the store of `region_genes` genes each."""
    individuals = [f"P{i:03d}" for i in range(n_individuals)]
    genes = [
        Gene(gene_id=f"G{i:05d}", contig="chr1", start=10_000_000 * (i // region_genes) + 1000 * i, end=10**9)
        for i in range(n_genes)
    ]
    values = np.random.default_rng(seed).normal(size=(n_genes, n_individuals))
    genome: Any = SimpleNamespace(individuals=individuals, contigs=["chr1"], source=None, notes=())
    return Cohort.from_parts(
        genome=genome,
        expression=Expression(values=values, genes=genes, individuals=individuals),
        screen_genotypes=False,
    )


@attrs.define(kw_only=True, eq=False)
class Cheap:
    """Predicts a hash of gene and individual, plus the mean of the training expression."""

    name: str = "cheap"
    weight: float = 1.0
    seconds: float = 0.0
    slow: Sequence[str] = ()
    die_at: Sequence[str] = ()
    how: str = "raise"
    calls: Path | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that shapes the predictions."""
        return {"weight": self.weight}

    def fit(self, gene: Gene, genome: Any, expression: Any, *, seed: int = 0) -> FittedCheap:
        """Fit nothing."""
        time.sleep(self.seconds if not self.slow or gene.gene_id in self.slow else 0.0)
        if self.calls is not None:
            with (self.calls / gene.gene_id).open("ab") as file:
                file.write(b".")
        if gene.gene_id in self.die_at:
            die(self.how)
        return FittedCheap(weight=self.weight, mean=float(expression.mean()), seed=seed)


def die(how: str) -> None:
    """Fail in some way."""
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "exit":
        os._exit(3)
    if how == "interrupt":
        raise KeyboardInterrupt
    raise RuntimeError("GATTACA")


@attrs.frozen(kw_only=True)
class FittedCheap:
    """See `Cheap`."""

    weight: float
    mean: float
    seed: int
    name: str = "cheap"

    def predict(self, gene: Gene, genome: Any, individuals: Sequence[str]) -> Prediction:
        """Predict a hash."""
        values = [hash64(gene.gene_id, name) / 2**64 * self.weight + self.mean for name in individuals]
        if gene.gene_id.endswith("3"):
            values[0] = np.nan
        return Prediction(values=np.array(values), reasons={0: "ends with 3"}, used={"seed": self.seed, "two": (1, 2)})


@attrs.define(kw_only=True, eq=False)
class CheapZeroShot:
    """Predicts a hash of gene and individual, without training."""

    name: str = "zero"
    weight: float = 1.0
    travels: bool = False
    die_at: Sequence[str] = ()
    calls: list[str] = attrs.field(factory=list)

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that shapes the predictions."""
        return {"weight": self.weight}

    def predict(self, gene: Gene, genome: Any, individuals: Sequence[str]) -> Prediction:
        """Predict a hash."""
        self.calls.append(gene.gene_id)
        if gene.gene_id in self.die_at:
            die("exit")
        return FittedCheap(weight=self.weight, mean=0.0, seed=1).predict(gene, genome, individuals)
