"""One pass over the predictions of several predictors, in which every two of them are compared gene by gene."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import attrs
import numpy as np
import numpy.typing as npt

from pgxeval.evaluation.bootstrap import (
    bootstrap_correlations,
    bootstrap_weights,
    percentile_limits,
    weighted_sums,
)
from pgxeval.evaluation.correlation import RankedExpression
from pgxeval.evaluation.evaluation import Evaluation
from pgxeval.evaluation.gene_batches import GeneBatch, first_folds, gene_batches
from pgxeval.evaluation.matrices import PredictorMatrices, fold_patterns
from pgxeval.evaluation.ranks import rank_rows
from pgxeval.evaluation.settings import Measure

Floats = npt.NDArray[np.float64]

_ROWS = 128


@attrs.frozen(kw_only=True, eq=False)
class PairResult:
    """What one pass over the predictions finds for a pair, float64 (n_genes of the target,) each."""

    between: Floats
    low: Floats
    high: Floats
    p_value: Floats

    @classmethod
    def empty(cls, genes: int) -> PairResult:
        """Return results that are undefined at every gene."""
        return cls(**{field.name: np.full(genes, np.nan) for field in attrs.fields(cls)})


@attrs.frozen(kw_only=True, eq=False)
class PairPass:
    """One pass over the observed predictions of several predictors, gene batch by gene batch."""

    evaluation: Evaluation
    pairs: Sequence[tuple[str, str]]
    names: Sequence[str]
    expression: RankedExpression
    folds: npt.NDArray[np.int16] | None
    weights: npt.NDArray[np.float32] | None
    results: Sequence[PairResult]

    @classmethod
    def of(
        cls, evaluation: Evaluation, pairs: Sequence[tuple[str, str]], names: Sequence[str], *, samples: int, seed: int
    ) -> PairPass:
        """Prepare a pass over some predictors; with `samples` bootstrap samples, or none for 0."""
        target, predictions = evaluation.target, evaluation.predictions
        assert target is not None and predictions is not None  # noqa: PT018
        run = frozenset(predictions.predictors)
        kinds = {name: str(one["kind"]) for name, one in evaluation.settings["predictors"].items() if name in run}
        n, codes = len(target.individuals), target.family_codes
        return cls(
            evaluation=evaluation,
            pairs=pairs,
            names=names,
            expression=RankedExpression(target.expression, target.covariates, None, codes),
            folds=first_folds(predictions, target, kinds) if samples else None,
            weights=bootstrap_weights(n, samples, seed, codes) if samples else None,
            results=[PairResult.empty(len(target.gene_ids)) for _ in pairs],
        )

    def run(self, threads: int) -> None:
        """Go through all genes and fill the results."""
        target, predictions = self.evaluation.target, self.evaluation.predictions
        assert target is not None and predictions is not None  # noqa: PT018
        with ThreadPoolExecutor(threads) as pool:
            for batch in gene_batches(predictions, target, self.names):
                parts = [batch.genes[start : start + _ROWS] for start in range(0, len(batch.genes), _ROWS)]
                for _ in pool.map(lambda genes, batch=batch: self._work(batch, genes), parts):
                    pass

    def _work(self, batch: GeneBatch, genes: npt.NDArray[np.int64]) -> None:
        measure = self.evaluation.measure
        values = {name: _values(one, genes) for name, one in batch.matrices.items()}
        complete = {name: _centred(one, np.isfinite(one), measure) for name, one in values.items()}
        drawn = {} if self.weights is None else self._draw(batch, genes)
        for (a, b), result in zip(self.pairs, self.results, strict=True):
            if a not in values or b not in values:
                continue
            both = np.isfinite(values[a]) & np.isfinite(values[b])
            x, y = (complete[name] if both.all() else _centred(values[name], both, measure) for name in (a, b))
            with np.errstate(divide="ignore", invalid="ignore"):
                r = np.einsum("ij,ij->i", x, y)
                r /= np.sqrt(np.einsum("ij,ij->i", x, x) * np.einsum("ij,ij->i", y, y))
            result.between[genes] = np.clip(r, -1.0, 1.0)
            if not drawn:
                continue
            difference = drawn[a] - drawn[b]
            defined = np.isfinite(difference).all(axis=0)
            result.low[genes], result.high[genes] = percentile_limits(
                difference, float(self.evaluation.settings["confidence"])
            )
            sides = np.minimum((difference <= 0).sum(axis=0), (difference >= 0).sum(axis=0))
            p_value = np.minimum(2 * (1 + sides) / (1 + len(difference)), 1.0)
            result.p_value[genes] = np.where(defined, p_value, np.nan)

    def _draw(self, batch: GeneBatch, genes: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.float32]]:
        """Return bootstrap correlations of each predictor, float32 (samples, n_genes)."""
        assert self.weights is not None
        drawn = {}
        sums: dict[bytes, tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]] = {}
        for name, matrices in batch.matrices.items():
            values = _values(matrices, genes)
            whole = np.full((len(self.weights), len(genes)), np.nan, dtype=np.float32)
            rows_of = np.searchsorted(matrices.genes, genes).clip(max=len(matrices.genes) - 1)
            groups: list[tuple[npt.NDArray[np.intp] | slice, npt.NDArray[np.int16] | None]] = [
                (slice(None), self.folds)
            ]
            if matrices.folds is not None:
                groups = list(fold_patterns(matrices.folds[0][rows_of]))
            for rows, folds in groups:
                aligned = self.expression.align(
                    values[rows],
                    genes[rows],
                    folds=folds,
                    scale=matrices.scale[0][rows_of][rows],
                    tie_noise=matrices.folds is not None,
                    measure=self.evaluation.measure,
                )
                x = aligned.basis.units(aligned.scores, aligned.mask).units
                whole_rows = isinstance(rows, slice) and bool(aligned.mask.all())
                key = b"" if folds is None else folds.tobytes()
                if whole_rows and key not in sums:
                    sums[key] = weighted_sums(aligned.expression, self.weights)
                whole[:, rows] = bootstrap_correlations(
                    x,
                    aligned.expression,
                    aligned.mask,
                    factor=aligned.factor,
                    weights=self.weights,
                    sums_y=sums[key] if whole_rows else None,
                )
            drawn[name] = whole
        return drawn


def _centred(values: Floats, both: npt.NDArray[np.bool_], measure: Measure) -> Floats:
    part = np.where(both, values, np.nan)
    if measure == "spearman":
        part = rank_rows(part)
    n = np.maximum(both.sum(axis=1, keepdims=True), 1)
    part = np.where(both, part, 0.0)
    return np.where(both, part - part.sum(axis=1, keepdims=True) / n, 0.0)


def _values(matrices: PredictorMatrices, genes: npt.NDArray[np.int64]) -> Floats:
    """Return the observed predictions of these genes, NaN where the predictor has none."""
    row = np.searchsorted(matrices.genes, genes).clip(max=len(matrices.genes) - 1)
    values: Floats = matrices.values[0][row]
    values[matrices.genes[row] != genes] = np.nan
    return values
