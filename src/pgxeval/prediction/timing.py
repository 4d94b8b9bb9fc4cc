"""Timing: how long the first units of a run take on this machine, and what the others will take accordingly."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.prediction.request import Request
from pgxeval.prediction.run import make_fitter
from pgxeval.predictors.protocol import Predictor, TrainablePredictor
from pgxeval.predictors.sequence import SequencePredictor
from pgxeval.predictors.trained.training import FitsTrainingSet

if TYPE_CHECKING:
    from pgxeval.cohort.cohort import Cohort
    from pgxeval.genome.intervals import Gene

MOST_INDIVIDUALS = 500
"""Fits are timed on at most this number of individuals, and the time is scaled."""
_SAMPLED_GENES = 24
T = TypeVar("T")


class _EnoughError(Exception):
    """The fits that were to be timed are done."""


class _StopWatch:
    """Takes the time of the first steps of cross-fitting, and then ends it."""

    def __init__(self, n_steps: int) -> None:
        self._n_steps = n_steps
        self.times = [time.perf_counter()]

    def add(self, number: int = 1) -> None:
        self.times.append(time.perf_counter())
        if len(self.times) > self._n_steps:
            raise _EnoughError


@attrs.frozen(kw_only=True)
class FitTimes:
    """Time of one predictor per gene, as a function of the number of variants in its cis window.

    Parameters
    ----------
    reading
        Seconds per gene for reading the cis window.
    first
        Seconds per fold for the observed expression: for no variant, and for each variant.
    repeated
        Seconds per fold and permuted replicate, which use the same genotypes again.
    n_variants
        Mean number of variants in the cis windows of the run; 0 if the predictor has no cis window.
    n_genes
        Number of genes that were timed.
    """

    reading: float
    first: tuple[float, float]
    repeated: tuple[float, float]
    n_variants: float
    n_genes: int

    def per_gene(self, folds: int, replicates: int) -> float:
        """Return the expected time for one gene [s]."""
        first, repeated = (base + slope * self.n_variants for base, slope in (self.first, self.repeated))
        return self.reading + folds * (first + replicates * repeated)


def time_fits(cohort: Cohort, request: Request, predictor: TrainablePredictor, n_genes: int) -> FitTimes:
    """Time the first fold of a few genes that represent the numbers of variants of the run.

    Parameters
    ----------
    cohort, request
        The run.
    predictor
        One of its trainable predictors.
    n_genes
        Number of genes to time, at least 1.
    """
    sampled = _spread(request.genes, _SAMPLED_GENES)
    begun = time.perf_counter()
    counts = np.array([_count_variants(cohort, predictor, gene) for gene in sampled], dtype=np.float64)
    reading = (time.perf_counter() - begun) / len(sampled)
    order = np.argsort(counts, kind="stable")
    chosen = np.unique(order[np.linspace(0, len(order) - 1, n_genes).round().astype(int)])
    share = min(1.0, MOST_INDIVIDUALS / len(cohort.individuals))
    smaller = cohort if share == 1 else cohort.subset(individuals=_spread(cohort.individuals, MOST_INDIVIDUALS))
    fitter = make_fitter(smaller, attrs.evolve(request, trainable=(predictor,)))
    rows = {gene.gene_id: row for row, gene in enumerate(smaller.genes)}
    times = []
    for k in [chosen[0], *chosen]:  # the first one twice: compiling and imports are not part of the time
        gene = sampled[k]
        again = time.perf_counter()
        _count_variants(smaller, predictor, gene)
        watch = _StopWatch(3 if request.method == "prequential" else 2)
        again = watch.times[0] - again
        expression = np.asarray(smaller.expression[rows[gene.gene_id]]) if gene.gene_id in rows else None
        with contextlib.suppress(_EnoughError):
            if expression is not None:
                fitter.run(gene, expression, 1, watch)
        first, repeated = np.diff(watch.times)[-2:] if len(watch.times) > 2 else (np.nan, np.nan)
        times.append((max(first - again, 0.0), repeated))
    seconds = np.array(times[1:]) / share
    timed = np.isfinite(seconds).all(axis=1)
    return FitTimes(
        reading=reading,
        first=_line(counts[chosen][timed], seconds[timed, 0]),
        repeated=_line(counts[chosen][timed], seconds[timed, 1]),
        n_variants=float(counts.mean()),
        n_genes=int(timed.sum()),
    )


def time_predictions(cohort: Cohort, request: Request, predictor: Predictor, n_genes: int) -> float:
    """Return the time that a predictor without training takes per gene [s]."""
    sampled = _spread(request.genes, n_genes)
    individuals = list(cohort.individuals)
    predictor.predict(sampled[0], cohort.genome, individuals)
    begun = time.perf_counter()
    for gene in sampled:
        predictor.predict(gene, cohort.genome, individuals)
    return (time.perf_counter() - begun) / len(sampled)


def time_passes(predictor: SequencePredictor) -> float:
    """Return the time that a model on this machine takes per pass [s], from one batch after a first one."""
    size = predictor.options.batch_size
    sequences = np.full((size, predictor.context_length), ord("A"), dtype=np.uint8)
    tracks = list(predictor.tracks.indices)
    predictor.model.predict_tracks(sequences, tracks)
    begun = time.perf_counter()
    predictor.model.predict_tracks(sequences, tracks)
    return (time.perf_counter() - begun) / size


def _count_variants(cohort: Cohort, predictor: TrainablePredictor, gene: Gene) -> int:
    """Read the cis window of a gene and return its number of variants; 0 for a predictor without one."""
    if not isinstance(predictor, FitsTrainingSet):
        return 0
    return int(predictor.cis_variants.read(gene, cohort.genome, cohort.individuals).calls.shape[1])


def _line(variants: npt.NDArray[np.float64], seconds: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return intercept and slope of time on the number of variants, neither of them negative."""
    if not len(variants):
        return np.nan, 0.0
    spread = variants - variants.mean()
    if len(variants) < 2 or not spread.any():
        return float(seconds.mean()), 0.0
    slope = max(0.0, float(spread @ seconds / (spread @ spread)))
    base = float(seconds.mean() - slope * variants.mean())
    return (base, slope) if base >= 0 else (0.0, float(variants @ seconds / (variants @ variants)))


def _spread(items: Sequence[T], number: int) -> list[T]:
    """Return up to `number` items, evenly spread."""
    places = np.unique(np.linspace(0, len(items) - 1, min(number, len(items))).round().astype(int))
    return [items[place] for place in places]
