"""Correlate all predictors with expression, some genes at a time, so that no matrix of all genes is made."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from pgxeval.evaluation.batched import BatchedTable
from pgxeval.evaluation.correlation import RankedExpression
from pgxeval.evaluation.judge import GeneCorrelations, Judge, Reference
from pgxeval.evaluation.matrices import LongTable, Unit
from pgxeval.evaluation.measured import MeasuredExpression
from pgxeval.evaluation.residuals import CovariateBasis

T = TypeVar("T")
U = TypeVar("U")
_Part: TypeAlias = tuple[str, npt.NDArray[np.int64], list[GeneCorrelations], Mapping[str, int]]


def correlate_genes(
    judge: Judge,
    layout: LongTable | BatchedTable,
    references: Sequence[Reference],
    *,
    genes: npt.NDArray[np.int64],
    targets: Sequence[MeasuredExpression],
    threads: int,
) -> tuple[list[dict[str, GeneCorrelations]], dict[str, Counter[str]]]:
    """Correlate each predictor with the expression of each of its genes.

    Predictions and ranks of a few genes are in memory at a time; what stays is some numbers per gene, predictor and
    permutation.

    Parameters
    ----------
    judge
        Correlates some genes.
    layout
        The predictions.
    references
        How each predictor is judged.
    genes
        int64 (n_genes,): rows of the target that some predictor covers, ascending.
    targets
        The measured expression, with one or more sets of covariates.
    threads
        Genes that are worked on at the same time, times `matrices._GENES_PER_UNIT`.

    Returns
    -------
    tuple
        For each target predictor -> its correlations at `genes`; and predictor -> reason -> missing predictions.
    """
    of = {reference.predictor: reference for reference in references}
    bases: list[dict[bytes, CovariateBasis]] = [{} for _ in targets]

    def ranked(rows: npt.NDArray[np.int64]) -> list[RankedExpression]:
        return [
            RankedExpression(target.expression[rows], target.covariates, 1, target.family_codes, known)
            for target, known in zip(targets, bases, strict=True)
        ]

    def work(unit: Unit) -> list[_Part]:
        parts: list[_Part] = []
        expressions: list[RankedExpression] = []
        for matrices in unit():
            if not parts or not np.array_equal(parts[-1][1], matrices.genes):
                expressions = ranked(matrices.genes)
            correlations = [judge.correlate(matrices, of[matrices.predictor], expression) for expression in expressions]
            parts.append((matrices.predictor, matrices.genes, correlations, matrices.missing))
        return parts

    collected = [
        {
            name: GeneCorrelations.undefined(
                len(genes), 0 if one.partners is None else len(one.partners), len(one.permuted)
            )
            for name, one in of.items()
        }
        for _ in targets
    ]
    missing: dict[str, Counter[str]] = {name: Counter() for name in of}
    for parts in _few_at_a_time(work, layout.units(), threads):
        for predictor, rows, correlations, counts in parts:
            places = np.searchsorted(genes, rows)
            for known, part in zip(collected, correlations, strict=True):
                known[predictor].put(places, part)
            missing[predictor].update(counts)
    return collected, missing


def _few_at_a_time(work: Callable[[U], T], units: Iterable[U], threads: int) -> Iterator[T]:
    """Yield the results in order; at most one unit more than there are threads waits."""
    if threads == 1:
        yield from map(work, units)
        return
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for unit in units:
            waiting.append(pool.submit(work, unit))
            if len(waiting) > threads + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
