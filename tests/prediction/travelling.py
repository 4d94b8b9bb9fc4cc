"""A sequence model whose weights are a file, and a cohort for it: for tests of models in workers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pandas as pd

from pgxeval.cohort.cohort import Cohort
from pgxeval.cohort.expression import Expression
from pgxeval.predictors.sequence import ModelInfo, SequencePredictor, TssBins
from pgxeval.testing.tiny_world import TinyWorld

N_GENES = 6


def sequence_cohort(folder: Path) -> Cohort:
    """Return 12 individuals with genes whose windows hold variants; the last, ``none``, has no strand."""
    world = TinyWorld.make(folder)
    genes = [
        attrs.evolve(world.gene, gene_id=f"S{i}", tss=world.gene.tss + 400 * i, start=world.gene.start + 400 * i)
        for i in range(N_GENES - 1)
    ]
    genes.append(attrs.evolve(world.gene, gene_id="none", strand=None))
    individuals = list(world.individuals[:12])
    values = np.random.default_rng(1).normal(size=(len(genes), len(individuals)))
    return Cohort.from_parts(
        genome=world.genome,
        expression=Expression(values=values, genes=genes, individuals=individuals),
        screen_genotypes=False,
    )


class WeightedModel:
    """Counts weighted letters; the weights are read when they are first needed, and each reading is noted."""

    def __init__(self, weights: Path, notes: Path, *, travels: bool) -> None:
        self.weights, self.notes, self.travels = weights, notes, travels
        self._loaded: np.ndarray | None = None
        tracks = pd.DataFrame({"name": ["t"], "strand": ["+"], "bin_width_bp": [16]})
        self.info = ModelInfo(name="weighted", version="1", context_lengths=512, tracks=tracks, remote=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_loaded": None}

    def predict_tracks(self, sequences: np.ndarray, tracks: Sequence[int]) -> np.ndarray:
        """Return the sums of bins, exact in float32."""
        if self._loaded is None:
            self._loaded = np.load(self.weights)
            with (self.notes / str(os.getpid())).open("ab") as file:
                file.write(b".")
        letters = self._loaded[sequences]
        return letters.reshape(len(sequences), -1, 16).sum(axis=2)[:, :, None].astype(np.float32)


def make_predictor(folder: Path, *, travels: bool = True, name: str = "weighted", **options: Any) -> SequencePredictor:
    """Return the predictor; `folder` gets its weights, and in ``notes`` one file per process that loaded them."""
    weights, notes = folder / "weights.npy", folder / "notes"
    notes.mkdir(exist_ok=True)
    if not weights.exists():
        np.save(weights, np.arange(256, dtype=np.float32) % 11)
    model = WeightedModel(weights, notes, travels=travels)
    return SequencePredictor(model, TssBins(n=3), tracks=[0], name=name, **options)


def loads(folder: Path) -> dict[int, int]:
    """Return process -> how often it loaded the weights."""
    return {int(path.name): path.stat().st_size for path in (folder / "notes").iterdir()}
